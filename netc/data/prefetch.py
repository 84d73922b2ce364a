"""Prefetching: a separate thread makes batches before they are needed."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from queue import Empty, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

from netc.errors import RunError

T = TypeVar("T")
JOIN = 10.0  # seconds to wait for the thread to end; after that it is abandoned until the process ends
PATIENCE = 1.0  # seconds between checks that the thread is alive while no result is ready


@dataclass(frozen=True)
class _Made(Generic[T]):
    value: T


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class Prefetch(Generic[T]):
    """Call as `prefetch(i)` to get `make(i)`, early: the next `depth` results are made while the caller works.

    Any number except the next one restarts the sequence there. An error in `make` is raised when its number is requested. Use it in a
    `with`, or call `close()`. It can be used again afterwards.
    """

    def __init__(self, make: Callable[[int], T], depth: int = 4):
        self._make, self._depth = make, max(depth, 1)
        self._stop, self._ready, self._next = Event(), Queue[_Made[T] | _Failed](), 0
        self._thread: Thread | None = None

    def __call__(self, iteration: int) -> T:
        if self._thread is None or iteration != self._next:
            self._start(iteration)
        taken = self._taken()
        self._next += 1
        if isinstance(taken, _Failed):
            self.close()
            raise taken.error
        return taken.value

    def _taken(self) -> _Made[T] | _Failed:
        """Return the next result. It is an error if the thread has died, for example for lack of memory."""
        while True:
            try:
                return self._ready.get(timeout=PATIENCE)
            except Empty:
                if self._thread is None or self._thread.is_alive() or not self._ready.empty():
                    continue
                return _Failed(RunError(f"The thread that prepares batches ended before batch {self._next}."))

    def close(self) -> None:
        """End the thread and discard the prefetched results."""
        if self._thread is None:
            return
        self._stop.set()
        try:
            while True:
                self._ready.get_nowait()
        except Empty:
            # The queue has room for the item that the thread may hold, so the thread then sees the stop signal.
            self._thread.join(timeout=JOIN)
            self._thread = None

    def __enter__(self) -> "Prefetch[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, iteration: int) -> None:
        self.close()
        self._stop, self._ready, self._next = Event(), Queue(maxsize=self._depth), iteration
        self._thread = Thread(target=_work, args=(self._make, iteration, self._ready, self._stop), name="netc-prefetch", daemon=True)
        self._thread.start()


def _work(make: Callable[[int], T], start: int, ready: "Queue[_Made[T] | _Failed]", stop: Event) -> None:
    for iteration in count(start):
        if stop.is_set():
            return
        try:
            ready.put(_Made(make(iteration)))
        except BaseException as e:
            ready.put(_Failed(e))
            return
