"""From a layer to its batches: the source function chosen, its rows held out, ordered, transformed."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.data.choice import check_names, source_function, source_name
from netc.data.decoding import StandIns, skips
from netc.data.order import Order, held_out, in_file_order, shuffled, streams
from netc.data.settings import keeps_caffes_order, setting, shuffles
from netc.data.source import Description, Request, Selected, Source, Table
from netc.data.sources.dummy import dummy_batch_size
from netc.data.transform import normalisation, transform, transformed
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError
from netc.random import integers, permutation


def resolve_batch_size(layer: pb.LayerParameter, phase: str) -> int:
    """The rows of a batch. test_batch_size rules in TEST, where it is set."""
    if layer.type == "DummyData":
        return dummy_batch_size(layer)
    size = (phase != "TRAIN" and setting(layer, "test_batch_size")) or setting(layer, "batch_size")
    if not size:
        raise DataError("`batch_size` is missing. Add the number of rows of a batch, for example `batch_size: 64`.", field="batch_size")
    return int(size)


def describe(layer: pb.LayerParameter, phase: str, base: str | Path = ".") -> Description:
    """What the layer will give in `phase`. Opens as little as possible; a set that goes by name needs no data."""
    request = Request(layer, phase, base=Path(base), source=setting(layer, "source"))
    table = _table(request)
    param, first = layer.transform_param, table.description.tops[0]
    if (param.mean_file or param.mean_value or param.std_value) and not table.finished and first.dtype == "float32":
        normalisation(param, first.sizes, request.base)  # a mean of another shape is told before the run
    return _described(request, table)


def open(layer: pb.LayerParameter, phase: str, seed: int, base: str | Path = ".", iter_size: int = 1) -> Source:
    """The layer's source, loaded. Training takes `iter_size` batches an iteration. `phase` is TRAIN, VALIDATION or TEST."""
    request = Request(layer, phase, seed, Path(base), setting(layer, "source"))
    return Feed(request, _table(request), iter_size)


def vocabulary(layer: pb.LayerParameter, base: str | Path = ".") -> Vocabulary | None:
    """The words behind the numbers that the layer gives; None if its numbers stand for no words. Loads the training rows."""
    table = _table(Request(layer, "TRAIN", base=Path(base), source=setting(layer, "source")))
    return table.vocabulary() if table.vocabulary else None


