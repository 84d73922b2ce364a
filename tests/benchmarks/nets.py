"""The nets that are measured, as netc reads them and as a peer builds them, with one batch of random data each."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from netc import registry
from netc.contract import Program
from netc.contract import program as compiled
from netc.spec import load_job

NETS = {"lenet": Path("nets/lenet.yaml"), "mlp": Path("nets/mlp.yaml")}


@cache
def program(net: str) -> Program:
    """The checked program of a net."""
    registry.load()
    return compiled(load_job(str(NETS[net])))


@cache
def batch(net: str) -> tuple[np.ndarray, np.ndarray]:
    """Random images and labels of the net's training batch."""
    rng = np.random.default_rng(0)
    lowered = program(net).train
    data, labels = (lowered.versions[name][0].shape for name in ("data", "label"))
    return rng.random(data, np.float32), rng.integers(0, 10, labels)


def _lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10),
    )  # fmt: skip


def _mlp(nn: Any) -> Any:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))


TORCH = {"lenet": _lenet, "mlp": _mlp}
