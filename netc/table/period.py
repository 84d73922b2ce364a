"""The range of the dates of a column, and the time between its rows."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from netc.errors import DataError
from netc.table import frequency
from netc.table.distribution import seconds_sql
from netc.table.profile import ColumnProfile
from netc.table.reading import RawTable
from netc.table.reading.store import CELLS
from netc.table.rules import Choice

EARLIEST = int(datetime(1900, 1, 2, tzinfo=UTC).timestamp())  # dates before it, and 1900-01-01, often stand for no date
MOST_TIMES = 1_000_000  # different times, more than which have no frequency
LEAST_PRESENT = 0.5  # share of the times between the first and the last that are there


@dataclass(frozen=True)
class Period:
    """The first and the last date in seconds since 1970; the rows before 1900-01-02 and in the future.

    `frequency` is empty if the dates have none. Of `expected` times at this distance, `present` are in the rows.
    """

    first: int
    last: int
    early: int
    future: int
    frequency: str = ""
    present: int = 0
    expected: int = 0


def period(raw: RawTable, column: ColumnProfile, choice: Choice, now: int) -> Period | None:
    """The period of a column of dates; None if no cell is a date. `now` is in seconds since 1970."""
    seconds = f"({seconds_sql(raw, column, choice)})"
    wanted = f"min({seconds}), max({seconds}), count_if({seconds} < {EARLIEST}), count_if({seconds} > {now})"
    ((first, last, early, future),) = raw.query(f"select {wanted} from {CELLS}")
    if first is None:
        return None
    times = raw.query(f"select distinct {seconds} as s from {CELLS} where {seconds} is not null order by s limit {MOST_TIMES + 1}")
    return Period(first, last, early, future, *_frequency(np.array(times, np.int64)[:, 0]))


def _frequency(times: np.ndarray) -> tuple[str, int, int]:
    """The most frequent distance, and how many of the times at this distance there are and should be."""
    if not 3 <= len(times) <= MOST_TIMES:
        return "", 0, 0
    try:
        found = frequency.find(times)
    except DataError:
        return "", 0, 0
    steps = found.number(times, int(times[0]))
    present, expected = int((steps == np.rint(steps)).sum()), int(steps[-1]) + 1
    return (str(found), present, expected) if present >= LEAST_PRESENT * max(expected, len(times)) else ("", 0, 0)
