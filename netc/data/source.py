"""The interface of data sources: a description that is cheap to make, and columns that are loaded on demand.

A source function, registered with `@source(...)` or `@dataset(...)`, takes a `Request` and returns a `Table`. Batching and
transformations are the same for every source: see `order.py`, `transforms` and `batches.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from netc import netc_pb2 as pb
from netc.data.fitted import FittedColumn
from netc.data.joint import Joint, SelectedJoint
from netc.data.series_facts import SeriesFacts
from netc.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from netc.data.learned import Learned


@dataclass(frozen=True)
class TopSpec:
    """The shape and type of a top, without its batch axis.

    `dtype` is "float32" or "int64". `rows` is its batch size, 0 for the layer's batch size.

    `batch_axis` is the index of the batch axis: 0, or 1 after time. It is None if a top does not have one row per source row: a tree,
    for example, has many nodes. The shape is then the complete shape, and sizes that vary between batches have names.

    An `input` is an input of the deployed model, as the first top is; other tops are labels. Integers are below `classes` unless that
    is 0. `mean` and `std` are those of the columns (the last axis) over the training rows. `fitted` are the columns of a table's encoded
    rows: each has its own part of the last axis. `gaps`: NaN is a gap, which the net itself handles. A `mask` has a value for each pixel
    of the image in the first top, and is cropped and moved with it.
    """

    dtype: str
    shape: tuple[int | str, ...]
    rows: int = 0
    batch_axis: int | None = 0
    input: bool = False
    classes: int = 0
    mean: tuple[float, ...] = field(default=(), compare=False)
    std: tuple[float, ...] = field(default=(), compare=False)
    fitted: tuple[FittedColumn, ...] = ()
    gaps: bool = False
    mask: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape as numbers. All sizes must be known."""
        return tuple(map(int, self.shape))

    def with_batch(self, batch: int) -> tuple[int | str, ...]:
        """The shape with the batch axis."""
        if self.batch_axis is None:
            return self.shape
        return (*self.shape[: self.batch_axis], self.rows or batch, *self.shape[self.batch_axis :])


