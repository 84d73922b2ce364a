"""Handle the signals SIGINT, SIGTERM and SIGHUP during a run."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass
class Requests:
    """Requests by signals: `end` is the name of the signal that ends the run, or ""; `snapshot` requests a snapshot after the step."""

    end: str = ""
    snapshot: bool = False


@contextmanager
def signals(requests: Requests) -> Iterator[None]:
    """Handle signals: SIGINT and SIGTERM end the run after the current step, a second SIGINT immediately; SIGHUP saves a snapshot."""
    old: dict[signal.Signals, Any] = {}

    def end(number: int, frame: FrameType | None) -> None:
        if requests.end:
            raise KeyboardInterrupt
        requests.end = signal.Signals(number).name

    def hang_up(number: int, frame: FrameType | None) -> None:
        requests.snapshot = True

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            old[number] = signal.signal(number, end)
        if hasattr(signal, "SIGHUP"):
            old[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    except ValueError:  # not in the main thread: the caller handles signals itself
        pass
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
