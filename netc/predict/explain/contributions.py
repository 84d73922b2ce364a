"""Contributions of the columns in single rows, by occlusion: how the score changes if the model does not know a value.

Robnik-Sikonja and Kononenko, Explaining Classifications for Individual Instances (2008).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from netc.predict.raw.columns import InputColumn

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Contributions:
    """A row: its values as texts, its scores, and by column how much of each score is due to its value: (columns, scores)."""

    row: int
    values: tuple[str, ...]
    scores: np.ndarray
    parts: np.ndarray


def contributions(
    columns: Sequence[InputColumn], values: Arrays, rows: Sequence[int], numbers: Sequence[int], scores: Callable[[Arrays], np.ndarray]
) -> list[Contributions]:
    """Return the contributions in the rows at the places `rows`, whose numbers in the table are `numbers`."""
    chosen = {name: array[list(rows)] for name, array in values.items()}
    whole = scores(chosen)
    gaps = [scores({**chosen, c.name: np.full(len(rows), c.missing, c.dtype)}) for c in columns]
    parts = whole[:, None] - np.stack(gaps, axis=1)
    return [
        Contributions(number, tuple(_shown(c, chosen[c.name][k]) for c in columns), whole[k], parts[k]) for k, number in enumerate(numbers)
    ]


def _shown(column: InputColumn, value: object) -> str:
    """A raw value as a text; "" if it is missing."""
    if isinstance(value, str):
        return value
    number = np.asarray(value)
    if column.dtype.kind == "i":
        return "" if number == column.missing else str(number.astype("datetime64[s]")).replace("T", " ").removesuffix(" 00:00:00")
    return "" if np.isnan(number) else str(number).removesuffix(".0")
