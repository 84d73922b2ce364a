"""What the signals of the system ask of a run."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass
class Requests:
    """What signals ask of a run: `end` is the name of the one that ends it, or ""; `snapshot` asks for a snapshot after the step."""

    end: str = ""
    snapshot: bool = False


@contextmanager
def signals(requests: Requests) -> Iterator[None]:
    """SIGINT and SIGTERM end the run after the step that is running, a second SIGINT at once; SIGHUP takes a snapshot."""
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
    except ValueError:  # not in the main thread: whoever runs it there handles its own signals
        pass
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
