"""Pairs of columns of a table that say nearly the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from netc.table.profile import TOGETHER, ColumnProfile, sampled
from netc.table.reading import RawColumn, RawTable, number_sql, text_sql

RANK, LAMBDA = "rank correlation", "lambda"  # Spearman's; Goodman and Kruskal's, of the direction that is worse
LEAST = {RANK: 0.98, LAMBDA: 0.95}
MOST_CELLS, MOST_ROWS = 10_000_000, 20_000  # of a sample
MOST_CODED, MOST_VALUES = 150, 100  # columns with few values to compare with each other, and how many values these have at most
BLOCK = 500  # columns


@dataclass(frozen=True)
class Pair:
    """Two columns that say nearly the same: `value` is 1 if one follows from the other, or -1 if their order is reversed."""

    first: str
    second: str
    value: float
    measure: str


def similar(raw: RawTable, columns: Sequence[ColumnProfile]) -> list[Pair]:
    """Return the pairs, the most similar first: numbers by their rank correlation, other columns by lambda.

    A gap has the mean rank, and is a value of its own for lambda.
    """
    varied = [column for column in columns if column.distinct > 1]
    if len(varied) < 2:
        return []
    where = sampled(raw.rows, min(MOST_ROWS, max(1000, MOST_CELLS // len(varied))))
    numbers = [column for column in varied if column.is_numeric]
    coded = [column for column in varied if column.distinct <= MOST_VALUES][:MOST_CODED]
    found = list(_correlated(raw, numbers, where)) + list(_mapped(raw, coded, where))
    return sorted(found, key=lambda pair: -abs(pair.value))


def _read(raw: RawTable, select: Sequence[tuple[str, str]], where: str) -> Iterator[np.ndarray]:
    for start in range(0, len(select), TOGETHER):
        some = dict(select[start : start + TOGETHER])
        chunks = list(raw.chunks(some, where=where))
        for name in some:
            yield np.concatenate([chunk[name] for chunk in chunks])


def _correlated(raw: RawTable, columns: Sequence[ColumnProfile], where: str) -> Iterator[Pair]:
    select = [(column.name, number_sql(RawColumn(column.name, column.kind), raw.dialect)) for column in columns]
    ranks = np.array([_ranks(values) for values in _read(raw, select, where)], np.float32)
    for a in range(0, len(ranks), BLOCK):
        for b in range(a, len(ranks), BLOCK):
            values = ranks[a : a + BLOCK] @ ranks[b : b + BLOCK].T
            for i, j in np.argwhere(np.abs(values) >= LEAST[RANK]).tolist():
                if a + i < b + j:
                    yield Pair(columns[a + i].name, columns[b + j].name, float(np.clip(values[i, j], -1, 1)), RANK)


def _ranks(values: np.ndarray) -> np.ndarray:
    """The ranks of numbers with mean 0 and length 1; ties have their mean rank, gaps 0. All 0 if the numbers are equal."""
    known = np.isfinite(values)
    ranks = np.zeros(len(values))
    if known.any():
        _, codes, counts = np.unique(values[known], return_inverse=True, return_counts=True)
        own = (np.cumsum(counts) - (counts - 1) / 2)[codes]
        ranks[known] = own - own.mean()
    length = float(np.linalg.norm(ranks))
    return ranks / length if length else ranks


def _mapped(raw: RawTable, columns: Sequence[ColumnProfile], where: str) -> Iterator[Pair]:
    """Pairs of columns with few values, at least one of which is not numeric."""
    select = [(column.name, f"(hash({text_sql(RawColumn(column.name, column.kind))}) >> 1)::BIGINT") for column in columns]
    codes = [np.unique(keys, return_inverse=True)[1] for keys in _read(raw, select, where)]
    for i, first in enumerate(columns):
        for j in range(i + 1, len(columns)):
            if not (first.is_numeric and columns[j].is_numeric):
                value = goodman_kruskal(codes[i], codes[j])
                if value >= LEAST[LAMBDA]:
                    yield Pair(first.name, columns[j].name, value, LAMBDA)


def goodman_kruskal(a: np.ndarray, b: np.ndarray) -> float:
    """The share of the errors that one makes in guessing the most frequent value of a column that the other column saves.

    Of both directions, the smaller. `a` and `b` are the numbers of the values in each row.
    """
    table = np.bincount(a * (b.max() + 1) + b, minlength=(a.max() + 1) * (b.max() + 1)).reshape(a.max() + 1, -1)
    found = []
    for counts in (table, table.T):
        most = counts.sum(0).max()
        found.append((counts.max(1).sum() - most) / (len(a) - most) if most < len(a) else 0.0)
    return float(min(found))
