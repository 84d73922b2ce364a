"""The table of readers: functions that turn the files of a built-in data set into rows. Records refer to them by name."""

from collections.abc import Callable

from netc.data.named.dataset import DataSet
from netc.data.source import Request, Table

Reader = Callable[[Request, DataSet], Table]
READERS: dict[str, Reader] = {}


def reader(name: str) -> Callable[[Reader], Reader]:
    """Register a function as a reader."""

    def add(function: Reader) -> Reader:
        READERS[name] = function
        return function

    return add
