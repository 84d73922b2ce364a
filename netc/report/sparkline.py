"""Draw a curve in one line of text."""

from collections.abc import Sequence
from math import isfinite

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*%#"  # for terminals without block characters: light to dark


class Sparkline:
    """A curve of all values so far in at most `width` characters. Each character is the mean of equally many values."""

    def __init__(self, width: int = 16, marks: str = BLOCKS):
        self.width, self.marks = width, marks
        self._means: list[float] = []
        self._each, self._sum, self._count = 1, 0.0, 0

    def add(self, value: float) -> None:
        """Add a value."""
        self._sum, self._count = self._sum + value, self._count + 1
        if self._count == self._each:
            self._means.append(self._sum / self._count)
            self._sum, self._count = 0.0, 0
        if len(self._means) == 2 * self.width:
            self._means = [(a + b) / 2 for a, b in zip(self._means[::2], self._means[1::2], strict=True)]
            self._each *= 2

    def __str__(self) -> str:
        return drawn(self._means[-2 * self.width :], self.width, self.marks)


def drawn(values: Sequence[float], width: int, marks: str = BLOCKS) -> str:
    """Draw values between their minimum and their maximum. NaN and infinite values are skipped."""
    values = [value for value in values if isfinite(value)]
    if len(values) > width:
        bounds = [k * len(values) // width for k in range(width + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in zip(bounds, bounds[1:], strict=False)]
    low, high = min(values, default=0.0), max(values, default=0.0)
    step = (high - low) / (len(marks) - 1) or 1.0
    return "".join(marks[round((value - low) / step)] for value in values)
