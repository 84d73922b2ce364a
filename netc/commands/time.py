"""`netc time`: milliseconds of each layer, forward, backward and update, from onnxruntime's profile of real steps."""

import json
import re
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netc.commands.program import compiled_program
from netc.contract import Program
from netc.native import KERNELS
from netc.run.feed import Feeder, Feeds
from netc.session import Session, States, Stepper
from netc.spec.job import Job

PARTS = ("forward", "backward", "update")
OTHER = "(other)"
WARM_UP = 5


@dataclass(frozen=True)
class Times:
    """Milliseconds by (layer, part) in the net's order, and of the whole step with and without the profiler."""

    layers: dict[tuple[str, str], float]
    step: float
    profiled: float


def time_command(job: Job, provider: str, threads: int | None, iterations: int) -> Times:
    """Milliseconds of each layer on one batch of the training data."""
    program, threads, _ = compiled_program(job, provider, None, threads)
    feeder = Feeder(program.train_net, program.steps.train, program.seed, job.base)
    return time_layers(program, feeder(0), iterations, threads)


def time_layers(program: Program, feeds: Feeds, iterations: int, threads: int) -> Times:
    """Run `iterations` training steps on the same feeds, once alone and once with the profiler.

    The bodies of training ops without a kernel are expanded, so that every node has its layer's name.
    """
    lr = {"lr": np.asarray(0.0, np.float32)}
    start = {f"state/{n}": a for n, a in program.start().items()}
    plain = Stepper(Session(program.model("train"), program.provider, threads, kernels=program.kernels), States(start, program.provider))
    step = _median(plain, feeds | lr, iterations)
    with tempfile.TemporaryDirectory() as folder:
        model = program.model("train", functions=KERNELS if program.kernels else False)
        session = Session(model, program.provider, threads, str(Path(folder) / "profile"), program.kernels)
        profiled = _median(Stepper(session, States(start, program.provider)), feeds | lr, iterations)
        events = json.loads(Path(session.end_profile()).read_text())
    layers = [layer.name for layer in program.train_net.layers]
    totals = dict.fromkeys([(name, part) for name in [*layers, OTHER] for part in PARTS], 0.0)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            totals[_place(event["name"].removesuffix("_kernel_time"), layers)] += event["dur"] / 1000 / (iterations + WARM_UP)
    return Times(totals, step, profiled)


def table(times: Times) -> Iterator[str]:
    """The lines that `netc time` prints."""
    names = list(dict.fromkeys(name for name, _ in times.layers))
    width = max(map(len, names))
    yield f"{'layer'.ljust(width)}  " + "  ".join(f"{part:>9}" for part in PARTS)
    for name in names:
        yield f"{name.ljust(width)}  " + "  ".join(f"{times.layers[name, part]:9.3f}" for part in PARTS)
    yield f"one step: {times.step:.3f} ms; with the profiler {times.profiled:.3f} ms"


def _median(stepper: Stepper, feeds: Feeds, iterations: int) -> float:
    times = []
    for _ in range(iterations + WARM_UP):
        begin = time.perf_counter()
        stepper.run(feeds)
        times.append(1000 * (time.perf_counter() - begin))
    return float(np.median(times[WARM_UP:]))


def _place(node: str, layers: Collection[str]) -> tuple[str, str]:
    """(layer, part) of a node's name, `conv1/backward/ConvFilterGrad/Gemm`; onnxruntime may have put words of its own around it."""
    for word in re.split(r"[\s:]+", node):
        for end in range(len(pieces := word.split("/")), 0, -1):
            if (name := "/".join(pieces[:end])) in layers:
                part = pieces[end] if end < len(pieces) and pieces[end] in PARTS else "forward"
                return name, part
    return OTHER, "update" if "update" in node.split("/") else "forward"
