"""The progress of a run in the format of Caffe's log, which parse_log.py and many scripts read."""

import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TextIO

from netc import terminal
from netc.compiler.program import Program
from netc.net.model import ResolvedNet
from netc.training.evaluate import Score
from netc.training.events import Began, Event, Finished, Snapshotted, Stepped, Tested


class CaffeLog:
    """Writes the events of a run to `stream` as lines of Caffe's log."""

    def __init__(self, whole: Program, stream: TextIO):
        self.whole, self.program, self.stream = whole, whole, stream
        self.display = whole.job.settings.display
        self.since, self.shown, self.loss = time.perf_counter(), 0, float("nan")

    def __call__(self, event: Event) -> None:
        if isinstance(event, Began):
            self._began(event)
        elif isinstance(event, Stepped):
            self._stepped(event)
        elif isinstance(event, Tested):
            self._tested(event)
        elif isinstance(event, Snapshotted):
            self._snapshotted(event)
        elif isinstance(event, Finished):
            self._finished(event)

    def _began(self, event: Began) -> None:
        self.program = self.whole.stages[event.stage]
        self.display = self.program.job.settings.display
        self.since, self.shown = time.perf_counter(), event.iteration
        self._line("solver.cpp", 281, f"Solving {self.program.job.name}")
        self._line("solver.cpp", 282, f"Learning Rate Policy: {self.program.job.settings.lr_policy}")

    def _stepped(self, event: Stepped) -> None:
        self.loss = event.loss
        if event.iteration % self.display:
            return
        now = time.perf_counter()
        seconds, count = now - self.since, event.iteration - self.shown
        self.since, self.shown = now, event.iteration
        speed = count / seconds if seconds else 0.0
        pace = f"({speed:.6g} iter/s, {seconds:.6g}s/{self.display} iters)"
        self._line("solver.cpp", 239, f"Iteration {event.iteration} {pace}, loss = {event.loss:.6g}")
        self._outputs("Train", event.outputs, self.program.train_net)
        self._line("sgd_solver.cpp", 112, f"Iteration {event.iteration}, lr = {event.lr:.6g}")

    def _tested(self, event: Tested) -> None:
        for k, net in enumerate(self.program.test_nets):
            self._line("solver.cpp", 347, f"Iteration {event.iteration}, Testing net (#{k})")
            own = {n.partition("#")[0]: v for n, v in event.scores.items() if int(n.partition("#")[2] or 0) == k}
            self._outputs("Test", own, net)

    def _outputs(self, phase: str, values: Mapping[str, Score], net: ResolvedNet) -> None:
        """The outputs of the net in alphabetical order, each loss with its contribution to the total."""
        weights = {top: w for layer in net.layers for top, w in zip(layer.tops, layer.loss_weights, strict=True)}
        numbers = [(name, v or 0.0) for name in net.outputs if name in values for v in _listed(values[name])]
        for number, (name, value) in enumerate(numbers):
            weight = weights.get(name, 0.0)
            loss = f" (* {weight:.6g} = {weight * value:.6g} loss)" if weight else ""
            self._line("solver.cpp", 258 if phase == "Train" else 414, f"    {phase} net output #{number}: {name} = {value:.6g}{loss}")

    def _snapshotted(self, event: Snapshotted) -> None:
        for path, kind in zip(event.caffe or (event.path,), ("model", "state"), strict=False):
            form = "HDF5" if path.suffix == ".h5" else "binary proto"
            if kind == "model":
                self._line("solver.cpp", 464, f"Snapshotting to {form} file {path}")
            else:
                self._line("sgd_solver.cpp", 284, f"Snapshotting solver state to {form} file {path}")

    def _finished(self, event: Finished) -> None:
        self._line("solver.cpp", 327, f"Iteration {event.iteration}, loss = {self.loss:.6g}")
        self._line("solver.cpp", 332, "Optimization Done.")

    def _line(self, file: str, number: int, text: str) -> None:
        """Write a line in glog's format: level, date, time, thread, file and line."""
        now = datetime.now()
        self.stream.write(f"I{now:%m%d %H:%M:%S.%f} {os.getpid():5d} {file}:{number}] {terminal.line(text)}\n")
        self.stream.flush()


def _listed(value: Score) -> list[float] | list[float | None]:
    """The numbers of a score. Caffe prints each on its own line, and 0 for a class without labels."""
    return [value] if isinstance(value, float) else value
