"""The settings of a solver: what its text says, and the default of what it leaves out."""

import dataclasses
from typing import Any

import pytest

from netc import netc_pb2 as pb
from netc.spec.solver_settings import DISPLAY, SAFETENSORS, SolverSettings

CHANGED: dict[str, Any] = {
    "type": "Adam", "lr_policy": "inv", "base_lr": 0.5, "warmup_iter": 3, "warmup_lr": 0.25, "weight_decay": 0.125,
    "regularization_type": "L1", "clip_gradients": 2.0, "iter_size": 4, "max_iter": 7, "max_epoch": 3, "average_loss": 5, "display": 6,
    "test_interval": 9, "test_initialization": False, "monitor": "accuracy", "patience": 2, "snapshot": 11, "snapshot_keep": 13,
    "snapshot_format": pb.SolverParameter.HDF5, "reset_interval": 17, "watch_interval": 19, "snapshot_minutes": 2.5,
    "clip_value": 0.5, "ema": 0.75,
}  # fmt: skip


def test_what_a_solver_leaves_out() -> None:
    found = SolverSettings.of(pb.SolverParameter())
    assert (found.lr_policy, found.iter_size, found.average_loss, found.display) == ("fixed", 1, 1, DISPLAY)
    assert found.max_iter is None and found.max_epoch is None and found.clip_gradients is None and found.test_iter == ()
    assert found.clip_value is None and found.ema == 0
    assert found.snapshot_format == SAFETENSORS and found.snapshot == 0 and found.snapshot_minutes == 10


@pytest.mark.parametrize("name, value", CHANGED.items())
def test_what_a_solver_says(name: str, value: Any) -> None:
    assert getattr(SolverSettings.of(pb.SolverParameter(**{name: value})), name) == value


def test_every_field_is_of_the_solver_and_has_a_row() -> None:
    names = {f.name for f in dataclasses.fields(SolverSettings)} - {"message", "test_iter"}
    assert names == set(CHANGED) and names <= set(pb.SolverParameter.DESCRIPTOR.fields_by_name)


def test_numbers_below_their_least_mean_the_least() -> None:
    found = SolverSettings.of(pb.SolverParameter(iter_size=0, average_loss=0, display=0, patience=-1, clip_gradients=-1))
    assert (found.iter_size, found.average_loss, found.display, found.patience, found.clip_gradients) == (1, 1, DISPLAY, 0, None)


def test_iterations_say_when_a_snapshot_is_due_or_else_the_clock() -> None:
    assert SolverSettings.of(pb.SolverParameter(snapshot=0, snapshot_minutes=5)).snapshot_minutes == 0
    assert SolverSettings.of(pb.SolverParameter(snapshot_minutes=5)).snapshot_minutes == 5
