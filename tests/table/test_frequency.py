"""The time between the rows of a series."""

import numpy as np
import pytest

from netc.errors import DataError
from netc.table.frequency import Frequency, find, parse


def seconds(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[s]").astype(np.int64)


def texts(times: np.ndarray) -> list[str]:
    return [str(t) for t in times.astype("datetime64[s]").astype("datetime64[m]")]


@pytest.mark.parametrize("text", ["1s", "15min", "1h", "1d", "1w", "2w", "1mo", "1q", "1y", "5y"])
def test_a_frequency_is_written_as_it_is_read(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize("text", ["", "0h", "hour", "1x", "-1d", "1.5h"])
def test_what_is_no_frequency(text: str) -> None:
    with pytest.raises(DataError, match="Expected a number and one of"):
        parse(text)


def test_the_usual_distance_is_the_frequency() -> None:
    times = seconds("2020-01-01", "2020-01-02", "2020-01-03", "2020-01-07", "2020-01-08")
    assert str(find(times)) == "1d"
    assert str(find(np.arange(0, 36000, 900))) == "15min"


def test_months_are_not_a_number_of_days() -> None:
    assert str(find(seconds("2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"))) == "1mo"
    assert str(find(seconds("2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30"))) == "1mo"
    assert str(find(seconds("2019-01-01", "2019-04-01", "2019-07-01", "2019-10-01", "2020-01-01"))) == "1q"
    assert str(find(seconds("2018-06-01", "2019-06-01", "2020-06-01", "2021-06-01"))) == "1y"
    assert str(find(seconds("2020-01-01", "2020-01-31", "2020-03-01", "2020-03-31"))) == "30d"


def test_times_and_numbers_of_steps_are_inverse() -> None:
    for text, first in [
        ("1h", "2020-02-28T22:00"),
        ("1mo", "2019-11-30"),
        ("1mo", "2020-01-15"),
        ("1y", "2020-02-29"),
        ("1q", "2020-03-31"),
    ]:
        frequency, start = parse(text), int(seconds(first)[0])
        times = frequency.times(start, 40)
        assert frequency.number(times, start).tolist() == list(range(40)), text


def test_month_ends_stay_month_ends() -> None:
    times = Frequency(1, 0).times(int(seconds("2020-01-31")[0]), 4)
    assert texts(times) == ["2020-01-31T00:00", "2020-02-29T00:00", "2020-03-31T00:00", "2020-04-30T00:00"]


def test_a_time_off_the_grid_is_between_two_steps() -> None:
    first = int(seconds("2020-01-01")[0])
    assert Frequency(1, 0).number(seconds("2020-02-01", "2020-02-03"), first).tolist() == [1, 1.5]


def test_one_time_is_no_series() -> None:
    with pytest.raises(DataError, match="at least two"):
        find(np.array([5]))
