"""The order of rows: the stream of training rows, and the rows held out for testing."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from netc.errors import DataError
from netc.random import permutation

Order = Callable[[int, int], np.ndarray]


def in_file_order(rows: int, skip: int = 0) -> Order:
    """(first, count) -> the rows of an endless pass through the file, which starts at row `skip`."""
    return lambda first, count: np.arange(skip + first, skip + first + count) % rows


def shuffled(rows: int, seed: int, name: str, skip: int = 0) -> Order:
    """(first, count) -> the rows of consecutive epochs, each shuffled separately. A batch may span two epochs."""

    @lru_cache(maxsize=2)
    def epoch(number: int) -> np.ndarray:
        return permutation(seed, f"{name}/shuffle", rows, number).astype(np.int32 if rows < 2**31 else np.int64)

    def order(first: int, count: int) -> np.ndarray:
        start, stop = skip + first, skip + first + count
        parts = [epoch(e)[max(start - e * rows, 0) : stop - e * rows] for e in range(start // rows, -(-stop // rows))]
        return np.concatenate(parts, dtype=np.int64)

    return order


def streams(rows: int, batch_size: int) -> Order:
    """(first, count) -> one row for each position in the batch.

    Each position reads its own `rows // batch_size` consecutive rows, endlessly.
    """
    length = rows // batch_size

    def order(first: int, count: int) -> np.ndarray:
        number = np.arange(first, first + count)
        return number % batch_size * length + number // batch_size % length

    return order


def held_out(rows: int, fraction: float, phase: str, series: bool = False) -> np.ndarray:
    """The rows of `phase` if round(rows * fraction) rows are held out for TEST. They are the same for every net and seed.

    The last rows of a `series` are held out. DataError as for `held_count`.
    """
    count = held_count(rows, fraction)
    mixed = np.arange(rows)[::-1] if series else permutation(0, "test_fraction", rows)
    return np.sort(mixed[count:] if phase == "TRAIN" else mixed[:count])


def held_count(rows: int, fraction: float) -> int:
    """The number of rows held out for TEST.

    DataError if a fraction above 0 holds out no row, or leaves none to train on.
    """
    count = round(rows * fraction)
    if fraction and not 0 < count < rows:
        text = f"A `test_fraction` of {fraction:g} of {rows:,} rows holds out {count:,} and leaves {rows - count:,} to train on."
        raise DataError(text, field="test_fraction")
    return count
