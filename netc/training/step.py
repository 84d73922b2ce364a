"""One iteration of training: batches in, the states one update on. The loop knows a step by `Step` alone."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from netc import schedules
from netc.compiler.cache import session
from netc.compiler.program import Program
from netc.data import Prefetch
from netc.errors import DataError
from netc.graph.contract import GRAD, LOSS, LR, OUT, STATE
from netc.runtime.session import States, Stepper
from netc.training.evaluate import finite
from netc.training.failure import diverged
from netc.training.feed import Feeder, Feeds
from netc.training.guards import run_guarded
from netc.training.nan import first_bad
from netc.training.watch import watched

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class StepResult:
    """What one iteration gives: the loss before the update, averaged over its batches, and the net's scalar outputs of the last one."""

    loss: float
    outputs: dict[str, float] = field(default_factory=dict)


class Step(AbstractContextManager["Step"], Protocol):
    """A way to do one iteration: in this process, over several ranks, over several devices.

    The loop enters it as a context before the first iteration. `states` are the tensors that the step moves, and that the tests
    read; `arrays` and `set` copy them by state name. `max_iter` is the length of the stage in iterations, and `batch_size` the
    number of rows that one iteration reads.
    """

    states: States
    max_iter: int
    batch_size: int

    def load(self, iteration: int) -> None:
        """Get the first batch of an iteration ready."""

    def watch(self, rate: float) -> dict[str, dict[str, float]]:
        """What the iteration that is loaded would do to each layer: numbers by layer and by what they measure."""

    def advance(self, rate: float) -> StepResult:
        """Do the iteration that is loaded. RunError if its loss is not finite; the states are then as they were."""

    def reset(self) -> None:
        """Set the optimizer's slots to zero."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all states by name."""

    def previous(self) -> dict[str, np.ndarray]:
        """The states before the last update, by name."""

    def set(self, states: Arrays) -> None:
        """Continue from these values."""

    def skipped(self) -> list[str]:
        """What is wrong with each row that was skipped because it cannot be decoded."""

    def notes(self) -> list[str]:
        """What the rows do not show of the files that they were read from, such as an alpha channel."""


StepFactory = Callable[[Program, Path, int, Arrays], Step]


class LocalStep:
    """A step in this process. With iter_size above 1 it sums the gradients of so many batches before the update.

    `folder` is that of the run. `weights` replace the start values of the states that have these names.
    """

    def __init__(self, program: Program, folder: Path, threads: int, weights: Arrays):
        self.program, self.threads = program, threads
        self.iter_size = program.job.settings.iter_size
        start = program.start()
        start |= {name: array for name, array in weights.items() if name in start}
        self.states = States(STATE.named(start), program.backend)
        self.feeder = Feeder(
            program.train_net, program.steps.train, program.seed, program.job.base, self.iter_size,
            lowered=program.train, folder=folder,
        )  # fmt: skip
        self.batch_size = self.feeder.batch_size * self.iter_size
        self.max_iter = schedules.max_iterations(program.job, self.feeder.rows, self.feeder.batch_size)
        self._steppers = {kind: self._stepper(kind) for kind in self._prepared()}
        self._slots = [STATE(name) for name, node in program.states.items() if node.state.kind == "slot"]
        self._prefetch: Prefetch[Feeds] = Prefetch(self.feeder.counted, self.feeder.depth)
        self._iteration, self._feeds = 0, Feeds()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._prefetch.close()

    def load(self, iteration: int) -> None:
        """Get the first batch of an iteration ready."""
        self._iteration, self._feeds = iteration, self._prefetch(iteration * self.iter_size)

    def watch(self, rate: float) -> dict[str, dict[str, float]]:
        """What the iteration, of iter_size above 1 its first batch, would do to each layer."""
        if "watch" not in self._steppers:
            self._steppers["watch"] = self._stepper("watch")
        return watched(self._steppers["watch"], self._feeds | _rate(rate))

    def advance(self, rate: float) -> StepResult:
        """Do the iteration that is loaded. RunError if its loss is not finite, DataError if its rows hold NaN."""
        if self.iter_size == 1:
            return self._run("train", self._feeds | _rate(rate))
        first = self._iteration * self.iter_size
        rest = (self._prefetch(first + k) for k in range(1, self.iter_size))
        results = [self._run("gradient", feeds, k) for k, feeds in enumerate((self._feeds, *rest))]
        self._steppers["update"].run(_rate(rate))
        self.states.clear(GRAD.text)
        return StepResult(sum(r.loss for r in results) / self.iter_size, results[-1].outputs)

    def reset(self) -> None:
        """Set the optimizer's slots to zero."""
        self.states.zero(self._slots)

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all states by name."""
        return STATE.within(self.states.arrays())

    def previous(self) -> dict[str, np.ndarray]:
        """The states before the last update, by name."""
        return {STATE.bare(n): value.numpy() for n, value in self.states.spare.items()}

    def set(self, states: Arrays) -> None:
        """Continue from these values."""
        self.states.set(STATE.named(states))

    def skipped(self) -> list[str]:
        """What is wrong with each row that was skipped because it cannot be decoded."""
        return self.feeder.skipped()

    def notes(self) -> list[str]:
        """What the rows do not show of the files that they were read from."""
        return self.feeder.notes()

    def _prepared(self) -> list[str]:
        """The models that every iteration runs; the sums of gradients get their tensors here."""
        if self.iter_size == 1:
            return ["train"]
        inputs = {n.name: n.types[0].shape for n in self.program.steps.update.leaves("Input")}
        self.states.add({name: np.zeros(tuple(map(int, shape)), np.float32) for name, shape in inputs.items() if name != LR})
        return ["gradient", "update"]

    def _stepper(self, kind: str) -> Stepper:
        return Stepper(session(self.program, kind, self.threads), self.states)

    def _run(self, kind: str, feeds: Feeds, sub_batch: int = 0) -> StepResult:
        stepper = self._steppers[kind]
        results = self.feeder.kept(run_guarded(stepper, self.program.train, feeds))
        loss = float(results[LOSS].reshape(()))
        if not finite({"loss": results[LOSS]}):
            stepper.undo()
            if errors := self.feeder.no_numbers(feeds, self._iteration, sub_batch):
                raise DataError(*errors)
            why = first_bad(self.program.graph(kind), self.program.backend, feeds, self.states.arrays())
            raise diverged(loss, self._iteration, why, self.program.job.settings, self.max_iter)
        scalars = {n: v for n, v in OUT.within(results).items() if v.size == 1}
        return StepResult(loss, {n: float(v.reshape(())) for n, v in scalars.items()})


def _rate(rate: float) -> Feeds:
    return {LR: np.asarray(rate, np.float32)}
