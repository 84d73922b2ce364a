"""`python -m tests.benchmarks [--net lenet] [--rounds 15]`: milliseconds of a whole training step, contenders taking turns.

Prints a Markdown table. Ratios are of medians from the same run; other work on the machine spoils them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from netc.session import cores
from tests.benchmarks import nets
from tests.benchmarks.worker import CONTENDERS

STEPS = {"lenet": 20, "mlp": 200}


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.benchmarks")
    parser.add_argument("--net", action="append", choices=list(nets.NETS))
    parser.add_argument("--contender", action="append", choices=list(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=cores())
    arguments = parser.parse_args()
    for net in arguments.net or nets.NETS:
        print(table(net, measure(net, arguments.contender or list(CONTENDERS), arguments.rounds, arguments.threads)), flush=True)


def measure(net: str, contenders: list[str], rounds: int, threads: int) -> dict[str, np.ndarray]:
    """Milliseconds a step of each contender, all from one start and with one loss. A contender that fails is left out, and said so."""
    with tempfile.TemporaryDirectory() as folder:
        states = Path(folder) / "states.npz"
        np.savez(states, **nets.program(net).start())
        workers = {c: _start(c, net, states, threads) for c in contenders}
        losses = {c: _answer(c, w) for c, w in workers.items()}
        workers = {c: w for c, w in workers.items() if losses[c] is not None}
        known = [loss for loss in losses.values() if loss is not None]
        assert np.allclose(known, known[0], rtol=1e-4), f"contenders compute different losses: {losses}"
        times: dict[str, list[float]] = {c: [] for c in workers}
        for turn in range(rounds + 1):
            for name, worker in workers.items():
                print(STEPS[net], file=worker.stdin, flush=True)
                answer = _answer(name, worker)
                times[name] += answer if turn else []  # the first turn warms up
        for worker in workers.values():
            worker.communicate()  # closes its input, which ends it
    return {name: np.array(values) for name, values in times.items()}


def table(net: str, times: dict[str, np.ndarray]) -> str:
    """Medians with quartiles as Markdown, and each contender's speed as a multiple of the fastest torch variant's."""
    torch = [float(np.median(values)) for name, values in times.items() if name.startswith("torch")]
    lines = [f"| {net} | ms a step (quartiles) | speed, best torch = 1 |", "|---|---|---|"]
    for name, values in times.items():
        low, middle, high = np.percentile(values, (25, 50, 75))
        ratio = f"{min(torch) / middle:.2f}" if torch else "-"
        lines.append(f"| {name} | {middle:.3f} ({low:.3f} - {high:.3f}) | {ratio} |")
    return "\n".join(lines) + "\n"


def _start(contender: str, net: str, states: Path, threads: int) -> Any:
    command = [sys.executable, "-m", "tests.benchmarks.worker", contender, net, str(states), str(threads)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _answer(name: str, worker: Any) -> Any:
    line = worker.stdout.readline()
    if not line:
        print(f"{name} cannot run here", file=sys.stderr)
        return None
    return json.loads(line)


if __name__ == "__main__":
    main()
