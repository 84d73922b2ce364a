"""The loop: steps, tests, snapshots, the end. `Trainer.events()` does the work and tells of it; who listens is not its concern."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc import registry, schedules, snapshot
from netc.compiled import session
from netc.contract import Program
from netc.data import Prefetch
from netc.errors import Fault, RunError, SnapshotError, SpecError
from netc.lower import OUT
from netc.run import caffe_files
from netc.run.evaluate import Scores, evaluate, finite, monitored
from netc.run.events import Event, Finished, Snapshotted, Stepped, Tested
from netc.run.feed import Feeder, Feeds
from netc.run.folder import BEST, RunFolder
from netc.run.labels import beyond
from netc.run.nan import first_bad
from netc.run.signals import signals
from netc.session import States, Stepper
from netc.training import WATCH

DISPLAY = 100  # iterations between log lines where the solver has no `display`


class Trainer:
    """A program on its way through one of its stages: sessions, states, and where it is. `before` are iterations of the stages before."""

    def __init__(
        self,
        whole: Program,
        folder: RunFolder,
        threads: int,
        weights: Mapping[str, np.ndarray] | None = None,
        stage: int = 0,
        before: int = 0,
    ):
        self.whole, self.stage, self.before = whole, stage, before
        program = whole.stages[stage]
        self.program, self.folder, self.solver = program, folder, program.job.solver
        self.iter_size = max(1, self.solver.iter_size)
        self.threads, self.provider = threads, program.provider
        start = program.start()
        start |= {n: a for n, a in (weights or {}).items() if n in start}
        self.states = States({f"state/{n}": a for n, a in start.items()}, self.provider)
        self.feeder = Feeder(program.train_net, program.steps.train, program.seed, program.job.base, self.iter_size)
        self.max_iter = max_iterations(program, self.feeder)
        self.steppers = self._steppers()
        self.testers: dict[int, Stepper] = {}
        self.iteration = 0
        self.recent: deque[float] = deque(maxlen=max(1, self.solver.average_loss))
        self.outputs: Scores = {}  # of the newest step
        self.best: float | None = None
        self.stale = 0
        self.tested: tuple[int, Scores] | None = None  # the iteration of the newest test, and what it gave
        self.log_length = 0
        self.asked = ""  # the signal that asked for an end
        self.snapshot_asked = False
        self._test_feeders: dict[tuple[int, bool], Feeder] = {}  # by the test net, and whether they are for validation
        self._slots = [f"state/{n}" for n, node in program.states.items() if node.attrs["kind"] == "slot"]

    def _steppers(self) -> dict[str, Stepper]:
        kinds = ["train"] if self.iter_size == 1 else ["gradient", "update"]
        if self.iter_size > 1:
            inputs = {n.attrs["name"]: n.types[0].shape for n in self.program.steps.update.leaves("Input")}
            self.states.add({n: np.zeros(tuple(map(int, shape)), np.float32) for n, shape in inputs.items() if n != "lr"})
        return {kind: Stepper(session(self.program, kind, self.threads), self.states) for kind in kinds}

    @property
    def validates(self) -> bool:
        """Whether the data has rows for choosing the best model: the tests during training run on them."""
        return any(net.has_validation for net in self.program.test_nets)

    def tester(self, number: int = 0, validation: bool = False) -> tuple[Stepper, Feeder]:
        """A test net on the states of training, opened when it is first needed, and what feeds it."""
        program = self.program
        if number not in self.testers:
            self.testers[number] = Stepper(session(program, f"test{number or ''}", self.threads), self.states)
        if (number, validation) not in self._test_feeders:
            net, graph = program.test_nets[number], program.tests[number][0].graph
            self._test_feeders[number, validation] = Feeder(net, graph, program.seed, program.job.base, validation=validation)
        return self.testers[number], self._test_feeders[number, validation]

    def test(self, states: States | None = None, validation: bool = False) -> Scores:
        """The scores of `states`, or of those of training as they are; those of a second test net are called `accuracy#1` and so on."""
        scores: Scores = {}
        for number, (_, batch) in enumerate(self.program.tests):
            batches = self.solver.test_iter[number] if self.solver.test_iter else None
            stepper, feeder = self.tester(number, validation)
            stepper = stepper if states is None else Stepper(stepper.session, states)
            found = evaluate(stepper, feeder, batches, static=batch != "N")
            scores |= {f"{name}#{number}" if number else name: value for name, value in found.items()}
        return scores

    def resume(self, found: snapshot.Snapshot) -> None:
        """Go on from a snapshot: states, place, log. SnapshotError if it is of another net."""
        said = found.metadata
        expected = {n.removeprefix("state/"): v.shape() for n, v in self.states.current.items() if n.startswith("state/")}
        given = {n: list(a.shape) for n, a in found.states.items()}
        if expected != given:
            wrong = sorted(n for n in expected.keys() | given.keys() if expected.get(n) != given.get(n))
            raise SnapshotError(f"{found.path}: is of another net: {', '.join(wrong[:5])} differ")
        if said["seed"] != self.program.seed:
            raise SnapshotError(f"{found.path}: was made with random_seed {said['seed']}, the net says {self.program.seed}")
        self.go_on(found.states, said["iteration"])
        self.best, self.stale = said["best"], said["stale"]
        self.recent.extend(said["recent"])
        self.tested = (said["tested"][0], said["tested"][1]) if said["tested"] else None
        self.log_length = min(said["log_length"], len(self.folder.lines()))
        self.folder.rewind(self.log_length)

    def go_on(self, states: Mapping[str, np.ndarray], iteration: int) -> None:
        """Go on from states that some run had after so many iterations."""
        self.states.set({f"state/{n}": a for n, a in states.items()})
        self.iteration = iteration

    def events(self) -> Iterator[Event]:
        """Run to the end. RunError if a loss is not finite, naming the layer that made it so."""
        solver = self.solver
        with signals(self), Prefetch(self.feeder.counted, self.feeder.depth) as prefetch:
            while self.iteration < self.max_iter and not self.asked:
                if self._due(solver.test_interval) and not self._is_tested and (self.iteration or solver.test_initialization):
                    yield self._test()
                if 0 < solver.patience <= self.stale:
                    break
                yield self._step(prefetch)
                if self.snapshot_asked or (self._due(solver.snapshot) and self.iteration < self.max_iter):
                    self.snapshot_asked = False
                    yield self.snapshot()
            reason = self.asked or ("max_iter" if self.iteration >= self.max_iter else "patience")
            if not self.asked and not self._is_tested and self.program.layer is None and self.program.test_net.sources:
                yield self._test()
            yield self.snapshot()
            yield Finished(self.iteration, reason, *self._outcome(reason))

    def _outcome(self, reason: str) -> tuple[Scores, int | None]:
        """The scores of the run's model, and the iteration that it is of if it is the best one. RunError if they are not finite."""
        scores, best = (self.tested[1], None) if self.tested and self._is_tested and not self.asked else ({}, None)
        if self.best_path.exists() and not self.asked and (self.validates or reason == "patience"):
            found = snapshot.read(self.best_path)
            scores, best = found.metadata["scores"], found.metadata["iteration"]
            if self.validates:
                scores = self.test(States({f"state/{n}": a for n, a in found.states.items()}, self.provider))
                self._log({"event": "test", "iteration": best, **scores})
        if not all(map(math.isfinite, scores.values())):
            raise RunError(f"after {self.iteration} iterations the test gives {scores}; a smaller base_lr often helps")
        return scores, best

    @property
    def best_path(self) -> Path:
        """Where the states of the best test are."""
        return self.folder.snapshots / BEST

    def successor(self) -> "Trainer | None":
        """The trainer of the next stage, on what this one learned; None after the last."""
        if self.program.layer is None:
            return None
        nodes = self.program.states
        learned = {n: a for n, a in self.arrays().items() if nodes[n].attrs["kind"] in ("parameter", "statistic")}
        after = Trainer(self.whole, self.folder, self.threads, learned, self.stage + 1, self.before + self.max_iter)
        after.log_length = self.log_length
        return after

    def _due(self, interval: int) -> bool:
        return bool(interval) and self.iteration % interval == 0

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
            loss = sum(self._run("gradient", batch) for batch in (feeds, *rest)) / self.iter_size
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
        layers: dict[str, dict[str, float]] = {}
        for name, value in self.steppers["watch"].run(feeds).items():
            layer, _, what = name.removeprefix(WATCH).rpartition("/")
            layers.setdefault(layer, {})[what] = float(value.reshape(()))
        self._log(self._line("watch") | {"layers": layers})

    def _run(self, kind: str, feeds: Feeds) -> float:
        stepper = self.steppers[kind]
        try:
            results = self.feeder.kept(stepper.run(feeds))
        except RunError as e:
            raise RunError(beyond(self.program.train, feeds) or e.faults[0]) from e
        if not finite({"loss": results["loss"]}):
            stepper.undo()
            states = self.states.arrays()
            why = first_bad(self.program.graph(kind), self.provider, feeds, states)
            loss = float(results["loss"].reshape(()))
            text = f"the loss is {loss} at iteration {self.iteration}: {why.text}.\n    {_advice(self.solver)}"
            raise RunError(Fault(why.place, text))
        scalars = {n.removeprefix(OUT): v for n, v in results.items() if n.startswith(OUT) and v.size == 1}
        self.outputs = {n: float(v.reshape(())) for n, v in scalars.items()}
        return float(results["loss"].reshape(()))

    @property
    def _is_tested(self) -> bool:
        """Whether the states as they are were tested, if only before the run was resumed."""
        return self.tested is not None and self.tested[0] == self.iteration

    def _test(self) -> Tested:
        scores, rows = self.test(validation=self.validates), "validation" if self.validates else "test"
        name, more_is_better = monitored(self.program.test_net, self.solver.monitor)
        if name not in scores:
            text = f"the test net has no output {name!r}; it has {', '.join(scores)}"
            raise SpecError(Fault(self.program.job.solver_place("monitor"), text))
        value = scores[name]
        better = self.best is None or (value > self.best if more_is_better else value < self.best)
        self.best, self.stale = (value, 0) if better else (self.best, self.stale + 1)
        self.tested = (self.iteration, scores)
        self._log({"event": rows, "iteration": self.iteration, **scores})
        if better:
            self.folder.write_best(self.arrays(), self._metadata() | {"scores": scores})
        return Tested(self.iteration, scores, better, rows)

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all states by name."""
        return {n.removeprefix("state/"): a for n, a in self.states.arrays().items() if n.startswith("state/")}

    def snapshot(self) -> Snapshotted:
        """The states to disk; in Caffe's files too where the solver's snapshot_format asks for them."""
        states = self.arrays()
        path = self.folder.write(self.before + self.iteration, states, self._metadata(), self.solver.snapshot_keep)
        if not self.solver.HasField("snapshot_format") or self.solver.snapshot_format == pb.SolverParameter.SAFETENSORS:
            return Snapshotted(self.iteration, path)
        before = {n.removeprefix("state/"): v.numpy() for n, v in self.states.spare.items()}
        return Snapshotted(
            self.iteration, path, caffe_files.write_of_run(self.program, self.folder.snapshots, states, before, self.iteration)
        )

    def _metadata(self) -> dict[str, Any]:
        job = self.program.job
        return {
            "format": 1, "net": job.name, "net_sha256": job.sha256, "iteration": self.iteration, "seed": self.program.seed,
            "recent": list(self.recent), "best": self.best, "stale": self.stale, "tested": self.tested, "log_length": self.log_length,
            "provider": self.provider, "threads": self.threads, "target": self.program.target,
            "stage": self.stage, "before": self.before,
        }  # fmt: skip

    def _log(self, line: dict[str, Any]) -> None:
        self.folder.log(line)
        self.log_length += 1


def _advice(solver: pb.SolverParameter) -> str:
    """What to try where the loss is no number."""
    usual = registry.optimizer.facts[solver.type].get("usual")
    smaller = solver.base_lr / 10 if usual is None or solver.base_lr <= usual else min(usual, solver.base_lr / 10)
    rate = f"base_lr is {solver.base_lr:g}: try {smaller:.1g}{f' (usual with {solver.type}: {usual:g})' if usual else ''}"
    return f"{rate}; warm-up (warmup_iter) and clip_gradients help too, and inputs of about -1 to 1 (`scale`, mean)"


def max_iterations(program: Program, feeder: Feeder) -> int:
    """max_iter, or the iterations of max_epoch epochs."""
    solver, place = program.job.solver, program.job.solver_place
    if solver.HasField("max_iter"):
        return int(solver.max_iter)
    if feeder.rows is None:
        raise SpecError(Fault(place("max_epoch"), "max_epoch needs a source that ends; give max_iter"))
    return math.ceil(solver.max_epoch * feeder.rows / (feeder.batch_size * max(1, solver.iter_size)))
