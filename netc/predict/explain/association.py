"""How much columns tell about each other, from 0 to 1."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from netc.predict.raw.columns import MISSING, InputColumn

STRONG = 0.7
MOST_VALUES = 100  # of a category; with more, a table of two categories is mostly empty

Pair = tuple[str, str, float]


def associated(columns: Sequence[InputColumn], values: Mapping[str, np.ndarray]) -> list[Pair]:
    """Return the pairs of columns whose association is STRONG or more, the strongest first.

    Two numbers: the absolute rank correlation (Spearman). Two categories: the square root of the larger uncertainty coefficient, the
    share of one's entropy that the other tells (Theil 1970), with Miller's correction. A number and a
    category: the correlation ratio of the number's ranks, corrected for the number of values.
    """
    prepared = {c.name: _codes(values[c.name]) if c.dtype.kind == "O" else _ranks(values[c.name]) for c in columns}
    found = []
    for a, b in combinations(columns, 2):
        x, y = prepared[a.name], prepared[b.name]
        if x is not None and y is not None:
            strength = _strength(x, y, a.dtype.kind == "O", b.dtype.kind == "O")
            if strength >= STRONG:
                found.append((a.name, b.name, strength))
    return sorted(found, key=lambda pair: -pair[2])


def groups(pairs: Sequence[Pair]) -> list[tuple[str, ...]]:
    """Return the sets of columns that pairs connect."""
    found: list[list[str]] = []
    for a, b, _ in pairs:
        touched = [group for group in found if a in group or b in group]
        merged = list(dict.fromkeys([name for group in touched for name in group] + [a, b]))
        found = [*(group for group in found if group not in touched), merged]
    return [tuple(group) for group in found]


def _ranks(cells: np.ndarray) -> np.ndarray | None:
    """Mean ranks, minus their mean; a gap has the mean. None if all values are equal."""
    known = cells != MISSING if cells.dtype.kind == "i" else ~np.isnan(cells)
    different, place, counts = np.unique(cells[known], return_inverse=True, return_counts=True)
    if len(different) < 2:
        return None
    ranks = np.zeros(len(cells))
    ranks[known] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    ranks[known] -= ranks[known].mean()
    return ranks


def _codes(cells: np.ndarray) -> np.ndarray | None:
    """A number for each text. None if all are equal, or nearly all different."""
    different, codes = np.unique(cells.astype(str), return_inverse=True)
    return codes if 2 <= len(different) <= min(MOST_VALUES, len(cells) // 2) else None


def _strength(x: np.ndarray, y: np.ndarray, x_is_text: bool, y_is_text: bool) -> float:
    if x_is_text and y_is_text:
        return _told(x, y)
    if x_is_text or y_is_text:
        codes, ranks = (x, y) if x_is_text else (y, x)
        counts = np.bincount(codes)
        means = np.bincount(codes, ranks) / np.maximum(counts, 1)
        explained = (counts * means**2).sum() / (ranks**2).sum()
        unbiased = 1 - (1 - explained) * (len(ranks) - 1) / max(1, len(ranks) - len(counts))  # many values explain by chance
        return float(np.sqrt(max(0.0, unbiased)))
    return float(abs(x @ y) / np.sqrt((x @ x) * (y @ y)))


def _told(x: np.ndarray, y: np.ndarray) -> float:
    """The square root of the uncertainty coefficient, in the direction in which it is larger."""
    table = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(table, (x, y), 1)
    rows, (r, k) = table.sum(), table.shape
    ends = [_entropy(table.sum(axis) / rows) for axis in (0, 1)]
    mutual = sum(ends) - _entropy(table.reshape(-1) / rows) - (r - 1) * (k - 1) / (2 * rows)  # what chance alone would tell
    return float(np.sqrt(min(1.0, max(0.0, mutual) / min(ends))))


def _entropy(shares: np.ndarray) -> float:
    known = shares[shares > 0]
    return float(-(known * np.log(known)).sum())
