"""Learning-rate policies against their formulas, worked out by hand, and against the schedulers of torch."""

import json
from math import exp
from pathlib import Path
from typing import Any

import pytest

from netc import netc_pb2 as pb
from netc import registry, schedules
from netc.errors import SpecError
from netc.schedules import current_step
from netc.spec import load_job
from netc.spec.solver_settings import SolverSettings

registry.load()

# fields of the solver, then the rate at some iterations of 100
ROWS: dict[str, list[tuple[dict[str, Any], dict[int, float]]]] = {
    "fixed": [({}, {0: 0.5, 99: 0.5})],
    "step": [({"gamma": 0.1, "stepsize": 10}, {0: 0.5, 9: 0.5, 10: 0.05, 29: 0.005, 30: 0.0005})],
    "exp": [({"gamma": 0.9}, {0: 0.5, 1: 0.45, 2: 0.405})],
    "inv": [
        ({"gamma": 1, "power": 0.5}, {0: 0.5, 3: 0.25, 99: 0.05}),
        ({"gamma": 0.0001, "power": 0.75, "base_lr": 0.01}, {100: 0.00992565}),
    ],
    "multistep": [
        ({"gamma": 0.1, "stepvalue": [5, 20]}, {0: 0.5, 4: 0.5, 5: 0.05, 19: 0.05, 20: 0.005, 99: 0.005}),
        ({"gamma": 0.1, "stepvalue": [5, 5, 6]}, {4: 0.5, 5: 0.05, 6: 0.005, 7: 0.0005}),  # one step an iteration at most
        ({"gamma": 0.1, "stepvalue": [0]}, {0: 0.05, 1: 0.05}),
    ],
    "poly": [({"power": 2}, {0: 0.5, 50: 0.125, 100: 0}), ({"power": 1}, {0: 0.5, 75: 0.125})],
    "sigmoid": [({"gamma": 0.1, "stepsize": 50}, {50: 0.25, 0: 0.5 / (1 + exp(5)), 90: 0.5 / (1 + exp(-4))})],
    "cosine": [({}, {0: 0.5, 50: 0.25, 100: 0}), ({"min_lr": 0.1}, {0: 0.5, 25: 0.1 + 0.4 * (1 + 0.5**0.5) / 2, 50: 0.3, 100: 0.1})],
    "linear": [({}, {0: 0.5, 50: 0.25, 100: 0}), ({"min_lr": 0.1}, {0: 0.5, 25: 0.4, 100: 0.1})],
    "onecycle": [
        ({}, {0: 0.02, 29: 0.5, 64: 0.250001, 99: 2e-6}),
        ({"anneal_strategy": 1001, "div_factor": 5, "final_div_factor": 10}, {0: 0.1, 29: 0.5, 64: 0.255, 99: 0.01}),
        ({"three_phase": True, "div_factor": 5, "final_div_factor": 10}, {0: 0.1, 29: 0.5, 58: 0.1, 99: 0.01}),
    ],
    "plateau": [({"gamma": 0.1}, {0: 0.5, 99: 0.5})],
}
RECORDED = json.loads(Path(__file__).with_name("torch_rates.json").read_text())


def rate(solver: Any, iteration: Any, max_iter: Any) -> Any:
    return schedules.rate(SolverSettings.of(solver), iteration, max_iter)


def too_large(solver: Any, max_iter: Any) -> Any:
    return schedules.too_large(SolverSettings.of(solver), max_iter)


def solver(policy: str, **fields: Any) -> pb.SolverParameter:
    values: dict[str, Any] = {"lr_policy": policy, "base_lr": 0.5} | fields
    return pb.SolverParameter(**values)


def test_every_policy_has_a_row() -> None:
    assert ROWS.keys() == registry.schedule.keys()


