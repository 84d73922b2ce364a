"""Columns of dates."""

from pathlib import Path

import numpy as np
import pytest

from netc.data.fitted import from_json
from netc.errors import SpecError
from netc.table.columns.date import Date
from netc.table.columns.define import MISSING_INT
from netc.table.encoded import encoded
from tests.layers.test_table import run, vectors
from tests.table.mixed import column, read

DAY = 86_400


def date(cells: list[int], **fields: object) -> Date:
    found = column("d", "date", np.array(cells, np.int64), **fields)
    assert isinstance(found, Date)
    return found


def test_only_parts_that_vary() -> None:
    january = 1_704_067_200  # 2024-01-01
    assert date([january + k * DAY for k in range(20)]).parts == ("day", "weekday", "time")
    assert date([january + k * 3600 for k in range(20)]).parts == ("hour", "time")
    assert date([january + k * 366 * DAY for k in range(20)]).parts == ("year", "day", "weekday", "time")
    assert date([january] * 3).parts == ("time",) and date([]).parts == ("time",) and date([MISSING_INT] * 3).parts == ("time",)
    assert date([january, 0], parts=["month"]).parts == ("month",)
    with pytest.raises(SpecError, match="Column 'd': There is no part 'months' of a date. Did you mean 'month'?"):
        date([0], parts=["months"])


def test_a_gap_is_the_median_of_each_part() -> None:
    cells = [k * 11 * DAY + k * 3700 for k in range(100)]
    with_gaps, without = date([*cells, MISSING_INT]), date(cells)
    assert with_gaps.gaps and not without.gaps and with_gaps.slots == without.slots + 1
    for fitted in (with_gaps, without):
        found = encoded([fitted], {"d": np.array([MISSING_INT, *cells])})
        numbers = len(fitted.parts)
        assert (found[0, :numbers] == 0).all() and (found[0, numbers : numbers + 4] == 0).all()
        _, y, _ = vectors([fitted], "N", pieces=0)
        circles = run(y, found, {})["y"][:, numbers : numbers + 2 * sum(p not in ("year", "time") for p in fitted.parts)]
        np.testing.assert_allclose(circles[0], circles[1:].mean(0), atol=1e-6)
        np.testing.assert_allclose(np.square(circles[1:]).reshape(100, -1, 2).sum(2), 1, rtol=1e-6)
    assert encoded([with_gaps], {"d": np.array([MISSING_INT, 0])})[:, -1].tolist() == [1, 0]


def test_neighbours_on_the_circle() -> None:
    """December is beside January."""
    cells = [int(np.datetime64(f"2024-{m:02}-01").astype("datetime64[s]").astype(int)) for m in range(1, 13)]
    fitted = date(cells, parts=["month"])
    _, y, _ = vectors([fitted], "N", pieces=0)
    circle = run(y, encoded([fitted], {"d": np.array(cells)}), {})["y"][:, 1:]
    steps = np.linalg.norm(circle - np.roll(circle, 1, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-5)


def test_several_columns_do_not_mix() -> None:
    rng = np.random.default_rng(0)
    raw = {name: rng.integers(-(10**9), 2 * 10**9, 50) for name in "abc"}
    raw["b"][::5] = MISSING_INT
    columns = [
        column("a", "date", raw["a"], parts=["month", "time"]),
        column("b", "date", raw["b"]),
        column("c", "date", raw["c"], parts=["hour"]),
    ]
    together, alone = encoded(columns, raw), [encoded([c], raw) for c in columns]
    _, y, _ = vectors(columns, "N")
    merged = np.sort(run(y, together, {})["y"], axis=1)
    single = np.concatenate([run(vectors([c], "N")[1], rows, {})["y"] for c, rows in zip(columns, alone, strict=True)], axis=1)
    np.testing.assert_array_equal(merged, np.sort(single, axis=1))


def test_seconds_of_today_are_exact() -> None:
    """float32 has steps of two minutes there."""
    cells = [1_700_000_000 + k for k in range(64)]
    assert len(np.unique(encoded([date(cells)], {"d": np.array(cells)}), axis=0)) == 64


def test_cells(tmp_path: Path) -> None:
    midnight, morning = 1_578_182_400, 1_578_219_072
    cells = {
        "2020-01-05": midnight, "2020-01-05 10:11:12": morning, "2020-01-05T10:11:12": morning, "2020-01-05T10:11:12Z": morning,
        "2020-01-05T12:11:12+02:00": morning, "2020-01-05 04:11:12-0600": morning, "2020-01-05T10:11:12.9": morning, "20200105": midnight,
        "2020-01-05T10:11": morning - 12, "2020-01": midnight - 4 * DAY, "2020": midnight - 4 * DAY, "1969-12-31 23:59:59.5": -1,
        "1900-01-01": -2_208_988_800, "1578219072": morning, "1578219072123": morning, "": None, "2020-13-01": None, "05.01.2020": None,
        "soon": None,
    }  # fmt: skip
    assert read(tmp_path, "date", list(cells)) == (list(cells.values()), 3)
    assert read(tmp_path, "date", ["05.01.2020", "2020-01-05", ""], format="%d.%m.%Y") == ([midnight, None, None], 1)
    assert read(tmp_path, "date", ["5.1.20 10:11"], format="%d.%m.%y %H:%M") == ([morning - 12], 0)


def test_as_json() -> None:
    fitted = date([k * 12_345_678 for k in range(50)] + [MISSING_INT])
    assert from_json(fitted.as_json()) == fitted
    assert fitted.about["values"] == "1970-01-01 to 1989-03-03 14:23:42, in seconds since 1970" and fitted.about["gaps"]
    assert np.isfinite(encoded([fitted], {"d": np.array(fitted.odd)})).all()
