"""Blobs and layers with pycaffe's interface."""

from collections.abc import Sequence
from math import prod

import numpy as np

from netc.errors import DataError
from netc.runtime import blob


class Blob(blob.Blob):
    """An array and its gradient, with Caffe's names for sizes."""

    @property
    def count(self) -> int:
        """The number of values."""
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
        """Change the shape. Values are kept if their number is the same. The net adapts at its next forward or reshape."""
        if prod(shape) == self.data.size:
            self.data, self.diff = self.data.reshape(shape), self.diff.reshape(shape)
        else:
            self.data, self.diff = np.zeros(shape, self.data.dtype), np.zeros(shape, np.float32)

    def _legacy(self, axis: int) -> int:
        if len(self.shape) > 4:
            raise DataError(f"num, channels, height and width need a blob with at most 4 axes; this one has {len(self.shape)}")
        return self.shape[axis] if axis < len(self.shape) else 1


class LayerView:
    """A layer with pycaffe's interface: its type and its parameter blobs."""

    def __init__(self, type_: str, blobs: Sequence[Blob]):
        self.type, self.blobs = type_, blobs
