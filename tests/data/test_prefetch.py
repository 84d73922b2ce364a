"""Batches made ahead."""

import threading
import time

import pytest

from netc.data import Prefetch, prefetch
from netc.errors import RunError


def alive() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "netc-prefetch"]


def test_it_is_the_function_it_wraps_and_restarts_anywhere() -> None:
    with Prefetch(lambda i: i * i, depth=2) as prefetch:
        assert [prefetch(i) for i in range(5)] == [0, 1, 4, 9, 16]
        assert [prefetch(i) for i in (100, 101, 3, 3, 4)] == [10000, 10201, 9, 9, 16]
    assert not alive()


def test_it_works_ahead_but_not_further_than_its_depth() -> None:
    made: list[int] = []

    def make(i: int) -> int:
        made.append(i)
        return i

    with Prefetch(make, depth=3) as prefetch:
        prefetch(10)
        deadline = time.monotonic() + 5
        while len(made) < 5 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.05)
        # One taken, three that wait, and one in the hand of the thread.
        assert made == [10, 11, 12, 13, 14]
        assert alive()


def test_what_it_raises_comes_where_its_number_is_asked_for() -> None:
    def make(i: int) -> int:
        if i == 2:
            raise ValueError("row 2 is bad")
        return i

    with Prefetch(make) as prefetch:
        assert [prefetch(0), prefetch(1)] == [0, 1]
        with pytest.raises(ValueError, match="row 2 is bad"):
            prefetch(2)
        assert not alive()
        assert prefetch(3) == 3


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_close_ends_the_thread_at_any_moment(depth: int) -> None:
    for pause in (0, 0.001, 0.01):
        prefetch = Prefetch(lambda i: i, depth)
        prefetch(0)
        time.sleep(pause)
        prefetch.close()
        prefetch.close()
        assert not alive()


def test_a_thread_that_died_is_an_error_and_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "PATIENCE", 0.01)
    monkeypatch.setattr(prefetch, "_work", lambda *_: None)
    with Prefetch(lambda i: i) as made, pytest.raises(RunError, match="The thread that prepares batches ended before batch 0"):
        made(0)
