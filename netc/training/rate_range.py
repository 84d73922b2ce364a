"""The learning-rate range test (Smith 2017): train while the rate rises exponentially, and look at what the loss does."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10

import numpy as np

from netc.errors import DivergedError
from netc.training.step import Step

WINDOW = 20  # the smoothed loss is a mean of one in so many iterations
MOST_RISE = 1.0  # share of the first loss; a rise by less does not end the test, since the losses of batches differ
BEFORE = 10.0  # the recommended rate is at least so many times below that of the lowest loss, close to which training diverges
LEAST_FALL = 0.01  # share of the loss at low rates; a smaller fall is no progress
MOST_CHANCE = 3.0  # standard deviations; among some dozens of windows, chance makes no larger fall
FALLEN = 0.1  # share of the fall after which it has begun


@dataclass(frozen=True)
class RateRange:
    """The result: the rate and the loss of each iteration, the loss smoothed over neighbours, and whether the loss diverged."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    diverged: bool

    @property
    def lowest(self) -> int:
        """The number of the iteration with the lowest smoothed loss."""
        return int(np.argmin(self.smoothed))

    @property
    def plateau(self) -> float:
        """The loss at low rates: the median before the lowest one."""
        return float(np.median(self.smoothed[: self.lowest + 1]))

    @property
    def fell(self) -> bool:
        """Whether the loss fell by more than the differences between batches explain."""
        size = half_window(len(self.rates))
        noise = float(np.std(np.diff(self.losses[: max(self.lowest, 4 * size) + 1]))) / 2**0.5
        near = self.losses[max(0, self.lowest - 2 * size) : self.lowest + 2 * size + 1]  # chance does not choose those on both sides
        fall = self.plateau - float(np.median(near))
        return bool(fall > max(LEAST_FALL * abs(self.plateau), MOST_CHANCE * noise / len(near) ** 0.5))

    @property
    def steepest(self) -> int | None:
        """The number of the iteration where the smoothed loss falls fastest with the logarithm of the rate; None if it does not fall.

        It lies between the last loss as high as at low rates, and the lowest one.
        """
        if not self.fell:
            return None
        size, low = half_window(len(self.rates)), self.smoothed[self.lowest]
        high = self.plateau - FALLEN * (self.plateau - low)
        first = max(size, max(k for k in range(self.lowest) if self.smoothed[k] >= high))
        falls = [self.smoothed[k - size] - self.smoothed[k + size] for k in range(first, max(first + 1, self.lowest - size + 1))]
        return first + int(np.argmax(falls))

    @property
    def recommended(self) -> float | None:
        """The rate of the steepest fall, at most 1 / BEFORE of that of the lowest loss, rounded down; None if the loss does not fall."""
        if self.steepest is None:
            return None
        return rounded_down(min(self.rates[self.steepest], self.rates[self.lowest] / BEFORE))

    @property
    def is_steepest(self) -> bool:
        """Whether the recommended rate is that of the steepest fall."""
        return self.steepest is not None and self.rates[self.steepest] <= self.rates[self.lowest] / BEFORE


def half_window(count: int) -> int:
    """The number of neighbours on each side that a smoothed loss averages."""
    return max(1, count // (2 * WINDOW))


def rounded_down(rate: float) -> float:
    """The largest number with one significant digit that is not above `rate`."""
    exponent = floor(log10(rate))
    return float(f"{floor(rate / 10.0**exponent * (1 + 1e-9))}e{exponent}")


def rates_of(low: float, high: float, iterations: int) -> list[float]:
    """Rates from `low` to `high`, each larger than the one before by the same factor."""
    return [float(low * (high / low) ** (k / (iterations - 1))) for k in range(iterations)]


def range_test(step: Step, rates: Sequence[float]) -> RateRange:
    """Train one iteration with each of the rates, until the loss diverges.

    It diverges if it is not finite, or if its smoothed value is as far above the first one as it was below, at least by MOST_RISE.
    DivergedError if the first loss is not finite.
    """
    losses: list[float] = []
    size, lowest, diverged = 2 * half_window(len(rates)) + 1, float("inf"), False
    with step:
        for k, rate in enumerate(rates):
            step.load(k)
            try:
                losses.append(step.advance(rate).loss)
            except DivergedError:
                if not losses:
                    raise
                diverged = True
                break
            now, first = float(np.mean(losses[-size:])), float(np.mean(losses[:size]))
            lowest = min(lowest, now)
            if now > first + max(first - lowest, MOST_RISE * abs(first)):
                diverged = True
                break
    return RateRange(tuple(rates[: len(losses)]), tuple(losses), tuple(smooth(losses, size // 2)), diverged)


def smooth(values: Sequence[float], size: int) -> list[float]:
    """The mean of each value and up to `size` neighbours on both sides."""
    known = [v if isfinite(v) else np.nan for v in values]
    return [float(np.nanmean(known[max(0, k - size) : k + size + 1])) for k in range(len(known))]
