"""Caffe's snapshots in HDF5: weights under /data/<layer>/<blob>, the state of a solver under /history. Needs h5py."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from netc.errors import Fault, SpecError
from netc.files import replace_file

T = TypeVar("T")

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_TIMES = 8  # Caffe compresses nothing: what unfolds to more than so many times the file is hostile


def is_hdf5(data: bytes) -> bool:
    """Whether the content of a file is HDF5."""
    return data[:8] == SIGNATURE


def read_model(path: str | Path) -> dict[str, list[np.ndarray]]:
    """The learned blobs by layer name. Layers without any are left out, and with them those that share another's.

    A layer's name may have slashes in it, although Caffe itself cannot write those. SpecError if the file is damaged.
    """

    def read(file: Any) -> dict[str, list[np.ndarray]]:
        found: dict[str, dict[int, np.ndarray]] = {}
        total = 0

        def visit(name: str, item: Any) -> None:
            nonlocal total
            layer, _, blob = name.rpartition("/")
            if hasattr(item, "dtype") and blob.isdigit() and layer:
                total += _size(item)
                _check_total(path, total)
                found.setdefault(layer, {})[int(blob)] = np.asarray(item[()])

        file["data"].visititems(visit)
        for layer, blobs in found.items():
            if sorted(blobs) != list(range(len(blobs))):
                raise ValueError(f"layer {layer!r} has the blobs {sorted(blobs)}")
        return {layer: [blobs[k] for k in range(len(blobs))] for layer, blobs in found.items()}

    return _read(path, read)


def read_state(path: str | Path) -> tuple[int, str, int, list[np.ndarray]]:
    """Iteration, file of the weights, current step and history blobs. SpecError if the file is damaged."""

    def read(file: Any) -> tuple[int, str, int, list[np.ndarray]]:
        learned = file["learned_net"][()]
        history = file["history"]
        _check_total(path, sum(_size(item) for item in history.values()))
        blobs = [np.asarray(history[str(k)][()]) for k in range(len(history))]
        text = learned.decode() if isinstance(learned, bytes) else str(learned)
        return int(np.ravel(file["iter"][()])[0]), text, int(np.ravel(file["current_step"][()])[0]), blobs

    return _read(path, read)


def write_model(
    path: str | Path,
    layers: Sequence[str],
    weights: Mapping[str, Sequence[np.ndarray | None]],
    diffs: Mapping[str, Sequence[np.ndarray | None]] | None,
) -> None:
    """Write a `.caffemodel.h5`: a group for each of `layers`, and each blob but those that are None (another layer's)."""

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


def _size(item: Any) -> int:
    if not hasattr(item, "dtype") or item.dtype.kind not in "fiu":
        raise ValueError(f"{item.name} holds no numbers")
    return int(np.prod(item.shape, dtype=object)) * 4


def _check_total(path: str | Path, total: int) -> None:
    if total > max(1 << 20, MOST_TIMES * Path(path).stat().st_size):
        raise ValueError(f"it would unfold to {total >> 20} MiB")


def _h5py(path: str | Path) -> Any:
    try:
        import h5py
    except ImportError as e:
        raise SpecError(Fault(str(path), "HDF5 files need h5py: pip install 'netc[caffe]'")) from e
    return h5py


def _read(path: str | Path, read: Callable[[Any], T]) -> T:
    h5py = _h5py(path)
    try:
        with h5py.File(path, "r") as file:
            return read(file)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, IndexError) as e:
        text = e.args[0] if e.args else type(e).__name__
        raise SpecError(Fault(str(path), f"this is no HDF5 snapshot of Caffe, or it is damaged: {text}")) from e


def _write(path: str | Path, write: Callable[[Any], None]) -> None:
    h5py = _h5py(path)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(file)
    replace_file(Path(path), buffer.getvalue())
