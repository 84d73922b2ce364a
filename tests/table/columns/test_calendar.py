"""The parts of dates against Python's datetime and NumPy."""

from datetime import UTC, datetime, timedelta

import numpy as np

from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf
from netc.runtime.session import Session
from netc.table.columns.calendar import FIRST, LAST, PARTS, calendar, calendar_of

FROM_1900, TO_2100 = -2_208_988_800, 4_133_980_800
START = datetime(1970, 1, 1, tzinfo=UTC)


def parts(seconds: np.ndarray) -> dict[str, np.ndarray]:
    x = leaf("Input", np.int64, ("N",), name="x")
    return Session(emit(Graph("calendar", calendar(x)))).run({"x": seconds})


def test_every_day_from_1900_to_2100() -> None:
    days = np.arange(FROM_1900, TO_2100, 86_400)
    seconds = np.concatenate([days, days + 86_399, days + np.random.default_rng(0).integers(0, 86_400, len(days))])
    found = parts(seconds)
    for part in PARTS:
        np.testing.assert_array_equal(found[part], calendar_of(seconds)[part], part)
    chosen = np.random.default_rng(1).choice(len(seconds), 20_000, replace=False)
    dates = [START + timedelta(seconds=int(seconds[k])) for k in chosen]
    wanted = np.array([(d.year, d.month, d.day, d.weekday(), d.hour, d.minute) for d in dates])
    np.testing.assert_array_equal(np.stack([found[part][chosen] for part in PARTS[:-1]], 1), wanted)


def test_far_dates() -> None:
    least, most = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    seconds = np.array([least, least + 1, FIRST - 1, FIRST, LAST, LAST + 1, most])
    found = parts(seconds)
    for part in PARTS:
        np.testing.assert_array_equal(found[part], calendar_of(seconds)[part])
    assert found["year"].tolist() == [1] * 4 + [9999] * 3
