"""A starter net for a series in time: a table with numbers to predict, and a date column that puts its rows on a regular grid."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np

from netc import netc_pb2 as pb
from netc.commands.init import nets, series_net, table
from netc.commands.init.starter import Starter, Wanted
from netc.errors import DataError, NetcError
from netc.table.columns.define import class_of
from netc.table.inference import infer
from netc.table.profile import ColumnProfile, profile
from netc.table.reading import RawTable, ReadingOptions, open_table, text_sql
from netc.table.rules import Choice
from netc.table.series import MISSING_TIME, Grid, gaps_text, grid

REGULAR = 0.5  # at least this share of the times on the grid has a row
LEAST_ROWS = 30
MOST_SERIES = 1000
MOST_STEPS = 200
OF_LENGTH = 8  # a window has at most this part of a series


def recognise(wanted: Wanted) -> bool:
    """Whether the labels are numbers, and a date column puts the rows in the order of time, with one distance between them."""
    if not wanted.labels or not table.recognise(wanted):
        return False
    with suppress(NetcError), _opened(wanted) as raw:  # the kind that takes the data reports what is wrong
        return _found(raw, wanted) is not None
    return False


def starter(wanted: Wanted) -> Starter:
    """A net that predicts the next rows of the labels from the rows before them."""
    with _opened(wanted) as raw:
        found = _found(raw, wanted)
        if found is None:
            raise DataError(f"{wanted.data}: is no series in time any more")
        columns, time, group, on = found
        written = _series(raw, wanted, columns, time, group, on)
    about = nets.About(wanted.target.stem, str(wanted.target), wanted.source, raw.rows)
    names = ", ".join(wanted.labels)
    count = len(np.unique(on.series))
    many = f"{count} series by {group!r}" if group else "a series"
    summary = f"{raw.rows:,} rows of {many} with a row every {on.frequency}, and the next {written.horizon} values of {names} to predict"
    return Starter(series_net.text(about, written), summary, written.notes)


def _opened(wanted: Wanted) -> RawTable:
    return open_table(wanted.data if wanted.is_address else str(wanted.path), options=ReadingOptions(query=wanted.query))


Found = tuple[Mapping[str, ColumnProfile], Choice, str, Grid]


def _found(raw: RawTable, wanted: Wanted) -> Found | None:
    """The profiles, the time, the column that names the series ("" for one series), and the grid; None if this is no series."""
    stored = {column.name: column for column in raw.columns}
    if not set(wanted.labels) <= set(stored) or len({*wanted.labels}) < len(wanted.labels) or raw.rows < LEAST_ROWS:
        return None
    labels = profile(raw, [stored[name] for name in wanted.labels])  # first, as all columns may take long
    if not all(labels[name].is_numeric and labels[name].distinct > 2 for name in wanted.labels):
        return None
    columns = profile(raw)
    choices = infer(raw, [column for column in columns.values() if column.name not in wanted.labels])
    for time in (choice for choice in choices if choice.type == "date"):
        for group in ["", *(c.name for c in choices if c.type == "category" and columns[c.name].distinct <= MOST_SERIES)]:
            with suppress(NetcError):  # these columns are no series
                on = _grid(raw, time, group)
                if _is_regular(on, raw):
                    return columns, time, group, on
    return None


def _grid(raw: RawTable, time: Choice, group: str) -> Grid:
    stored = {column.name: column for column in raw.columns}
    rule = pb.ColumnParameter(name=time.name, type="date", format=time.format or None)
    select = {"time": class_of(rule).cells(rule, stored[time.name], raw.dialect).value}
    select |= {"group": text_sql(stored[group])} if group else {}
    chunks = list(raw.chunks({**select, "time": f"coalesce({select['time']}, {MISSING_TIME + 1} - 1)"}))
    times = np.concatenate([chunk["time"] for chunk in chunks])
    return grid(times, np.concatenate([chunk["group"] for chunk in chunks]) if group else None)


def _is_regular(on: Grid, raw: RawTable) -> bool:
    """Whether most times of the grid have a row, and the series are long enough for windows."""
    lengths = np.bincount(on.series)
    return raw.rows >= REGULAR * len(on.rows) and int(np.median(lengths)) >= LEAST_ROWS


def _series(raw: RawTable, wanted: Wanted, columns: Mapping[str, ColumnProfile], time: Choice, group: str, on: Grid) -> series_net.Series:
    others = [column for column in columns.values() if column.name not in (*wanted.labels, time.name)]
    choices = [_own(raw, columns[name]) for name in wanted.labels] + _without_calendar(infer(raw, others), on)
    length = int(np.median(np.bincount(on.series)))
    horizon = max(1, min(series_net.AHEAD[on.frequency.unit][0], length // (2 * OF_LENGTH)))
    steps = max(2, min(max(2 * on.frequency.season, 4 * horizon), MOST_STEPS, length // OF_LENGTH))
    windows = round(len(on.rows) * (1 - series_net.TESTED - series_net.VALIDATED))
    notes = [_gaps(on)] if (on.rows < 0).any() else []
    return series_net.Series(
        wanted.source, wanted.query, time, group, wanted.labels, tuple(choices), on.frequency, steps, horizon, max(1, windows), tuple(notes)
    )


def _own(raw: RawTable, label: ColumnProfile) -> Choice:
    """A label, which the net reads in the past."""
    return Choice(label.name, "number", f"numbers from {label.low:g} to {label.high:g}, to predict")


def _without_calendar(choices: list[Choice], on: Grid) -> list[Choice]:
    """The columns, but for those that only count the time: it is known from the date."""
    calendar = {"year", "month", "day", "hour", "minute", "weekday", "dow", "week"}
    told = "tells the time, as the date does"
    return [replace(c, type="", reason=told) if c.type and c.name.lower() in calendar else c for c in choices]


def _gaps(on: Grid) -> str:
    return f"{gaps_text(on).rstrip('.')}"
