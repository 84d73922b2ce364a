"""The parts of dates in ONNX's integer ops, for the years 1 to 9999."""

from collections.abc import Sequence

import numpy as np

from netc.graph.ir import Value, constant, op

DAY, HOUR, MINUTE = 86_400, 3_600, 60
FIRST, LAST = -62_135_596_800, 253_402_300_799  # the seconds from 1970 to the start of the year 1, and to the end of 9999
SHIFT = 719_468  # days from 0000-03-01 to 1970
CYCLES = {"month": (1, 12), "day": (1, 31), "weekday": (0, 7), "hour": (0, 24), "minute": (0, 60)}  # the first value, and how many
PARTS = ("year", *CYCLES, "time")


def calendar(seconds: Value) -> dict[str, Value]:
    """Return the parts of dates, each int64, from seconds since 1970. Monday is weekday 0. `time` is the seconds themselves.

    The days are counted from a March, so that leap days are at the end of a year (Hinnant, "chrono-compatible low-level date algorithms").
    Dates out of range become the first or the last one.
    """
    time = op.Clip(seconds, constant(np.int64(FIRST)), constant(np.int64(LAST)))
    shifted = time + SHIFT * DAY
    days, second = shifted / DAY, op.Mod(shifted, DAY)
    era = days / 146_097
    of_era = days - era * 146_097
    year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365
    of_year = of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100)
    from_march = (of_year * 5 + 2) / 153
    month = op.Mod(from_march + 2, 12) + 1
    january = op.Where(op.LessOrEqual(month, 2), constant(np.int64(1)), constant(np.int64(0)))
    return {
        "year": year_of_era + era * 400 + january,
        "month": month,
        "day": of_year - (from_march * 153 + 2) / 5 + 1,
        "weekday": op.Mod(days + 2, 7),
        "hour": second / HOUR,
        "minute": op.Mod(second / MINUTE, 60),
        "time": time,
    }


def calendar_of(seconds: np.ndarray, parts: Sequence[str] = PARTS) -> dict[str, np.ndarray]:
    """Return the same parts of dates, computed by NumPy."""
    time = np.clip(seconds, FIRST, LAST)
    dates, days = time.astype("datetime64[s]"), time // DAY
    months = dates.astype("datetime64[M]")
    found = {
        "year": dates.astype("datetime64[Y]").astype(np.int64) + 1970,
        "month": months.astype(np.int64) % 12 + 1,
        "day": (dates.astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "weekday": (days + 3) % 7,
        "hour": time % DAY // HOUR,
        "minute": time % HOUR // MINUTE,
        "time": time,
    }
    return {part: found[part] for part in parts}
