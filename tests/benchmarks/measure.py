"""Contenders taking turns on one net, each in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.benchmarks import caffe_twin, nets
from tests.benchmarks.contenders import CAFFE


@dataclass(frozen=True)
class Result:
    """Of one contender on one net: milliseconds of each step, peak memory in MiB, seconds from the process's start to its first step."""

    times: list[float]
    memory: float
    start: float | None

    @property
    def median(self) -> float:
        return float(np.median(self.times))


def measure(net: str, contenders: list[str], rounds: int, threads: int) -> tuple[dict[str, Result], dict[str, str]]:
    """The results, all from one start and with one loss; and why contenders are left out."""
    with TemporaryDirectory() as folder:
        workers, first = {}, {}
        for name in contenders:
            if (worker := start(name, net, threads, Path(folder))) is not None:
                workers[name], first[name] = worker, answer(worker)  # one after the other: none disturbs another's start
        left_out = {c: "is not here" for c in contenders if c not in workers}
        expected = next((a["loss"] for a in first.values() if a), 0.0)
        for name, said in first.items():
            if said is None:
                left_out[name] = "cannot train this net here"
            elif not np.isnan(said["loss"]) and not np.isclose(said["loss"], expected, rtol=1e-4):
                left_out[name] = f"gives the loss {said['loss']:.5g}, the first contender {expected:.5g}"
        for name in left_out.keys() & workers.keys():
            end(workers.pop(name))
        times, memory = _turns(workers, nets.known(net).steps, rounds)
        for worker in workers.values():
            end(worker)
    return {c: Result(times[c], memory[c], first[c].get("start")) for c in workers}, left_out


def _turns(workers: dict[str, Any], steps: int, rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    times: dict[str, list[float]] = {c: [] for c in workers}
    memory: dict[str, float] = {}
    for turn in range(rounds + 1):
        for name, worker in workers.items():
            print(steps, file=worker.stdin, flush=True)
            said = answer(worker)
            times[name] += said["times"] if turn else []  # the first turn warms up
            memory[name] = said["memory"]
    return times, memory


def start(contender: str, net: str, threads: int, folder: Path) -> Any:
    """The process of a contender; None where Caffe is not here."""
    command: list[str] | None = [sys.executable, "-m", "tests.benchmarks.worker", contender, net, str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    if contender == CAFFE:
        command, environment = caffe_twin.command(net, folder), environment | caffe_twin.ENVIRONMENT
    if command is None:
        return None
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)


def answer(worker: Any) -> Any:
    """The worker's next answer; None if it has ended. What libraries print of their own is passed over."""
    for line in worker.stdout:
        if line.startswith("{"):
            return json.loads(line)
    return None


def end(worker: Any) -> None:
    """Ends a contender's process."""
    worker.stdin.close()  # which ends its loop
    worker.wait()
    worker.stdout.close()