def test_batches(source: Source) -> int | None:
    """The batches of one pass over the rows, a short last one among them; None where there is no end."""
    return None if source.rows is None else -(-source.rows // source.batch_size)


class Feed:
    """The batches of a table.

    TRAIN walks on through the epochs without a gap, so a batch may hold the end of one and the start of the next.
    VALIDATION and TEST walk the rows once in their order, the last batch as short as it comes, and then start over; where it
    `wraps`, they walk on as training does.
    """

    def __init__(self, request: Request, table: Table, iter_size: int = 1):
        self.description, self.rows = _described(request, table), table.description.rows
        self.batch_size = resolve_batch_size(request.layer, request.phase)
        if self.rows == 0:
            raise DataError(f"{table.description.name}: There are no rows.")
        self._notes = table.notes
        self._columns = table.load()[: len(self.description.tops)]
        self._table, self._tops = table, request.layer.top or [str(k) for k in range(len(self._columns))]
        self._transform = (lambda rows, first: rows) if table.finished else transform(request, table.description.tops[0])
        self._testing, self._iter_size, self._order = request.phase != "TRAIN", iter_size, _order(request, self.rows)
        if table.stream and self.rows:
            if self.rows < self.batch_size:
                name = table.description.name
                text = f"{self.rows} windows of {request.layer.data_param.steps} steps are too few for a `batch_size` of {self.batch_size}."
                raise DataError(f"{name}: {text}", field="batch_size")
            self._order = streams(self.rows, self.batch_size)
            self.rows = self.description.epoch(self.batch_size)
        self.wraps = self._testing and keeps_caffes_order(request.layer)
        step = self.batch_size if self.rows is None else 1  # a source without an end gives each place of a batch rows of its own
        self._stand_ins = StandIns(table.description.name, self.rows, step) if skips(request) else None

    def skipped(self) -> list[str]:
        """What is wrong with each row that could not be decoded and was skipped so far."""
        return list(self._stand_ins.skipped.values()) if self._stand_ins else []

    def notes(self) -> list[str]:
        """What the rows read so far do not show of what they were read from, such as an alpha channel."""
        return self._notes()

    @property
    def bytes_kept(self) -> int:
        """Bytes of the rows that are kept in memory."""
        columns = (c.column if isinstance(c, Selected) else c for c in self._columns)
        return sum(c.nbytes for c in columns if isinstance(c, np.ndarray))

    def batch(self, iteration: int, sub_batch: int = 0) -> tuple[np.ndarray, ...]:
        """One array a top, its batch where the top has it. `sub_batch` counts within an iteration of training."""
        first, count = self._span(iteration, sub_batch)
        rows = self._order(first, count)
        if self._stand_ins is None:
            data = self._columns[0][rows]
        else:
            rows, data = self._stand_ins.read(self._columns[0], rows)
        others = [column[rows] for column in self._columns[1:]]
        typed = zip(others, self.description.tops[1:], strict=True)
        arrays = self._transform(data, first), *(other.astype(top.dtype, copy=False) for other, top in typed)
        return tuple(np.moveaxis(a, 0, top.batch_axis or 0) for a, top in zip(arrays, self.description.tops, strict=True))

    def _span(self, iteration: int, sub_batch: int) -> tuple[int, int]:
        """Where a batch begins in the walk through the rows, and how many it has."""
        first, count = (iteration * self._iter_size + sub_batch) * self.batch_size, self.batch_size
        if self._testing and self.rows is not None and not self.wraps:
            first = iteration * count % (-(-self.rows // count) * count)
            count = min(count, self.rows - first)
        return first, count

    def stored(self, top: int, rows: np.ndarray) -> np.ndarray:
        """Rows of a top, by their numbers, as they are stored: before any order or transform."""
        return np.asarray(self._columns[top][rows])

    def in_memory(self, top: int) -> bool:
        """Whether all rows of a top are kept in memory, so that looking at them takes no time."""
        column = self._columns[top]
        while isinstance(column, Selected):
            column = column.column
        return self.rows is not None and isinstance(column, np.ndarray) and not isinstance(column.base, np.memmap)

    def numbers(self, iteration: int, sub_batch: int = 0) -> np.ndarray:
        """The numbers of the rows of a batch, as `stored` and `place` count them."""
        return self._order(*self._span(iteration, sub_batch))

    def place(self, top: int, row: int) -> str:
        """Where a value stands."""
        table, number = self._table, row if self._table.numbers is None else int(self._table.numbers[row])
        return table.place(top, number) if table.place else f"{table.description.name}: {self._tops[top]}[{number}]"


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


def _described(request: Request, table: Table) -> Description:
    given, wanted = table.description, len(request.layer.top) or len(table.description.tops)
    if wanted > len(given.tops):
        raise DataError(f"{given.name} has {len(given.tops)} tops, the layer {wanted}.")
    first = given.tops[0] if table.finished else transformed(request.layer.transform_param, given.tops[0])
    classes = given.classes if wanted > 1 else ()  # they are of the labels
    if not given.tokens:  # whose classes are characters or words
        check_names(given.name, classes)
    kinds, name = source_name(request)
    facts = {f: v for f, v in kinds.facts[name].items() if f in ("noun", "channels")}
    return replace(given, tops=(first, *given.tops[1:wanted]), classes=classes, stream=table.stream, **facts)


def _table(request: Request) -> Table:
    param = request.layer.data_param
    if not 0 <= param.test_fraction < 1:
        raise DataError(f"`test_fraction` is {param.test_fraction}. Expected a number from 0 to 1.", field="test_fraction")
    if param.test_source and param.test_fraction:
        raise DataError("Both `test_source` and `test_fraction` are set. Remove one of them.", field="test_source")
    return _labelled(request, _split(request))


def _split(request: Request) -> Table:
    """The rows of the request's phase."""
    param = request.layer.data_param
    other = {"VALIDATION": param.validation_source or param.test_source, "TEST": param.test_source}.get(request.phase)
    if other:
        training = source_function(request)(replace(request, phase="TRAIN")).description
        testing = replace(request, source=other, learned=training)
        tested = source_function(testing)(testing)
        if tested.description.tops != training.tops:
            raise DataError(f"{testing.path}: Its rows are {tested.description.tops}. The training rows are {training.tops}.")
        tested = replace(tested, description=replace(tested.description, tops=training.tops))  # with their mean and std
        return _stated(tested, param, set_apart=True)
    table = source_function(request)(request)
    if param.test_fraction:
        return _stated(_held_out(table, param.test_fraction, request.phase), param, set_apart=True)
    return _stated(table, param, table.has_test_rows or table.description.rows is None)


def _stated(table: Table, param: pb.DataParameter, set_apart: bool) -> Table:
    """`table` with what its description says of rows for testing and for validation."""
    described = table.description
    validation = described.has_validation or bool(param.validation_source)
    return replace(table, description=replace(described, set_apart=set_apart, has_validation=validation))


def _held_out(table: Table, fraction: float, phase: str) -> Table:
    described = table.description
    if table.has_test_rows or described.rows is None:
        text = "`test_fraction` cannot be used: the source has test rows of its own, or no end."
        raise DataError(f"{described.name}: {text}", field="test_fraction")
    return table.chosen(held_out(described.rows, fraction, phase, table.series))


def _labelled(request: Request, table: Table) -> Table:
    """The training rows that have labels, where only some have."""
    param, described = request.layer.data_param, table.description
    if request.phase != "TRAIN" or not param.HasField("labelled"):
        return table
    if described.rows is None or not 0 < param.labelled <= described.rows:
        rows = described.rows or "endless"
        raise DataError(f"`labelled` is {param.labelled}, but {described.name} has {rows} training rows.", field="labelled")
    return table.chosen(np.sort(permutation(request.seed, f"{request.layer.name}/labelled", described.rows)[: param.labelled]))
