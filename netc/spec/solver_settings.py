"""A solver with defaults for all fields that its text leaves out. Only this module defines them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc import registry

DISPLAY = 100  # iterations between log lines if the solver has no `display`
SAFETENSORS = pb.SolverParameter.SAFETENSORS

# Texts for unset fields that mean something else in netc than in Caffe.
UNSET: Mapping[str, str] = {
    "random_seed": "0",
    "snapshot_format": "SAFETENSORS",
    "test_iter": "the whole test set",
    "display": str(DISPLAY),
    "lr_policy": "fixed",
}


@dataclass(frozen=True)
class SolverSettings:
    """The settings of a SolverParameter, under its field names. `message` keeps fields that only an optimizer or a policy reads.

    Intervals are in iterations; 0 means never. One of `max_iter` and `max_epoch` is None if the other is given. `test_iter` is a number
    of batches for each test net; it is empty if every test reads the complete test set. `snapshot_minutes` is 0 if `snapshot` sets the
    interval. `clip_gradients` is None if the gradient norm is not limited, `clip_value` if its numbers are not. `ema` is 0 if no average
    of the weights is kept.
    """

    message: pb.SolverParameter
    type: str
    lr_policy: str
    base_lr: float
    warmup_iter: int
    warmup_lr: float
    weight_decay: float
    regularization_type: str
    clip_gradients: float | None
    clip_value: float | None
    ema: float
    iter_size: int
    max_iter: int | None
    max_epoch: int | None
    average_loss: int
    display: int
    test_iter: tuple[int, ...]
    test_interval: int
    test_initialization: bool
    monitor: str
    patience: int
    snapshot: int
    snapshot_minutes: float
    snapshot_keep: int
    snapshot_format: int
    reset_interval: int
    watch_interval: int

    @classmethod
    def of(cls, solver: pb.SolverParameter) -> "SolverSettings":
        """The settings in a solver's text."""
        return cls(
            message=solver,
            type=solver.type,
            lr_policy=solver.lr_policy or UNSET["lr_policy"],
            base_lr=solver.base_lr,
            warmup_iter=solver.warmup_iter,
            warmup_lr=solver.warmup_lr,
            weight_decay=solver.weight_decay,
            regularization_type=solver.regularization_type,
            clip_gradients=None if solver.clip_gradients < 0 else solver.clip_gradients,
            clip_value=solver.clip_value or None,
            ema=solver.ema,
            iter_size=max(1, solver.iter_size),
            max_iter=solver.max_iter if solver.HasField("max_iter") else None,
            max_epoch=solver.max_epoch if solver.HasField("max_epoch") else None,
            average_loss=max(1, solver.average_loss),
            display=solver.display or DISPLAY,
            test_iter=tuple(solver.test_iter),
            test_interval=solver.test_interval,
            test_initialization=solver.test_initialization,
            monitor=solver.monitor,
            patience=max(0, solver.patience),
            snapshot=solver.snapshot,
            snapshot_minutes=0.0 if solver.HasField("snapshot") else solver.snapshot_minutes,
            snapshot_keep=solver.snapshot_keep,
            snapshot_format=solver.snapshot_format if solver.HasField("snapshot_format") else SAFETENSORS,
            reset_interval=solver.reset_interval,
            watch_interval=solver.watch_interval,
        )

    def hyperparameter(self, name: str) -> Any:
        """The value of a field that an optimizer or a policy reads by name. An optimizer may have its own defaults."""
        own = registry.optimizer.records.get(self.type, {}).get("defaults", {})
        return float(np.float32(own[name])) if name in own and not self.message.HasField(name) else getattr(self.message, name)
