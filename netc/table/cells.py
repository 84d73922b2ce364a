"""The cells of columns as arrays: numbers, or texts as codes of their different values.

The arrays are files in a scratch folder, mapped into memory. So tables may be larger than memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netc.errors import Diagnostic
from netc.table.columns.define import MISSING_INT, Cells, Values
from netc.table.reading import RawTable, quoted
from netc.table.reading.store import CELLS, stored
from netc.table.wrong import Wrong, errors_of

MOST_WORDS, MOST_LETTERS = 1_000_000, 1 << 26  # different texts of a column, and their letters, that are kept in memory
MOST_FITTED = 1_000_000  # rows whose numbers and long texts are fitted


@dataclass(frozen=True)
class Wanted:
    """A column to read. `dtype` is "float64", "int64" or "string". `ranged`: cells that can be read may be wrong too."""

    column: str
    cells: Cells
    dtype: str
    ranged: bool = False

    @property
    def test(self) -> str:
        """The expression for whether a cell is wrong. It costs little if most cells can be read."""
        return (
            f"coalesce({self.cells.wrong}, false)"
            if self.ranged
            else f"case when {self.cells.value} is null then {self.cells.wrong} else false end"
        )

    @property
    def sql(self) -> str:
        """The expression of its values."""
        return f"coalesce({self.cells.value}, -9223372036854775807 - 1)" if self.dtype == "int64" else self.cells.value


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: float64 with NaN, or int64 with `MISSING_INT`."""

    cells: np.ndarray

    def missing(self) -> np.ndarray:
        """Which rows have no value."""
        found: np.ndarray = np.isnan(self.cells) if self.cells.dtype.kind == "f" else self.cells == MISSING_INT
        return found

    def values(self, rows: np.ndarray) -> Values:
        """The values in some rows. Of more than a million rows, evenly spaced ones count."""
        chosen = Values.of(self.cells[evenly_spaced(rows, MOST_FITTED)])
        return chosen if len(rows) <= MOST_FITTED else Values(chosen.values, chosen.counts, int(self.missing()[rows].sum()))


@dataclass(frozen=True)
class Codes:
    """A column of texts, each as its index in the sorted `words`, -1 for a missing cell."""

    cells: np.ndarray
    words: np.ndarray

    def missing(self) -> np.ndarray:
        """Which rows have no value."""
        found: np.ndarray = self.cells < 0
        return found

    def values(self, rows: np.ndarray) -> Values:
        """The values in some rows."""
        counts = np.zeros(len(self.words) + 1, np.int64)
        for part in np.array_split(rows, len(rows) // MOST_FITTED + 1):
            counts += np.bincount(self.cells[part] + 1, minlength=len(counts))
        there = np.flatnonzero(counts[1:])
        return Values(self.words[there], counts[1:][there], int(counts[0]))


@dataclass(frozen=True)
class Texts:
    """A column of texts that are too many, or too long, to keep. They are read again when they are needed."""

    raw: RawTable
    wanted: Wanted
    letters: float  # of an average cell

    def values(self, rows: np.ndarray) -> Values:
        """The values in some rows: in evenly spaced ones, at most a million and at most 64 million letters."""
        most = max(1, min(MOST_FITTED, int(MOST_LETTERS / max(1.0, self.letters))))
        chosen = np.zeros(self.raw.rows, bool)
        chosen[evenly_spaced(rows, most)] = True
        found, place = list[np.ndarray](), 0
        for chunk in self.raw.chunks({"x": self.wanted.sql}):
            found.append(chunk["x"][chosen[place : place + len(chunk["x"])]])
            place += len(chunk["x"])
        return Values.of(np.concatenate(found))


Column = Numbers | Codes | Texts


def evenly_spaced(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of some rows, from the first to the last."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def read_cells(raw: RawTable, wanted: Mapping[str, Wanted], folder: Path) -> tuple[dict[str, Column], list[Diagnostic]]:
    """Read columns in one pass, and return the errors: one a column.

    `folder` is for the arrays. Texts that are too many are `Texts`.
    """
    read: dict[str, Column] = {}
    select: dict[str, str] = {}
    for key, words in _words(raw, {key: w for key, w in wanted.items() if w.dtype == "string"}).items():
        if isinstance(words, Texts):
            read[key] = words
            continue
        select[key] = f"cast({wanted[key].sql} as {quoted(key)})" if len(words) else "null::INTEGER"
        read[key] = Codes(_array(folder, f"{len(read)}", np.int32, raw.rows), words)
    for key, w in wanted.items():
        if w.dtype != "string":
            select[key] = w.sql
            read[key] = Numbers(_array(folder, f"{len(read)}", np.dtype(w.dtype), raw.rows))
    wrong = {key: Wrong() for key, w in wanted.items() if w.cells.wrong != "false"}
    _fill(raw, select, read, {key: wanted[key].test for key in wrong}, wrong)
    return read, errors_of(raw, {wanted[key].column: (wanted[key].cells, found) for key, found in wrong.items()})


def _fill(
    raw: RawTable, select: Mapping[str, str], read: Mapping[str, Column], tests: Mapping[str, str], wrong: Mapping[str, Wrong]
) -> None:
    """Fill the arrays of columns, and count wrong cells."""
    names = {f"cell {key}": sql for key, sql in select.items()} | {f"test {key}": sql for key, sql in tests.items()}
    start = 0
    for chunk in raw.chunks(names) if names else ():
        stop = start + len(next(iter(chunk.values())))
        for key in select:
            column = read[key]
            assert not isinstance(column, Texts)
            column.cells[start:stop] = chunk[f"cell {key}"] if not isinstance(column, Codes) or len(column.words) else -1
        for key in tests:
            wrong[key].add(np.flatnonzero(chunk[f"test {key}"]) + start)
        start = stop


def _words(raw: RawTable, wanted: Mapping[str, Wanted]) -> dict[str, np.ndarray | Texts]:
    """The different texts of each column, sorted, which become an ENUM type of DuckDB. `Texts` if they are too many."""
    found: dict[str, np.ndarray | Texts] = {}
    if not wanted:
        return found
    few = _are_few(raw, wanted)
    asked = ", ".join(f"approx_count_distinct({w.sql}), avg(strlen({w.sql}))" for w in wanted.values())
    ((*facts,),) = raw.query(f"select {asked} from {CELLS}") if not few else [(1, 0.0) * len(wanted)]
    for (key, w), many, letters in zip(wanted.items(), facts[::2], facts[1::2], strict=True):
        if many > MOST_WORDS or many * (letters or 0) > MOST_LETTERS:
            found[key] = Texts(raw, w, float(letters))
            continue
        words: list[str] = []
        if many:
            different = f"select distinct v from (select {w.sql} as v from {CELLS}) where v is not null order by v"
            raw.query(f"create type {quoted(key)} as enum ({different})")
            ((words,),) = raw.query(f"select enum_range(null::{quoted(key)})")
        found[key] = np.array([*words, None], object)[:-1]
    return found


def _are_few(raw: RawTable, wanted: Mapping[str, Wanted]) -> bool:
    """Whether no column can have too many different texts. This costs less than to count them."""
    if raw.rows > MOST_WORDS:
        return False
    names = {w.column for w in wanted.values()}
    texts = [c.name for c in raw.columns if c.kind == "text" and c.name in names]
    asked = ", ".join(f"sum(strlen({stored(name)}))" for name in texts)
    return not texts or all((letters or 0) <= MOST_LETTERS for letters in raw.query(f"select {asked} from {CELLS}")[0])


def _array(folder: Path, name: str, dtype: np.dtype | type, rows: int) -> np.ndarray:
    return np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (rows,))