@dataclass(frozen=True)
class Description:
    """What a source provides, known before loading.

    `rows` is None if the source is endless. `sha256` is "" if it is unknown. `set_apart`: rows for TEST differ from those for TRAIN.
    `has_validation`: there are rows for VALIDATION too.

    `tokens` is "characters", "words" or "tokens" if the first top is a text. A `tokenizer` makes tokens; if the labels are tokens too,
    `characters` is their mean length in the rows of TEST.

    `columns` are the column names of a table or a series, in the order of the top. `label` is the label column of a table; the label of
    a series is the next value of `target`. `channels_last` is how the source stores images. `channels` is their order, RGB or BGR, if
    it is known.

    `series` says how windows are made from the rows of a table, and `rules` how the cells of its columns are read. `noun` is the unit of
    speed: images, sentences, tokens. An epoch of a `stream` contains only full batches. `added` are the names of the last tops, which
    come with the label and which no net file names: see `netc.data.transforms.mixing`.
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
    series: SeriesFacts | None = None
    rules: tuple[pb.ColumnParameter, ...] = ()
    added: tuple[str, ...] = ()
    tokenizer: str = ""
    characters: float = 0.0

    def names(self, tops: Sequence[str]) -> tuple[str, ...]:
        """The names of all tops, if a net file names the first ones."""
        return (*tops, *(f"{tops[1]}.{name}" for name in self.added))

    @property
    def per_row(self) -> int:
        """How many units of `noun` a row contains: a row of a text has many tokens."""
        return self.tops[0].sizes[0] if self.noun == "tokens" else 1

    def epoch(self, batch: int) -> int | None:
        """The rows in an epoch of training with batches of this size; None if the source is endless."""
        return self.rows // batch * batch if self.stream and self.rows is not None else self.rows

    @property
    def described(self) -> tuple[TopSpec, ...]:
        """The tops, with the number of classes in the labels."""
        return tuple(replace(t, classes=t.classes or len(self.classes)) if k == 1 else t for k, t in enumerate(self.tops))

    @property
    def inputs(self) -> tuple[int, ...]:
        """The indices of the tops that are inputs of a deployed model."""
        return tuple(k for k, top in enumerate(self.tops) if k == 0 or top.input)

    @property
    def reading(self) -> dict[str, Any]:
        """How a deployed model's inputs are made from texts, series and tables: time steps, tokens, columns.

        It is empty for other rows.
        """
        if not self.tops[0].batch_axis:
            said: dict[str, Any] = {"columns": list(self.columns), "label": self.label} if self.columns else {}
            said |= {"series": asdict(self.series)} if self.series else {}
            return said | ({"channels_last": True} if self.channels_last else {})
        about = {"tokens": self.tokens, "tokenizer": self.tokenizer, "columns": list(self.columns), "forecasts": self.target}
        return {"steps": self.tops[0].shape[0]} | {k: v for k, v in about.items() if v}


@dataclass(frozen=True)
class Request:
    """The argument of a source function.

    `phase` is TRAIN, VALIDATION or TEST. A source without validation rows returns its test rows. `base` is the folder of the net file,
    which relative paths start from.

    `source` is that of the layer's message, or data_param's test_source or validation_source. For the latter two, `learned` describes
    the training rows: columns and classes must be the same. `known` is what a net has learned from its training rows, if it comes with
    weights. `current`: paths start from the current folder too, as in Caffe.
    """

    layer: pb.LayerParameter
    phase: str
    seed: int = 0
    base: Path = Path(".")
    source: str = ""
    learned: Description | None = None
    known: "Learned | None" = None
    current: bool = False

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
    """All stored rows of one top, for example as a NumPy array."""

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Table:
    """The result of a source function.

    `load()` returns one column per top. The columns of an endless source accept any row number. `parts` are the rows of each phase, if the
    source itself separates them and the columns contain the rows of all phases. `raw(rows)` returns the raw values of rows, by column: the
    inputs of a published model.

    `has_test_rows`: the source itself separates the rows for TEST. `all_phases`: the table is the same in every phase, so it is made
    once. `finished`: the source has already applied transform_param.

    The rows of a `series` are consecutive in time, so the last ones are held out for TEST. In a `stream`, each row also continues the
    previous one: each position in a batch goes through a separate part, from batch to batch.

    `joint(request)` returns what makes the tops of a batch in the phase of the request, if labels depend on the transformation of their
    images: boxes. The columns then are the rows without random changes.
    `absent`: the layer states the shapes of its tops, but its files are not there; `load` raises a DataError.

    `vocabulary()` returns the words for the integers of the first top. `place(top, row)` returns the location of a value:
    `file:line:column`, or a file and the position within it. If the table is a selection of rows, `numbers` are their original row
    numbers, which `place` uses. `notes()` returns what the rows read so far lack compared with their files.
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
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)
    raw: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None
    joint: Callable[[Request], Joint] | None = None
    absent: bool = False

    def chosen(self, rows: np.ndarray) -> "Table":
        """Return the table of a selection of rows, by their numbers."""
        described = replace(self.description, rows=len(rows))
        numbers = rows if self.numbers is None else self.numbers[rows]
        load, joint = self.load, self.joint
        return replace(
            self, description=described, load=lambda: tuple(Selected(c, rows) for c in load()), numbers=numbers, parts={},
            joint=joint and (lambda request: SelectedJoint(joint(request), rows)),
        )  # fmt: skip


@dataclass(frozen=True)
class Selected:
    """A selection of the rows of a column."""

    column: Column
    rows: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.column[self.rows[rows]]


class Source(Protocol):
    """The batches of a data layer. `rows` is None if they are endless.

    `wraps`: the last batch of a pass in TEST is filled up from the start, as in Caffe; else it is short.
    """

    description: Description
    batch_size: int
    rows: int | None
    wraps: bool

    @property
    def bytes_kept(self) -> int: ...

    def batch(self, iteration: int, sub_batch: int = 0) -> tuple[np.ndarray, ...]:
        """Return one array per top. It depends only on the seed and these two numbers."""

    def seen(self, row: int, epoch: int) -> tuple[np.ndarray, ...]:
        """Return a row as training reads it in an epoch: one array per top, with one row. The source must have an end."""

    def stored(self, top: int, rows: np.ndarray) -> np.ndarray:
        """Return rows of a top, by their numbers, before any order or transformation."""

    def raw(self, rows: np.ndarray) -> dict[str, np.ndarray] | None:
        """Return the raw values of rows of a table by column, which are the inputs of a published model; None for other sources."""

    def in_file(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers of rows in the file, from 0, if this is a selection of its rows."""

    def in_memory(self, top: int) -> bool:
        """Whether all rows of a top are in memory, so that checking them is fast."""

    def numbers(self, iteration: int, sub_batch: int = 0) -> np.ndarray:
        """The numbers of the rows of a batch, as `stored` and `place` use them."""

    def place(self, top: int, row: int) -> str:
        """The place of a value in its file."""

    def skipped(self) -> list[str]:
        """An error text for each row that was skipped so far because it could not be decoded."""

    def notes(self) -> list[str]:
        """What was ignored in the files read so far, such as an alpha channel."""
