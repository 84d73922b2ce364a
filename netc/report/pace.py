"""Measure the speed of a run and estimate the time left."""

import math
import time
from collections.abc import Callable, Sequence

from netc.training.events import Began, Event, Logged, Skipped, Snapshotted, Stepped, Tested
from netc.training.stages import Stage

RECENT = 10.0  # seconds after which a duration has lost most of its weight


class Duration:
    """An exponential moving average of durations in seconds; None before the first."""

    def __init__(self) -> None:
        self.total = self.count = 0.0

    def add(self, seconds: float) -> None:
        """Add a duration."""
        kept = math.exp(-seconds / RECENT)
        self.total, self.count = self.total * kept + seconds, self.count * kept + 1

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


class Pace:
    """Follows the events of a run, measures the speed of its steps, and estimates the time left over all stages.

    The estimate uses recent durations of steps, tests and snapshots separately. For later stages it scales the duration of a
    step by the multiply-adds.
    """

    def __init__(self, stages: Sequence[Stage], clock: Callable[[], float] = time.perf_counter):
        self.stages, self._clock = stages, clock
        self.stage, self.iteration, self.max_iter = 0, 0, 0
        self.steps, self.tests, self.snapshots = Duration(), Duration(), Duration()
        self._since, self._warm = clock(), False

    def __call__(self, event: Event) -> None:
        if isinstance(event, Logged | Skipped):
            return
        now = self._clock()
        seconds, self._since = max(0.0, now - self._since), now
        if isinstance(event, Began):
            self.stage, self.iteration, self.max_iter = event.stage, event.iteration, event.max_iter
            self.steps, self._warm = Duration(), False
        elif isinstance(event, Stepped):
            self.iteration = event.iteration + 1
            if self._warm:  # the first step of a session is slow and does not count
                self.steps.add(seconds)
            self._warm = True
        elif isinstance(event, Tested):
            self.tests.add(seconds)
        elif isinstance(event, Snapshotted):
            self.snapshots.add(seconds)

    @property
    def speed(self) -> float | None:
        """Rows or tokens per second, during steps only."""
        return self.stages[self.stage].count / self.steps.mean if self.steps.mean else None

    @property
    def left(self) -> tuple[float, bool] | None:
        """Seconds to the end of the last stage, and whether all kinds of remaining work were measured. None at the start."""
        if self.steps.mean is None:
            return None
        now, seconds, whole = self.stages[self.stage], 0.0, True
        for number, stage in enumerate(self.stages[self.stage :], self.stage):
            done = self.iteration if number == self.stage else 0
            steps = self.max_iter - done if number == self.stage else stage.steps_left(0)
            seconds += steps * self.steps.mean * (stage.work / max(1, now.work))
            for count, kind in ((stage.tests_left(done), self.tests), (stage.snapshots_left(done), self.snapshots)):
                seconds += count * (kind.mean or 0.0)
                whole = whole and (not count or kind.mean is not None)
            whole = whole and stage.iterations is not None
        return seconds, whole


def time_text(left: tuple[float, bool] | None) -> str:
    """`1:23`, `2:03:04` or `3 days 4:00`, with a `>` if some of the remaining work was not measured."""
    if left is None:
        return "-"
    minutes, seconds = divmod(round(left[0]), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        text = f"{days} day{'s' if days > 1 else ''} {hours}:{minutes:02d}"
    else:
        text = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
    return text if left[1] else f">{text}"
