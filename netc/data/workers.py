"""Threads that decode and transform the rows of a batch. Pillow and NumPy work outside of Python's lock, so threads are enough."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from netc import netc_pb2 as pb

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Workers:
    """A number of threads; 0 stands for one for each CPU core of this process. All users of a number share its threads."""

    number: int = 0

    def apply(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results of a function for all items. One item, or one thread, does not leave the calling thread."""
        count = self.number or _cores()
        if count == 1 or len(items) < 2:
            return list(map(function, items))
        return list(_pool(count).map(function, items))


AUTOMATIC, INLINE = Workers(0), Workers(1)


def workers_of(layer: pb.LayerParameter) -> Workers:
    """The threads of a data layer."""
    return Workers(layer.transform_param.workers)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity
        return os.cpu_count() or 1


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="netc-worker")
