"""The range test on losses that are made by hand."""

from math import inf, nan
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest

from netc.errors import DivergedError
from netc.training.rate_range import RateRange, range_test, rates_of, rounded_down, smooth
from netc.training.step import StepResult


class Steps:
    """A step whose loss is a function of the rate; DivergedError where it is not finite."""

    def __init__(self, loss: Any):
        self.loss, self.rates = loss, list[float]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def load(self, iteration: int) -> None:
        assert iteration == len(self.rates)

    def advance(self, rate: float) -> StepResult:
        self.rates.append(rate)
        value = self.loss(rate)
        if not np.isfinite(value):
            raise DivergedError("the loss is not finite")
        return StepResult(value)


def swept(loss: Any, low: float = 1e-7, high: float = 10.0, iterations: int = 161) -> tuple[RateRange, Steps]:
    steps: Any = Steps(loss)
    return range_test(steps, rates_of(low, high, iterations)), steps


def valley(rate: float) -> float:
    """2 at low rates, falls around 1e-3, lowest at 1e-2, then rises without end."""
    at = np.log10(rate)
    return float(2 - 1.5 / (1 + np.exp(-6 * (at + 3))) + 40 * max(0, at + 2) ** 2)


def test_rates_rise_by_the_same_factor() -> None:
    rates = rates_of(1e-4, 1.0, 5)
    assert rates == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1]) and rates[0] == 1e-4 and rates[-1] == 1.0


@pytest.mark.parametrize(("rate", "found"), [(0.14, 0.1), (0.2, 0.2), (0.0299, 0.02), (9.99, 9), (1e-7, 1e-7), (3e-12, 3e-12), (250, 200)])
def test_a_recommended_rate_has_one_digit(rate: float, found: float) -> None:
    assert rounded_down(rate) == found


def test_a_valley_is_found_and_the_test_ends() -> None:
    found, steps = swept(valley)
    assert found.diverged and len(found.rates) < 161 and found.rates == tuple(steps.rates)
    assert found.steepest is not None and found.rates[found.steepest] == pytest.approx(1e-3, rel=0.2)
    assert found.rates[found.lowest] == pytest.approx(1e-2, rel=0.4)
    assert found.recommended == rounded_down(found.rates[found.lowest] / 10) or found.is_steepest


def test_a_sudden_end_hides_no_fall() -> None:
    """The loss explodes right after its lowest value."""
    found, _ = swept(lambda rate: valley(rate) if rate < 8e-3 else 1e6)
    assert found.diverged and found.fell and found.recommended and 1e-4 <= found.recommended <= 1e-3


@pytest.mark.parametrize("shift", [-10.0, -1.2, 0.0, 5.0])
def test_negative_losses_too(shift: float) -> None:
    found, _ = swept(lambda rate: valley(rate) + shift)
    assert found.fell and found.rates[found.lowest] == pytest.approx(1e-2, rel=0.4)


def test_a_loss_that_only_falls_does_not_diverge() -> None:
    found, _ = swept(lambda rate: float(3 - np.log10(rate)))
    assert not found.diverged and found.lowest >= 158 and found.recommended


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_fall(seed: int) -> None:
    random = np.random.default_rng(seed)
    found, _ = swept(lambda rate: 2 + 0.3 * float(random.normal()))
    assert not found.fell and found.recommended is None and not found.diverged


@pytest.mark.parametrize("seed", range(20))
def test_a_fall_is_found_in_noise(seed: int) -> None:
    random = np.random.default_rng(seed)
    found, _ = swept(lambda rate: valley(rate) + 0.3 * float(random.normal()))
    assert found.steepest is not None and 1e-4 < found.rates[found.steepest] < 1e-2
    assert found.recommended and 1e-4 <= found.recommended < 1e-2


def test_a_flat_loss_is_no_fall() -> None:
    assert swept(lambda rate: 0.0)[0].recommended is None


@pytest.mark.parametrize("end", [nan, inf])
def test_a_loss_that_is_no_number_ends_the_test(end: float) -> None:
    found, _ = swept(lambda rate: end if rate > 1e-2 else valley(rate))
    assert found.diverged and found.recommended and max(found.rates) <= 1e-2


def test_a_first_loss_that_is_no_number_is_an_error() -> None:
    with pytest.raises(DivergedError):
        swept(lambda rate: nan)


def test_smoothed_over_neighbours() -> None:
    assert smooth([1.0, 2.0, 6.0, 3.0], 1) == [1.5, 3.0, pytest.approx(11 / 3), 4.5]
