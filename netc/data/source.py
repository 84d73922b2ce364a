"""What a source of data is: a description that costs little, and columns that are loaded when they are asked for.

A source function, filed under `@source(...)` or `@dataset(...)`, takes a `Request` and returns a `Table`. Which rows
make a batch, and what is done to them, is the same for every source: `order.py`, `transform.py`, `batches.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from netc import netc_pb2 as pb
from netc.errors import MOST_FAULTS, DataError


@dataclass(frozen=True)
class TopSpec:
    """A top without its batch axis. dtype is "float32" or "int64". `rows` of it make a batch; 0: as many as the layer says.

    `batch_axis` is where that comes in: 0, or 1 after time. A top that is an `input` goes into a deployed net as the
    first top does, others are labels. Its integers are below `classes` where that is not 0. mean and std are those of
    its columns, the last axis, over the training rows.
    """

    dtype: str
    shape: tuple[int, ...]
    rows: int = 0
    batch_axis: int = 0
    input: bool = False
    classes: int = 0
    mean: tuple[float, ...] = field(default=(), compare=False)
    std: tuple[float, ...] = field(default=(), compare=False)

    def batched(self, batch: int) -> tuple[int, ...]:
        """The shape with its batch."""
        return (*self.shape[: self.batch_axis], self.rows or batch, *self.shape[self.batch_axis :])


@dataclass(frozen=True)
class Description:
    """What a source gives, known before it is loaded. `rows` is None if it never ends, `sha256` "" if it is unknown.

    `set_apart` says that the rows for TEST are others than those for TRAIN. `vocabulary` are the texts that the integers of
    the first top stand for, `tokens` what they are: "characters" or "words". `columns` are the names of those of a
    series, whose label is the next value of `target`.
    """

    name: str
    tops: tuple[TopSpec, ...]
    rows: int | None
    classes: tuple[str, ...] = ()
    licence: str = ""
    sha256: str = ""
    set_apart: bool = False
    vocabulary: tuple[str, ...] = ()
    tokens: str = ""
    columns: tuple[str, ...] = ()
    target: str = ""

    @property
    def reading(self) -> dict[str, Any]:
        """How texts and series become inputs of a deployed net: times, tokens and their vocabulary, columns. Empty for other rows."""
        if not self.tops[0].batch_axis:
            return {}
        said = {"tokens": self.tokens, "vocabulary": list(self.vocabulary), "columns": list(self.columns), "forecasts": self.target}
        return {"steps": self.tops[0].shape[0]} | {k: v for k, v in said.items() if v}


@dataclass(frozen=True)
class Request:
    """What a source function receives.

    `base` is the directory that relative paths start from: the net file's. `source` is that of the layer's message, or data_param's
    test_source; for that one `classes` are those of the training rows, whose numbering it must keep.
    """

    layer: pb.LayerParameter
    phase: str
    seed: int = 0
    base: Path = Path(".")
    source: str = ""
    classes: tuple[str, ...] | None = None

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

    `has_test_rows` says that rows for TEST are set apart by the source itself, `finished` that transform_param is the
    source's own work and done. The rows of a `series` follow one another in time: those held out for TEST are the last
    ones. Those of a `stream` moreover go on where the row before ends: each place of a batch walks through a part of its
    own, from batch to batch.
    """

    description: Description
    load: Callable[[], tuple[Column, ...]]
    has_test_rows: bool = False
    finished: bool = False
    series: bool = False
    stream: bool = False


@dataclass(frozen=True)
class Selected:
    """Some rows of a column."""

    column: Column
    rows: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.column[self.rows[rows]]


def data_error(faults: Sequence[str]) -> DataError:
    """The error that lists `faults`, at most as many as a person reads."""
    more = [f"... and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
    return DataError("\n".join([*faults[:MOST_FAULTS], *more]))
