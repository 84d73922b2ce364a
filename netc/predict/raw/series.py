"""Forecasts of series: the last rows of a table become windows, as in training."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.data.series_facts import SeriesFacts
from netc.errors import DataError
from netc.formats.typed_json import MisfitError, typed
from netc.predict.raw.columns import InputColumn
from netc.predict.raw.rows import cells_of, opened
from netc.predict.results import Prediction
from netc.table.frequency import parse
from netc.table.reading import RawTable, text_sql
from netc.table.series import MISSING_TIME, Grid, grid

DATES = "M8[s]"


@dataclass(frozen=True)
class Windows:
    """The last window of each series of a table: raw values by column (series, rows), and the times that are predicted.

    `names` are those of the series; [""] if the table holds one.
    """

    names: tuple[str, ...]
    times: tuple[np.ndarray, ...]
    values: Mapping[str, np.ndarray]


def facts_of(metadata: Mapping[str, Any], path: str) -> SeriesFacts | None:
    """How a model reads a series; None if it reads none. DataError if its metadata is damaged."""
    if "series" not in metadata:
        return None
    try:
        found: SeriesFacts = typed(metadata["series"], SeriesFacts)
    except MisfitError as e:
        raise DataError(f"{path}: The metadata of the model is invalid: series: {e}") from e
    if found.steps < 1 or found.horizon < 1:
        raise DataError(f"{path}: The metadata of the model is invalid: it has windows of {found.steps} + {found.horizon} rows.")
    return found


def last_windows(source: str, columns: Sequence[InputColumn], facts: SeriesFacts) -> Windows:
    """Return the last window of each series in a table.

    It ends with the last row that has a value to predict. Rows after it give the columns that are known ahead. DataError if the table
    lacks columns, or these rows.
    """
    with opened(source) as raw:
        values = {name: _cells(raw, cells.value) for name, cells in cells_of(raw, columns).items()}
        missing = {c.name: c.missing for c in columns}
        groups = _own_or_other(raw, values, facts.group, "category") if facts.group else None
        on = _grid(_own_or_other(raw, values, facts.time, "date"), groups, facts)
        parts = [_window(raw.name, on, np.flatnonzero(on.series == k), values, missing, facts) for k in np.unique(on.series)]
        first = [int(on.rows[(on.series == k) & (on.rows >= 0)][0]) for k in np.unique(on.series)]
    names = tuple(str(groups[row]) for row in first) if groups is not None else ("",)
    stacked = {c.name: np.stack([part[c.name] for part, _ in parts]) for c in columns}
    return Windows(names, tuple(times for _, times in parts), {c.name: c.array(stacked[c.name]) for c in columns})


def forecasts(
    run: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]], source: str, columns: Sequence[InputColumn], facts: SeriesFacts
) -> Iterator[Prediction]:
    """Yield a prediction for each of the next rows of each series in a table. `run` runs the model."""
    found = last_windows(source, columns, facts)
    shape = len(found.names), facts.horizon, len(facts.targets)
    outputs = [v for v in run(found.values).values() if v.dtype.kind == "f" and v.size == prod(shape)]
    values = next((v for v in outputs if v.shape == shape), outputs[0] if outputs else None)
    if values is None:
        raise DataError(f"{source}: The model has no output with the next {facts.horizon} values of {', '.join(facts.targets)}.")
    for name, times, rows in zip(found.names, found.times, values.reshape(shape), strict=True):
        for time, row in zip(stamps(times), rows, strict=True):
            named = ((facts.group, name),) if facts.group else ()
            text = f"{name} {time}" if facts.group else time
            yield Prediction(text, dict(zip(facts.targets, row, strict=True)), (), named=(*named, (facts.time, time)))


def _cells(raw: RawTable, sql: str) -> np.ndarray:
    return np.concatenate([chunk["x"] for chunk in raw.chunks({"x": sql})])


def _grid(times: np.ndarray, groups: np.ndarray | None, facts: SeriesFacts) -> Grid:
    """The rows of the table in the order of time."""
    if times.dtype.kind == "f":
        times = np.where(np.isnan(times), float(MISSING_TIME), np.rint(times)).astype(np.int64)
    return grid(times, groups, facts.frequency)


def _own_or_other(raw: RawTable, values: Mapping[str, np.ndarray], name: str, kind: str) -> np.ndarray:
    """The values of the time, or of the name of the series, which may be a column that the net does not read."""
    return values[name] if name in values else _other(raw, name, kind)


def _other(raw: RawTable, name: str, kind: str) -> np.ndarray:
    """The values of a column that is no input of the model."""
    column = next((c for c in raw.columns if c.name == name), None)
    if column is None:
        raise DataError(f"{raw.name}: There is no column {name!r}, which the model needs to put the rows in order.")
    if kind == "category":
        return _cells(raw, text_sql(column))
    numbers = column.kind in ("number", "integer")
    return _cells(raw, InputColumn(name, np.dtype(np.int64), pb.ColumnParameter(name=name, type="number" if numbers else "date"))
                  .cells(column, raw.dialect).value)  # fmt: skip


Window = tuple[dict[str, np.ndarray], np.ndarray]


def _window(
    name: str, on: Grid, own: np.ndarray, values: Mapping[str, np.ndarray], missing: Mapping[str, Any], facts: SeriesFacts
) -> Window:
    """The window of one series, whose grid rows are `own`, and the times after it."""
    rows = on.rows[own]
    targets = [np.isfinite(values[t][np.maximum(rows, 0)]) & (rows >= 0) for t in facts.targets]
    known = np.flatnonzero(np.any(targets, axis=0))
    if not len(known) or known[-1] + 1 < facts.steps:
        raise DataError(f"{name}: There are {len(known):,} rows with a value to predict from. Expected {facts.steps:,} or more.")
    end = int(known[-1]) + 1
    times = parse(facts.frequency).times(int(on.times[own[0]]), facts.steps + facts.horizon, end - facts.steps)
    place = np.arange(end - facts.steps, end + facts.horizon)
    row = np.where(place < len(rows), rows[np.minimum(place, len(rows) - 1)], -1)
    absent = [c for c in facts.known if c not in (facts.time, facts.group) and (row[facts.steps :] < 0).any()]
    if absent:
        names = ", ".join(map(repr, absent))
        raise DataError(f"{name}: The model reads {names} of the next {facts.horizon} rows. Add these rows to the table.")
    made = {}
    for column, array in values.items():
        length = facts.steps + (facts.horizon if column in facts.known else 0)
        if column == facts.time:
            made[column] = times[:length].astype(array.dtype)
        elif column == facts.group:
            made[column] = np.full(length, array[rows[rows >= 0][0]], array.dtype)
        else:
            found = array[np.maximum(row[:length], 0)].copy()
            found[row[:length] < 0] = missing[column]
            made[column] = found
    return made, times[facts.steps :]


def stamps(times: np.ndarray) -> Iterator[str]:
    """Yield times as ISO 8601 texts, without a time of day where all are at midnight."""
    unit = "D" if (times % 86400 == 0).all() else "m" if (times % 60 == 0).all() else "s"
    yield from map(str, times.astype(DATES).astype(f"M8[{unit}]"))
