"""A net's arrays and layers as pycaffe shows them."""

from collections.abc import Sequence
from math import prod

import numpy as np

from netc.errors import DataError
from netc.runtime import blob


class Blob(blob.Blob):
    """An array and its gradient, with the sizes that Caffe names."""

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return int(self.data.size)

    @property
    def num(self) -> int:
        return self._legacy(0)

    @property
    def channels(self) -> int:
        return self._legacy(1)

    @property
    def height(self) -> int:
        return self._legacy(2)

    @property
    def width(self) -> int:
        return self._legacy(3)

    def reshape(self, *shape: int) -> None:
        """Another shape; values are kept where their number stays. The net follows in its next forward, or reshape."""
        if prod(shape) == self.data.size:
            self.data, self.diff = self.data.reshape(shape), self.diff.reshape(shape)
        else:
            self.data, self.diff = np.zeros(shape, self.data.dtype), np.zeros(shape, np.float32)

    def _legacy(self, axis: int) -> int:
        if len(self.shape) > 4:
            raise DataError(f"num, channels, height and width are of blobs of at most 4 axes; this has {len(self.shape)}")
        return self.shape[axis] if axis < len(self.shape) else 1


class LayerView:
    """A layer as pycaffe shows it: its type and its blobs."""

    def __init__(self, type_: str, blobs: Sequence[Blob]):
        self.type, self.blobs = type_, blobs
