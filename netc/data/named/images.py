"""Readers of image data sets: IDX files as in MNIST, and the binary files of CIFAR."""

from collections.abc import Callable

import numpy as np

from netc.data.named.dataset import DataSet
from netc.data.named.lookup import unpacked
from netc.data.named.readers import reader
from netc.data.source import Request, Table
from netc.errors import DataError


@reader("idx")
def read_idx(request: Request, record: DataSet) -> Table:
    """Read four IDX files: training images (N, H, W) and labels (N,), then the same for the test set."""
    images, labels = record.files[:2] if request.phase == "TRAIN" else record.files[2:]

    def load() -> tuple[np.ndarray, ...]:
        return idx(unpacked(record, images))[:, None], idx(unpacked(record, labels))

    return _table(request, record, load)


@reader("cifar")
def read_cifar(request: Request, record: DataSet) -> Table:
    """Read files of rows: label bytes, then the pixels in RGB order. The last file contains the test rows.

    The option `labels` gives the number of the label byte for each top after the first.
    """
    files = record.files[:-1] if request.phase == "TRAIN" else record.files[-1:]
    labels = record.options["labels"]

    def load() -> tuple[np.ndarray, ...]:
        content = b"".join(unpacked(record, file) for file in files)
        shape = record.tops[0].sizes
        rows = np.frombuffer(content, np.uint8).reshape(-1, len(labels) + int(np.prod(shape)))
        return rows[:, len(labels) :].reshape(-1, *shape), *(rows[:, k] for k in labels)

    return _table(request, record, load)


def _table(request: Request, record: DataSet, load: Callable[[], tuple[np.ndarray, ...]]) -> Table:
    return Table(record.description("TRAIN" if request.phase == "TRAIN" else "TEST"), load, has_test_rows=True)


def idx(content: bytes) -> np.ndarray:
    """Read the array of unsigned bytes in an IDX file."""
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise DataError("It is not an IDX file of unsigned bytes.")
    if len(content) < (header := 4 + 4 * content[3]):
        raise DataError(f"The IDX file is truncated. Its header needs {header} bytes, the file has {len(content)}.")
    shape = np.frombuffer(content[4:header], ">i4")
    if len(content) != (wanted := header + int(np.prod(shape, dtype=object))):
        raise DataError(f"The IDX file is damaged. The shape {tuple(shape.tolist())} needs {wanted} bytes, the file has {len(content)}.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
