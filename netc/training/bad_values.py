"""Collect invalid values in data: how often each occurs, where it occurs first, and the error message."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from netc.compiler.lower import Reading
from netc.errors import Diagnostic
from netc.graph.ir import Value

MOST_VALUES = 5  # distinct values in a message
SAME = {("", "Reshape"), ("", "Squeeze"), ("", "Unsqueeze"), ("", "Identity"), ("netc", "Stop")}  # ops that keep all values and their order
Place = Callable[[tuple[int, ...]], str]  # describes where an element of an array comes from


@dataclass
class BadValues:
    """Invalid values: the count and the first position of each."""

    counts: Counter[float] = field(default_factory=Counter)
    places: dict[float, str] = field(default_factory=dict)

    def add(self, array: np.ndarray, wrong: np.ndarray, place: Place) -> None:
        """Add the elements of an array where `wrong` is true."""
        if not wrong.any():
            return
        where = np.argwhere(wrong)
        values, first, counts = np.unique(array[wrong], return_index=True, return_counts=True)
        for value, at, count in zip(values.tolist(), first.tolist(), counts.tolist(), strict=True):
            value = math.nan if value != value else value  # treats all NaN as one value
            self.counts[value] += count
            self.places.setdefault(value, place(tuple(where[at].tolist())))

    def __str__(self) -> str:
        texts = [_text(value, self.counts[value], self.places[value]) for value in self.counts]
        if len(texts) <= MOST_VALUES:
            return ", ".join(texts)
        known = [value for value in self.counts if value == value]
        return f"{self.counts.total():,} invalid values from {min(known):.6g} to {max(known):.6g}, such as {texts[0]}"


def nowhere(index: tuple[int, ...]) -> str:
    """An empty position, for values without a known row."""
    return ""


def base_of(value: Value) -> Value:
    """The value before reshapes, with the same elements in the same order."""
    while value.node.key in SAME:
        value = value.node.operands[0]
    return value


def diagnostic_of(reading: Reading, bad: BadValues, of: str) -> Diagnostic:
    """The error for values of `of` outside the domain that a layer requires."""
    layer = reading.layer
    text = f"{reading.blob!r} of {of} contains {bad}; allowed values: {reading.domain}"
    return Diagnostic(layer.at("bottom", reading.bottom), f"Layer {layer.name!r} ({layer.type}): {text}")


def _text(value: float, count: int, place: str) -> str:
    special = "NaN" if value != value else "infinity" if value > 0 else "-infinity"
    named = special if not math.isfinite(value) else str(int(value)) if value == int(value) else str(np.float32(value))
    at = f" at {place}" if place else ""
    return f"{named}{at}" if count == 1 else f"{named} ({count:,} times{f', first{at}' if at else ''})"
