"""The step of a run: its bits, and another kind of step in the same loop."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from netc import api
from netc.compiler.program import Program
from netc.runtime.session import States, Stepper
from netc.training import events as run_events
from netc.training.events import Event, Finished, Stepped
from netc.training.folder import RunFolder
from netc.training.step import LocalStep, StepFactory, StepResult
from netc.training.trainer import Trainer
from tests.small_nets import log, write_small

SHORT = ("solver.max_iter=10", "solver.test_interval=4", "solver.snapshot=5", "solver.iter_size=2", "solver.momentum=0.9")


class TwoRanks(LocalStep):
    """Each of two ranks has its own states and takes one of two batches; the sums of their gradients meet before the update."""

    def __init__(self, program: Program, folder: Path, threads: int, weights: Mapping[str, np.ndarray]) -> None:
        super().__init__(program, folder, threads, weights)
        self.other = States(self.states.arrays(), program.backend)
        self.other_gradient = Stepper(self._steppers["gradient"].session, self.other)

    def advance(self, rate: float) -> StepResult:
        own = self._run("gradient", self._feeds)
        self.other.set(self.states.arrays() | {n: np.zeros_like(a) for n, a in self.states.arrays().items() if n.startswith("grad/")})
        far = self.other_gradient.run(self._prefetch(self._iteration * self.iter_size + 1))
        mine, theirs = self.states.arrays(), self.other.arrays()
        self.states.set({n: mine[n] + theirs[n] for n in mine if n.startswith("grad/")})
        self._steppers["update"].run({"lr": np.asarray(rate, np.float32)})
        self.states.clear("grad/")
        return StepResult((own.loss + float(far["loss"])) / 2, own.outputs)


def trained(folder: Path, make_step: StepFactory) -> tuple[Trainer, list[Event]]:
    folder.mkdir()
    program = api.load(write_small(folder), *SHORT)
    trainer = Trainer(program, RunFolder.new(folder / "runs", "small"), 1, make_step=make_step)
    return trainer, list(trainer.events())


def test_another_kind_of_step_needs_no_other_loop(tmp_path: Path) -> None:
    one, events = trained(tmp_path / "one", LocalStep)
    two, others = trained(tmp_path / "two", TwoRanks)
    assert [type(e) for e in events] == [type(e) for e in others] and isinstance(others[-1], Finished)
    for name, array in one.step.arrays().items():
        assert np.allclose(two.step.arrays()[name], array, rtol=1e-5, atol=1e-6), name
    losses, other_losses = ([e.loss for e in found if isinstance(e, Stepped)] for found in (events, others))
    assert other_losses == pytest.approx(losses, rel=1e-5) and len(losses) == 10
    assert [e.iteration for e in others if isinstance(e, run_events.Tested)] == [0, 4, 8, 10]
    assert [line["event"] for line in log(one.folder.path)] == [line["event"] for line in log(two.folder.path)]


def test_the_next_stage_is_made_of_the_same_kind_of_step(tmp_path: Path) -> None:
    net = """
name: small
layers:
  - Data: {source: small.npz, batch_size: 16, test_fraction: 0.2}
  - Flatten: {name: flat}
  - RBM: {name: rbm, top: [h, reconstruction, cost], num_output: 8, loss_weight: [0, 0, 1]}
  - InnerProduct: {name: out, bottom: h, num_output: 10}
  - SoftmaxWithLoss
solver: {type: SGD, base_lr: 0.01, max_iter: 3, pretrain: [{layer: rbm, base_lr: 0.01, max_iter: 2}]}
"""
    program = api.load(write_small(tmp_path, net))
    kinds: list[str] = []

    def counted(stage: Program, folder: Path, threads: int, weights: Mapping[str, np.ndarray]) -> LocalStep:
        kinds.append(stage.layer or "whole")
        return LocalStep(stage, folder, threads, weights)

    first = Trainer(program, RunFolder.new(tmp_path / "runs", "small"), 1, make_step=counted)
    list(first.events())
    second = first.successor()
    assert second is not None and kinds == ["rbm", "whole"] and second.before == 2
    assert np.array_equal(first.step.arrays()["rbm.weight"], second.step.arrays()["rbm.weight"])
