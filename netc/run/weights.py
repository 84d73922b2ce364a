"""Weights from files onto a net: by state name (safetensors) or by layer and blob (Caffe's files)."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np

from netc import snapshot
from netc.errors import SnapshotError
from netc.ir import Node, Value
from netc.spec.weights import read_weights

CAFFE = (".caffemodel", ".h5", ".hdf5")
Blobs = Mapping[str, Sequence[Value]]


def load_weights(path: str, states: Mapping[str, Node], blobs: Blobs) -> dict[str, np.ndarray]:
    """The start values of those `states` that the file holds. Layers are matched by name, as Caffe does; slots are left out.

    `blobs` are the learned blobs of each layer, see `Lowered.layer_blobs`. SnapshotError if a shape or the number of a
    layer's blobs differs, or if nothing matches.
    """
    kept = {n: s for n, s in states.items() if s.attrs["kind"] in ("parameter", "statistic")}
    found = _by_blob(path, blobs) if Path(path).suffix in CAFFE else _by_name(path, kept)
    if not found:
        raise SnapshotError(f"{path}: holds no weights of this net; the net has {', '.join(sorted(kept)[:8])}")
    return {n: a for n, a in found.items() if n in kept}


def state_of(blob: Value) -> Node:
    """The state that is a layer's blob; of one that another layer shares in another shape, that layer's."""
    return blob.node if blob.node.key == ("netc", "State") else state_of(blob.node.operands[0])


def _by_name(path: str, states: Mapping[str, Node]) -> dict[str, np.ndarray]:
    arrays = snapshot.read_weights(path)
    return {name: _fitted(path, name, arrays[name], states[name].types[0].shape) for name in states if name in arrays}


def _by_blob(path: str, blobs: Blobs) -> dict[str, np.ndarray]:
    layers = read_weights(path)
    found = {}
    for layer, wanted in blobs.items():
        given = layers.get(layer, [])
        if not wanted or not given:
            continue
        if len(wanted) != len(given):
            raise SnapshotError(f"{path}: layer {layer!r} has {len(given)} blobs, in the net it has {len(wanted)}")
        for k, (blob, array) in enumerate(zip(wanted, given, strict=True)):
            state = state_of(blob)
            fitted = _fitted(path, f"blob {k} of layer {layer!r}", array, blob.shape)
            found[state.attrs["name"]] = fitted.reshape(tuple(map(int, state.types[0].shape)))
    return found


def _fitted(path: str, name: str, array: np.ndarray, wanted: tuple[int | str, ...]) -> np.ndarray:
    """`array` in the wanted shape. Caffe's old files pad shapes with leading ones."""
    shape = tuple(map(int, wanted))
    plain = tuple(array.shape)
    while len(plain) > len(shape) and plain[0] == 1:
        plain = plain[1:]
    if plain != shape or array.size != prod(shape):
        raise SnapshotError(f"{path}: {name} is {'x'.join(map(str, array.shape))}, the net needs {'x'.join(map(str, shape))}")
    return np.asarray(array, np.float32).reshape(shape)
