"""Weights from files onto a net: by state name (safetensors) or by layer and blob (.caffemodel)."""

from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np

from netc import snapshot
from netc.errors import SnapshotError
from netc.ir import Node
from netc.spec.weights import read_weights


def load_weights(path: str, states: Mapping[str, Node]) -> dict[str, np.ndarray]:
    """The start values of those `states` that the file holds. Layers are matched by name, as Caffe does; slots are left out.

    SnapshotError if a shape differs, or if nothing matches.
    """
    kept = {n: s for n, s in states.items() if s.attrs["kind"] in ("parameter", "statistic")}
    found = _by_blob(path, kept) if Path(path).suffix == ".caffemodel" else _by_name(path, kept)
    if not found:
        raise SnapshotError(f"{path}: holds no weights of this net; the net has {', '.join(sorted(kept)[:8])}")
    return found


def _by_name(path: str, states: Mapping[str, Node]) -> dict[str, np.ndarray]:
    arrays = snapshot.read_weights(path)
    return {name: _fitted(path, name, arrays[name], states[name]) for name in states if name in arrays}


def _by_blob(path: str, states: Mapping[str, Node]) -> dict[str, np.ndarray]:
    layers = read_weights(path)
    found = {}
    for name, state in states.items():
        layer, blob = state.attrs["layer"], state.attrs["blob"]
        if layer not in layers:
            continue
        if blob >= len(layers[layer]):
            raise SnapshotError(f"{path}: layer {layer!r} has {len(layers[layer])} blobs, the net needs blob {blob} ({name})")
        found[name] = _fitted(path, name, layers[layer][blob], state)
    return found


def _fitted(path: str, name: str, array: np.ndarray, state: Node) -> np.ndarray:
    """`array` in the state's shape. Caffe's old files pad shapes with leading ones."""
    shape = tuple(map(int, state.types[0].shape))
    plain = tuple(array.shape)
    while len(plain) > len(shape) and plain[0] == 1:
        plain = plain[1:]
    if plain != shape or array.size != prod(shape):
        raise SnapshotError(f"{path}: {name} is {'x'.join(map(str, array.shape))}, the net needs {'x'.join(map(str, shape))}")
    return np.asarray(array, np.float32).reshape(shape)
