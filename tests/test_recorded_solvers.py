"""Thirty iterations of each solver type, policy and option against recorded runs, through the models that a training run uses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import registry, schedules
from netc.compiler.program import Program, program
from netc.layers.context import sizes
from netc.runtime.session import Session, States, Stepper
from netc.spec import parse_prototxt
from netc.spec.job import load_job
from tests.recorded import FOLDER, Arrays, Case, index

CASES = [entry["file"].removesuffix(".npz") for entry in index("solvers")]
ITERATIONS = 30
RECORDED_AFTER = {10: "param_iter10_", 20: "param_iter20_", ITERATIONS: "param_after_"}

pytestmark = pytest.mark.skipif(not CASES, reason=f"no recorded results in {FOLDER}")


@dataclass(frozen=True)
class Recorded:
    """A recorded run, and the program that is to repeat it."""

    case: Case
    made: Program

    @property
    def blobs(self) -> dict[str, str]:
        """`<layer>_<blob>` to the name of the state, in the net's order; a shared one under each layer."""
        states = {n: s.state for n, s in self.made.states.items() if s.state.kind != "slot"}
        found = {}
        for layer in self.made.train_net.layers:
            for blob in range(sum(key.startswith(f"param_{layer.name}_") for key in self.case.arrays)):
                own = [n for n, s in states.items() if (s.layer, s.blob) == (layer.name, blob)]
                share = layer.param.param[blob].name if blob < len(layer.param.param) else ""
                found[f"{layer.name}_{blob}"] = (own or [n for n, s in states.items() if share and s.share_name == share])[0]
        return found

    def parameters(self, prefix: str) -> Arrays:
        """Recorded blobs by the names of the states."""
        return {state: self.case.arrays[prefix + key] for key, state in self.blobs.items()}

    @property
    def history(self) -> Arrays:
        """Recorded history blobs by the names of the slots: all parameters' first slots, then all second ones."""
        owners = list(dict.fromkeys(self.blobs.values()))
        slots: tuple[str, ...] = ("history",) if len(self.case.part("history_")) == len(owners) else ("gradients", "updates", "m", "v")
        slots = tuple(s for s in slots if len(slots) == 1 or any(n.endswith(f".{s}") for n in self.made.states))
        names = [f"{owner}.{slot}" for slot in slots for owner in owners]
        return {name: self.case.arrays[f"history_{k}"] for k, name in enumerate(names)}


@pytest.fixture
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> Recorded:
    case = Case(FOLDER / "solvers" / f"{request.param}.npz")
    text = str(case.arrays["prototxt"])
    missing = {layer.type for layer in parse_prototxt(text).message.layer} - set(registry.layer)
    if missing:
        pytest.skip(f"no layer type {', '.join(sorted(missing))}")
    (tmp_path / "net.prototxt").write_text(text)
    (tmp_path / "solver.prototxt").write_text(f'net: "net.prototxt"\n{case.arrays["solver"]}')
    return Recorded(case, program(load_job(str(tmp_path / "solver.prototxt"))))


def train(recorded: Recorded) -> tuple[np.ndarray, dict[int, Arrays]]:
    """The loss of each iteration, and the states after some of them."""
    made, solver = recorded.made, recorded.made.job.solver
    states = States({f"state/{n}": a for n, a in (made.start() | recorded.parameters("param_")).items()})
    sums = [n for n in made.steps.update.leaves("Input") if n.name != "lr"]
    states.add({n.name: np.zeros(sizes(n.types[0].shape), np.float32) for n in sums})
    kinds = ["train"] if solver.iter_size == 1 else ["gradient", "update"]
    steppers = {kind: Stepper(Session(made.model(kind)), states) for kind in kinds}
    losses, after = [], {}
    for iteration in range(ITERATIONS):
        lr = {"lr": np.asarray(schedules.rate(recorded.made.job.settings, iteration, solver.max_iter), np.float32)}
        batches = range(iteration * solver.iter_size, (iteration + 1) * solver.iter_size)
        feeds = [{f"batch/{n}": a[k] for n, a in recorded.case.part("in_").items()} | lr for k in batches]
        losses.append(np.mean([steppers[kinds[0]].run(f)["loss"] for f in feeds]))
        if solver.iter_size > 1:
            steppers["update"].run(lr)
            states.clear("grad/")
        if iteration + 1 in RECORDED_AFTER:
            after[iteration + 1] = {n.removeprefix("state/"): a for n, a in states.arrays().items()}
    return np.array(losses), after


def deviation(got: np.ndarray, expected: np.ndarray) -> float:
    """Of the largest magnitude; below 5e-4 (where a true gradient of 0 leaves noise) of that."""
    return float(np.abs(got - expected.reshape(got.shape)).max() / max(np.abs(expected).max(), 5e-4))


@pytest.mark.parametrize("recorded", CASES, indirect=True)
def test_losses_parameters_and_history(recorded: Any) -> None:
    losses, after = train(recorded)
    found = {"loss": float(np.max(np.abs(losses / recorded.case.arrays["loss"] - 1)))}
    for count, prefix in RECORDED_AFTER.items():
        found |= {f"{n} after {count}": deviation(after[count][n], a) for n, a in recorded.parameters(prefix).items()}
    for name, expected in recorded.history.items():
        got = after[ITERATIONS].get(name, np.zeros_like(expected))  # a parameter that does not learn has no slots
        found[name] = deviation(got, expected)
    assert not {n: d for n, d in found.items() if not d < 1e-4}


@pytest.mark.parametrize("recorded", CASES, indirect=True)
def test_rates(recorded: Any) -> None:
    solver, arrays = recorded.made.job.solver, recorded.case.arrays
    rates = [schedules.rate(recorded.made.job.settings, i, solver.max_iter) for i in range(ITERATIONS)]
    np.testing.assert_allclose(rates, arrays["lr"], rtol=2e-6)
    if solver.lr_policy == "multistep":
        assert schedules.current_step(solver, ITERATIONS - 1) == arrays["current_step"]
