"""A part of a table: one file, or the result of a query."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from netc.errors import Place
from netc.table.reading.options import RawColumn, ReadingOptions
from netc.table.reading.store import Store


@dataclass(frozen=True)
class PlainFile:
    """A file that is on this machine and not compressed. `name` is for messages."""

    path: Path
    name: str


@dataclass(frozen=True)
class Part:
    """The columns of a part, and how to read its cells.

    `load` appends the cells of some of the columns to the relation `cells` of a store, each as the kind that is asked for.
    `place` finds a cell by its row in the part and the number of its column.
    """

    name: str
    columns: tuple[RawColumn, ...]
    sha256: str
    dialect: ReadingOptions
    load: Callable[[Store, Sequence[RawColumn]], None]
    place: Callable[[int, int], Place]
    queried: bool = False  # whether it is the result of a query of a database
