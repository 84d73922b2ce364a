"""Estimates of the time that is left, on a clock of our own, and what is counted for the speed of each source."""

from pathlib import Path

import pytest

from netc import api, data, registry
from netc.report.pace import Pace, time_text
from netc.report.sparkline import Sparkline, drawn
from netc.training import events
from netc.training.stages import Stage, plan
from tests import recurrent_nets
from tests.conftest import needs_data
from tests.small_nets import write_small
from tests.some import some
from tests.training import test_pretraining

FIRST = Stage(100, 0, 0, False, 10, "rows", 1000)
LAST = Stage(1000, 100, 500, True, 10, "rows", 3000)


class Clock:
    """Seconds as they are told."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def told(pace: Pace, clock: Clock, event: events.Event, seconds: float) -> None:
    clock.now += seconds
    pace(event)


def test_what_is_left_is_steps_tests_and_snapshots_of_all_stages() -> None:
    clock = Clock()
    pace = Pace((FIRST, LAST), clock)
    told(pace, clock, events.Began(0, 2, 0, 100, "rbm1"), 0)
    told(pace, clock, events.Stepped(0, 1.0, 0.1), 9)  # the first step of a session is slow
    assert pace.left is None and pace.speed is None and time_text(pace.left) == "-"
    for k in range(1, 51):
        told(pace, clock, events.Stepped(k, 1.0, 0.1), 0.1)
    # 49 steps of this stage, 1000 of the next, three times the work each; its tests and all snapshots are not known yet
    assert some(pace.left) == (pytest.approx(49 * 0.1 + 1000 * 0.3), False) and pace.speed == pytest.approx(100)
    for k in range(51, 100):
        told(pace, clock, events.Stepped(k, 1.0, 0.1), 0.1)
    told(pace, clock, events.Snapshotted(100, Path("x")), 2)
    told(pace, clock, events.Finished(100, "max_iter", {}), 0)
    told(pace, clock, events.Began(1, 2, 0, 1000), 1)
    told(pace, clock, events.Tested(0, {}, True), 5)
    for k in range(101):
        told(pace, clock, events.Logged("{}"), 0.1)
        told(pace, clock, events.Stepped(k, 1.0, 0.1), 0.2)
        if k == 99:
            told(pace, clock, events.Tested(100, {}, True), 5)
    # tests at 200, ..., 900 and the last one, snapshots at 500 and the last one
    assert pace.left == (pytest.approx(899 * 0.3 + 9 * 5 + 2 * 2), True)


def test_a_clock_that_goes_back_gives_no_negative_times() -> None:
    clock = Clock()
    pace = Pace((LAST,), clock)
    told(pace, clock, events.Began(0, 1, 0, 1000), 0)
    for k in range(5):
        told(pace, clock, events.Stepped(k, 1.0, 0.1), -3)
    assert pace.left is None or pace.left[0] >= 0


def test_an_estimate_follows_the_speed() -> None:
    clock = Clock()
    pace = Pace((LAST,), clock)
    told(pace, clock, events.Began(0, 1, 0, 1000), 0)
    for k in range(200):
        told(pace, clock, events.Stepped(k, 1.0, 0.1), 0.1 if k < 100 else 1)
    assert pace.speed == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize("seconds, text", [(0.4, "0:00"), (83, "1:23"), (7384, "2:03:04"), (86400 + 3600, "1 day 1:00")])
def test_times_are_short(seconds: float, text: str) -> None:
    assert time_text((seconds, True)) == text and time_text((seconds, False)) == f">{text}"


def test_the_plan_of_stages(tmp_path: Path) -> None:
    stages = plan(api.load(write_small(tmp_path, test_pretraining.NET)))
    assert [s.iterations for s in stages] == [30, 40, 50] and [s.tested for s in stages] == [False, False, True]
    assert [s.snapshots_left(0) for s in stages] == [2, 2, 3] and stages[2].tests_left(0) == 2 and stages[2].tests_left(25) == 1
    assert all(s.count == 16 and s.noun == "rows" for s in stages)


def test_texts_count_their_tokens(tmp_path: Path) -> None:
    (stage,) = plan(api.load(recurrent_nets.write_letters(tmp_path), "solver.iter_size=3"))
    assert (stage.count, stage.noun) == (4 * 8 * 3, "tokens")


@needs_data("mnist")
@pytest.mark.parametrize(
    "net, noun", [("lenet", "images"), ("sentiment_lstm", "sentences"), ("rntn", "trees"), ("sunspots_lstm", "windows")]
)
def test_the_noun_is_the_sources(net: str, noun: str) -> None:
    assert plan(api.load(str(Path(__file__).parents[2] / "nets" / f"{net}.yaml")))[0].noun == noun


def test_every_source_in_the_registry_says_what_it_counts() -> None:
    registry.load()
    known = {"rows", "images", "tokens", "sentences", "sequences", "windows", "trees", "texts"}
    assert {facts.get("noun", "rows") for table in (registry.source, registry.dataset) for facts in table.records.values()} <= known
    assert data.Description("x", (), 1).noun == "rows"


def test_a_curve_of_many_values_has_few_characters() -> None:
    curve = Sparkline(8)
    for k in range(10_000):
        curve.add(float(10_000 - k))
    assert str(curve) == "█▇▆▅▄▃▂▁" and drawn([], 8) == "" and drawn([1.0, 1.0], 8) == "▁▁"
