"""The picture of a run: loss over iterations, and what the tests gave. Needs matplotlib (the extra `plot`)."""

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any


def curves_png(lines: Sequence[Mapping[str, Any]]) -> bytes | None:
    """A PNG of the log's lines; None where matplotlib is not installed or there is nothing to draw."""
    steps = [line for line in lines if line["event"] == "train"]
    kind = "validation" if any(line["event"] == "validation" for line in lines) else "test"
    tests = [line for line in lines if line["event"] == kind]
    if find_spec("matplotlib") is None or not steps:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([s["iteration"] for s in steps], [s["loss"] for s in steps], label="training loss", linewidth=1)
    names = sorted({name for line in tests for name in line} - {"event", "iteration"})
    for name in names:
        axes = left if "loss" in name else right
        axes.plot([t["iteration"] for t in tests], [t[name] for t in tests], marker=".", label=f"{kind} {name}")
    for axes in (left, right):
        axes.set_xlabel("iteration")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    left.set_yscale("log")
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
