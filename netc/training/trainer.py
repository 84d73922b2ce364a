"""The training loop: when a run steps, tests, writes snapshots, and ends.

`Trainer.events()` does the work and yields what happens. It knows its parts by what they do: a `Step` moves the states, `TestNets`
score them, a `Selection` remembers the best test, a `Checkpointer` writes snapshots, a `RunLog` writes log.jsonl.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from netc import schedules
from netc.compiler.program import Program
from netc.data import rows_said
from netc.errors import DataError, DivergedError, RunError
from netc.graph.contract import STATE
from netc.runtime.averages import averaged
from netc.runtime.session import States
from netc.runtime.snapshot import Snapshot
from netc.training.checkpointer import Checkpointer
from netc.training.evaluate import Scores, Stopped, values
from netc.training.events import Began, Event, Finished, Logged, Reduced, Skipped, Stepped, Tested
from netc.training.failure import advice, with_next_step
from netc.training.folder import RunFolder
from netc.training.run_log import RunLog
from netc.training.selection import Selection
from netc.training.signals import Requests, signals
from netc.training.snapshot_metadata import SnapshotMetadata, read_metadata
from netc.training.step import LocalStep, StepFactory
from netc.training.test_nets import TestNets


class Trainer:
    """One stage of a program's training. `before` counts the iterations of the stages before it.

    `weights` replace start values. `make_step` makes the step: `LocalStep`, or another kind that satisfies `Step`.
    """

    def __init__(
        self, whole: Program, folder: RunFolder, threads: int, weights: Mapping[str, np.ndarray] | None = None, stage: int = 0,
        before: int = 0, make_step: StepFactory = LocalStep,
    ):  # fmt: skip
        self.whole, self.folder, self.threads, self.stage, self.before = whole, folder, threads, stage, before
        self.program = whole.stages[stage]
        self.settings = self.program.job.settings
        self.make_step = make_step
        self.step = make_step(self.program, folder.path, threads, weights or {})
        self.tests = TestNets(self.program, threads, self.step.states, folder.path)
        self.selection = Selection(self.program)
        self.checkpointer = Checkpointer(self.program, folder)
        self.log = RunLog(folder, self.program.layer)
        self.requests = Requests()
        self.iteration = 0
        self.plateau = schedules.Plateau()
        self.recent: deque[float] = deque(maxlen=self.settings.average_loss)
        self._skipped = set[str]()  # rows that an event has named

    @property
    def max_iter(self) -> int:
        """The length of the stage in iterations."""
        return self.step.max_iter

    @property
    def is_over(self) -> bool:
        """Whether no step is left to do."""
        return self.iteration >= self.max_iter or self.selection.is_exhausted

    def resume(self, found: Snapshot) -> int:
        """Continue from a snapshot: states, place, log. How many lines the log lacks of those that the snapshot remembers.

        SnapshotError if it belongs to another net.
        """
        notes = self.checkpointer.accept(found)
        self.go_on(found.states, notes.iteration)
        self.selection.resume(notes.best, notes.stale, notes.tested)
        self.recent.extend(notes.recent)
        self.plateau = notes.plateau
        return self.log.rewind(notes)

    def go_on(self, states: Mapping[str, np.ndarray], iteration: int) -> None:
        """Continue from the states that some run had after so many iterations."""
        self.step.set(states)
        self.iteration = iteration

    def successor(self) -> "Trainer | None":
        """The trainer of the next stage, on what this one learned; None after the last."""
        if self.program.layer is None:
            return None
        nodes = self.program.states
        learned = {n: a for n, a in self.step.arrays().items() if nodes[n].state.is_weight}
        before = self.before + self.max_iter
        after = Trainer(self.whole, self.folder, self.threads, learned, self.stage + 1, before, self.make_step)
        after.log.length, after.checkpointer.newest = self.log.length, self.checkpointer.newest
        after.requests = self.requests
        return after

    def events(self) -> Iterator[Event]:
        """Run to the end. RunError if a loss is not finite; it names the layer where that began."""
        yield Began(self.stage, len(self.whole.stages), self.iteration, self.max_iter, self.program.layer)
        try:
            for event in self._work():
                yield from self._side_events()
                yield event
        except (RunError, DataError) as e:
            yield from self._side_events()
            raise with_next_step(e, self.checkpointer.newest) from e

    def _side_events(self) -> Iterator[Logged | Skipped]:
        """What happened beside the work since the last event."""
        yield from map(Logged, self.log.unreported())
        for text in [*self.step.skipped(), *self.tests.skipped()]:
            if text not in self._skipped:
                self._skipped.add(text)
                yield Skipped(text, len(self._skipped))

    def _work(self) -> Iterator[Event]:
        """The events of the work itself."""
        tested = self.program.layer is None and self.program.tested and self.program.test_net.feeds_itself
        if tested and not self.is_over:
            self.tests.open()
        with signals(self.requests), self.step:
            while self.iteration < self.max_iter and not self.requests.end:
                if tested and self._test_is_due():
                    yield from self._test()
                if self.requests.end or self.is_over:
                    break
                yield self._advance()
                if self.iteration < self.max_iter and (self.requests.snapshot or self.checkpointer.is_due(self.iteration)):
                    yield self.write_snapshot()
            if tested and not self.requests.end and not self.selection.is_tested(self.iteration):
                yield from self._test()
            reason = self.requests.end or ("max_iter" if self.iteration >= self.max_iter else "patience")
            yield self.write_snapshot()
            yield Finished(self.iteration, reason, *self._outcome(reason))

    def _is_due(self, interval: int) -> bool:
        return bool(interval) and self.iteration % interval == 0

    def _test_is_due(self) -> bool:
        at_start = self.iteration == 0 and not self.settings.test_initialization
        return self._is_due(self.settings.test_interval) and not at_start and not self.selection.is_tested(self.iteration)

    def _advance(self) -> Stepped:
        """One iteration, with its lines in the log."""
        settings = self.settings
        rate = self._rate()
        if self.iteration and self._is_due(settings.reset_interval):
            self.step.reset()
        self.step.load(self.iteration)
        if self._is_due(settings.watch_interval):
            self.log.write("watch", self.iteration, layers=self.step.watch(rate))
        result = self.step.advance(rate)
        self.recent.append(result.loss)
        stepped = Stepped(self.iteration, sum(self.recent) / len(self.recent), rate, result.outputs)
        if self._is_due(settings.display):
            self.log.write("train", self.iteration, loss=stepped.loss, lr=rate)
        self.iteration += 1
        return stepped

    def _rate(self) -> float:
        return schedules.rate(self.settings, self.iteration, self.max_iter, self.plateau.reductions)

    def _test(self) -> Iterator[Tested | Reduced]:
        """One test. None where a signal asks for an end: it comes when the run continues."""
        try:
            scores = self.tests.scores(validation=self.tests.validates, stop=lambda: bool(self.requests.end))
        except Stopped:
            return
        rows = "validation" if self.tests.validates else "test"
        better = self.selection.take(self.iteration, scores)
        self.log.write(rows, self.iteration, **scores)
        reduced = list(self._reduced(scores))
        if better:
            self.checkpointer.write_best(self.step, replace(self._notes(), scores=scores))
        yield Tested(self.iteration, scores, better, rows)
        yield from reduced

    def _reduced(self, scores: Scores) -> Iterator[Reduced]:
        """Count a test for the policy `plateau`, and log whether it reduces the learning rate.

        A test at the end of a run only counts if it was due, so that a run that goes on equals a longer one.
        """
        if not schedules.follows_tests(self.settings.lr_policy) or not self._is_due(self.settings.test_interval):
            return
        before, self.plateau = self.plateau, self.plateau.after(self.settings.message, *self.selection.monitored(scores))
        if self.plateau.reductions > before.reductions:
            rate = self._rate()
            self.log.write("rate", self.iteration, lr=rate, reductions=self.plateau.reductions)
            yield Reduced(self.iteration, rate, self.plateau.reductions)

    def write_snapshot(self) -> Event:
        """The states of now to disk."""
        self.requests.snapshot = False
        return self.checkpointer.write(self.step, self._notes())

    def _outcome(self, reason: str) -> tuple[Scores, int | None]:
        """The scores of the run's model, and the iteration that it is of if it is the best one. RunError if they are not finite."""
        scores: Scores = {}
        best: int | None = None
        if not self.requests.end:
            if self.selection.newest and self.selection.is_tested(self.iteration):
                scores = self.selection.newest[1]
            if self.checkpointer.has_best and (self.tests.validates or reason == "patience"):
                scores, best = self._best_scores()
        if not all(map(math.isfinite, values(scores))):
            raise DivergedError(f"after {self.iteration} iterations the test gives {scores}. {advice(self.settings)}")
        return scores, best

    def _best_scores(self) -> tuple[Scores, int]:
        """The test scores of the best model, and its iteration. Rows for validation chose it, so the test rows score it anew."""
        found = self.checkpointer.read_best()
        notes = read_metadata(found)
        if not self.tests.validates:
            return notes.scores, notes.iteration
        states = States(STATE.named(averaged(found.states)), self.program.backend)
        scores = self.tests.scores(states)
        self.log.write("test", notes.iteration, **scores)
        return scores, notes.iteration

    def _notes(self) -> SnapshotMetadata:
        """What a snapshot taken now says of the run."""
        job, backend, selection = self.program.job, self.program.backend, self.selection
        return SnapshotMetadata(
            net=job.name, net_sha256=job.sha256, iteration=self.iteration, seed=self.program.seed, recent=tuple(self.recent),
            best=selection.best, stale=selection.stale, tested=selection.newest, log_length=self.log.length,
            provider=backend.provider, threads=self.threads, target=backend.target, stage=self.stage, before=self.before,
            rows=rows_said(self.whole.train_net.learned), plateau=self.plateau,
        )  # fmt: skip
