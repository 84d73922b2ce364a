"""A process that holds one contender and runs steps when it is told to: it reads a count from each line, and answers with milliseconds.

Each contender has a process of its own, since two thread pools in one process disturb each other. Usage:
`python -m tests.benchmarks.worker CONTENDER NET STATES.npz THREADS`; the first answer is the loss of the first step.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from netc import native
from tests.benchmarks import nets

Step = Callable[[], float]


def netc_step(net: str, states: dict[str, np.ndarray], threads: int, target: str) -> Step:
    """The training graph of netc on onnxruntime's CPU provider."""
    from netc.session import Session, States, Stepper

    program = replace(nets.program(net), target=target)
    session = Session(program.model("train"), "cpu", threads, kernels=program.kernels)
    assert target != "native" or program.kernels, native.missing()
    stepper = Stepper(session, States({f"state/{n}": a for n, a in states.items()}))
    data, labels = nets.batch(net)
    feeds = {"batch/data": data, "batch/label": labels, "lr": np.asarray(program.job.solver.base_lr, np.float32)}
    return lambda: float(stepper.run(feeds)["loss"])


def torch_step(net: str, states: dict[str, np.ndarray], threads: int, channels_last: bool = False, compiled: bool = False) -> Step:
    """The same net, loss and SGD in PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    model = nets.TORCH[net](nn)
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), (a for n, a in states.items() if n.count(".") == 1), strict=True):
            parameter.copy_(torch.from_numpy(array.reshape(parameter.shape)))
    solver = nets.program(net).job.solver
    optimizer = torch.optim.SGD(model.parameters(), solver.base_lr, solver.momentum, weight_decay=solver.weight_decay)
    data, labels = (torch.from_numpy(a) for a in nets.batch(net))
    if channels_last:
        model, data = model.to(memory_format=torch.channels_last), data.to(memory_format=torch.channels_last)
    run = torch.compile(model) if compiled else model

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(run(data), labels)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


CONTENDERS: dict[str, Callable[[str, dict[str, np.ndarray], int], Step]] = {
    "netc portable": partial(netc_step, target="portable"),
    "netc native": partial(netc_step, target="native"),
    "torch eager": torch_step,
    "torch channels_last": lambda *a: torch_step(*a, channels_last=True),
    "torch compile": lambda *a: torch_step(*a, compiled=True),
}


def main() -> None:
    contender, net, path, threads = sys.argv[1:]
    with np.load(path) as file:
        step = CONTENDERS[contender](net, dict(file), int(threads))
    print(json.dumps(step()), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            step()
            times.append(1000 * (time.perf_counter() - begin))
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
