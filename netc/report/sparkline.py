"""A curve in one line of text."""

from collections.abc import Sequence
from math import isfinite

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*%#"  # where the terminal has no blocks: low to high by how dark they are


class Sparkline:
    """A curve of at most `width` characters of all that it was given so far, each the mean of as many values."""

    def __init__(self, width: int = 16, marks: str = BLOCKS):
        self.width, self.marks = width, marks
        self._means: list[float] = []
        self._each, self._sum, self._count = 1, 0.0, 0

    def add(self, value: float) -> None:
        """The next value."""
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
    """The curve of some values between their lowest and their highest; those that are not finite are left out."""
    values = [value for value in values if isfinite(value)]
    if len(values) > width:
        bounds = [k * len(values) // width for k in range(width + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in zip(bounds, bounds[1:], strict=False)]
    low, high = min(values, default=0.0), max(values, default=0.0)
    step = (high - low) / (len(marks) - 1) or 1.0
    return "".join(marks[round((value - low) / step)] for value in values)
