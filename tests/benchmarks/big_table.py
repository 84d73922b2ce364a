"""Train an epoch on a table of 700 MB, and measure the anonymous memory of the process: `python -m tests.benchmarks.big_table`.

Anonymous memory is what the process itself keeps. Pages of mapped files do not count, because the system can drop them.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BYTES = 700_000_000
CHUNK = 50_000  # rows to write at a time
HEADER = "distance,delay,hour,price,weight,carrier,origin,destination,tail,day,late"
NET = """\
name: big
layers:
  - Table: {source: big.csv, label: late, split: {test: 0.01, validation: 0.01}, batch_size: 1024, columns: {distance: number,
        delay: number, hour: number, price: number, weight: number, carrier: category, origin: category, destination: category,
        tail: category, day: date}}
  - Encode
  - InnerProduct: {num_output: 64, weight_filler: xavier}
  - ReLU
  - InnerProduct: {num_output: 2, weight_filler: xavier}
  - SoftmaxWithLoss
  - Accuracy
solver: {type: Adam, base_lr: 0.001, max_epoch: 1, display: 500}
"""


@dataclass(frozen=True)
class Measured:
    """A run: seconds and seconds of CPU, and the peak of anonymous memory in MB."""

    seconds: float
    cpu: float
    anonymous: float


def write_table(path: Path, size: int) -> int:
    """Write a table of about `size` bytes, and return its rows."""
    random, rows = np.random.default_rng(0), 0
    airports = np.array([f"{a}{b}{c}" for a in "ABCDE" for b in "FGHIJ" for c in "KLMNO"])
    with path.open("w") as file:
        file.write(HEADER + "\n")
        while file.tell() < size:
            distance, delay = random.integers(80, 5_000, CHUNK), random.exponential(12, CHUNK) - 5
            price, weight, tail = random.exponential(300, CHUNK), random.normal(70, 9, CHUNK), random.integers(0, 5_000, CHUNK)
            hour, day, carrier = random.integers(0, 24, CHUNK), random.integers(1, 29, CHUNK), random.integers(0, 16, CHUNK)
            ends = random.integers(0, len(airports), (2, CHUNK))
            late = random.random(CHUNK) < 1 / (1 + np.exp(2 - delay / 10 - carrier / 8))
            lines = [
                f"{a},{'' if b < -4.5 else f'{b:.2f}'},{c},{d:.2f},{e:.3f},C{f},{g},{h},N{i:05d},"
                f"2013-{1 + i % 12:02d}-{j:02d},{'yes' if k else 'no'}"
                for a, b, c, d, e, f, g, h, i, j, k in zip(
                    distance.tolist(), delay.tolist(), hour.tolist(), price.tolist(), weight.tolist(), carrier.tolist(),
                    airports[ends[0]].tolist(), airports[ends[1]].tolist(), tail.tolist(), day.tolist(), late.tolist(), strict=True)
            ]  # fmt: skip
            file.write("\n".join(lines) + "\n")
            rows += CHUNK
    return rows


def train(folder: Path) -> Measured:
    """Train the net in a process, and measure it."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "NETC_CACHE": "1"}
    command = [sys.executable, "-m", "netc", "train", "big.yaml", "--no-publish"]
    process, peak = subprocess.Popen(command, cwd=folder, env=environment), 0
    while process.poll() is None:
        peak = max(peak, _anonymous(process.pid))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(process.returncode)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(time.perf_counter() - begin, cpu, peak / 1024)


def _anonymous(process: int) -> int:
    """The anonymous memory of a process in KB; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)


def main(size: int = BYTES) -> None:
    """Measure a run that reads the table, and a second one that finds its rows in the cache."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        folder = Path(name)
        rows = write_table(folder / "big.csv", size)
        (folder / "big.yaml").write_text(NET)
        print(f"{rows:,} rows, {(folder / 'big.csv').stat().st_size / 1e6:,.0f} MB", flush=True)
        print("| run | seconds | CPU seconds | anonymous memory, MB |\n|---|---|---|---|", flush=True)
        for what in ("reads the table", "finds it in the cache"):
            found = train(folder)
            print(f"| {what} | {found.seconds:.0f} | {found.cpu:.0f} | {found.anonymous:.0f} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
