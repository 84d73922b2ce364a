"""Split arrays into batches of a net, and join the results of the batches."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from netc.api.net import Net
from netc.errors import DataError


def batches_of(net: Net, arrays: Mapping[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    """Split arrays into batches of the net's size; the last is padded with zeros. DataError if there is nothing to run."""
    if not arrays or not net.inputs:
        raise DataError(f"expected arrays for the inputs of the net: {', '.join(net.inputs) or 'it has none'}")
    size, rows = net.blobs[net.inputs[0]].shape[0], len(next(iter(arrays.values())))
    for first in range(0, rows, size):
        parts = {name: np.asarray(array[first : first + size]) for name, array in arrays.items()}
        yield {n: np.concatenate([a, np.zeros((size - len(a), *a.shape[1:]), a.dtype)]) for n, a in parts.items()}


def keep(arrays: Mapping[str, np.ndarray], kept: dict[str, list[np.ndarray]]) -> None:
    """Append copies of the results of a batch to `kept`."""
    for name, array in arrays.items():
        kept.setdefault(name, []).append(np.array(array, ndmin=1))


def joined(kept: Mapping[str, list[np.ndarray]], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Concatenate the results of all batches, without padding rows. Scalars such as a loss give one number per batch."""
    rows = len(next(iter(arrays.values())))
    return {name: np.concatenate(parts)[:rows] for name, parts in kept.items()}
