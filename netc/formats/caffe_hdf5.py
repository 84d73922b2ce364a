"""Caffe's HDF5 snapshots: weights under /data/<layer>/<blob>, solver state under /history. Needs h5py."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from netc.errors import Diagnostic, Place, SpecError
from netc.files import replace_file
from netc.formats import hdf5
from netc.formats.hdf5 import SIGNATURE, Hdf5Error

T = TypeVar("T")

MOST_TIMES = 8  # Caffe does not compress, so data that expands to more than this multiple of the file size is an attack


def is_hdf5(data: bytes) -> bool:
    """Whether the content of a file is HDF5."""
    return data[:8] == SIGNATURE


def read_model(path: str | Path) -> dict[str, list[np.ndarray]]:
    """The learned blobs by layer name. Layers without blobs are omitted, and so are layers that share another's.

    Layer names may contain slashes, although Caffe cannot write those. SpecError if the file is damaged.
    """

    def read(file: hdf5.Reader) -> dict[str, list[np.ndarray]]:
        found: dict[str, dict[int, np.ndarray]] = {}
        total = 0
        for name, item in file.datasets("data"):
            layer, _, blob = name.rpartition("/")
            if blob.isascii() and blob.isdigit() and layer:
                total += item.size * 4
                _check_total(path, total)
                found.setdefault(layer, {})[int(blob)] = np.asarray(item[()])
        for layer, blobs in found.items():
            if sorted(blobs) != list(range(len(blobs))):
                raise Hdf5Error(f"layer {layer!r} has the blobs {sorted(blobs)}")
        return {layer: [blobs[k] for k in range(len(blobs))] for layer, blobs in found.items()}

    return _read(path, read)


def read_state(path: str | Path) -> tuple[int, str, int, list[np.ndarray]]:
    """The iteration, the file of weights, the current step and the history blobs. SpecError if the file is damaged."""

    def read(file: hdf5.Reader) -> tuple[int, str, int, list[np.ndarray]]:
        history = dict(file.datasets("history"))
        _check_total(path, sum(item.size * 4 for item in history.values()))
        if history.keys() != {str(k) for k in range(len(history))}:
            raise Hdf5Error(f"its history has the blobs {', '.join(sorted(history))}")
        blobs = [np.asarray(history[str(k)][()]) for k in range(len(history))]
        return _number(file, "iter"), file.text("learned_net"), _number(file, "current_step"), blobs

    return _read(path, read)


def write_model(
    path: str | Path,
    layers: Sequence[str],
    weights: Mapping[str, Sequence[np.ndarray | None]],
    diffs: Mapping[str, Sequence[np.ndarray | None]] | None,
) -> None:
    """Write a `.caffemodel.h5`: a group per layer in `layers`, with its blobs. Blobs that are None belong to another layer."""

    def write(file: Any) -> None:
        for part, arrays in (("data", weights), ("diff", diffs)):
            if arrays is None:
                continue
            group = file.create_group(part)
            for layer in layers:
                inner = group.require_group(layer)
                for k, array in enumerate(arrays.get(layer, ())):
                    if array is not None:
                        inner.create_dataset(str(k), data=np.asarray(array, "<f4"))

    _write(path, write)


def write_state(path: str | Path, iteration: int, learned_net: str, current_step: int, history: Sequence[np.ndarray]) -> None:
    """Write a `.solverstate.h5`."""

    def write(file: Any) -> None:
        file.create_dataset("iter", data=np.array([iteration], "<i4"))
        file.create_dataset("learned_net", data=np.bytes_(learned_net))
        file.create_dataset("current_step", data=np.array([current_step], "<i4"))
        group = file.create_group("history")
        for k, array in enumerate(history):
            group.create_dataset(str(k), data=np.asarray(array, "<f4"))

    _write(path, write)


def _number(file: hdf5.Reader, name: str) -> int:
    found = file.dataset(name)
    if found is None or found.size != 1:
        raise Hdf5Error(f"{name!r} is not one number")
    return int(np.ravel(found[()])[0])


def _check_total(path: str | Path, total: int) -> None:
    if total > max(1 << 20, MOST_TIMES * Path(path).stat().st_size):
        raise Hdf5Error(f"it would unfold to {total >> 20} MiB")


def _read(path: str | Path, read: Callable[[hdf5.Reader], T]) -> T:
    try:
        with hdf5.opened(path) as file:
            return read(file)
    except Hdf5Error as e:
        raise SpecError(Diagnostic(Place(str(path)), f"It is not an HDF5 snapshot of Caffe, or it is damaged: {e}")) from e


def _write(path: str | Path, write: Callable[[Any], None]) -> None:
    buffer = io.BytesIO()
    with hdf5.library().File(buffer, "w") as file:
        write(file)
    replace_file(Path(path), buffer.getvalue())
