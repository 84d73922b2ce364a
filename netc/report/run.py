"""A run as reports read it: its folder and its log and, on demand, its net, states and test rows."""

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
from netc.runtime.averages import averaged
from netc.training import record
from netc.training.evaluate import Scores, singles
from netc.training.feed import Feeder, Feeds
from netc.training.folder import BEST, RunFolder
from netc.training.snapshot_metadata import check_states, read_metadata

Lines = list[dict[str, Any]]
LESS = ("loss", "error", "rmse", "mae", "brier", "deviance")  # words in the names of scores for which smaller is better
NAMES = ("event", "iteration", "layer", "layers", "loss", "lr")


@dataclass(frozen=True)
class Run:
    """A run on disk. `program` is None if the net must not be opened: the run is active, or the net does not compile.

    `limit` is the time in seconds for a pass over the test rows; later rows are skipped.
    `kept` has what sections share, so that it is computed once.
    `write(prompt, length, temperature)` generates text, `time(steps)` returns milliseconds by (layer, part).
    """

    folder: RunFolder
    program: Program | None = None
    threads: int = 1
    limit: float = math.inf
    write: Callable[[str, int, float], str] | None = field(default=None, repr=False)
    time: Callable[[int], Mapping[tuple[str, str], float]] | None = field(default=None, repr=False)
    kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def name(self) -> str:
        """The name of the net and the number of the run."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def made(self) -> Program:
        """The program, for sections that need it."""
        assert self.program is not None
        return self.program

    @cached_property
    def lines(self) -> Lines:
        """The valid lines of the log."""
        return list(self.folder.lines())

    @cached_property
    def _checked_record(self) -> tuple[record.Record | None, str]:
        return record.read_checked(self.path)

    @property
    def record(self) -> record.Record | None:
        """The run's own record of its machine and times; None if it cannot be read."""
        return self._checked_record[0]

    @property
    def damage(self) -> str:
        """Why the record cannot be read; "" if it can."""
        return self._checked_record[1]

    def events(self, kind: str) -> Lines:
        """The lines of the log for one event."""
        return [line for line in self.lines if line["event"] == kind]

    @cached_property
    def tests(self) -> tuple[str, Lines]:
        """The event of the tests during training, "test" or "validation", and their lines."""
        kind = "validation" if self.events("validation") else "test"
        return kind, self.events(kind)

    @property
    def metrics(self) -> list[str]:
        """The names of the test scores, in the order of the log."""
        return list(dict.fromkeys(name for line in self.tests[1] for name in singles(line) if name not in ("event", "iteration")))

    @cached_property
    def scores(self) -> Scores:
        """The scores of the final model; of an unfinished run, those of its newest test."""
        if self.record and self.record.scores:
            return self.record.scores
        last = self.tests[1][-1:] or [{}]
        return {name: value for name, value in last[0].items() if name not in ("event", "iteration")}

    @cached_property
    def monitored(self) -> tuple[str, bool]:
        """The output that selects the best model, and whether larger is better."""
        if self.program:
            return self.program.test_net.monitored(self.program.job.settings.monitor)
        name = next((n for n in self.metrics if "loss" not in n), "loss")
        return name, not any(word in name for word in LESS)

    @cached_property
    def best(self) -> dict[str, Any] | None:
        """The line of the best test; among equals the first."""
        name, more = self.monitored
        lines = [line for line in self.tests[1] if name in singles(line)]
        return (max if more else min)(lines, key=lambda line: line[name], default=None)

    @cached_property
    def states(self) -> dict[str, np.ndarray]:
        """The states of the final model: the best one if it was selected, else the newest. Missing states have their initial values."""
        best = self.folder.snapshots / BEST
        if self.record and self.record.best is not None and best.exists():
            chosen = snapshot.read(best)
        else:
            newest, _ = snapshot.newest(self.folder.snapshots, read_metadata)
            if newest is None:
                raise SnapshotError(f"{self.folder.snapshots}: this run has no snapshot that can be read")
            chosen = newest
        check_states(chosen, self.made, whole=False)
        return self.made.start() | averaged(chosen.states)

    @cached_property
    def feeder(self) -> Feeder:
        """A feeder for the test rows."""
        return test_rows.test_feeder(self.made)

    def batches(self, blobs: Mapping[str, str]) -> Iterator[tuple[Feeds, Feeds]]:
        """Yield the feeds and the outputs of each test batch; `blobs` maps names of outputs to blobs of the test net.

        A net without tests has no batches.
        """
        if not self.made.tested:
            return iter(())
        return test_rows.batches(self.made, self.feeder, self.fed_states, self.threads, blobs, self.limit)

    @cached_property
    def classified(self) -> test_rows.Classified | None:
        """The true and the predicted classes of the test rows; None if the net is no classifier."""
        return test_rows.classified(self.made, self.batches)

    @cached_property
    def fed_states(self) -> dict[str, np.ndarray]:
        """The states as inputs of a model."""
        return STATE.named(self.states)
