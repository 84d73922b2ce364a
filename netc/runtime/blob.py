"""Blobs: an array with its gradient, as in `netc.Net`, and a check of arrays from users."""

from typing import Any

import numpy as np

from netc.errors import DataError


class Blob:
    """An array and its gradient, both writable in place."""

    def __init__(self, data: np.ndarray):
        self.data = data
        self.diff = np.zeros_like(data, np.float32)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.data, dtype) if copy or (dtype is not None and dtype != self.data.dtype) else self.data

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def hold(self, array: np.ndarray) -> None:
        """Copy the values of `array`. If the shapes differ, replace the blob's array, as in nets whose axes change with each batch."""
        if array.shape == self.data.shape:
            self.data[...] = array
        else:
            self.data, self.diff = np.array(array, self.data.dtype), np.zeros(array.shape, np.float32)

    def __repr__(self) -> str:
        return f"Blob({'x'.join(map(str, self.data.shape))})"


def numbers(given: Any, dtype: np.dtype[Any], what: str) -> np.ndarray:
    """Convert `given` to an array of `dtype`. DataError, whose message begins with `what`, if that changes a number.

    Floating-point numbers may be rounded, but not to infinity.
    """
    array = np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{what}: Expected numbers of type {dtype}, got {array.dtype}.")
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(cast, array):
        wrong = array[cast != array]
        raise DataError(f"{what}: Expected whole numbers of type {dtype}, got {wrong.reshape(-1)[0]:g}.")
    if dtype.kind == "f" and (np.isinf(cast) > np.isinf(array)).any():
        raise DataError(f"{what}: Expected numbers of type {dtype}. {np.abs(array).max():g} is too large.")
    return cast


def apart(array: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The array, or a copy if it shares memory with `other`."""
    return array.copy() if np.may_share_memory(array, other) else array
