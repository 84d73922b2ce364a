"""What a source of data is: a description that costs little, and columns that are loaded when they are asked for.

A source function, filed under `@source(...)` or `@dataset(...)`, takes a `Request` and returns a `Table`. Which rows
make a batch, and what is done to them, is the same for every source: `order.py`, `transform.py`, `batches.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from netc import netc_pb2 as pb
from netc.data.vocabulary import Vocabulary
from netc.errors import MOST_FAULTS, DataError


@dataclass(frozen=True)
class TopSpec:
    """A top without its batch axis. dtype is "float32" or "int64". `rows` of it make a batch; 0: as many as the layer says.

    A source whose rows are no rows of the top (a tree is many nodes) gives the whole shape and is not `batched`; a size that
    is another in each batch then has a name.
    """

    dtype: str
    shape: tuple[int | str, ...]
    rows: int = 0
    batched: bool = True

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape, all of it known."""
        return tuple(map(int, self.shape))


@dataclass(frozen=True)
class Description:
    """What a source gives, known before it is loaded. `rows` is None if it never ends, `sha256` "" if it is unknown.

    `set_apart` says that the rows for TEST are others than those for TRAIN, `has_validation` that there are rows for VALIDATION
    too. The first `inputs` of the tops are what a trained net takes; the others are labels.
    """

    name: str
    tops: tuple[TopSpec, ...]
    rows: int | None
    classes: tuple[str, ...] = ()
    licence: str = ""
    sha256: str = ""
    set_apart: bool = False
    has_validation: bool = False
    inputs: int = 1


@dataclass(frozen=True)
class Request:
    """What a source function receives. `phase` is TRAIN, VALIDATION or TEST; without rows of its own, VALIDATION is TEST.

    `base` is the directory that relative paths start from: the net file's. `source` is that of the layer's message, or data_param's
    test_source or validation_source; for these `classes` are those of the training rows, whose numbering they must keep.
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
    source's own work and done. `vocabulary()` gives the words behind numbers.
    """

    description: Description
    load: Callable[[], tuple[Column, ...]]
    has_test_rows: bool = False
    finished: bool = False
    vocabulary: Callable[[], Vocabulary] | None = None


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
