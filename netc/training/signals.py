"""What the signals of the system ask of a run."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol


class Asked(Protocol):
    """What a signal leaves on a run: `asked`, the name of the one that ends it, and whether a snapshot is wanted."""

    asked: str
    snapshot_asked: bool


@contextmanager
def signals(run: Asked) -> Iterator[None]:
    """SIGINT and SIGTERM end the run after the step that is running, a second SIGINT at once; SIGHUP takes a snapshot."""
    old: dict[signal.Signals, Any] = {}

    def end(number: int, frame: FrameType | None) -> None:
        if run.asked:
            raise KeyboardInterrupt
        run.asked = signal.Signals(number).name

    def hang_up(number: int, frame: FrameType | None) -> None:
        run.snapshot_asked = True

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
