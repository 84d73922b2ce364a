"""`netc time`: measure milliseconds per layer (forward, backward, update) with onnxruntime's profiler on real steps.

Calls of Python layers are measured with the clock.
"""

import json
import re
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netc import terminal
from netc.commands.program import compiled_program
from netc.compiler.compilation import Compilation
from netc.compiler.program import Program
from netc.graph.contract import GRAD, LR, NOISE, STATE
from netc.graph.ir import Graph
from netc.runtime.chain import Chain, open_graph
from netc.runtime.session import Session, States, Stepper
from netc.training.feed import Feeder, Feeds, draw

PARTS = ("forward", "backward", "update")
OTHER = "(other)"
KERNEL = "_kernel_time"  # suffix of event names in onnxruntime's profile
WARM_UP = 5


@dataclass(frozen=True)
class Times:
    """Milliseconds by (layer, part) in the order of the net, and of the whole step with and without the profiler."""

    layers: dict[tuple[str, str], float]
    step: float
    profiled: float


def time_command(compilation: Compilation, provider: str, threads: int | None, iterations: int) -> Times:
    """Measure each layer on one batch of the training data."""
    program, threads, _ = compiled_program(compilation, provider, None, threads, needs_solver=False)
    return time_layers(program, iterations, threads)


def time_layers(program: Program, iterations: int, threads: int) -> Times:
    """Run `iterations` training steps on one batch, once without and once with the profiler.

    Without a solver, a step is forward and backward; without a loss, forward only. Training ops without a kernel are expanded, so that
    every node has the name of its layer.
    """
    graph = program.graph("train" if program.trains else "gradient" if program.train.loss is not None else "forward")
    feeds = _feeds(program, graph) | {LR: np.asarray(0.0, np.float32)}
    sums = {n: a for n, a in feeds.items() if n in GRAD}
    start = sums | STATE.named(program.start())

    def measured(**options: Any) -> tuple[Session | Chain, float]:
        session = open_graph(graph, program.backend, threads, **options)
        return session, _median(Stepper(session, States(start, program.backend)), feeds, iterations)

    _, step = measured()
    with tempfile.TemporaryDirectory() as folder:
        session, profiled = measured(profile=str(Path(folder) / "profile"), functions=False)
        events = [event for path in session.end_profiles() for event in json.loads(Path(path).read_text())]
    layers = [layer.name for layer in program.train_net.layers]
    totals = dict.fromkeys([(name, part) for name in [*layers, OTHER] for part in PARTS], 0.0)
    spent = [(_place(e["name"].removesuffix(KERNEL), layers), e["dur"] / 1000) for e in events if e["name"].endswith(KERNEL)]
    calls = session.spent.items() if isinstance(session, Chain) else ()
    for place, milliseconds in (*spent, *((place, 1000 * seconds) for place, seconds in calls)):
        totals[place] += milliseconds / (iterations + WARM_UP)
    return Times(totals, step, profiled)


def _feeds(program: Program, graph: Graph) -> Feeds:
    """The first batch of the sources, zeros for other inputs, and zeros for sums of gradients."""
    inputs = {n.name: n for n in graph.leaves("Input")}
    net = program.train_net
    feeds = Feeder(net, graph, program.seed, program.job.base)(0) if net.feeds_itself else {}
    feeds |= {n: draw(node, program.seed, 0) for n, node in inputs.items() if n in NOISE and n not in feeds}
    unfed = {n: node.types[0] for n, node in inputs.items() if n not in feeds}
    return feeds | {n: np.zeros(tuple(map(int, t.shape)), t.dtype) for n, t in unfed.items()}


def table(times: Times) -> Iterator[str]:
    """The lines that `netc time` prints."""
    names = list(dict.fromkeys(name for name, _ in times.layers))
    width = terminal.column(names)
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
    """(layer, part) from the name of a node, `conv1/backward/ConvFilterGrad/Gemm`. onnxruntime may add a prefix or a suffix."""
    for word in re.split(r"[\s:]+", node):
        for end in range(len(pieces := word.split("/")), 0, -1):
            if (name := "/".join(pieces[:end])) in layers:
                part = pieces[end] if end < len(pieces) and pieces[end] in PARTS else "forward"
                return name, part
    return OTHER, "update" if "update" in node.split("/") else "forward"
