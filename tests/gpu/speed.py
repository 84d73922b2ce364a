"""Milliseconds of a training step of netc and of torch on the same device, contenders taking turns.

All contenders of some nets start at once, since torch.compile takes long and leaves the GPU alone meanwhile; then they take turns, one
step at a time on the device. A contender that has no answer in time, or gives another loss, is left out, and the table says so.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from netc.runtime.session import cores
from tests.benchmarks import nets
from tests.benchmarks.measure import answer, end, start
from tests.gpu.device import GPU
from tests.gpu.parts import Options

NETS = ["mlp", "lenet", "cifar10_quick", "cifar10_full", "resnet20", "alexnet", "googlenet", "lstm", "gru", "mnist_autoencoder", "gpt"]
AT_ONCE = 5  # nets whose contenders are alive together
PATIENCE = 100  # seconds until a contender's first step
Step = Callable[[], float]


def netc_step(net: str, threads: int) -> Step:
    """netc's training graph on the CUDA provider, as `netc train` runs it."""
    from netc.compiler import cache
    from netc.runtime.session import States, Stepper

    program = replace(nets.program(net), backend=GPU)
    session = cache.session(program, "train", threads)
    stepper = Stepper(session, States({f"state/{n}": a for n, a in program.start().items()}, GPU))
    feeds = nets.feeds(net, session.inputs)
    return lambda: float(stepper.run(feeds)["loss"])


def torch_step(net: str, threads: int, kind: str) -> Step:
    """PyTorch on the GPU in full single precision: `kind` is eager, compile, or graphs (CUDA graphs by torch.compile's reduce-overhead)."""
    import torch

    from tests.benchmarks.contenders import torch_parts

    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model, optimizer, batch = torch_parts(net, f"cuda:{GPU.index}")
    run = {"eager": model, "compile": torch.compile(model), "graphs": torch.compile(model, mode="reduce-overhead")}[kind]

    def step() -> float:
        optimizer.zero_grad(set_to_none=kind != "graphs")
        loss = run(batch)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


CONTENDERS: dict[str, Callable[[str, int], Step]] = {
    "netc cuda": netc_step,
    "torch cuda eager": lambda net, threads: torch_step(net, threads, "eager"),
    "torch cuda compile": lambda net, threads: torch_step(net, threads, "compile"),
    "torch cuda graphs": lambda net, threads: torch_step(net, threads, "graphs"),
}
ON_THE_CPU = ["netc native", "netc portable", "torch eager"]


def measure(options: Options) -> list[dict[str, Any]]:
    """A row for each net: medians in ms, and how many times as long the best of torch takes as netc."""
    chosen = options.chosen(NETS[:3] if options.quick else NETS)
    contenders = list(CONTENDERS) if options.on_gpu else ON_THE_CPU
    rows = []
    with TemporaryDirectory() as folder:
        for first in range(0, len(chosen), AT_ONCE):
            rows += _together(chosen[first : first + AT_ONCE], contenders, Path(folder), 2 if options.quick else 6)
    return rows


def _together(names: list[str], contenders: list[str], folder: Path, rounds: int) -> list[dict[str, Any]]:
    threads = min(cores(), 4)
    workers = {(net, c): start(c, net, threads, folder) for net in names for c in contenders}
    try:
        with ThreadPoolExecutor(len(workers)) as pool:
            waiting = {key: pool.submit(answer, worker) for key, worker in workers.items()}
            first = {key: _first(future, workers[key]) for key, future in waiting.items()}
        return [_row(net, {c: workers[net, c] for c in contenders}, {c: first[net, c] for c in contenders}, rounds) for net in names]
    finally:
        for worker in workers.values():
            worker.kill()
            end(worker)


def _first(future: Any, worker: Any) -> dict[str, Any] | None:
    """A contender's first answer; None where it has none in time."""
    try:
        found: dict[str, Any] | None = future.result(PATIENCE)
        return found
    except TimeoutError:
        worker.kill()
        return None


def _row(net: str, workers: dict[str, Any], first: dict[str, dict[str, Any] | None], rounds: int) -> dict[str, Any]:
    alive = {c: a["loss"] for c, a in first.items() if a}
    expected = next(iter(alive.values()), np.nan)
    left_out = {c: "no step" for c in workers if c not in alive}
    left_out |= {c: f"loss {loss:.5g}, expected {expected:.5g}" for c, loss in alive.items() if not np.isclose(loss, expected, rtol=1e-3)}
    times: dict[str, list[float]] = {c: [] for c in workers if c not in left_out}
    steps = max(5, nets.known(net).steps)
    for turn in range(rounds + 1):
        for name in list(times):
            print(steps, file=workers[name].stdin, flush=True)
            if (found := answer(workers[name])) is None:
                left_out[name] = "ended in a later step"
                del times[name]
            elif turn:  # the first turn warms up
                times[name] += found["times"]
    medians = {c: float(np.median(t)) for c, t in times.items()}
    ours = min((m for c, m in medians.items() if c.startswith("netc")), default=None)
    torch = min((m for c, m in medians.items() if c.startswith("torch")), default=None)
    row: dict[str, Any] = {"net": net, "netc": ours, "best of torch": torch, "x torch": torch / ours if ours and torch else None}
    return row | {c: medians.get(c) for c in workers} | {"left out": "; ".join(f"{c}: {why}" for c, why in left_out.items())}
