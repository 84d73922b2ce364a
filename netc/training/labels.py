"""Check the data of a net for labels and targets that are out of range, and for NaN. One check for all sources.

Columns in memory are checked completely before the first step, others batch by batch before each step. Labels that layers compute
from data are computed in advance; if they depend on weights, the run itself checks them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from netc import data, registry
from netc.compiler.lower import Lowered, Reading
from netc.errors import DataError, Diagnostic
from netc.graph.contract import BATCH
from netc.graph.ir import Graph, Node
from netc.graph.op_info import info
from netc.net.model import Layer
from netc.runtime.chain import open_graph
from netc.runtime.session import Runs
from netc.training.bad_values import BadValues, Place, base_of, diagnostic_of, nowhere

CHUNK = 2**20  # values of a column to check at a time


@dataclass(frozen=True)
class Column:
    """A top of an open source."""

    layer: Layer
    source: data.Source
    top: int

    @property
    def name(self) -> str:
        return BATCH(self.layer.tops[self.top])

    @property
    def spec(self) -> data.TopSpec:
        return self.source.description.tops[self.top]

    @property
    def repeats(self) -> bool:
        """Whether its values in memory are those of the labels: the labels of the rows that are mixed in."""
        described = self.source.description
        return self.top >= len(described.tops) - len(described.added) and self.source.in_memory(self.top)

    @property
    def holds_floats(self) -> bool:
        """Whether values can be NaN."""
        return bool(self.source.stored(self.top, np.arange(1)).dtype.kind == "f")

    def parts(self) -> Iterator[tuple[np.ndarray, Place]]:
        """Yield all rows as they are stored, in chunks, with the positions of their elements."""
        count, size = self.source.rows or 0, self.source.stored(self.top, np.arange(1)).size
        step = max(1, CHUNK // max(1, size))
        for first in range(0, count, step):
            rows = np.arange(first, min(first + step, count))
            yield self.source.stored(self.top, rows), self.placed(rows, 0)

    def placed(self, rows: np.ndarray, axis: int | None) -> Place:
        """The positions of the elements of an array whose axis `axis` contains these rows."""

        def place(index: tuple[int, ...]) -> str:
            if axis is None or axis >= len(index) or index[axis] >= len(rows):
                return ""
            inner = index[:axis] + index[axis + 1 :]
            return self.source.place(self.top, int(rows[index[axis]])) + self._within(inner)

        return place

    def _within(self, inner: tuple[int, ...]) -> str:
        """The position within a row: the name of a column, or the index."""
        names = self.source.description.columns
        if inner and not self.top and len(names) == self.spec.shape[-1]:
            return f", column {names[inner[-1]]!r}"
        return f", element {list(inner)}" if inner else ""


class Checks:
    """The checks of a net's open sources. `phase` names their rows in messages."""

    def __init__(self, lowered: Lowered, layers: Sequence[Layer], sources: Sequence[data.Source], phase: str):
        self.phase = phase
        self.columns = {
            column.name: column
            for layer, source in zip(layers, sources, strict=True)
            for k in range(min(len(layer.tops), len(source.description.tops)))
            for column in [Column(layer, source, k)]
        }
        self._direct: list[tuple[Reading, Column]] = []
        self._derived: list[Reading] = []
        known = set()
        for reading in lowered.readings:
            base, d = base_of(reading.value), reading.domain
            key = (base, d.low, d.high, d.whole, d.ignored)
            if reading.guard or key in known:
                continue
            known.add(key)
            column = self.columns.get(base.node.name) if base.node.key == ("netc", "Input") else None
            if column is not None and column.repeats:
                continue
            if column is not None:
                self._direct.append((reading, column))
            elif base.node.key != ("netc", "Input") and all(n.name in self.columns for n in _inputs(reading)):
                self._derived.append(reading)
        layers_of_ones_own = [x for x in lowered.net.layers if x.type == "Python" or not registry.layer.is_own(x.type)]
        gaps = {b for x in layers_of_ones_own for b in x.bottoms}  # only these layers know how they treat NaN
        used = {BATCH(b) for x in lowered.net.layers for b in x.bottoms if b not in gaps}
        self._numbers = [column for name, column in self.columns.items() if name in used and not column.spec.gaps]
        self._sessions: dict[Reading, Runs] = {}
        self._out_of_range: dict[Reading, BadValues] = {}
        self._no_numbers: dict[str, BadValues] = {}

    def stored(self) -> None:
        """Check all data in memory once. DataError lists all problems."""
        read = [column for _, column in self._direct]
        for column in (c for c in self._numbers if c not in read and c.holds_floats and c.source.in_memory(c.top)):
            for array, place in column.parts():
                self._note_nan(column, array, place)
        looked = [(r, c) for r, c in self._direct if c.source.in_memory(c.top) and (c.top or c.spec.dtype != "float32")]
        for reading, column in looked:  # float data still changes: its mean will be subtracted
            for array, place in column.parts():
                self._note(reading, array, place)
        if errors := self.errors(self.phase):
            raise DataError(*errors)
        self._direct = [pair for pair in self._direct if pair not in looked]

    def batch(self, feeds: Mapping[str, np.ndarray], iteration: int, sub_batch: int = 0) -> None:
        """Check a batch for values that `stored` did not check. DataError lists all problems."""
        self.look(feeds, iteration, sub_batch)
        if errors := self.errors(f"a batch of {self.phase}"):
            raise DataError(*errors)

    def look(self, feeds: Mapping[str, np.ndarray], iteration: int, sub_batch: int = 0) -> None:
        """Record invalid values of a batch for `errors`."""
        for reading, column in self._direct:
            if column.name in feeds:
                self._note(reading, feeds[column.name], self._placed(column, iteration, sub_batch))
        for reading in self._derived:
            inputs = _inputs(reading)
            if all(n.name in feeds for n in inputs):
                fed = [self.columns[n.name] for n in inputs]
                known = len(fed) == 1 and _keeps_rows(reading, fed[0].spec.batch_axis)
                self._note(reading, self._made(reading, feeds), self._placed(fed[0], iteration, sub_batch) if known else nowhere)

    def errors(self, of: str) -> list[Diagnostic]:
        """The problems recorded since the last call."""
        problems = [_no_numbers(self.columns[name], bad, of) for name, bad in self._no_numbers.items()]
        problems += [diagnostic_of(reading, bad, of) for reading, bad in self._out_of_range.items()]
        self._out_of_range, self._no_numbers = {}, {}
        return problems

    def look_for_nan(self, feeds: Mapping[str, np.ndarray], iteration: int, sub_batch: int = 0) -> None:
        """Record NaN and infinite values of a batch for `errors`."""
        for column in (c for c in self._numbers if c.name in feeds):
            self._note_nan(column, feeds[column.name], self._placed(column, iteration, sub_batch))

    def _note_nan(self, column: Column, array: np.ndarray, place: Place) -> None:
        if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
            self._no_numbers.setdefault(column.name, BadValues()).add(array, ~finite, place)

    def _note(self, reading: Reading, array: np.ndarray, place: Place) -> None:
        wrong = reading.domain.wrong(array)
        if wrong.any():
            self._out_of_range.setdefault(reading, BadValues()).add(array, wrong, place)

    def _placed(self, column: Column, iteration: int, sub_batch: int) -> Place:
        return column.placed(column.source.numbers(iteration, sub_batch), column.spec.batch_axis)

    def _made(self, reading: Reading, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        """Compute labels that layers derive from the feeds."""
        if reading not in self._sessions:
            self._sessions[reading] = open_graph(Graph("labels", {"labels": reading.value}))
        given = {n.name: _filled(feeds[n.name], n.types[0].shape) for n in _inputs(reading)}
        return self._sessions[reading].run(given)["labels"]


def _inputs(reading: Reading) -> list[Node]:
    """The inputs that the values of a reading are computed from."""
    return Graph("", {"": reading.value}).leaves("Input")


def _keeps_rows(reading: Reading, axis: int | None) -> bool:
    """Whether a value computed from one input has the same rows along the same axis."""
    nodes = Graph("", {"": reading.value}).nodes
    inputs = [n for n in nodes if n.key == ("netc", "Input")]
    if axis is None or len(inputs) != 1:
        return False
    rows = inputs[0].types[0].shape[: axis + 1]
    made = [n for n in nodes if n.domain != "netc"]
    return all(_by_row(n) and n.types[0].shape[: axis + 1] == rows and n.attrs.get("axis", -1) not in range(axis + 1) for n in made)


def _by_row(node: Node) -> bool:
    """Whether an op takes nothing from one row into another, unless it works along their axis."""
    known = info(node)
    return known.elementwise or known.view or known.along_axis


def _no_numbers(column: Column, bad: BadValues, of: str) -> Diagnostic:
    layer, name = column.layer, column.layer.tops[column.top]
    text = f"{name!r} of {of} contains {bad}; remove these rows from the data, or fill in numbers"
    return Diagnostic(layer.at(), f"Layer {layer.name!r}: {text}")


def _filled(array: np.ndarray, shape: Sequence[int | str]) -> np.ndarray:
    """Pad an array to the fixed size of a graph by repeating its last row."""
    wanted = [w if isinstance(w, int) else n for w, n in zip(shape, array.shape, strict=True)]
    return np.pad(array, [(0, max(0, w - n)) for w, n in zip(wanted, array.shape, strict=True)], mode="edge") if array.size else array
