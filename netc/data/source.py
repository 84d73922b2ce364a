"""What a source of data is: a description that costs little, and columns that are loaded when they are asked for.

A source function, filed under `@source(...)` or `@dataset(...)`, takes a `Request` and returns a `Table`. Which rows
make a batch, and what is done to them, is the same for every source: `order.py`, `transform.py`, `batches.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from netc import netc_pb2 as pb
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError


@dataclass(frozen=True)
class TopSpec:
    """A top without its batch axis. dtype is "float32" or "int64". `rows` of it make a batch; 0: as many as the layer says.

    `batch_axis` is where that comes in: 0, or 1 after time. It is None where the rows of the source are no rows of the top (a tree
    is many nodes): the shape is then the whole one, and a size that is another in each batch has a name. A top that is an `input`
    goes into a deployed net as the first top does, others are labels. Its integers are below `classes` where that is not 0. mean
    and std are those of its columns, the last axis, over the training rows.
    """

    dtype: str
    shape: tuple[int | str, ...]
    rows: int = 0
    batch_axis: int | None = 0
    input: bool = False
    classes: int = 0
    mean: tuple[float, ...] = field(default=(), compare=False)
    std: tuple[float, ...] = field(default=(), compare=False)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape, all of it known."""
        return tuple(map(int, self.shape))

    def with_batch(self, batch: int) -> tuple[int | str, ...]:
        """The shape with its batch."""
        if self.batch_axis is None:
            return self.shape
        return (*self.shape[: self.batch_axis], self.rows or batch, *self.shape[self.batch_axis :])


@dataclass(frozen=True)
class Description:
    """What a source gives, known before it is loaded. `rows` is None if it never ends, `sha256` "" if it is unknown.

    `set_apart` says that the rows for TEST are others than those for TRAIN, `has_validation` that there are rows for VALIDATION
    too. `tokens` is "characters" or "words" where the first top is a text. `columns` are the names of those of a table or a series, in
    the order of the top, and `label` is that of a table's label; the label of a series is the next value of `target`.
    `channels_last`: the source stores images so. `noun` says what a speed counts: images, sentences, tokens. `channels` is the
    order of those of images, RGB or BGR, where it is known. Of a `stream` an epoch takes as many rows as make whole batches.
    """

    name: str
    tops: tuple[TopSpec, ...]
    rows: int | None
    classes: tuple[str, ...] = ()
    licence: str = ""
    sha256: str = ""
    set_apart: bool = False
    has_validation: bool = False
    tokens: str = ""
    columns: tuple[str, ...] = ()
    target: str = ""
    label: str = ""
    channels_last: bool = False
    noun: str = field(default="rows", compare=False)
    channels: str = field(default="", compare=False)
    stream: bool = field(default=False, compare=False)

    @property
    def per_row(self) -> int:
        """How many of what the noun says a row is: a row of a text is many tokens."""
        return self.tops[0].sizes[0] if self.noun == "tokens" else 1

    def epoch(self, batch: int) -> int | None:
        """The rows that an epoch of training takes, in batches of so many; None if there is no end."""
        return self.rows // batch * batch if self.stream and self.rows is not None else self.rows

    @property
    def described(self) -> tuple[TopSpec, ...]:
        """The tops, the labels with the number of the classes."""
        return tuple(replace(t, classes=t.classes or len(self.classes)) if k == 1 else t for k, t in enumerate(self.tops))

    @property
    def inputs(self) -> tuple[int, ...]:
        """The tops that a deployed net takes, by their numbers."""
        return tuple(k for k, top in enumerate(self.tops) if k == 0 or top.input)

    @property
    def reading(self) -> dict[str, Any]:
        """How texts, series and tables become inputs of a deployed net: times, tokens, columns. Empty for other rows."""
        if not self.tops[0].batch_axis:
            said = {"columns": list(self.columns), "label": self.label} if self.columns else {}
            return said | ({"channels_last": True} if self.channels_last else {})
        about = {"tokens": self.tokens, "columns": list(self.columns), "forecasts": self.target}
        return {"steps": self.tops[0].shape[0]} | {k: v for k, v in about.items() if v}


