"""Follow a run: measure its time, and keep run.json, TensorBoard events and the report up to date. Its errors never end the run."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from types import TracebackType

from netc.compiler.program import Program
from netc.errors import NetcError
from netc.report import page
from netc.report.board import Board
from netc.report.remarks import remarks
from netc.report.run import Run
from netc.training import record
from netc.training.events import Event, Finished, Snapshotted, Stepped, Tested
from netc.training.trainer import Trainer

EVERY = 60.0  # seconds between reports while a run is active


class Recorder:
    """A context manager that writes the report at its end, also after an error. `run_of` returns the Run for the final report.

    `say` receives messages for the user: where the report is, or why there is none.
    """

    def __init__(self, program: Program, trainer: Trainer, part: record.Part, plugins: tuple[str, ...],
                 run_of: Callable[[Trainer], Run], say: Callable[[str], None]):  # fmt: skip
        self.folder, self.run_of, self.say, self.trainer = trainer.folder, run_of, say, trainer
        known = record.read(self.folder.path) or record.new(program, trainer.step.batch_size, plugins)
        self.record, self.part = replace(known, reason="", error=""), part
        self.steps, self.training, self.other = 0, 0.0, 0.0
        self.written = self.since = time.perf_counter()
        self.board: Board | None = None
        self.lost = ""  # why there are no more TensorBoard events, until the user has read it

    def __enter__(self) -> "Recorder":
        self._keep()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            signal = isinstance(error, KeyboardInterrupt)
            self.record = replace(self.record, reason="a second signal" if signal else "an error", error="" if signal else str(error))
        self._close()
        self._keep()
        if error is not None and not isinstance(error, NetcError | KeyboardInterrupt):
            return
        if error is None:
            self._report_lost()
            self._report(self.run_of(self.trainer), announce=True)
        else:
            self._report(Run(self.folder), announce=True, failed=True)

    def begin(self, trainer: Trainer) -> None:
        """Start or resume a stage."""
        self._close()
        self.trainer = trainer
        with self._harmless("no TensorBoard events"):
            self.board = Board(trainer)

    def __call__(self, event: Event) -> None:
        """Record an event of the stage."""
        now = time.perf_counter()
        if isinstance(event, Stepped):
            self.steps += 1
            self.training += now - self.since
        else:
            self.other += now - self.since
        if isinstance(event, Tested | Snapshotted | Finished):
            self._reached(event)
        if self.board is not None:
            with self._harmless("no more TensorBoard events"):
                self.board(event)
        if now - self.written > EVERY:
            self._keep()
            self._report(Run(self.folder))
        self.since = time.perf_counter()

    def _reached(self, event: Tested | Snapshotted | Finished) -> None:
        self.record = replace(self.record, iteration=self.trainer.before + event.iteration)
        if isinstance(event, Finished):
            self.record = replace(self.record, reason=event.reason, best=event.best, scores=event.scores)
        if isinstance(event, Snapshotted):
            self._keep()
            self._report_lost()

    def _close(self) -> None:
        if self.board is not None:
            with self._harmless("no more TensorBoard events"):
                self.board.close()
        self.board = None

    @contextmanager
    def _harmless(self, what: str) -> Iterator[None]:
        """Stop writing TensorBoard events after an error. The message waits for the next snapshot: if that fails too, the run ends."""
        try:
            yield
        except OSError as e:
            self.lost = f"{what}: {e.strerror or e}"
            board, self.board = self.board, None
            if board is not None:
                with suppress(OSError):
                    board.close()

    def _report_lost(self) -> None:
        if self.lost:
            self.say(self.lost)
        self.lost = ""

    def _keep(self) -> None:
        with suppress(NetcError):  # a full disk must end the run at a snapshot, not here
            part = replace(self.part, steps=self.steps, training=self.training, other=self.other)
            replace(self.record, parts=(*self.record.parts, part)).write(self.folder.path)

    def _report(self, run: Run, announce: bool = False, failed: bool = False) -> None:
        """Write the report. If the run failed, do not report why there is no page: the reason is usually the same."""
        self.written = time.perf_counter()
        try:
            path = page.write(run)
        except Exception as e:
            if not failed:
                self.say(f"no report: {type(e).__name__}: {e}")
        else:
            if announce:
                self.say(f"report {path}")
                for text in remarks(run):
                    self.say(text)


def part_of(command: str, environment: dict[str, str]) -> record.Part:
    """A part of a run that starts now."""
    return record.Part(command, datetime.now().astimezone().isoformat(timespec="seconds"), environment)
