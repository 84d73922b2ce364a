"""Permutation importance: how much the loss grows when the values of a column are exchanged between rows.

Breiman, Random Forests (2001), and Fisher, Rudin and Dominici, All Models are Wrong (2019).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from netc.random import permutation

Arrays = Mapping[str, np.ndarray]
Loss = Callable[[Arrays], float]  # of raw values by column


@dataclass(frozen=True)
class Importance:
    """The increase of the loss without the columns: mean and standard deviation over the repeats."""

    columns: tuple[str, ...]
    mean: float
    deviation: float


def importances(values: Arrays, loss: Loss, groups: Sequence[Sequence[str]], repeats: int, seed: int) -> list[Importance]:
    """Return the importance of each group of columns, whose values are exchanged together, the largest first."""
    start = loss(values)
    found = [_importance(values, loss, tuple(group), repeats, seed, start) for group in groups]
    return sorted(found, key=lambda importance: -importance.mean)


def _importance(values: Arrays, loss: Loss, group: tuple[str, ...], repeats: int, seed: int, start: float) -> Importance:
    rows = len(values[group[0]])
    increases = []
    for k in range(repeats):
        order = permutation(seed, f"explain/{k}", rows)
        increases.append(loss({**values, **{name: values[name][order] for name in group}}) - start)
    return Importance(group, float(np.mean(increases)), float(np.std(increases, ddof=1)) if repeats > 1 else 0.0)
