"""Learned values in Caffe's binary files: `.caffemodel` and `.binaryproto`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.errors import Fault, SpecError
from netc.spec.load import load


def read_weights(path: str | Path) -> dict[str, list[np.ndarray]]:
    """The learned blobs of a `.caffemodel`, by layer name. Layers without any are left out.

    Blobs of old files, which have num, channels, height and width for a shape, stay 4-D. SpecError if the file is
    damaged, of the old format, or has blobs for a layer twice.
    """
    net = load(path, pb.NetParameter).message
    found: dict[str, list[np.ndarray]] = {}
    for i, layer in enumerate(net.layer):
        if layer.blobs:
            blobs = [to_array(blob, f"{path}: layer {layer.name!r}, blob {k}") for k, blob in enumerate(layer.blobs)]
            if layer.name in found:
                raise SpecError(Fault(str(path), f"layer {i}: the name {layer.name!r} comes twice with blobs"))
            found[layer.name] = blobs
    return found


def write_weights(path: str | Path, net: pb.NetParameter, weights: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Write `net` as a `.caffemodel` with these blobs in its layers, found by name, in place of any it holds."""
    filled = pb.NetParameter()
    filled.CopyFrom(net)
    filled.ClearField("solver")
    for layer in filled.layer:
        layer.ClearField("blobs")
        layer.blobs.extend(to_blob(array) for array in weights.get(layer.name, ()))
    Path(path).write_bytes(filled.SerializeToString())


def read_blob(path: str | Path) -> np.ndarray:
    """The array in a `.binaryproto`, such as a mean image of shape (1, C, H, W)."""
    return to_array(load(path, pb.BlobProto).message, str(path))


def to_array(blob: Any, place: str) -> np.ndarray:
    """A BlobProto as an array: float32, or float64 where that is what it holds. SpecError names `place`."""
    double = len(blob.double_data) > 0
    flat = np.array(blob.double_data if double else blob.data, dtype=np.float64 if double else np.float32)
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else (blob.num, blob.channels, blob.height, blob.width)
    if min(shape, default=1) < 0 or int(np.prod(shape, dtype=object)) != flat.size:
        raise SpecError(Fault(place, f"{flat.size} values do not fill the shape {shape}"))
    return flat.reshape(shape)


def to_blob(array: np.ndarray) -> pb.BlobProto:
    """An array as a BlobProto in single precision."""
    return pb.BlobProto(shape=pb.BlobShape(dim=array.shape), data=np.ravel(array).astype(np.float32).tolist())