@pytest.mark.parametrize("policy", ROWS)
def test_rates(policy: str) -> None:
    for fields, expected in ROWS[policy]:
        for iteration, value in expected.items():
            assert rate(solver(policy, **fields), iteration, 100) == pytest.approx(value, rel=1e-6, abs=1e-9), (fields, iteration)


@pytest.mark.parametrize("row", RECORDED["by_iteration"], ids=lambda row: f"{row['fields']} {row['max_iter']}")
def test_rates_are_those_of_torch(row: dict[str, Any]) -> None:
    made = solver(row["fields"]["lr_policy"], **{k: v for k, v in row["fields"].items() if k != "lr_policy"})
    found = [rate(made, k, row["max_iter"]) for k in range(len(row["rates"]))]
    assert found == pytest.approx(row["rates"], rel=1e-7, abs=1e-7)


def test_restarts_end_where_the_next_period_begins() -> None:
    """Periods of 10, 20 and 40 iterations."""
    made = solver("cosine", restart_iter=10, restart_mult=2)
    assert [k for k in range(100) if rate(made, k, 100) == 0.5] == [0, 10, 30, 70]
    assert rate(solver("cosine", restart_iter=1), 10**12, 10**12 + 1) == 0.5  # without a loop over the restarts


def test_warm_up_leads_into_a_cycle() -> None:
    made = solver("onecycle", warmup_iter=9, warmup_lr=0)
    assert rate(made, 0, 100) == pytest.approx(0.002) and rate(made, 9, 100) == rate(solver("onecycle"), 9, 100)


def test_unset_policy_is_fixed() -> None:
    assert rate(pb.SolverParameter(base_lr=0.5), 7, 100) == 0.5


def test_warm_up_leads_in_a_line_to_the_policy() -> None:
    """Iteration k of n has come k + 1 of n + 1 steps of the way; iteration n is the policy's own."""
    warm = solver("fixed", warmup_iter=4, warmup_lr=0.1)
    assert [rate(warm, i, 100) for i in range(6)] == pytest.approx([0.18, 0.26, 0.34, 0.42, 0.5, 0.5])
    falling = solver("exp", gamma=0.5, warmup_iter=1)
    assert [rate(falling, i, 100) for i in range(3)] == pytest.approx([0.25, 0.25, 0.125])


def test_steps_passed() -> None:
    steps = solver("multistep", gamma=0.1, stepvalue=[3, 3, 10])
    assert [current_step(steps, i) for i in (0, 2, 3, 4, 9, 10, 50)] == [0, 0, 1, 2, 2, 3, 3]


def test_unknown_policy_names_what_is_near() -> None:
    with pytest.raises(SpecError, match="no lr_policy 'cosin'. Did you mean 'cosine'"):
        rate(solver("cosin"), 0, 100)


def test_the_old_solver_type_names_the_type(tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text('net: "net.prototxt" solver_type: ADAM base_lr: 0.1 max_iter: 1')
    (tmp_path / "net.prototxt").write_text('layer { name: "x" type: "Input" top: "x" }')
    assert load_job(str(tmp_path / "solver.prototxt")).solver.type == "Adam"


def test_a_rate_that_no_number_holds() -> None:
    growing = solver("exp", gamma=2)
    assert rate(growing, 5000, 10_000) == float("inf") and too_large(growing, 10_000)[0] == 9999
    assert too_large(solver("exp", gamma=0.5), 10_000) is None
    falling = solver("sigmoid", gamma=-1, stepsize=50)  # the only way down by this policy
    assert rate(falling, 0, 100_000) == pytest.approx(0.5) and rate(falling, 99_999, 100_000) == 0
    assert too_large(falling, 100_000) is None


@pytest.mark.parametrize("policy", registry.schedule)
def test_fields_with_limits_are_known(policy: str) -> None:
    names = [*registry.schedule.records[policy].get("not_negative", ()), *registry.schedule.records[policy].get("positive", ())]
    assert all(name in pb.SolverParameter.DESCRIPTOR.fields_by_name for name in names)
