"""Raw values from Python: lists, arrays, dictionaries, dates and gaps, as the inputs of a model."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from netc.errors import DataError, Diagnostic, near
from netc.predict.raw.columns import InputColumn

MOST_PLACES = 3
SECOND = np.timedelta64(1, "s")

Given = Mapping[str, Any] | Sequence[Mapping[str, Any]]  # values by column, or rows


def raw_values(columns: Sequence[InputColumn], given: Given) -> dict[str, np.ndarray]:
    """Return an array for each column. Further columns are ignored. None, NaN, NaT and "" are gaps.

    DataError lists missing columns, columns of different lengths, and columns with values that cannot be read.
    """
    by_column = _by_column(columns, given)
    missing = missing_columns(columns, by_column)
    if missing:
        raise DataError(*missing)
    values = {column.name: _cells(by_column[column.name]) for column in columns}
    lengths = {name: len(cells) for name, cells in values.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"The columns have different lengths: {', '.join(f'{name!r} {n}' for name, n in lengths.items())}.")
    found, wrong = dict[str, np.ndarray](), list[Diagnostic]()
    for column in columns:
        read, places = _read(column, values[column.name])
        found[column.name] = read
        wrong += [_wrong(column, values[column.name], places)] if places else []
    if wrong:
        raise DataError(*wrong)
    return found


def missing_columns(columns: Iterable[InputColumn], present: Iterable[str], where: str = "") -> list[Diagnostic]:
    """Return a diagnostic for each column that is not present, with similar names."""
    names = list(present)
    lacking = [column.name for column in columns if column.name not in set(names)]
    return [Diagnostic(None, f"{where}There is no column {name!r}, which the model reads.", near(name, names)) for name in lacking]


def _by_column(columns: Sequence[InputColumn], given: Given) -> Mapping[str, Any]:
    """Return values by column. A column is missing if no row has it; a row without it has a gap."""
    names = getattr(given, "columns", None) if not isinstance(given, Mapping) else list(given)
    if names is not None:  # a mapping, or a data frame of pandas or polars
        frame: Any = given
        return {str(name): frame[name] for name in names}
    if isinstance(given, str | bytes | np.ndarray) or not all(isinstance(row, Mapping) for row in given):
        listed = ", ".join(repr(column.name) for column in columns[:MOST_PLACES])
        raise DataError(f"The model reads columns by name. Expected values by column, or rows as dictionaries, such as {{{listed}: ...}}.")
    rows: list[Mapping[str, Any]] = [row for row in given if isinstance(row, Mapping)]
    present = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in present} if rows else {column.name: [] for column in columns}


def _cells(values: Any) -> np.ndarray:
    """Return values as a one-dimensional array. A single value is a column of one row."""
    if isinstance(values, np.ndarray):
        return values.reshape(1) if values.ndim == 0 else values
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        values = [values]
    listed = list(values)
    cells = np.empty(len(listed), object)
    cells[:] = listed
    return cells


def _read(column: InputColumn, cells: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Return raw values in the type of the input, and the places of those that cannot be read."""
    if cells.dtype.kind in "fiub" and column.dtype.kind == "f":
        return column.array(cells), []
    read, places = np.full(len(cells), column.missing, column.dtype), list[int]()
    convert = {"O": _text, "i": _seconds}.get(column.dtype.kind, _number)
    for k, cell in enumerate(cells if cells.dtype.kind == "M" else cells.tolist()):
        if _is_missing(cell):
            continue
        try:
            with np.errstate(over="ignore"):
                read[k] = convert(cell)
        except (ValueError, TypeError, OverflowError):
            places.append(k)
    return read, places


def _is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip()) or bool(cell != cell)  # NaN and NaT differ from themselves


def _text(cell: Any) -> str:
    """Return the text of a cell, the same as in tables for the same value."""
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell)).lower()
    if isinstance(cell, float | np.floating):
        return repr(float(cell)).removesuffix(".0")
    if isinstance(cell, bytes):
        return cell.decode().strip()
    if isinstance(cell, np.datetime64):
        return _text(cell.astype("datetime64[us]").item())
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return str(cell).strip()


def _number(cell: Any) -> float:
    if isinstance(cell, date | np.datetime64):
        return float(_seconds(cell))
    return float(cell)


def _seconds(cell: Any) -> int:
    """Return a date as seconds since 1970. Dates without a time zone are in UTC."""
    if isinstance(cell, np.datetime64):
        return int((cell - np.datetime64(0, "s")) // SECOND)
    if isinstance(cell, str):
        cell = datetime.fromisoformat(cell.strip())
    if isinstance(cell, date) and not isinstance(cell, datetime):
        cell = datetime(cell.year, cell.month, cell.day)
    if isinstance(cell, datetime):
        return int((cell if cell.tzinfo else cell.replace(tzinfo=UTC)).timestamp() // 1)
    return int(cell)


def _wrong(column: InputColumn, cells: np.ndarray, places: list[int]) -> Diagnostic:
    shown = ", ".join(repr(cells[k]) for k in places[:MOST_PLACES])
    rows = ", ".join(map(str, places[:MOST_PLACES])) + (", ..." if len(places) > MOST_PLACES else "")
    wanted = {"i": "a date", "O": "a text"}.get(column.dtype.kind, "a number")
    text = f"Column {column.name!r}: {len(places):,} of {len(cells):,} values cannot be read, in rows {rows}: {shown}. Expected {wanted}."
    return Diagnostic(None, text)
