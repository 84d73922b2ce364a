"""What was measured, as a Markdown table, as JSON and as an SVG bar chart."""

import json
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measure import Result

COLOURS = {"netc": "#2b6cb0", "torch": "#dd6b20"}
OTHER = "#a0aec0"
ROW, LEFT, WIDTH = 18, 170, 640


def table(net: str, results: dict[str, Result], left_out: dict[str, str]) -> str:
    """Medians with quartiles, each contender's speed as a multiple of the fastest torch variant's, and peak memory."""
    best = best_torch(results)
    lines = [f"| {net} | ms a step (quartiles) | speed, best torch = 1 | peak MiB | first step, s |", "|---|---|---|---|---|"]
    for name, result in results.items():
        low, middle, high = np.percentile(result.times, (25, 50, 75))
        ratio = f"{best / middle:.2f}" if best else "-"
        start = "-" if result.start is None else f"{result.start:.1f}"
        lines.append(f"| {name} | {number(middle)} ({number(low)} - {number(high)}) | {ratio} | {result.memory:.0f} | {start} |")
    lines += [f"\n{name} {why}." for name, why in left_out.items()]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def best_torch(results: dict[str, Result]) -> float | None:
    """Milliseconds of the fastest torch variant."""
    return min((r.median for name, r in results.items() if name.startswith("torch")), default=None)


def document(measured: dict[str, dict[str, Result]], left_out: dict[str, dict[str, str]], threads: int) -> dict[str, Any]:
    """All of it for a program, with the machine and the date."""
    nets = {
        net: {
            name: {"ms": np.percentile(r.times, (25, 50, 75)).round(4).tolist(), "peak_mib": round(r.memory, 1), "first_step_s": r.start}
            for name, r in results.items()
        }
        for net, results in measured.items()
    }
    return {"date": date.today().isoformat(), "machine": machine(threads), "nets": nets, "left_out": left_out}


def machine(threads: int) -> dict[str, Any]:
    """Processor, threads and versions."""
    found: dict[str, Any] = {"processor": _processor(), "threads": threads, "python": platform.python_version()}
    for package in ("onnxruntime", "onnxruntime-gpu", "torch", "jax", "tensorflow-cpu"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def bars(measured: dict[str, dict[str, Result]]) -> str:
    """A chart of speeds, the best torch variant of each net being 1."""
    rows: list[tuple[str, str, float | None]] = []
    for net, results in measured.items():
        best = best_torch(results) or next(iter(results.values())).median
        rows.append((net, "", None))
        rows += [(name, f"{number(r.median)} ms", best / r.median) for name, r in results.items()]
    most = max((speed for *_, speed in rows if speed), default=1.0)
    scale = (WIDTH - LEFT - 110) / most
    parts = [f'<line x1="{LEFT + scale:.1f}" y1="0" x2="{LEFT + scale:.1f}" y2="{ROW * len(rows)}" stroke="#718096" stroke-dasharray="3"/>']
    for i, (name, said, speed) in enumerate(rows):
        y = ROW * i
        weight = "bold" if speed is None else "normal"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end" font-weight="{weight}">{name}</text>')
        if speed is not None:
            colour = COLOURS.get(name.split()[0], OTHER)
            parts.append(f'<rect x="{LEFT}" y="{y + 3}" width="{scale * speed:.1f}" height="{ROW - 6}" fill="{colour}"/>')
            parts.append(f'<text x="{LEFT + scale * speed + 6:.1f}" y="{y + 13}">{speed:.2f} ({said})</text>')
    return _svg(parts, WIDTH, ROW * len(rows))


def curves(title: str, ticks: list[int], lines: dict[str, list[float]]) -> str:
    """A chart of milliseconds over batch or depth, both axes logarithmic."""
    xs = np.log(ticks)
    values = np.log([v for line in lines.values() for v in line])
    low, high = float(values.min()), float(values.max())

    def point(x: float, y: float) -> tuple[float, float]:
        return 50 + 440 * (x - xs[0]) / (xs[-1] - xs[0]), 260 - 220 * (y - low) / (high - low or 1)

    parts = [f'<text x="50" y="16" font-weight="bold">{title}: ms a step</text>']
    for tick, x in zip(ticks, xs, strict=True):
        at = point(float(x), low)[0]
        parts.append(f'<text x="{at:.1f}" y="280" text-anchor="middle">{tick}</text>')
    for value in (low, high):
        parts.append(f'<text x="44" y="{point(0, value)[1] + 4:.1f}" text-anchor="end">{number(np.exp(value))}</text>')
    for name, line in lines.items():
        points = [point(float(x), float(np.log(v))) for x, v in zip(xs, line, strict=True)]
        colour = COLOURS.get(name.split()[0], OTHER)
        dashes = ' stroke-dasharray="4"' if name.endswith("portable") else ""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
    label = 0.0  # labels stand apart where lines end together
    for name, line in sorted(lines.items(), key=lambda item: -item[1][-1]):
        x, y = point(float(xs[-1]), float(np.log(line[-1])))
        label = max(y + 4, label + 14)
        parts.append(f'<text x="{x + 6:.1f}" y="{label:.1f}">{name}</text>')
    return _svg(parts, 620, 290)


def _svg(parts: list[str], width: int, height: int) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"


def write(folder: Path, measured: dict[str, dict[str, Result]], left_out: dict[str, dict[str, str]], threads: int) -> None:
    """benchmark.md, benchmark.json and benchmark.svg in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    said = document(measured, left_out, threads)
    facts = ", ".join(f"{k} {v}" for k, v in said["machine"].items())
    tables = [table(net, results, left_out[net]) for net, results in measured.items()]
    (folder / "benchmark.md").write_text("\n".join([f"{said['date']}: {facts}\n", *tables]))
    (folder / "benchmark.json").write_text(json.dumps(said, indent=1) + "\n")
    (folder / "benchmark.svg").write_text(bars(measured))
