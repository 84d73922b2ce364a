"""Run a test net batch by batch, including the short batch at the end of the test set."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from netc.compiler.cache import session
from netc.compiler.lower import Lowered, lower
from netc.compiler.program import Program
from netc.errors import SpecError
from netc.graph.ir import Graph, Value
from netc.runtime.chain import open_graph
from netc.runtime.session import Runs, States, Stepper
from netc.training.feed import Feeder
from netc.training.guards import run_guarded


class TestNet:
    """Test net `number` of a program on `states`. `values` returns additional outputs by name.

    A net with a fixed batch size is lowered again for a short batch, if its layers allow that.
    """

    __test__ = False  # no class of pytest's

    def __init__(self, program: Program, number: int, threads: int, states: States,
                 values: Callable[[Lowered], Mapping[str, Value]] | None = None):  # fmt: skip
        self.program, self.number, self.threads, self.states, self.values = program, number, threads, states, values
        self.lowered, self.batch = program.tests[number]
        self._sessions: dict[int, Runs] = {}
        self._steppers: dict[int, Stepper] = {}

    def on(self, states: States) -> "TestNet":
        """The same net with different states."""
        other = TestNet(self.program, self.number, self.threads, states, self.values)
        other._sessions = self._sessions
        return other

    def restart(self) -> None:
        """Set the carried state to zero."""
        stepper = self._stepper(0)
        assert stepper is not None
        stepper.states.zero(stepper.writes.values())

    def run(self, feeds: Mapping[str, np.ndarray], rows: int) -> dict[str, np.ndarray] | None:
        """Run a batch with this number of rows. Returns every output; None if the net does not support such a short batch."""
        stepper = self._stepper(rows if isinstance(self.batch, int) and rows < self.batch else 0)
        return None if stepper is None else run_guarded(stepper, self.lowered, feeds)

    def left_out(self, feeder: Feeder) -> str | None:
        """A message on rows at the end of the test set that do not fit into a batch; None if all rows fit."""
        rows = feeder.rows % self.batch if feeder.rows is not None and isinstance(self.batch, int) else 0
        if not rows or self._short(rows) is not None:
            return None
        name = self.lowered.net.document.path
        return f"{name}: the last {rows} of {feeder.rows} test rows are skipped: the net only takes batches of {self.batch} rows"

    def _stepper(self, rows: int) -> Stepper | None:
        """A stepper for batches of `rows` rows; 0 means the normal size."""
        if rows not in self._steppers:
            if rows not in self._sessions:
                made = self._whole() if not rows else self._made(self._short(rows))
                if made is None:
                    return None
                self._sessions[rows] = made
            self._steppers[rows] = Stepper(self._sessions[rows], self.states)
        return self._steppers[rows]

    def _whole(self) -> Runs | None:
        if self.values is None:
            return session(self.program, f"test{self.number or ''}", self.threads)
        return self._made(self.lowered)

    def _short(self, rows: int) -> Lowered | None:
        """Lower the net for a short batch; None if its layers do not allow that or carry state between batches."""
        with suppress(SpecError):
            lowered = lower(self.program.test_nets[self.number], rows, self.program.seed)
            return None if lowered.graph.updates else lowered
        return None

    def _made(self, lowered: Lowered | None) -> Runs | None:
        if lowered is None:
            return None
        outputs: Any = lowered.graph.outputs if self.values is None else self.values(lowered)
        graph = self.program.laid_out(Graph(self.program.job.name, outputs, lowered.graph.updates))
        return open_graph(graph, self.program.backend, self.threads)
