"""The time between the rows of a series: found in the times of the rows, or stated as `15min`, `1h`, `1d`, `1mo`."""

import re
from dataclasses import dataclass

import numpy as np

from netc.errors import DataError

UNITS = {"s": (0, 1), "min": (0, 60), "h": (0, 3600), "d": (0, 86400), "w": (0, 604800), "mo": (1, 0), "q": (3, 0), "y": (12, 0)}
# What often repeats: a minute for seconds, a day for minutes and hours, a week for days, a year for longer units.
SEASONS = {
    "s": (0, 60),
    "min": (0, 86400),
    "h": (0, 86400),
    "d": (0, 604800),
    "w": (0, 52 * 604800),
    "mo": (12, 0),
    "q": (12, 0),
    "y": (12, 0),
}
CALENDAR = {1: (28, 31), 3: (89, 92), 12: (365, 366)}  # months, and the days that so many months have
DAY = 86400
MONTH = np.timedelta64(1, "M")
FULL = 3  # a grid on which all times are is taken if no more than two thirds of it are gaps


@dataclass(frozen=True)
class Frequency:
    """A number of calendar months, or a number of seconds; the other is 0."""

    months: int
    seconds: int

    def __str__(self) -> str:
        wanted = ("y", "q", "mo") if self.months else ("w", "d", "h", "min", "s")
        for unit in wanted:
            months, seconds = UNITS[unit]
            step, own = (months, self.months) if self.months else (seconds, self.seconds)
            if own % step == 0:
                return f"{own // step}{unit}"
        raise AssertionError("every number of seconds is a multiple of one second")

    @property
    def unit(self) -> str:
        """The unit, one of UNITS."""
        return str(self).lstrip("0123456789")

    @property
    def season(self) -> int:
        """The number of rows after which a series often repeats: a day, a week or a year; at least 1."""
        months, seconds = SEASONS[self.unit]
        return max(1, months // self.months if self.months else seconds // self.seconds)

    def number(self, times: np.ndarray, first: int) -> np.ndarray:
        """Return how many steps each time (int64 seconds) is after `first`, as float64. Only times on the grid give whole numbers."""
        if not self.months:
            return np.asarray((times - first) / self.seconds)
        month, within = _months(times)
        start, offset = _months(np.array([first]))
        ends = _is_month_end(times) & _is_month_end(np.array([first]))
        on = (within == offset) | ends
        steps = (month - start) / self.months
        return np.asarray(np.where(on, steps, steps + 0.5))

    def times(self, first: int, count: int, start: int = 0) -> np.ndarray:
        """Return the times of steps `start` to `start + count` after `first`, as int64 seconds."""
        steps = np.arange(start, start + count)
        if not self.months:
            return np.asarray(first + steps * self.seconds)
        month, offset = _months(np.array([first]))
        months = (month + steps * self.months).astype("datetime64[M]")
        days = ((months + MONTH).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
        ends = np.full(count, first % DAY) if _is_month_end(np.array([first]))[0] else offset
        within = np.minimum(offset, (days - 1) * DAY + offset % DAY) if ends is offset else (days - 1) * DAY + ends
        return np.asarray(months.astype("datetime64[s]").astype(np.int64) + within)


def parse(text: str) -> Frequency:
    """Read a frequency such as `15min`. DataError if it is none."""
    found = re.fullmatch(r"(\d{0,6})(s|min|h|d|w|mo|q|y)", text.strip())
    count = int(found[1] or 1) if found else 0
    if not found or not count:
        raise DataError(f"`frequency` is {text!r}. Expected a number and one of {', '.join(UNITS)}, such as 15min.", field="frequency")
    months, seconds = UNITS[found[2]]
    return Frequency(count * months, count * seconds)


def find(times: np.ndarray) -> Frequency:
    """Return the most frequent distance between consecutive times (int64 seconds, sorted, without repetitions).

    If it does not fit all times, a shorter distance that does is taken, unless most of its times are missing. Months, quarters and years
    are recognised if they begin on the same day. DataError if there are fewer than two times.
    """
    if len(times) < 2:
        raise DataError("A series needs rows of at least two different times.", field="time")
    distances, counts = np.unique(np.diff(times), return_counts=True)
    usual = int(distances[np.argmax(counts)])
    for months, (least, most) in CALENDAR.items():
        if least * DAY <= usual <= most * DAY:
            calendar = Frequency(months, 0)
            steps = calendar.number(times, int(times[0]))
            if np.mean(steps == np.rint(steps)) > 0.9:  # some rows may be off the grid: these are errors of the table
                return calendar
    if (distances % usual).any():
        common = int(np.gcd.reduce(distances))
        if (times[-1] - times[0]) // common < FULL * len(times):
            return Frequency(0, common)
    return Frequency(0, usual)


def _months(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The months since 1970, and the seconds within the month."""
    stamps = times.astype("datetime64[s]")
    months = stamps.astype("datetime64[M]")
    return months.astype(np.int64), (stamps - months.astype("datetime64[s]")).astype(np.int64)


def _is_month_end(times: np.ndarray) -> np.ndarray:
    """Whether each time is on the last day of its month, which has 31, 30 or 28 days."""
    stamps = times.astype("datetime64[s]").astype("datetime64[D]")
    result: np.ndarray = (stamps + np.timedelta64(1, "D")).astype("datetime64[M]") != stamps.astype("datetime64[M]")
    return result
