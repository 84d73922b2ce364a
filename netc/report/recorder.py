"""Follows a run: times it, keeps run.json, TensorBoard's events and the report up to date. None of these ever ends a run."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from types import TracebackType

from netc.contract import Program
from netc.errors import NetcError
from netc.report import page
from netc.report.board import Board
from netc.report.run import Run
from netc.run import record
from netc.run.events import Event, Finished, Snapshotted, Stepped
from netc.solver import Trainer

EVERY = 60.0  # seconds between reports while a run goes on


class Recorder:
    """As a context: at its end, however that comes, the report is written. `run_of` gives all that the report of the end may ask for.

    `say` takes what a person is to know: where the report is, or why there is none.
    """

    def __init__(self, program: Program, trainer: Trainer, part: record.Part, plugins: tuple[str, ...],
                 run_of: Callable[[Trainer], Run], say: Callable[[str], None]):  # fmt: skip
        self.folder, self.run_of, self.say, self.trainer = trainer.folder, run_of, say, trainer
        known = record.read(self.folder.path) or record.begun(program, trainer.feeder.batch_size * trainer.iter_size, plugins)
        self.record, self.part = replace(known, reason=""), part
        self.steps, self.training, self.other = 0, 0.0, 0.0
        self.written = self.since = time.perf_counter()

    def __enter__(self) -> "Recorder":
        self._keep()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            reason = "a second signal" if isinstance(error, KeyboardInterrupt) else f"an error: {error}"
            self.record = replace(self.record, reason=reason)
        self._keep()
        if error is not None and not isinstance(error, NetcError | KeyboardInterrupt):
            return
        self._report(self.run_of(self.trainer) if error is None else Run(self.folder), told=True)

    def told(self, trainer: Trainer, events: Iterable[Event]) -> Iterator[Event]:
        """The same events of one stage, each noted first."""
        self.trainer = trainer
        board = self._board(trainer)
        try:
            for event in events:
                self._spent(event)
                if board is not None:
                    board.told(event)
                yield event
                if time.perf_counter() - self.written > EVERY:
                    self._keep()
                    self._report(Run(self.folder))
        finally:
            if board is not None:
                board.close()

    def _board(self, trainer: Trainer) -> Board | None:
        try:
            return Board(trainer)
        except OSError as e:
            self.say(f"no TensorBoard events: {e.strerror or e}")
            return None

    def _spent(self, event: Event) -> None:
        """The time since the last event, into the part of the run that is going on."""
        now = time.perf_counter()
        seconds, self.since = now - self.since, now
        if isinstance(event, Stepped):
            self.steps += 1
            self.training += seconds
            return
        self.other += seconds
        iteration = self.trainer.before + event.iteration
        self.record = replace(self.record, iteration=iteration)
        if isinstance(event, Finished):
            self.record = replace(self.record, reason=event.reason, best=event.best, scores=event.scores)
        if isinstance(event, Snapshotted):
            self._keep()

    def _keep(self) -> None:
        with suppress(NetcError):  # a disk that is full ends the run where it must, at a snapshot
            part = replace(self.part, steps=self.steps, training=self.training, other=self.other)
            replace(self.record, parts=(*self.record.parts, part)).write(self.folder.path)

    def _report(self, run: Run, told: bool = False) -> None:
        self.written = time.perf_counter()
        try:
            path = page.write(run)
        except Exception as e:
            self.say(f"no report: {type(e).__name__}: {e}")
        else:
            if told:
                self.say(f"report {path}")


def part_of(command: str, environment: dict[str, str]) -> record.Part:
    """A part of a run that begins now."""
    return record.Part(command, datetime.now().astimezone().isoformat(timespec="seconds"), environment)
