"""What a net's data may not hold: labels that are no class, targets out of their range, NaN. One check for all sources.

Columns that are kept in memory are looked at whole before the first step; of others each batch before the step that it is for. Labels
that come out of layers are computed beforehand from what is fed or, where they hang on weights, looked at by the run itself.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from netc import data
from netc.chain import open_graph
from netc.errors import DataError, Fault, RunError
from netc.ir import Graph, Node, Value
from netc.layers.context import BATCH
from netc.lower import Lowered, Reading
from netc.net import Layer
from netc.session import Runs, Stepper

MOST_VALUES = 5  # different values that a message names
CHUNK = 65_536  # rows of a column that are looked at together
SAME = {("", "Reshape"), ("", "Squeeze"), ("", "Unsqueeze"), ("", "Identity"), ("netc", "Stop")}  # ops that leave each value as it is
Place = Callable[[tuple[int, ...]], str]  # where the element of a place in an array stands


@dataclass
class Found:
    """Values that were found: how often each, and where the first of it stands."""

    counts: Counter[float] = field(default_factory=Counter)
    places: dict[float, str] = field(default_factory=dict)

    def add(self, array: np.ndarray, wrong: np.ndarray, place: Place) -> None:
        """Those of an array that are `wrong`."""
        if not wrong.any():
            return
        where = np.argwhere(wrong)
        found, first, counts = np.unique(array[wrong], return_index=True, return_counts=True)
        for value, at, count in zip(found.tolist(), first.tolist(), counts.tolist(), strict=True):
            value = math.nan if value != value else value  # one NaN for all
            self.counts[value] += count
            self.places.setdefault(value, place(tuple(where[at].tolist())))

    def __str__(self) -> str:
        said = [_said(value, self.counts[value], self.places[value]) for value in self.counts]
        if len(said) <= MOST_VALUES:
            return ", ".join(said)
        known = [value for value in self.counts if value == value]
        return f"{self.counts.total():,} numbers outside, from {min(known):.6g} to {max(known):.6g}, such as {said[0]}"


@dataclass(frozen=True)
class Column:
    """A top of an open source."""

    layer: Layer
    source: data.Source
    top: int

    @property
    def name(self) -> str:
        return BATCH + self.layer.tops[self.top]

    @property
    def spec(self) -> data.TopSpec:
        return self.source.description.tops[self.top]

    @property
    def holds_floats(self) -> bool:
        """Whether a value can be NaN."""
        return bool(self.source.stored(self.top, np.arange(1)).dtype.kind == "f")

    def parts(self) -> Iterator[tuple[np.ndarray, Place]]:
        """All rows as they are stored, some at a time, and where their elements stand."""
        for first in range(0, self.source.rows or 0, CHUNK):
            rows = np.arange(first, min(first + CHUNK, self.source.rows or 0))
            yield self.source.stored(self.top, rows), self.placed(rows, 0)

    def placed(self, rows: np.ndarray, axis: int | None) -> Place:
        """Where the elements of an array of these rows stand, the rows being its `axis`."""

        def place(index: tuple[int, ...]) -> str:
            if axis is None or axis >= len(index) or index[axis] >= len(rows):
                return ""
            inner = index[:axis] + index[axis + 1 :]
            return self.source.place(self.top, int(rows[index[axis]])) + self._within(inner)

        return place

    def _within(self, inner: tuple[int, ...]) -> str:
        """Which number of a row: the name of a table's column, or its place."""
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
            base, d = _base(reading.value), reading.domain
            key = (base, d.low, d.high, d.whole, d.ignored)
            if reading.guard or key in known:
                continue
            known.add(key)
            column = self.columns.get(base.node.attrs.get("name", "")) if base.node.key == ("netc", "Input") else None
            if column is not None:
                self._direct.append((reading, column))
            elif base.node.key != ("netc", "Input") and all(n.attrs["name"] in self.columns for n in _inputs(reading)):
                self._derived.append(reading)
        self._sessions: dict[Reading, Runs] = {}
        self._found: dict[Reading, Found] = {}
        self._no_numbers: dict[str, Found] = {}

    def stored(self) -> None:
        """Look at all that is kept in memory. DataError lists what is wrong; what was looked at is let alone from then on."""
        read = [column for _, column in self._direct]
        for column in (c for c in self.columns.values() if c not in read and c.holds_floats and c.source.in_memory(c.top)):
            for array, place in column.parts():
                self._note_nan(column, array, place)
        looked = [(r, c) for r, c in self._direct if c.source.in_memory(c.top) and (c.top or c.spec.dtype != "float32")]
        for reading, column in looked:  # a first top of floats is not yet what it will be: its mean is subtracted
            for array, place in column.parts():
                self._note(reading, array, place)
        if faults := self.faults(self.phase):
            raise DataError(*faults)
        self._direct = [pair for pair in self._direct if pair not in looked]

    def batch(self, feeds: Mapping[str, np.ndarray], iteration: int, sub_batch: int = 0) -> None:
        """Look at what was not looked at, in a batch that is to be fed. DataError for what is wrong."""
        self.look(feeds, iteration, sub_batch)
        if faults := self.faults(f"a batch of {self.phase}"):
            raise DataError(*faults)

    def look(self, feeds: Mapping[str, np.ndarray], iteration: int, sub_batch: int = 0) -> None:
        """Note what is wrong in a batch, for `faults`."""
        for reading, column in self._direct:
            if column.name in feeds:
                self._note(reading, feeds[column.name], self._placed(column, iteration, sub_batch))
        for reading in self._derived:
            inputs = _inputs(reading)
            if all(n.attrs["name"] in feeds for n in inputs):
                place = self._placed(self.columns[inputs[0].attrs["name"]], iteration, sub_batch) if inputs else _nowhere
                self._note(reading, self._made(reading, feeds), place)

    def faults(self, of: str) -> list[Fault]:
        """What was noted since the last call."""
        found = [_no_numbers(self.columns[name], what, of) for name, what in self._no_numbers.items()]
        found += [_fault(reading, what, of) for reading, what in self._found.items()]
        self._found, self._no_numbers = {}, {}
        return found

    def look_for_nan(self, feeds: Mapping[str, np.ndarray], iteration: int, sub_batch: int = 0) -> None:
        """Note what is NaN or infinite in a batch, for `faults`."""
        for name in feeds.keys() & self.columns.keys():
            self._note_nan(self.columns[name], feeds[name], self._placed(self.columns[name], iteration, sub_batch))

    def _note_nan(self, column: Column, array: np.ndarray, place: Place) -> None:
        if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
            self._no_numbers.setdefault(column.name, Found()).add(array, ~finite, place)

    def _note(self, reading: Reading, array: np.ndarray, place: Place) -> None:
        wrong = reading.domain.wrong(array)
        if wrong.any():
            self._found.setdefault(reading, Found()).add(array, wrong, place)

    def _placed(self, column: Column, iteration: int, sub_batch: int) -> Place:
        return column.placed(column.source.numbers(iteration, sub_batch), column.spec.batch_axis)

    def _made(self, reading: Reading, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        """The labels that layers make of what is fed."""
        if reading not in self._sessions:
            self._sessions[reading] = open_graph(Graph("labels", {"labels": reading.value}))
        given = {n.attrs["name"]: _filled(feeds[n.attrs["name"]], n.types[0].shape) for n in _inputs(reading)}
        return self._sessions[reading].run(given)["labels"]


def check_blobs(lowered: Lowered, arrays: Mapping[str, np.ndarray], fed: bool) -> None:
    """DataError for blobs of a net that is run by hand: those that are `fed`, before a run, or those that layers made, after it."""
    faults = []
    for reading in lowered.readings:
        base = _base(reading.value)
        if (base.node.key == ("netc", "Input")) != fed or _base(lowered.versions[reading.blob][-1]) is not base:
            continue
        array, found = arrays[reading.blob], Found()
        found.add(array, reading.domain.wrong(array), partial(_indexed, reading.blob))
        faults += [_fault(reading, found, "the net")] if found.counts else []
    if faults:
        raise DataError(*faults)


def _indexed(blob: str, index: tuple[int, ...]) -> str:
    return f"{blob}[{', '.join(map(str, index))}]"


def run_guarded(stepper: Stepper, lowered: Lowered, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A run of `lowered`; DataError, the states as they were, if labels that hang on weights are outside of what a layer reads."""
    try:
        results = stepper.run(feeds)
    except RunError as e:
        outputs = {r.guard: lowered.graph.outputs[r.guard] for r in lowered.readings if r.guard}
        session = open_graph(Graph("guards", outputs)) if outputs else None
        given = {**feeds, **stepper.states.arrays()}
        made = session.run({n: a for n, a in given.items() if n in session.inputs}) if session else {}
        if faults := _guarded(lowered, made):
            raise DataError(*faults) from e
        raise
    if faults := _guarded(lowered, results):
        stepper.undo()
        raise DataError(*faults)
    return results


def _guarded(lowered: Lowered, results: Mapping[str, np.ndarray]) -> list[Fault]:
    faults = []
    for reading in (r for r in lowered.readings if r.guard in results):
        count, value = results[reading.guard].tolist()
        if count:
            found = Found(Counter({value: int(count)}), {value: ""})
            faults.append(_fault(reading, found, "a batch"))
    return faults


def _inputs(reading: Reading) -> list[Node]:
    """What the values of a reading are made of."""
    return Graph("", {"": reading.value}).leaves("Input")


def _base(value: Value) -> Value:
    """The value that has the same elements in the same order, before they were reshaped."""
    while value.node.key in SAME:
        value = value.node.operands[0]
    return value


def _fault(reading: Reading, found: Found, of: str) -> Fault:
    layer = reading.layer
    text = f"{reading.blob!r} of {of} has {found}; it must hold {reading.domain}"
    return Fault(layer.at("bottom", reading.bottom), f"layer {layer.name!r} ({layer.type}): {text}")


def _no_numbers(column: Column, found: Found, of: str) -> Fault:
    layer, name = column.layer, column.layer.tops[column.top]
    text = f"{name!r} of {of} has {found}; take these rows out of the data, or fill in numbers"
    return Fault(layer.at(), f"layer {layer.name!r}: {text}")


def _said(value: float, count: int, place: str) -> str:
    special = "NaN" if value != value else "infinity" if value > 0 else "-infinity"
    named = special if not math.isfinite(value) else str(int(value)) if value == int(value) else str(np.float32(value))
    at = f" at {place}" if place else ""
    return f"{named}{at}" if count == 1 else f"{named} in {count:,} places{f', the first{at}' if at else ''}"


def _nowhere(index: tuple[int, ...]) -> str:
    return ""


def _filled(array: np.ndarray, shape: Sequence[int | str]) -> np.ndarray:
    """An array as long as a graph of fixed sizes wants it, its last row repeated."""
    wanted = [w if isinstance(w, int) else n for w, n in zip(shape, array.shape, strict=True)]
    return np.pad(array, [(0, max(0, w - n)) for w, n in zip(wanted, array.shape, strict=True)], mode="edge") if array.size else array
