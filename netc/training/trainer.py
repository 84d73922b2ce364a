"""The loop: steps, tests, snapshots, the end. `Trainer.events()` does the work and tells of it; who listens is not its concern."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc import schedules
from netc.compiler.cache import session
from netc.compiler.lower import OUT
from netc.compiler.program import Program
from netc.data import Prefetch, rows_said
from netc.errors import DataError, DivergedError, RunError, SnapshotError
from netc.runtime.session import States, Stepper
from netc.runtime.snapshot import Snapshot
from netc.training import caffe_snapshots
from netc.training.evaluate import Scores, Stopped, finite, monitored, monitored_value, values
from netc.training.events import Began, Event, Finished, Logged, Skipped, Snapshotted, Stepped, Tested
from netc.training.failure import advice, diverged, with_way_on
from netc.training.feed import Feeder, Feeds
from netc.training.folder import BEST, RunFolder
from netc.training.guards import run_guarded
from netc.training.nan import first_bad, spoiled
from netc.training.signals import signals
from netc.training.snapshot_notes import Noted, check_states, noted
from netc.training.test_nets import Testers
from netc.training.watch import watched

DISPLAY = 100  # iterations between log lines where the solver has no `display`


class Trainer:
    """A program on its way through one of its stages: sessions, states, and where it is. `before` are iterations of the stages before."""

    def __init__(
        self, whole: Program, folder: RunFolder, threads: int, weights: Mapping[str, np.ndarray] | None = None, stage: int = 0,
        before: int = 0,
    ):  # fmt: skip
        self.whole, self.stage, self.before = whole, stage, before
        program = whole.stages[stage]
        self.program, self.folder, self.solver = program, folder, program.job.solver
        self.iter_size = max(1, self.solver.iter_size)
        self.threads, self.backend = threads, program.backend
        start = program.start()
        start |= {n: a for n, a in (weights or {}).items() if n in start}
        self.states = States({f"state/{n}": a for n, a in start.items()}, self.backend)
        graph, job, lowered = program.steps.train, program.job, program.train
        self.feeder = Feeder(program.train_net, graph, program.seed, job.base, self.iter_size, lowered=lowered, folder=folder.path)
        self.max_iter = schedules.max_iterations(program.job, self.feeder.rows, self.feeder.batch_size)
        self.steppers = self._steppers()
        self.tests = Testers(program, threads, self.states, folder.path)
        self.iteration = 0
        self.recent: deque[float] = deque(maxlen=max(1, self.solver.average_loss))
        self.outputs: dict[str, float] = {}  # of the newest step
        self.best: float | None = None
        self.stale = 0
        self.tested: tuple[int, Scores] | None = None  # the iteration of the newest test, and what it gave
        self.log_length = 0
        self.kept: Path | None = None  # the newest snapshot
        self._kept_at = time.monotonic()
        self._unsaid: deque[str] = deque()  # lines of the log that no event told of yet
        self._skipped = set[str]()  # images that an event told of
        self.asked = ""  # the signal that asked for an end
        self.snapshot_asked = False
        self._slots = [f"state/{n}" for n, node in program.states.items() if node.attrs["kind"] == "slot"]

    def _steppers(self) -> dict[str, Stepper]:
        kinds = ["train"] if self.iter_size == 1 else ["gradient", "update"]
        if self.iter_size > 1:
            inputs = {n.attrs["name"]: n.types[0].shape for n in self.program.steps.update.leaves("Input")}
            self.states.add({n: np.zeros(tuple(map(int, shape)), np.float32) for n, shape in inputs.items() if n != "lr"})
        return {kind: Stepper(session(self.program, kind, self.threads), self.states) for kind in kinds}

    @property
    def validates(self) -> bool:
        """Whether the data has rows for choosing the best model."""
        return self.tests.validates

    def resume(self, found: Snapshot) -> int:
        """Go on from a snapshot: states, place, log. How many lines the log lacks of those that the snapshot remembers.

        SnapshotError if it is of another net.
        """
        said = noted(found)
        check_states(found, self.program)
        if said.seed != self.program.seed:
            raise SnapshotError(f"{found.path}: was made with random_seed {said.seed}, the net says {self.program.seed}")
        self.go_on(found.states, said.iteration)
        self.best, self.stale, self.tested = said.best, said.stale, said.tested
        self.recent.extend(said.recent)
        self.log_length = self.folder.rewind(said, self.program.layer)
        self.kept = found.path
        return said.log_length - self.log_length

    def go_on(self, states: Mapping[str, np.ndarray], iteration: int) -> None:
        """Go on from states that some run had after so many iterations."""
        self.states.set({f"state/{n}": a for n, a in states.items()})
        self.iteration = iteration

    def events(self) -> Iterator[Event]:
        """Run to the end. RunError if a loss is not finite, naming the layer that made it so."""
        yield Began(self.stage, len(self.whole.stages), self.iteration, self.max_iter, self.program.layer)
        try:
            for event in self._worked():
                yield from self._said()
                yield event
        except (RunError, DataError) as e:
            yield from self._said()
            raise with_way_on(e, self.kept) from e

    def _said(self) -> Iterator[Logged | Skipped]:
        """What happened beside the work since the last event."""
        while self._unsaid:
            yield Logged(self._unsaid.popleft())
        for text in [*self.feeder.skipped(), *self.tests.skipped()]:
            if text not in self._skipped:
                self._skipped.add(text)
                yield Skipped(text, len(self._skipped))

    @property
    def is_over(self) -> bool:
        """Whether no step is left to do."""
        return self.iteration >= self.max_iter or 0 < self.solver.patience <= self.stale

    def _worked(self) -> Iterator[Event]:
        """The events of the work itself."""
        solver = self.solver
        if self.program.layer is None and self.program.test_net.feeds_itself and not self.is_over:
            self.tests.open()
        with signals(self), Prefetch(self.feeder.counted, self.feeder.depth) as prefetch:
            while self.iteration < self.max_iter and not self.asked:
                if self._due(solver.test_interval) and not self._is_tested and (self.iteration or solver.test_initialization):
                    yield from self._test()
                if self.asked or self.is_over:
                    break
                yield self._step(prefetch)
                if self.iteration < self.max_iter and (self.snapshot_asked or self._due(solver.snapshot) or self._is_late()):
                    yield self.snapshot()
            if not self.asked and not self._is_tested and self.program.layer is None and self.program.test_net.feeds_itself:
                yield from self._test()
            reason = self.asked or ("max_iter" if self.iteration >= self.max_iter else "patience")
            yield self.snapshot()
            yield Finished(self.iteration, reason, *self._outcome(reason))

    def _outcome(self, reason: str) -> tuple[Scores, int | None]:
        """The scores of the run's model, and the iteration that it is of if it is the best one. RunError if they are not finite."""
        ended = not reason.startswith("SIG")
        scores, best = (self.tested[1], None) if self.tested and self._is_tested and ended else ({}, None)
        if (self.folder.snapshots / BEST).exists() and ended and (self.validates or reason == "patience"):
            found = self.read_best()
            said = noted(found)
            scores, best = said.scores, said.iteration
            if self.validates:
                scores = self.tests.scores(States({f"state/{n}": a for n, a in found.states.items()}, self.backend))
                self._log({"event": "test", "iteration": best, **scores})
        if not all(map(math.isfinite, values(scores))):
            raise DivergedError(f"after {self.iteration} iterations the test gives {scores}. {advice(self.solver)}")
        return scores, best

    def successor(self) -> "Trainer | None":
        """The trainer of the next stage, on what this one learned; None after the last."""
        if self.program.layer is None:
            return None
        nodes = self.program.states
        learned = {n: a for n, a in self.arrays().items() if nodes[n].attrs["kind"] in ("parameter", "statistic")}
        after = Trainer(self.whole, self.folder, self.threads, learned, self.stage + 1, self.before + self.max_iter)
        after.log_length, after.kept, after.asked = self.log_length, self.kept, self.asked
        return after

    def _due(self, interval: int) -> bool:
        return bool(interval) and self.iteration % interval == 0

    def _is_late(self) -> bool:
        """Whether the newest snapshot is old, where iterations do not say when there is one. What is learned does not hang on it."""
        minutes = 0.0 if self.solver.HasField("snapshot") else self.solver.snapshot_minutes
        return 0 < minutes * 60 <= time.monotonic() - self._kept_at

    def _step(self, prefetch: Callable[[int], Feeds]) -> Stepped:
        rate = schedules.rate(self.solver, self.iteration, self.max_iter)
        lr = {"lr": np.asarray(rate, np.float32)}
        if self.iteration and self._due(self.solver.reset_interval):
            self.states.set({n: np.zeros(self.states.current[n].shape(), np.float32) for n in self._slots})
        first = self.iteration * self.iter_size
        feeds = prefetch(first)
        if self._due(self.solver.watch_interval):
            self._watch(feeds | lr)
        if self.iter_size == 1:
            loss = self._run("train", feeds | lr)
        else:
            rest = (prefetch(first + k) for k in range(1, self.iter_size))
            loss = sum(self._run("gradient", batch, k) for k, batch in enumerate((feeds, *rest))) / self.iter_size
            self.steppers["update"].run(lr)
            self.states.clear("grad/")
        self.recent.append(loss)
        stepped = Stepped(self.iteration, sum(self.recent) / len(self.recent), rate, self.outputs)
        if self.iteration % (self.solver.display or DISPLAY) == 0:
            self._log(self._line("train") | {"loss": stepped.loss, "lr": rate})
        self.iteration += 1
        return stepped

    def _line(self, event: str) -> dict[str, Any]:
        """The start of a line of the log."""
        layer = self.program.layer
        stage = {"event": event} if layer is None else {"event": f"pre{event}", "layer": layer}
        return {**stage, "iteration": self.iteration}

    def _watch(self, feeds: Feeds) -> None:
        """What the step to come (of iter_size, its first batch) does to each layer, into the log."""
        if "watch" not in self.steppers:
            self.steppers["watch"] = Stepper(session(self.program, "watch", self.threads), self.states)
        self._log(self._line("watch") | {"layers": watched(self.steppers["watch"], feeds)})

    def _run(self, kind: str, feeds: Feeds, sub_batch: int = 0) -> float:
        stepper = self.steppers[kind]
        results = self.feeder.kept(run_guarded(stepper, self.program.train, feeds))
        if not finite({"loss": results["loss"]}):
            stepper.undo()
            if faults := self.feeder.no_numbers(feeds, self.iteration, sub_batch):
                raise DataError(*faults)
            why = first_bad(self.program.graph(kind), self.backend, feeds, self.states.arrays())
            raise diverged(float(results["loss"].reshape(())), self.iteration, why, self.solver, self.max_iter)
        scalars = {n.removeprefix(OUT): v for n, v in results.items() if n.startswith(OUT) and v.size == 1}
        self.outputs = {n: float(v.reshape(())) for n, v in scalars.items()}
        return float(results["loss"].reshape(()))

    @property
    def _is_tested(self) -> bool:
        """Whether the states as they are were tested, if only before the run was resumed."""
        return self.tested is not None and self.tested[0] == self.iteration

    def _test(self) -> Iterator[Tested]:
        """The test that is due; none where a signal asks for an end: it comes when the run goes on."""
        try:
            scores = self.tests.scores(validation=self.validates, stop=lambda: bool(self.asked))
        except Stopped:
            return
        rows = "validation" if self.validates else "test"
        name, more_is_better = monitored(self.program.test_net, self.solver.monitor)
        value = monitored_value(scores, name, self.program.job.solver_place("monitor"))
        better = math.isfinite(value) and (self.best is None or (value > self.best if more_is_better else value < self.best))
        self.best, self.stale = (value, 0) if better else (self.best, self.stale + 1)
        self.tested = (self.iteration, scores)
        self._log({"event": rows, "iteration": self.iteration, **scores})
        if better:
            self.folder.write_best(self._sound_arrays(), replace(self._noted(), scores=scores).metadata)
        yield Tested(self.iteration, scores, better, rows)

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all states by name."""
        return {n.removeprefix("state/"): a for n, a in self.states.arrays().items() if n.startswith("state/")}

    def _sound_arrays(self) -> dict[str, np.ndarray]:
        """Copies of all states for a file, which are not to push a sound one out. DivergedError if a value is not finite."""
        states = self.arrays()
        if why := spoiled(states, self.program.states):
            raise DivergedError(f"after {self.iteration} iterations {why}. {advice(self.solver)}")
        return states

    def snapshot(self) -> Snapshotted:
        """The states to disk; in Caffe's files too where the solver's snapshot_format asks for them."""
        states = self._sound_arrays()
        self.snapshot_asked, self._kept_at = False, time.monotonic()
        path = self.kept = self.folder.write(self.before + self.iteration, states, self._noted().metadata, self.solver.snapshot_keep)
        if not self.solver.HasField("snapshot_format") or self.solver.snapshot_format == pb.SolverParameter.SAFETENSORS:
            return Snapshotted(self.iteration, path)
        before = {n.removeprefix("state/"): v.numpy() for n, v in self.states.spare.items()}
        return Snapshotted(
            self.iteration, path, caffe_snapshots.write_of_run(self.program, self.folder.snapshots, states, before, self.iteration)
        )

    def read_best(self) -> Snapshot:
        """The snapshot of the best test. SnapshotError if it is damaged, or of another net."""
        found = self.folder.read_best()
        check_states(found, self.program)
        return found

    def _noted(self) -> Noted:
        job = self.program.job
        return Noted(
            job.name, job.sha256, self.iteration, self.program.seed, tuple(self.recent), self.best, self.stale, self.tested,
            self.log_length, self.backend.provider, self.threads, self.backend.target, self.stage, self.before,
            rows_said(self.whole.train_net.learned),
        )  # fmt: skip

    def _log(self, line: dict[str, Any]) -> None:
        self._unsaid.append(self.folder.log(line))
        self.log_length += 1
