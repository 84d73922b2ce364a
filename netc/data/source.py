"""What a data source is: a description that is cheap to make, and columns that are loaded on demand.

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
    """A top without its batch axis. `dtype` is "float32" or "int64". `rows` is its batch size, 0 for that of the layer.

    `batch_axis` is the place of the batch: 0, or 1 after time. It is None if the rows of the source are not rows of the top (a tree
    is many nodes). The shape is then the whole shape, and sizes that differ from batch to batch have names.

    An `input` goes into a deployed net, as the first top does; other tops are labels. Integers are below `classes` unless that is 0.
    `mean` and `std` are those of the columns (the last axis) over the training rows.
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
        """The shape as numbers; all sizes are known."""
        return tuple(map(int, self.shape))

    def with_batch(self, batch: int) -> tuple[int | str, ...]:
        """The shape with the batch axis."""
        if self.batch_axis is None:
            return self.shape
        return (*self.shape[: self.batch_axis], self.rows or batch, *self.shape[self.batch_axis :])


@dataclass(frozen=True)
class Description:
    """What a source delivers, known before it is loaded. `rows` is None if it never ends, `sha256` "" if it is unknown.

    `set_apart`: rows for TEST differ from those for TRAIN. `has_validation`: there are rows for VALIDATION, too. `tokens` is
    "characters" or "words" if the first top is a text.

    `columns` are the column names of a table or a series, in the order of the top. `label` is the label column of a table; the label
    of a series is the next value of `target`. `channels_last` is how the source stores images, and `channels` is their order, RGB or
    BGR, if it is known. `noun` is the unit of speeds: images, sentences, tokens. An epoch of a `stream` takes only whole batches.
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
        """How many units of `noun` a row is: a row of a text is many tokens."""
        return self.tops[0].sizes[0] if self.noun == "tokens" else 1

    def epoch(self, batch: int) -> int | None:
        """The rows in an epoch of training, in batches of that size; None if the source never ends."""
        return self.rows // batch * batch if self.stream and self.rows is not None else self.rows

    @property
    def described(self) -> tuple[TopSpec, ...]:
        """The tops, with the number of classes at the labels."""
        return tuple(replace(t, classes=t.classes or len(self.classes)) if k == 1 else t for k, t in enumerate(self.tops))

    @property
    def inputs(self) -> tuple[int, ...]:
        """The numbers of the tops that a deployed net takes."""
        return tuple(k for k, top in enumerate(self.tops) if k == 0 or top.input)

    @property
    def reading(self) -> dict[str, Any]:
        """How texts, series and tables become inputs of a deployed net: time steps, tokens, columns. Empty for other rows."""
        if not self.tops[0].batch_axis:
            said = {"columns": list(self.columns), "label": self.label} if self.columns else {}
            return said | ({"channels_last": True} if self.channels_last else {})
        about = {"tokens": self.tokens, "columns": list(self.columns), "forecasts": self.target}
        return {"steps": self.tops[0].shape[0]} | {k: v for k, v in about.items() if v}


@dataclass(frozen=True)
class Request:
    """What a source function receives. `phase` is TRAIN, VALIDATION or TEST. A source without validation rows uses its test rows.

    `base` is the folder of the net file, which relative paths start from. `source` is that of the layer's message, or data_param's
    test_source or validation_source. For the latter, `learned` describes the training rows: columns and classes must be the same.
    """

    layer: pb.LayerParameter
    phase: str
    seed: int = 0
    base: Path = Path(".")
    source: str = ""
    learned: Description | None = None

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The classes in the order of their numbers; () if labels are not classes, None if the rows determine them."""
        return self.learned.classes if self.learned else tuple(self.layer.data_param.classes) or None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns to read, in order; () if the rows determine them."""
        return self.learned.columns if self.learned else tuple(self.layer.data_param.columns)

    @property
    def path(self) -> Path:
        """`source` as a path."""
        return self.base / Path(self.source).expanduser()


class Column(Protocol):
    """All rows of one top as they are stored, for example a NumPy array."""

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Table:
    """What a source function returns. `load()` gives one column a top; an endless one is asked for ever larger rows.

    `has_test_rows` says that rows for TEST are set apart by the source itself, `all_phases` that the table is the same in every
    phase and so is made once, `finished` that transform_param is the source's own work and done.

    The rows of a `series` follow one another in time: those held out for TEST are the last ones. Those of a `stream` moreover go
    on where the row before ends: each place in a batch goes through a separate part, from batch to batch.

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
        """Return the table of some of the rows, by their numbers."""
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
        """Return one array per top. It depends only on the seed and these two numbers."""

    def stored(self, top: int, rows: np.ndarray) -> np.ndarray:
        """Return rows of a top, by their numbers, before any order or transformation."""

    def in_memory(self, top: int) -> bool:
        """Whether all rows of a top are in memory, so that checking them is fast."""

    def numbers(self, iteration: int, sub_batch: int = 0) -> np.ndarray:
        """The numbers of the rows of a batch, as `stored` and `place` use them."""

    def place(self, top: int, row: int) -> str:
        """The place of a value in its file."""

    def skipped(self) -> list[str]:
        """An error text for each row that could not be decoded and was skipped so far."""

    def notes(self) -> list[str]:
        """What was ignored in the files read so far, such as an alpha channel."""


class UndecodableError(DataError):
    """Rows that cannot be decoded: an error text for each, by its place among the requested rows."""

    def __init__(self, rows: Mapping[int, str]):
        super().__init__(*rows.values())
        self.rows = rows
