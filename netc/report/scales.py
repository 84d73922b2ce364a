"""Map numbers to positions in a chart, with ticks at round numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Maps numbers from `low` to `high` to positions from `start` to `end`. If `log`, low and high are exponents of ten."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[float]
    log: bool = False

    def __call__(self, value: float) -> float:
        at = math.log10(value) if self.log else value
        return self.start + (at - self.low) / (self.high - self.low) * (self.end - self.start)


def linear(low: float, high: float, start: float, end: float, pad: bool = True) -> Scale:
    """A scale with ticks 1, 2 or 5 times a power of ten apart. `pad` extends it to the next ticks."""
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = low - (abs(low) or 1) * 0.5, high + (abs(high) or 1) * 0.5
    rough = (high - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * k for k in (1, 2, 5, 10) if unit * k >= rough)
    first, last = (math.floor(low / step), math.ceil(high / step)) if pad else (math.ceil(low / step), math.floor(high / step))
    ticks = [k * step for k in range(first, last + 1)]
    return Scale(ticks[0] if pad else low, ticks[-1] if pad else high, start, end, ticks)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """A logarithmic scale of full decades. One or two decades also have ticks at 2 and 5."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    last = max(last, first + 1)
    step = math.ceil((last - first) / 8)
    between = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [m * 10.0**k for k in range(first, last, step) for m in between] + [10.0**last]
    return Scale(first, last, start, end, ticks, log=True)


def score(value: float) -> str:
    """Format a score: 0.9912, or 24,294.6."""
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"


def short(value: float) -> str:
    """Format a number for an axis: 10,000, 0.25, 3e-5."""
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or abs(value) < 1e-3:
        digits, exponent = f"{value:.1e}".split("e")
        return f"{digits.removesuffix('.0')}e{int(exponent)}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
