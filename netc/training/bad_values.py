"""Values that were found where they should not be: how often each, where the first stands, and the sentence on it."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from netc.compiler.lower import Reading
from netc.errors import Diagnostic
from netc.graph.ir import Value

MOST_VALUES = 5  # different values that a message names
SAME = {("", "Reshape"), ("", "Squeeze"), ("", "Unsqueeze"), ("", "Identity"), ("netc", "Stop")}  # ops that leave each value as it is
Place = Callable[[tuple[int, ...]], str]  # where the element of a place in an array stands


@dataclass
class Found:
    """Values that were found: how often each, and where the first of it stands."""

    counts: Counter[float] = field(default_factory=Counter)
    places: dict[float, str] = field(default_factory=dict)

    def add(self, array: np.ndarray, wrong: np.ndarray, place: Place) -> None:
        """Those of an array that are `wrong`."""
        if not wrong.any():
            return
        where = np.argwhere(wrong)
        found, first, counts = np.unique(array[wrong], return_index=True, return_counts=True)
        for value, at, count in zip(found.tolist(), first.tolist(), counts.tolist(), strict=True):
            value = math.nan if value != value else value  # one NaN for all
            self.counts[value] += count
            self.places.setdefault(value, place(tuple(where[at].tolist())))

    def __str__(self) -> str:
        said = [_said(value, self.counts[value], self.places[value]) for value in self.counts]
        if len(said) <= MOST_VALUES:
            return ", ".join(said)
        known = [value for value in self.counts if value == value]
        return f"{self.counts.total():,} numbers outside, from {min(known):.6g} to {max(known):.6g}, such as {said[0]}"


def nowhere(index: tuple[int, ...]) -> str:
    """Of what stands in no row that is known."""
    return ""


def base_of(value: Value) -> Value:
    """The value that has the same elements in the same order, before they were reshaped."""
    while value.node.key in SAME:
        value = value.node.operands[0]
    return value


def diagnostic_of(reading: Reading, found: Found, of: str) -> Diagnostic:
    """The sentence on values of `of` that a reading has found outside of its domain."""
    layer = reading.layer
    text = f"{reading.blob!r} of {of} has {found}; it must hold {reading.domain}"
    return Diagnostic(layer.at("bottom", reading.bottom), f"Layer {layer.name!r} ({layer.type}): {text}")


def _said(value: float, count: int, place: str) -> str:
    special = "NaN" if value != value else "infinity" if value > 0 else "-infinity"
    named = special if not math.isfinite(value) else str(int(value)) if value == int(value) else str(np.float32(value))
    at = f" at {place}" if place else ""
    return f"{named}{at}" if count == 1 else f"{named} in {count:,} places{f', the first{at}' if at else ''}"
