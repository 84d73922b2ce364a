"""The batches of a data layer: takes rows of its table in order and transforms them."""

from contextlib import suppress
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.data.decoding import StandIns, skips
from netc.data.joint import Joint
from netc.data.order import Order, in_file_order, shuffled, streams
from netc.data.settings import keeps_caffes_order, setting, shuffles
from netc.data.source import Column, Description, Request, Selected, Source, Table
from netc.data.sources.dummy import dummy_batch_size
from netc.data.transforms.checks import COLORS, uses
from netc.data.transforms.luck import Luck
from netc.data.transforms.mixing import Mixing, mixes
from netc.data.transforms.rows import Transform, transform
from netc.data.undecodable import UndecodableError
from netc.errors import DataError
from netc.random import integers


def resolve_batch_size(layer: pb.LayerParameter, phase: str) -> int:
    """Return the batch size of a layer. In TEST, test_batch_size overrides batch_size."""
    if layer.type == "DummyData":
        return dummy_batch_size(layer)
    size = (phase != "TRAIN" and setting(layer, "test_batch_size")) or setting(layer, "batch_size")
    if not size:
        raise DataError("`batch_size` is missing. Add the number of rows of a batch, for example `batch_size: 64`.", field="batch_size")
    return int(size)


def test_batches(source: Source) -> int | None:
    """The number of batches in one pass over the rows, including a short last one; None if the source never ends."""
    return None if source.rows is None else -(-source.rows // source.batch_size)


class Feed:
    """The batches of a table.

    TRAIN continues from epoch to epoch, so a batch may contain the end of one and the start of the next. VALIDATION and TEST go through
    the rows in order, with a short last batch, and then start over. If the source `wraps`, they continue like training.
    """

    def __init__(self, request: Request, table: Table, description: Description, iter_size: int = 1):
        self.description, self.rows = description, table.description.rows
        self.batch_size = resolve_batch_size(request.layer, request.phase)
        if self.rows == 0:
            raise DataError(f"{table.description.name}: There are no rows.")
        self._notes, self._joint = table.notes, None if table.joint is None else table.joint(request)
        self._columns = table.load()[: len(self.description.tops)]
        self._table, self._tops = table, request.layer.top or [str(k) for k in range(len(self._columns))]
        self._transform = _transform(request, table, description, self._columns[0])
        self._masks = [k for k, top in enumerate(table.description.tops[: len(self._columns)]) if top.mask]
        self._mixing = Mixing(request.layer.transform_param, Luck(request.seed, request.layer.name)) if _mixed(request, table) else None
        self._testing, self._iter_size, self._order = request.phase != "TRAIN", iter_size, _order(request, self.rows)
        if table.stream and self.rows:
            if self.rows < self.batch_size:
                name = table.description.name
                text = f"{self.rows} windows of {request.layer.data_param.steps} steps are too few for a `batch_size` of {self.batch_size}."
                raise DataError(f"{name}: {text}", field="batch_size")
            self._order = streams(self.rows, self.batch_size)
            self.rows = self.description.epoch(self.batch_size)
        whole = all(top.batch_axis is not None for top in description.tops)  # rows that fill up a batch can be removed again
        self.wraps = self._testing and keeps_caffes_order(request.layer) and whole
        step = self.batch_size if self.rows is None else 1  # an endless source gives each place in a batch its own rows
        self._stand_ins = StandIns(table.description.name, self.rows, step) if skips(request) else None

    def skipped(self) -> list[str]:
        """An error text for each row that was skipped so far because it could not be decoded."""
        return list(self._stand_ins.skipped.values()) if self._stand_ins else []

    def notes(self) -> list[str]:
        """What was ignored in the files read so far, such as an alpha channel."""
        return self._notes()

    @property
    def bytes_kept(self) -> int:
        """The size in bytes of the rows in memory."""
        columns = (c.column if isinstance(c, Selected) else c for c in self._columns)
        return sum(c.nbytes for c in columns if isinstance(c, np.ndarray))

    def batch(self, iteration: int, sub_batch: int = 0) -> tuple[np.ndarray, ...]:
        """Return one array per top. `sub_batch` counts within an iteration of training."""
        return self._made(*self._span(iteration, sub_batch))

    def seen(self, row: int, epoch: int) -> tuple[np.ndarray, ...]:
        """Return a row as training reads it in an epoch: one array per top, with one row. The source must have an end."""
        assert self.rows is not None
        first = epoch * self.rows
        return self._made(first + int(np.flatnonzero(self._order(first, self.rows) == row)[0]), 1)

    def _made(self, first: int, count: int) -> tuple[np.ndarray, ...]:
        """The transformed and mixed rows of each top."""
        if self._mixing is None:
            arrays = self._read(first, count)
        else:
            start, wanted = self._mixing.span(first, count)
            data, *labels = self._read(start, wanted)
            mixed = self._mixing.mix(data, labels[0] if labels else None, start)
            arrays = [array[first - start : first - start + count] for array in mixed]
        return tuple(np.moveaxis(a, 0, top.batch_axis or 0) for a, top in zip(arrays, self.description.tops, strict=True))

    def _read(self, first: int, count: int) -> list[np.ndarray]:
        """The transformed rows of each top of the table, batch axis first."""
        rows = self._order(first, count)
        if self._joint is not None:
            column = Streamed(self._joint, first)
            return list(column[rows] if self._stand_ins is None else self._stand_ins.read(column, rows)[1])
        if self._stand_ins is None:
            data = self._columns[0][rows]
        else:
            rows, data = self._stand_ins.read(self._columns[0], rows)
        others = [column[rows] for column in self._columns[1:]]
        if self._transform is not None:
            data, moved = self._transform(data, first, [others[k - 1] for k in self._masks])
            for k, mask in zip(self._masks, moved, strict=True):
                others[k - 1] = mask
        tops = zip((data, *others), self.description.tops, strict=False)
        return [array.astype(top.dtype, copy=False) for array, top in tops]

    def _span(self, iteration: int, sub_batch: int) -> tuple[int, int]:
        """The first row of a batch, counted over all passes, and its number of rows."""
        first, count = (iteration * self._iter_size + sub_batch) * self.batch_size, self.batch_size
        if self._testing and self.rows is not None and not self.wraps:
            first = iteration * count % (-(-self.rows // count) * count)
            count = min(count, self.rows - first)
        return first, count

    def stored(self, top: int, rows: np.ndarray) -> np.ndarray:
        """Return rows of a top, by their numbers, before any order or transformation."""
        return np.asarray(self._column(top)[rows])

    def _column(self, top: int) -> Column:
        """The column of a top. Those that mixing adds come from the labels."""
        return self._columns[min(top, len(self._columns) - 1)]

    def raw(self, rows: np.ndarray) -> dict[str, np.ndarray] | None:
        """Return the raw values of rows of a table by column, which are the inputs of a published model; None for other sources."""
        return None if self._table.raw is None else self._table.raw(self.in_file(rows))

    def in_file(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers of rows in the file, from 0, if this is a selection of its rows."""
        return rows if self._table.numbers is None else self._table.numbers[rows]

    def in_memory(self, top: int) -> bool:
        """Whether all rows of a top are in memory, so that checking them is fast."""
        column = self._column(top)
        while isinstance(column, Selected):
            column = column.column
        return self.rows is not None and isinstance(column, np.ndarray) and not isinstance(column.base, np.memmap)

    def numbers(self, iteration: int, sub_batch: int = 0) -> np.ndarray:
        """The numbers of the rows of a batch, as `stored` and `place` use them."""
        return self._order(*self._span(iteration, sub_batch))

    def place(self, top: int, row: int) -> str:
        """The place of a value in its file."""
        table, number = self._table, row if self._table.numbers is None else int(self._table.numbers[row])
        return (
            table.place(top, number) if table.place else f"{table.description.name}: {self._tops[min(top, len(self._tops) - 1)]}[{number}]"
        )


class Streamed:
    """Rows whose tops are transformed together, of which the first has the number `first` in the stream of training rows."""

    def __init__(self, joint: Joint, first: int):
        self._joint, self._first = joint, first

    def __getitem__(self, rows: np.ndarray) -> Any:
        return self._joint(rows, self._first)


def _order(request: Request, rows: int | None) -> Order:
    layer, name = request.layer, request.layer.name
    if rows is None:
        return lambda first, count: np.arange(first, first + count)
    if request.phase != "TRAIN":
        return in_file_order(rows)
    most = setting(layer, "rand_skip")
    skip = int(integers(request.seed, f"{name}/rand_skip", most, (1,))[0]) if most else 0
    if shuffles(layer):
        return shuffled(rows, request.seed, name, skip)
    return in_file_order(rows, skip)


def _transform(request: Request, table: Table, description: Description, column: Column) -> Transform | None:
    """The transformation of the first top; None if its rows stay as they are. DataError for rows that have no colors."""
    top, param = table.description.tops[0], request.layer.transform_param
    if table.finished or top.dtype != "float32":
        return None
    if request.phase == "TRAIN" and (fields := uses(param, COLORS)):
        with suppress(UndecodableError):  # the first batch reports it
            found = column[np.arange(1)].dtype
            if found != np.uint8:
                text = f"`{fields[0]}` needs images of bytes, from 0 to 255, but those of {description.name} are {found}."
                raise DataError(text, field=fields[0])
    return transform(request, top, description.channels)


def _mixed(request: Request, table: Table) -> bool:
    return mixes(request.layer.transform_param, request.phase) and not table.finished
