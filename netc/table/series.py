"""Series in time: rows on a regular grid, and the windows that a net reads and predicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from netc.errors import DataError
from netc.table.frequency import Frequency, find, parse

MISSING_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Grid:
    """The rows of a table in the order of their series and times, with a row for each time that is missing.

    `rows` are row numbers of the table, -1 for a missing one. `times` are int64 seconds. `series` is the number of each row's series.
    """

    frequency: Frequency
    rows: np.ndarray
    times: np.ndarray
    series: np.ndarray

    def values(self, column: np.ndarray, missing: object) -> np.ndarray:
        """Return a column of the table on the grid."""
        found = column[np.maximum(self.rows, 0)].copy()
        found[self.rows < 0] = missing
        return np.asarray(found)


def grid(times: np.ndarray, groups: np.ndarray | None, frequency: str = "") -> Grid:
    """Put rows on a grid. `times` are int64 seconds, the least one for a missing time; `groups` names the series of each row.

    DataError for missing times, times twice in a series, and times that are not on the grid.
    """
    if (gaps := np.flatnonzero(times == MISSING_TIME)).size:
        raise DataError(f"{gaps.size:,} of {len(times):,} rows have no time. Fill in the times, or remove these rows.", field="time")
    names, series = (
        np.unique(groups.astype(str), return_inverse=True) if groups is not None else (np.array([""]), np.zeros(len(times), np.int64))
    )
    found = parse(frequency) if frequency else _frequency(times, series, len(names))
    order = np.lexsort((times, series))
    ordered, number = times[order], series[order]
    twice = (np.diff(ordered) == 0) & (np.diff(number) == 0)
    if twice.any():
        several = "If the table holds several series, name their column in `group`."
        advice = several if groups is None else "Keep one row per time and series."
        raise DataError(f"{int(twice.sum()):,} rows have the time of the row before. {advice}", field="time")
    parts = [_regular(ordered[number == k], order[number == k], found) for k in range(len(names))]
    return Grid(
        found,
        np.concatenate([rows for rows, _ in parts]),
        np.concatenate([stamps for _, stamps in parts]),
        np.repeat(np.arange(len(parts)), [len(rows) for rows, _ in parts]),
    )


def _frequency(times: np.ndarray, series: np.ndarray, count: int) -> Frequency:
    """The frequency of the longest series."""
    longest = int(np.argmax(np.bincount(series, minlength=count)))
    return find(np.unique(times[series == longest]))


def _regular(times: np.ndarray, rows: np.ndarray, frequency: Frequency) -> tuple[np.ndarray, np.ndarray]:
    """The row numbers of one series on the grid, -1 for a missing row, and the times of the grid."""
    steps = frequency.number(times, int(times[0]))
    off = steps != np.rint(steps)
    if off.any():
        when = np.datetime_as_string(times[off][:3].astype("datetime64[s]"))
        raise DataError(
            f"{int(off.sum()):,} of {len(times):,} times are not a multiple of {frequency} after the first one, such as {', '.join(when)}. "
            "Set `frequency`, or correct these times.", field="frequency",
        )  # fmt: skip
    place = steps.astype(np.int64)
    found = np.full(int(place[-1]) + 1, -1, np.int64)
    found[place] = rows
    return found, frequency.times(int(times[0]), len(found))


@dataclass(frozen=True)
class Windows:
    """The windows of a grid: the first grid row of each, and which are for training, validation and testing.

    `fitted` are the grid rows that may be fitted on: those before the validation and test rows.
    """

    starts: np.ndarray
    parts: Mapping[str, np.ndarray]
    fitted: np.ndarray


def windows(found: Grid, targets: Sequence[np.ndarray], steps: int, horizon: int, validation: float, test: float) -> Windows:
    """Return the windows of `steps` rows whose next `horizon` labels are known. `targets` are the labels on the grid, NaN for a gap.

    The last times are for testing, those before them for validation. A window belongs to the part of its labels; one whose labels are in
    two parts is left out. DataError if a part has no window.
    """
    length = steps + horizon
    last = max(0, len(found.series) - length + 1)
    possible = np.flatnonzero(found.series[:last] == found.series[length - 1 :][:last])
    known = np.isfinite(np.stack(targets, 1)).all(1)
    some = np.stack([np.isfinite(t) for t in targets], 1)
    label_gaps, seen = _running(~known[:, None])[:, 0], _running(some)
    first = possible + steps
    whole = label_gaps[first + horizon] == label_gaps[first]
    begun = (seen[first] > seen[possible]).all(1)
    starts = possible[whole & begun]
    low, high = _bounds(found.times, validation, test)
    begins, ends = found.times[starts + steps], found.times[starts + length - 1]
    parts = {
        "TRAIN": np.flatnonzero(ends < low), "VALIDATION": np.flatnonzero((begins >= low) & (ends < high)),
        "TEST": np.flatnonzero(begins >= high),
    }  # fmt: skip
    for phase, wanted in (("TRAIN", 1.0), ("VALIDATION", validation), ("TEST", test)):
        if wanted and not parts[phase].size:
            rows = "The series are too short" if len(found.rows) < 10 * length else "There are too many gaps"
            raise DataError(f"No window of {steps} + {horizon} rows is for {phase}. {rows}.", field="steps")
    return Windows(starts, parts, np.flatnonzero((found.times < low) & (found.rows >= 0)))


def _running(flags: np.ndarray) -> np.ndarray:
    """How many flags are true before each place, (rows + 1, columns)."""
    return np.concatenate([np.zeros((1, flags.shape[1]), np.int64), np.cumsum(flags, 0)])


def _bounds(times: np.ndarray, validation: float, test: float) -> tuple[int, int]:
    """The times at which validation and testing begin."""
    stamps, last = np.unique(times), int(times.max()) + 1
    tested, held = round(len(stamps) * test), round(len(stamps) * (test + validation))
    high = int(stamps[-tested]) if tested else last
    return (int(stamps[-held]) if held else high), high


@dataclass(frozen=True)
class Frames:
    """Consecutive rows of an array: frame r has `length` rows from `offset` after the start of window r."""

    rows: np.ndarray
    starts: np.ndarray
    offset: int
    length: int

    def __getitem__(self, numbers: np.ndarray) -> np.ndarray:
        return np.asarray(self.rows[self.starts[numbers][:, None] + self.offset + np.arange(self.length)])


def gaps_text(found: Grid) -> str:
    """A note on the times that are missing; "" if there are none."""
    missing = np.flatnonzero(found.rows < 0)
    if not missing.size:
        return ""
    when = ", ".join(np.datetime_as_string(found.times[missing[:3]].astype("datetime64[s]")))
    return f"{missing.size:,} of {len(found.rows):,} times are missing, such as {when}. netc reads them as rows of gaps."
