"""The policy `plateau` against torch's ReduceLROnPlateau, and its own rules."""

import json
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from netc import netc_pb2 as pb
from netc import schedules
from netc.schedules import Plateau
from netc.spec.solver_settings import SolverSettings

ROWS = json.loads(Path(__file__).with_name("torch_rates.json").read_text())["by_test"]


def solver(**fields: Any) -> pb.SolverParameter:
    values: dict[str, Any] = {"base_lr": 0.5, "lr_policy": "plateau", "gamma": 0.5} | fields
    return pb.SolverParameter(**values)


def after(made: pb.SolverParameter, scores: list[float], more_is_better: bool = False) -> list[Plateau]:
    """The state after each test."""
    found = [Plateau()]
    for score in scores:
        found.append(found[-1].after(made, score, more_is_better))
    return found[1:]


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_rates_are_those_of_torch(number: int) -> None:
    row = ROWS[number]
    made = solver(**row["fields"])
    states = after(made, row["scores"], row["more_is_better"])
    rates = [schedules.rate(SolverSettings.of(made), 7, 100, state.reductions) for state in states]
    assert rates == pytest.approx(row["rates"], rel=1e-7)


def test_rows_reduce_the_rate() -> None:
    assert sum(len(set(row["rates"])) > 2 for row in ROWS) > 20


def test_a_negative_score_must_improve_by_its_share() -> None:
    made = solver(plateau_patience=0, plateau_threshold=0.1)
    assert [s.reductions for s in after(made, [-1.0, -1.05, -1.2])] == [0, 1, 1]
    assert [s.reductions for s in after(made, [-1.0, -0.95, -0.8], more_is_better=True)] == [0, 1, 1]


def test_a_score_that_is_no_number_is_no_improvement() -> None:
    assert [s.best for s in after(solver(), [nan, inf, 2.0, -inf])] == [None, None, 2.0, 2.0]


def test_warm_up_leads_to_the_reduced_rate() -> None:
    settings = SolverSettings.of(solver(warmup_iter=1))
    assert [schedules.rate(settings, k, 9, 2) for k in range(3)] == [0.0625, 0.125, 0.125]
