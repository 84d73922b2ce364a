"""Learned values in Caffe's files: `.caffemodel`, binary or HDF5, `.binaryproto`, and the states of its solvers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, Place, SpecError
from netc.files import replace_file
from netc.formats import caffe_hdf5
from netc.spec.loader import load, parse_binary, read_bytes

RAW = {pb.BlobProto.DOUBLE: "<f8", pb.BlobProto.FLOAT: "<f4", pb.BlobProto.FLOAT16: "<f2"}
DOUBLES = (8, 9)  # fields of BlobProto with packed doubles
NUMBERS = {("data", "f4"): 5, ("diff", "f4"): 6, ("data", "f8"): 8, ("diff", "f8"): 9}


@dataclass(frozen=True)
class SolverState:
    """The state of a Caffe solver: its iteration and step, the file of weights, and the history blobs in Caffe's order."""

    iteration: int
    learned_net: str
    current_step: int
    history: tuple[np.ndarray, ...]


def read_weights(path: str | Path) -> dict[str, list[np.ndarray]]:
    """The learned blobs of a `.caffemodel` or `.caffemodel.h5`, by layer name. Layers without blobs are omitted.

    Old files give the shape as num, channels, height and width; their blobs stay 4-D. If several layers have one name, the last one
    counts, as in Caffe. SpecError if the file is damaged.
    """
    data = read_bytes(path)
    if caffe_hdf5.is_hdf5(data):
        return caffe_hdf5.read_model(path)
    net = parse_binary(data, pb.NetParameter, str(path))  # fields of forks are harmless, because only the layers' names and blobs are read
    found: dict[str, list[np.ndarray]] = {}
    for i, layer in enumerate(net.layer):
        if layer.blobs:
            if isinstance(layer.name, bytes):  # protobuf returns bytes for a name that is not UTF-8
                raise SpecError(Diagnostic(Place(str(path)), f"The name of layer {i} is not UTF-8: {layer.name!r}"))
            found[layer.name] = [to_array(blob, f"{path}: Layer {layer.name!r}, blob {k}") for k, blob in enumerate(layer.blobs)]
    return found


def write_weights(
    path: str | Path,
    net: pb.NetParameter,
    weights: Mapping[str, Sequence[np.ndarray]],
    diffs: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> None:
    """Write `net` as a `.caffemodel`. The blobs, by layer name, replace all that it contains."""
    filled = pb.NetParameter()
    filled.CopyFrom(net)
    filled.ClearField("solver")
    for layer in filled.layer:
        layer.ClearField("blobs")
        for k, array in enumerate(weights.get(layer.name, ())):
            layer.blobs.append(to_blob(array, diffs[layer.name][k] if diffs else None))
    replace_file(Path(path), filled.SerializeToString())


def read_state(path: str | Path) -> SolverState:
    """Read a `.solverstate` or `.solverstate.h5`. SpecError if it is damaged."""
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
    """Convert a BlobProto to a float32 array, or to float64 if it contains doubles. SpecError names `place`.

    `field` is "data" or "diff". Forks store the values as bytes, also in half precision.
    """
    double = len(getattr(blob, f"double_{field}")) > 0
    if blob.HasField(f"raw_{field}"):
        flat = _raw(blob, field, place)
    else:
        flat = _flat(blob, f"double_{field}", "<f8") if double else _flat(blob, field, "<f4")
    old = [name for name in ("num", "channels", "height", "width") if blob.HasField(name)]
    shape = (blob.num, blob.channels, blob.height, blob.width) if old else tuple(blob.shape.dim)
    if min(shape, default=1) < 0 or int(np.prod(shape, dtype=object)) != flat.size:
        raise SpecError(Diagnostic(Place(place), f"{flat.size} values do not fill the shape {shape}."))
    return flat.reshape(shape)


def plain_blob(blob: Any, place: str) -> pb.BlobProto:
    """Convert a BlobProto whose values are bytes to one that every Caffe reads; any other is returned unchanged."""
    if not (blob.HasField("raw_data") or blob.HasField("raw_diff")):
        return cast(pb.BlobProto, blob)
    plain = pb.BlobProto()
    for field in ("data", "diff"):
        if blob.HasField(f"raw_{field}") or len(getattr(blob, field)) or len(getattr(blob, f"double_{field}")):
            array = to_array(blob, place, field)
            plain.MergeFromString(_packed(NUMBERS[field, array.dtype.kind + str(array.itemsize)], array))
    for name in ("num", "channels", "height", "width"):
        if blob.HasField(name):
            setattr(plain, name, getattr(blob, name))
    if blob.HasField("shape"):
        plain.shape.CopyFrom(blob.shape)
    return plain


def to_blob(array: np.ndarray, diff: np.ndarray | None = None) -> pb.BlobProto:
    """Convert an array to a BlobProto in single precision, with the values of `diff` if given."""
    blob = pb.BlobProto.FromString(_packed(5, array) + (b"" if diff is None else _packed(6, diff)))
    blob.shape.SetInParent()
    blob.shape.dim.extend(array.shape)
    return blob


def _flat(blob: Any, field: str, dtype: str) -> np.ndarray:
    """A packed field, from its bytes. Reading it number by number through protobuf takes seconds for a large net."""
    alone = pb.BlobProto()
    getattr(alone, field).MergeFrom(getattr(blob, field))
    count = len(getattr(blob, field))
    data = alone.SerializeToString()
    values = np.frombuffer(data, dtype, count, offset=len(data) - count * np.dtype(dtype).itemsize)
    return values.astype(values.dtype.newbyteorder("="))


def _raw(blob: Any, field: str, place: str) -> np.ndarray:
    """The values that a BlobProto stores as bytes. SpecError if their number does not fit the type."""
    if len(getattr(blob, field)) or len(getattr(blob, f"double_{field}")):
        raise SpecError(Diagnostic(Place(place), f"It has values in both `{field}` and `raw_{field}`."))
    kind, data = getattr(blob, f"raw_{field}_type"), getattr(blob, f"raw_{field}")
    dtype = np.dtype(RAW[kind])
    if len(data) % dtype.itemsize:
        text = f"`raw_{field}` has {len(data)} bytes, which are no whole number of {pb.BlobProto.Type.Name(kind)} values."
        raise SpecError(Diagnostic(Place(place), text))
    return np.frombuffer(data, dtype).astype(np.float64 if kind == pb.BlobProto.DOUBLE else np.float32)


def _packed(number: int, array: np.ndarray) -> bytes:
    """Field `number` as packed floats, or as packed doubles if that is its type, in protobuf's binary format."""
    data = np.ravel(array).astype("<f8" if number in DOUBLES else "<f4").tobytes()
    size, prefix = len(data), bytearray([number << 3 | 2])
    while size > 127:
        prefix.append(size & 127 | 128)
        size >>= 7
    return bytes([*prefix, size]) + data
