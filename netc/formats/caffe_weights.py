"""Learned values in Caffe's files: `.caffemodel`, binary or HDF5, `.binaryproto`, and the state of its solvers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, Place, SpecError
from netc.files import replace_file
from netc.formats import caffe_hdf5
from netc.spec.loader import load, parse_binary, read_bytes


@dataclass(frozen=True)
class SolverState:
    """What Caffe keeps of a solver: where it was, in which file the weights are, and the history blobs in its order."""

    iteration: int
    learned_net: str
    current_step: int
    history: tuple[np.ndarray, ...]


def read_weights(path: str | Path) -> dict[str, list[np.ndarray]]:
    """The learned blobs of a `.caffemodel` or `.caffemodel.h5`, by layer name. Layers without any are left out.

    Blobs of old files, which have num, channels, height and width for a shape, stay 4-D. SpecError if the file is
    damaged, or has blobs for a layer twice.
    """
    data = read_bytes(path)
    if caffe_hdf5.is_hdf5(data):
        return caffe_hdf5.read_model(path)
    net = parse_binary(data, pb.NetParameter, str(path))  # fields of forks do no harm: of its layers, names and blobs alone are read
    found: dict[str, list[np.ndarray]] = {}
    for i, layer in enumerate(net.layer):
        if layer.blobs:
            if isinstance(layer.name, bytes):  # what protobuf gives where it is not UTF-8
                raise SpecError(Diagnostic(Place(str(path)), f"The name of layer {i} is not UTF-8: {layer.name!r}"))
            blobs = [to_array(blob, f"{path}: Layer {layer.name!r}, blob {k}") for k, blob in enumerate(layer.blobs)]
            if layer.name in found:
                raise SpecError(Diagnostic(Place(str(path)), f"Layer {i}: An earlier layer with blobs is also named {layer.name!r}."))
            found[layer.name] = blobs
    return found


def write_weights(
    path: str | Path,
    net: pb.NetParameter,
    weights: Mapping[str, Sequence[np.ndarray]],
    diffs: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> None:
    """Write `net` as a `.caffemodel` with these blobs in its layers, found by name, in place of any it holds."""
    filled = pb.NetParameter()
    filled.CopyFrom(net)
    filled.ClearField("solver")
    for layer in filled.layer:
        layer.ClearField("blobs")
        for k, array in enumerate(weights.get(layer.name, ())):
            layer.blobs.append(to_blob(array, diffs[layer.name][k] if diffs else None))
    replace_file(Path(path), filled.SerializeToString())


def read_state(path: str | Path) -> SolverState:
    """The `.solverstate` or `.solverstate.h5` at `path`. SpecError if it is damaged."""
    data = read_bytes(path)
    if caffe_hdf5.is_hdf5(data):
        iteration, learned_net, step, history = caffe_hdf5.read_state(path)
        return SolverState(iteration, learned_net, step, tuple(history))
    state = parse_binary(data, pb.SolverState, str(path))
    if not state.HasField("iter"):
        raise SpecError(Diagnostic(Place(str(path)), "It is not a solver state, as it has no iteration."))
    history = [to_array(blob, f"{path}: History {k}") for k, blob in enumerate(state.history)]
    return SolverState(state.iter, state.learned_net, state.current_step, tuple(history))


def write_state(path: str | Path, state: SolverState) -> None:
    """Write a `.solverstate`."""
    history = [to_blob(array) for array in state.history]
    message = pb.SolverState(iter=state.iteration, learned_net=state.learned_net, current_step=state.current_step, history=history)
    replace_file(Path(path), message.SerializeToString())


def read_blob(path: str | Path) -> np.ndarray:
    """The array in a `.binaryproto`, such as a mean image of shape (1, C, H, W)."""
    return to_array(load(path, pb.BlobProto).message, str(path))


def to_array(blob: Any, place: str, field: str = "data") -> np.ndarray:
    """A BlobProto as an array: float32, or float64 where that is what it holds. SpecError names `place`.

    `field` is "data" or "diff".
    """
    double = len(getattr(blob, f"double_{field}")) > 0
    flat = _flat(blob, f"double_{field}", "<f8") if double else _flat(blob, field, "<f4")
    old = [name for name in ("num", "channels", "height", "width") if blob.HasField(name)]
    shape = (blob.num, blob.channels, blob.height, blob.width) if old else tuple(blob.shape.dim)
    if min(shape, default=1) < 0 or int(np.prod(shape, dtype=object)) != flat.size:
        raise SpecError(Diagnostic(Place(place), f"{flat.size} values do not fill the shape {shape}."))
    return flat.reshape(shape)


def to_blob(array: np.ndarray, diff: np.ndarray | None = None) -> pb.BlobProto:
    """An array as a BlobProto in single precision, the values of `diff` beside it."""
    blob = pb.BlobProto.FromString(_packed(5, array) + (b"" if diff is None else _packed(6, diff)))
    blob.shape.SetInParent()
    blob.shape.dim.extend(array.shape)
    return blob


def _flat(blob: Any, field: str, dtype: str) -> np.ndarray:
    """A packed field, from its bytes: a number at a time, as protobuf gives them, takes seconds for a large net."""
    alone = pb.BlobProto()
    getattr(alone, field).MergeFrom(getattr(blob, field))
    count = len(getattr(blob, field))
    data = alone.SerializeToString()
    values = np.frombuffer(data, dtype, count, offset=len(data) - count * np.dtype(dtype).itemsize)
    return values.astype(values.dtype.newbyteorder("="))


def _packed(number: int, array: np.ndarray) -> bytes:
    """Field `number`, packed floats, in protobuf's binary form."""
    data = np.ravel(array).astype("<f4").tobytes()
    size, prefix = len(data), bytearray([number << 3 | 2])
    while size > 127:
        prefix.append(size & 127 | 128)
        size >>= 7
    return bytes([*prefix, size]) + data
