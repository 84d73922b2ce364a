"""Partial dependence: the mean score if all rows had the same value in a column.

Friedman, Greedy Function Approximation (2001).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.predict.raw.columns import MISSING, InputColumn

MOST_POINTS, MOST_VALUES = 20, 15

Arrays = Mapping[str, np.ndarray]
Scores = Callable[[Arrays], np.ndarray]  # (N, scores) of raw values by column


@dataclass(frozen=True)
class Dependence:
    """The mean scores (points, scores) at values of a column, and `missing`, those at a gap.

    `kind` is "number", "date" (seconds since 1970) or "category". `counts` are the rows with each value of a category.
    """

    column: str
    kind: str
    points: tuple[Any, ...]
    means: np.ndarray
    missing: np.ndarray
    counts: tuple[int, ...] = ()
    others: int = 0  # values of a category that are not shown


def dependence(column: InputColumn, values: Arrays, sample: np.ndarray, scores: Scores) -> Dependence | None:
    """Return the dependence on a column, averaged over the rows `sample`; None if the column has too few values.

    Numbers and dates take quantiles of all rows, categories their most frequent values.
    """
    cells, rows = values[column.name], {name: array[sample] for name, array in values.items()}

    def mean(value: Any) -> np.ndarray:
        filled = np.full(len(sample), value, column.dtype)
        averaged: np.ndarray = scores({**rows, column.name: filled}).mean(0)
        return averaged

    if column.dtype.kind == "O":
        found, counts = np.unique(cells[cells != ""].astype(str), return_counts=True)
        order = sorted(range(len(found)), key=lambda k: (-counts[k], found[k]))[:MOST_VALUES]
        points: tuple[Any, ...] = tuple(str(found[k]) for k in order)
        kind, shown = "category", tuple(int(counts[k]) for k in order)
        others = len(found) - len(order)
    else:
        known = cells[cells != MISSING] if column.dtype.kind == "i" else cells[np.isfinite(cells)]
        points, shown, others = _quantiles(known), (), 0
        kind = "date" if column.dtype.kind == "i" else "number"
    if len(points) < 2:
        return None
    return Dependence(column.name, kind, points, np.stack([mean(p) for p in points]), mean(column.missing), shown, others)


def _quantiles(known: np.ndarray) -> tuple[Any, ...]:
    """Quantiles that are values of the rows. If there are few different values, all of them."""
    if not len(known):
        return ()
    different = np.unique(known)
    if len(different) > MOST_POINTS:
        spread = np.linspace(0.01, 0.99, MOST_POINTS)
        rare = np.linspace(0, 1, MOST_POINTS // 2)  # of the different values, so that a rare large value is seen too
        both = [np.quantile(v, q, method="nearest") for v, q in ((known, spread), (different, rare))]
        different = np.unique(np.concatenate(both))
    return tuple(v.item() for v in different)