@dataclass(frozen=True)
class Request:
    """What a source function receives. `phase` is TRAIN, VALIDATION or TEST; without rows of its own, VALIDATION is TEST.

    `base` is the directory that relative paths start from: the net file's. `source` is that of the layer's message, or data_param's
    test_source or validation_source; for these `learned` describes the training rows, whose columns and classes they must keep.
    """

    layer: pb.LayerParameter
    phase: str
    seed: int = 0
    base: Path = Path(".")
    source: str = ""
    learned: Description | None = None

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The classes in the order of their numbers; () where the labels are no classes, None where the rows themselves say it."""
        return self.learned.classes if self.learned else tuple(self.layer.data_param.classes) or None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns to read, in order; () where the rows themselves say it."""
        return self.learned.columns if self.learned else tuple(self.layer.data_param.columns)

    @property
    def path(self) -> Path:
        """`source` as a path."""
        return self.base / Path(self.source).expanduser()


class Column(Protocol):
    """All rows of one top as they are stored. A NumPy array is one."""

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Table:
    """What a source function returns. `load()` gives one column a top; an endless one is asked for ever larger rows.

    `has_test_rows` says that rows for TEST are set apart by the source itself, `all_phases` that the table is the same in every
    phase and so is made once, `finished` that transform_param is the source's own work and done.

    The rows of a `series` follow one another in time: those held out for TEST are the last ones. Those of a `stream` moreover go
    on where the row before ends: each place of a batch walks through a part of its own, from batch to batch.

    `vocabulary()` gives the words behind the integers of the first top. `place(top, row)` says where a value stands:
    `file:line:column`, or a file and the place within it. `numbers` are those of the rows, where they are some of all: `place` counts
    all. `notes()` says what the rows read so far do not show of what they were read from.
    """

    description: Description
    load: Callable[[], tuple[Column, ...]]
    has_test_rows: bool = False
    all_phases: bool = False
    finished: bool = False
    series: bool = False
    stream: bool = False
    vocabulary: Callable[[], Vocabulary] | None = None
    place: Callable[[int, int], str] | None = None
    numbers: np.ndarray | None = None
    notes: Callable[[], list[str]] = list

    def chosen(self, rows: np.ndarray) -> "Table":
        """The table of some of the rows, by their numbers."""
        described = replace(self.description, rows=len(rows))
        numbers = rows if self.numbers is None else self.numbers[rows]
        return replace(self, description=described, load=lambda: tuple(Selected(c, rows) for c in self.load()), numbers=numbers)


@dataclass(frozen=True)
class Selected:
    """Some rows of a column."""

    column: Column
    rows: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.column[self.rows[rows]]


class Source(Protocol):
    """A data layer at work. `rows` is None where it never ends.

    `wraps`: the last batch of a pass in TEST is filled up from the beginning, as Caffe does; else it is short.
    """

    description: Description
    batch_size: int
    rows: int | None
    wraps: bool

    @property
    def bytes_kept(self) -> int: ...

    def batch(self, iteration: int, sub_batch: int = 0) -> tuple[np.ndarray, ...]:
        """One array a top, its batch where the top has it: a function of the seed and these two numbers alone."""

    def stored(self, top: int, rows: np.ndarray) -> np.ndarray:
        """Rows of a top, by their numbers, as they are stored: before any order or transform."""

    def in_memory(self, top: int) -> bool:
        """Whether all rows of a top are kept in memory, so that looking at them takes no time."""

    def numbers(self, iteration: int, sub_batch: int = 0) -> np.ndarray:
        """The numbers of the rows of a batch, as `stored` and `place` count them."""

    def place(self, top: int, row: int) -> str:
        """Where a value stands."""

    def skipped(self) -> list[str]:
        """What is wrong with each row that could not be decoded and was skipped so far."""

    def notes(self) -> list[str]:
        """What the rows read so far do not show of what they were read from, such as an alpha channel."""


class UndecodableError(DataError):
    """Rows that cannot be decoded: what is wrong with each, by its place among the rows that were asked for."""

    def __init__(self, rows: Mapping[int, str]):
        super().__init__(*rows.values())
        self.rows = rows
