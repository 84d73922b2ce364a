"""`caffe.SGDSolver` and others: train step by step, with access to the blobs between steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc import registry, schedules
from netc.caffe.net import Net
from netc.caffe.state import allows_python, backend, dropped
from netc.compiler.program import Program, program
from netc.errors import Diagnostic, SpecError
from netc.graph.contract import GRAD, LR, NEXT, STATE
from netc.runtime.session import Session
from netc.spec.job import load_job
from netc.spec.solver_settings import SolverSettings
from netc.training.caffe_snapshots import read_snapshot, write_snapshot


class Solver:
    """Trains with a solver file. `test_nets` share the parameters of `net`; `step(n)` runs n iterations.

    Unlike in Caffe, the script runs the tests and prints progress. Snapshots are written as the solver says.
    """

    type: str | None = None

    def __init__(self, solver_file: str):
        registry.load()
        job = load_job(str(solver_file), dropped=dropped(), allow_python=allows_python())
        if self.type is not None and job.solver.type != self.type:
            raise SpecError(f"{solver_file}: the type of the solver is {job.solver.type}; caffe.get_solver selects the right class")
        if schedules.follows_tests(job.solver.lr_policy):
            text = f"`lr_policy` {job.solver.lr_policy!r} follows the tests, which a script runs itself; `netc train` supports it."
            raise SpecError(Diagnostic(job.solver_place("lr_policy"), f"Solver: {text}"))
        if schedules.by_length(job.settings) and not (job.solver.HasField("max_iter") or job.solver.HasField("max_epoch")):
            text = f"`lr_policy` {job.solver.lr_policy!r} depends on the length of the training. Set `max_iter`."
            raise SpecError(Diagnostic(job.solver_place("lr_policy"), f"Solver: {text}"))
        self._program: Program = program(job, backend(), needs_length=False)
        self.param: pb.SolverParameter = job.solver
        self.net = Net.of_job(job, self._program.train_net)
        self.test_nets = [Net.of_job(job, net, self.net._states) for net in self._program.test_nets if self._program.tested]
        self.iter, self.lr = 0, 0.0
        self._slots = {n: a for n, a in self._program.start().items() if n not in self.net._states}
        self._update = Session(self._program.model("update"), self._program.backend)
        self._callbacks: list[tuple[Callable[[], Any], Callable[[], Any]]] = []
        for weights in job.weights:
            self.net.copy_from(weights)

    def step(self, iterations: int) -> None:
        """Run `iterations` iterations."""
        for _ in range(iterations):
            self.net.clear_param_diffs()
            for start, _ in self._callbacks:
                start()
            batches = SolverSettings.of(self.param).iter_size
            for k in range(batches):
                self.net.seek(self.iter * batches + k)
                self.net.forward()
                self.net.backward()
            for _, ready in self._callbacks:
                ready()
            self.apply_update()
            if self.param.snapshot and self.iter % self.param.snapshot == 0:
                self.snapshot()

    def apply_update(self) -> None:
        """Update the parameters with the current diffs, and count an iteration."""
        last = self.param.max_iter or self.iter + 1
        self.lr = schedules.rate(SolverSettings.of(self.param), self.iter, last)
        states = {n: b.data for n, b in self.net._states.items()} | self._slots
        feeds = STATE.named(states) | {LR: np.asarray(self.lr, np.float32)}
        feeds |= {GRAD(n): b.diff for n, b in self.net._states.items()}
        results = self._update.run({n: a for n, a in feeds.items() if n in self._update.inputs})
        for name, array in results.items():
            states[NEXT.bare(name)][...] = array
        self.iter += 1

    def solve(self, resume_file: str | None = None) -> None:
        """Train to max_iter, and write a snapshot at the end unless snapshot_after_train is false."""
        if resume_file:
            self.restore(resume_file)
        self.step(max(0, self.param.max_iter - self.iter))
        taken = self.param.snapshot and self.iter % self.param.snapshot == 0
        if self.param.snapshot_after_train and not taken:
            self.snapshot()

    def restore(self, path: str) -> None:
        """Continue from a .solverstate and its weight file."""
        snapshot = read_snapshot(str(path), self._program)
        for name, array in snapshot.states.items():
            target = self._slots[name] if name in self._slots else self.net._states[name].data
            target[...] = array
        self.iter = snapshot.iteration

    def snapshot(self) -> None:
        """Write a .caffemodel and a .solverstate, named after snapshot_prefix and the iteration."""
        job = self._program.job
        prefix = self.param.snapshot_prefix or str(Path(job.solver_at[0].path).with_suffix(""))
        if job.published:  # a published folder must not change
            prefix = Path(prefix).name
        states = {n: b.data for n, b in self.net._states.items()}
        write_snapshot(prefix, self._program, states | self._slots, self.iter, {n: b.diff for n, b in self.net._states.items()})

    def add_callback(self, on_start: Callable[[], Any], on_gradients_ready: Callable[[], Any]) -> None:
        """Add functions to call before the first forward of each iteration, and before its update."""
        self._callbacks.append((on_start, on_gradients_ready))

    def share_weights(self, net: Net) -> None:
        """Share the parameters of this solver's net with `net`."""
        net.share_with(self.net)


class SGDSolver(Solver):
    """A solver of type SGD."""

    type = "SGD"


class NesterovSolver(Solver):
    """A solver of type Nesterov."""

    type = "Nesterov"


class AdaGradSolver(Solver):
    """A solver of type AdaGrad."""

    type = "AdaGrad"


class RMSPropSolver(Solver):
    """A solver of type RMSProp."""

    type = "RMSProp"


class AdaDeltaSolver(Solver):
    """A solver of type AdaDelta."""

    type = "AdaDelta"


class AdamSolver(Solver):
    """A solver of type Adam."""

    type = "Adam"


def get_solver(solver_file: str) -> Solver:
    """Create the solver of a file, whatever its type."""
    return Solver(solver_file)
