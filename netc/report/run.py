"""What a report knows of a run: its folder, its log, and where it is asked for its net, states and test rows."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from netc.compiler.program import Program
from netc.errors import SnapshotError
from netc.graph.contract import STATE
from netc.report import test_rows
from netc.runtime import snapshot
from netc.training import record
from netc.training.evaluate import Scores, monitored, singles
from netc.training.feed import Feeder, Feeds
from netc.training.folder import BEST, RunFolder
from netc.training.snapshot_notes import check_states, noted

Lines = list[dict[str, Any]]
LESS = ("loss", "error", "rmse")  # names of what is better the smaller it is
NAMES = ("event", "iteration", "layer", "layers", "loss", "lr")


@dataclass(frozen=True)
class Run:
    """A run on disk. `program` is None where its net is not to be opened: while it goes on, or where it cannot be compiled.

    `limit` is how many seconds a pass over the test rows may take: the rest is then left out.
    `write(prompt, length, temperature)` has the model go on with a text, `time(steps)` gives milliseconds by (layer, part).
    """

    folder: RunFolder
    program: Program | None = None
    threads: int = 1
    limit: float = math.inf
    write: Callable[[str, int, float], str] | None = field(default=None, repr=False)
    time: Callable[[int], Mapping[tuple[str, str], float]] | None = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def name(self) -> str:
        """The net's name and the run's number."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def made(self) -> Program:
        """The program, of sections that need it."""
        assert self.program is not None
        return self.program

    @cached_property
    def lines(self) -> Lines:
        """The log, its lines that are whole."""
        return list(self.folder.lines())

    @cached_property
    def _judged(self) -> tuple[record.Record | None, str]:
        return record.read_judged(self.path)

    @property
    def record(self) -> record.Record | None:
        """What the run noted of where it ran and how long; None where that cannot be read."""
        return self._judged[0]

    @property
    def damage(self) -> str:
        """What is wrong with that note; "" if nothing is."""
        return self._judged[1]

    def events(self, kind: str) -> Lines:
        """The log's lines of one event."""
        return [line for line in self.lines if line["event"] == kind]

    @cached_property
    def tests(self) -> tuple[str, Lines]:
        """What was tested on during training, "test" or "validation", and these lines."""
        kind = "validation" if self.events("validation") else "test"
        return kind, self.events(kind)

    @property
    def metrics(self) -> list[str]:
        """The names of the numbers that the tests gave, in the log's order."""
        return list(dict.fromkeys(name for line in self.tests[1] for name in singles(line) if name not in ("event", "iteration")))

    @cached_property
    def scores(self) -> Scores:
        """Those of the run's model; of a run that has not ended, of its newest test."""
        if self.record and self.record.scores:
            return self.record.scores
        last = self.tests[1][-1:] or [{}]
        return {name: value for name, value in last[0].items() if name not in ("event", "iteration")}

    @cached_property
    def monitored(self) -> tuple[str, bool]:
        """The output that tells which model is best, and whether more of it is better."""
        if self.program:
            return monitored(self.program.test_net, self.program.job.settings.monitor)
        name = next((n for n in self.metrics if "loss" not in n), "loss")
        return name, not any(word in name for word in LESS)

    @cached_property
    def best(self) -> dict[str, Any] | None:
        """The line of the best test; of equal ones the first."""
        name, more = self.monitored
        lines = [line for line in self.tests[1] if name in singles(line)]
        return (max if more else min)(lines, key=lambda line: line[name], default=None)

    @cached_property
    def states(self) -> dict[str, np.ndarray]:
        """Those of the run's model: of the best test where that was chosen, else the newest; filled up by the start."""
        best = self.folder.snapshots / BEST
        if self.record and self.record.best is not None and best.exists():
            found = snapshot.read(best)
        else:
            newest, _ = snapshot.newest(self.folder.snapshots, noted)
            if newest is None:
                raise SnapshotError(f"{self.folder.snapshots}: there is no snapshot of this run that can be read")
            found = newest
        check_states(found, self.made, whole=False)
        return self.made.start() | found.states

    @cached_property
    def feeder(self) -> Feeder:
        """The test rows."""
        return test_rows.test_feeder(self.made)

    def batches(self, blobs: Mapping[str, str]) -> Iterator[tuple[Feeds, Feeds]]:
        """What each batch of test rows is fed, and what the net makes of it: blobs of the test net by other names."""
        return test_rows.batches(self.made, self.feeder, self.fed_states, self.threads, blobs, self.limit)

    @cached_property
    def classified(self) -> test_rows.Classified | None:
        """The classes of the test rows, of a net that tells some apart."""
        return test_rows.classified(self.made, self.batches)

    @cached_property
    def fed_states(self) -> dict[str, np.ndarray]:
        """The states as models take them."""
        return STATE.named(self.states)
