"""Rows on a regular grid, and windows."""

import numpy as np
import pytest

from netc.errors import DataError
from netc.table.series import MISSING_TIME, Frames, gaps_text, grid, windows

DAY = 86400


def test_rows_are_sorted_and_missing_times_are_rows_of_gaps() -> None:
    found = grid(np.array([3, 0, 1, 5]) * DAY, None)
    assert found.rows.tolist() == [1, 2, -1, 0, -1, 3] and found.times.tolist() == [k * DAY for k in range(6)]
    assert found.values(np.array([10.0, 11, 12, 13]), np.nan).tolist()[:2] == [11, 12]
    assert gaps_text(found).startswith("2 of 6 times are missing, such as 1970-01-03T00:00:00, 1970-01-05")


def test_each_series_has_its_own_grid() -> None:
    found = grid(np.array([0, 0, 1, 2, 1]) * DAY, np.array(["b", "a", "b", "a", "a"], object))
    assert found.rows.tolist() == [1, 4, 3, 0, 2] and found.series.tolist() == [0, 0, 0, 1, 1]
    assert gaps_text(found) == ""


@pytest.mark.parametrize(
    ("times", "groups", "frequency", "wanted"),
    [
        ([0, DAY, MISSING_TIME], None, "", "1 of 3 rows have no time"),
        ([0, DAY, DAY, 2 * DAY], None, "", "name their column in `group`"),
        ([0, DAY, DAY, 2 * DAY], ["a"] * 4, "", "one row per time and series"),
        (
            [0, DAY, 2 * DAY + 60, 3 * DAY],
            None,
            "1d",
            "1 of 4 times are not a multiple of 1d after .* such as 1970-01-03T00:01",
        ),
    ],
)
def test_times_that_are_no_series(times: list[int], groups: list[str] | None, frequency: str, wanted: str) -> None:
    with pytest.raises(DataError, match=wanted):
        grid(np.array(times), None if groups is None else np.array(groups, object), frequency)


def test_windows_have_known_labels_in_one_series() -> None:
    found = grid(np.concatenate([np.arange(10), np.arange(4)]) * DAY, np.array(["a"] * 10 + ["b"] * 4, object))
    target = np.arange(14.0)
    target[6] = np.nan
    made = windows(found, [target], 3, 1, 0, 0)
    # in a: labels 3 to 9 without 6; in b: label 13
    assert (made.starts + 3).tolist() == [3, 4, 5, 7, 8, 9, 13]
    assert Frames(target, made.starts, 3, 1)[np.array([0, 6])].tolist() == [[3.0], [13.0]]


def test_parts_are_in_the_order_of_time_and_no_label_is_in_two() -> None:
    found = grid(np.arange(100) * DAY, None)
    target = np.arange(100.0)
    made = windows(found, [target], 5, 3, 0.1, 0.2)
    labels = {phase: {int(s) + 5 + k for s in made.starts[rows] for k in range(3)} for phase, rows in made.parts.items()}
    assert max(labels["TRAIN"]) == 69 and min(labels["VALIDATION"]) == 70 and max(labels["VALIDATION"]) == 79
    assert min(labels["TEST"]) == 80 and max(labels["TEST"]) == 99
    assert made.fitted.tolist() == list(range(70))


def test_a_window_needs_a_value_of_each_target() -> None:
    found = grid(np.arange(8) * DAY, None)
    a, b = np.arange(8.0), np.array([np.nan, np.nan, np.nan, 3, 4, 5, 6, 7])
    assert (windows(found, [a, b], 2, 1, 0, 0).starts + 2).tolist() == [4, 5, 6, 7]


def test_a_series_that_is_too_short() -> None:
    found = grid(np.arange(6) * DAY, None)
    with pytest.raises(DataError, match="No window of 5 \\+ 3 rows is for TRAIN. The series are too short."):
        windows(found, [np.arange(6.0)], 5, 3, 0, 0)
