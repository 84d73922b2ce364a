"""Arrays of any number of rows as batches of a net, and the results of the batches as arrays of so many rows."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from netc.api.net import Net
from netc.errors import DataError


def batches_of(net: Net, arrays: Mapping[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    """Batches with as many rows as the net's input has. The last one is filled up with zeros. DataError if there is nothing to run."""
    if not arrays or not net.inputs:
        raise DataError(f"arrays for the net's inputs are needed: {', '.join(net.inputs) or 'it has none'}")
    size, rows = net.blobs[net.inputs[0]].shape[0], len(next(iter(arrays.values())))
    for first in range(0, rows, size):
        parts = {name: np.asarray(array[first : first + size]) for name, array in arrays.items()}
        yield {n: np.concatenate([a, np.zeros((size - len(a), *a.shape[1:]), a.dtype)]) for n, a in parts.items()}


def keep(arrays: Mapping[str, np.ndarray], kept: dict[str, list[np.ndarray]]) -> None:
    """Copy the results of a batch to those of the batches before."""
    for name, array in arrays.items():
        kept.setdefault(name, []).append(np.array(array, ndmin=1))


def joined(kept: Mapping[str, list[np.ndarray]], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The results of all batches, with as many rows as `arrays`. A result that is a number, such as a loss, stays one number a batch."""
    rows = len(next(iter(arrays.values())))
    return {name: np.concatenate(parts)[:rows] for name, parts in kept.items()}
