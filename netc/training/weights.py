"""Load weights into a net: by state name (safetensors), or by layer and blob (Caffe's files)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from netc.compiler.twins import Blobs, state_of, twins
from netc.errors import DataError, Diagnostic, SnapshotError
from netc.files import open_plain
from netc.formats.caffe_weights import read_weights
from netc.graph.ir import Node
from netc.runtime import snapshot
from netc.runtime.averages import averaged
from netc.runtime.blob import numbers
from netc.training.fit import fit

CAFFE = (".caffemodel", ".h5", ".hdf5")
MOST_NAMES = 8  # layers in a message


@dataclass(frozen=True)
class Weights:
    """The weights of a file for a net: values of states, layers without weights in the file, and layers that only the file has."""

    path: str
    states: dict[str, np.ndarray]
    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        parts = {"not in the file": self.fresh, "only in the file": self.unused}
        rest = "".join(f"; {kind}: {_names(layers)}" for kind, layers in parts.items() if layers)
        return f"{self.path}: loaded {len(self.loaded)} layer{'s' if len(self.loaded) != 1 else ''} ({_names(self.loaded)}){rest}"


def load_weights(path: str, states: Mapping[str, Node], blobs: Blobs) -> dict[str, np.ndarray]:
    """The values of `match_weights`."""
    return match_weights(path, states, blobs).states


def match_weights(path: str, states: Mapping[str, Node], blobs: Blobs) -> Weights:
    """Match the weights in a file with `states`. Layers are matched by name, as in Caffe; slots are ignored.

    `blobs` are the parameters of each layer, see `Lowered.layer_blobs`. SnapshotError if a shape or the number of blobs of a layer
    differs, or if nothing matches.
    """
    kept = {n: s for n, s in states.items() if s.state.is_weight}
    values, names = _by_blob(path, blobs) if is_caffe(path) else _by_name(path, kept)
    if not values:
        text = f"{path}: contains no weights for this net; the net has {', '.join(sorted(kept)[:8])}"
        raise SnapshotError(Diagnostic(None, text, details=compared(path, blobs)))
    values = {n: a for n, a in values.items() if n in kept}
    layers = dict.fromkeys(s.state.layer for s in kept.values())
    missing = {s.state.layer: [n for n in kept if n not in values and kept[n].state.layer == s.state.layer] for s in kept.values()}
    loaded = dict.fromkeys(kept[n].state.layer for n in values)
    fresh = [name if name not in loaded else ", ".join(missing[name]) for name in layers if missing[name]]
    own = {*layers, *(layer for layer, wanted in blobs.items() if wanted)}
    unused = [name for name in names if name not in own]
    return Weights(path, values, tuple(loaded), tuple(fresh), tuple(dict.fromkeys(unused)))


def is_caffe(path: str) -> bool:
    """Whether a file of weights is one of Caffe's: by its suffix, or by its content if the suffix says nothing."""
    suffix, file = Path(path).suffix, Path(path)
    if suffix in (*CAFFE, ".safetensors") or not file.is_file():
        return suffix in CAFFE
    with open_plain(path) as opened:
        start = opened.read(9)
    return start[7:] != b"\0{"  # a safetensors file begins with the length of its header, 8 bytes


def _names(layers: Sequence[str]) -> str:
    more = len(layers) - MOST_NAMES
    return ", ".join(layers[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _by_name(path: str, states: Mapping[str, Node]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The values of states, and the names of all layers in the file: for `conv1.weight` and its slots, `conv1`."""
    arrays = averaged(snapshot.read_weights(path))
    errors = [f for n, s in states.items() if n in arrays and (f := _misfit(path, n, s, arrays[n], s.types[0].shape))]
    if errors:
        raise SnapshotError(*errors)
    return {name: _fitted(arrays[name], states[name].types[0].shape) for name in states if name in arrays}, [
        layer for name in arrays if name not in states and (layer := name.rpartition(".")[0]) and layer not in arrays
    ]


def _by_blob(path: str, blobs: Blobs) -> tuple[dict[str, np.ndarray], list[str]]:
    """The values of states, and the names of all layers in the file."""
    layers = read_weights(path)
    errors = [replace(d, text=f"{path}: {d.text}") for name, d in twins(blobs).items() if name in layers]
    if errors:
        raise SnapshotError(*errors)
    values: dict[str, np.ndarray] = {}
    for layer, wanted in blobs.items():
        given = layers.get(layer, [])
        if not wanted or not given:
            continue
        if len(wanted) != len(given):
            text = f"Layer {layer!r} has {len(given)} blobs in {path}, but {len(wanted)} in the net (bias_term sets whether it has a bias)"
            errors.append(Diagnostic(state_of(wanted[0]).origin.place, text))
            continue
        for k, (blob, array) in enumerate(zip(wanted, given, strict=True)):
            state = state_of(blob)
            if diagnostic := _misfit(path, f"blob {k} ({_last_name(state)}) of layer {layer!r}", state, array, blob.shape):
                errors.append(diagnostic)
                continue
            values[state.name] = _fitted(array, blob.shape).reshape(tuple(map(int, state.types[0].shape)))
    if errors:
        errors[-1] = replace(errors[-1], details=(*errors[-1].details, *fit(blobs, layers)))
        raise SnapshotError(*errors)
    return values, list(layers)


def compared(path: str, blobs: Blobs) -> tuple[str, ...]:
    """Lines that say which layers of a Caffe file of weights fit a net."""
    return fit(blobs, read_weights(path)) if Path(path).suffix in CAFFE else ()


def _misfit(path: str, name: str, state: Node, array: np.ndarray, wanted: tuple[int | str, ...]) -> Diagnostic | None:
    """The error if an array does not fit a state, at the place of its layer; None if it fits."""
    if array.dtype.kind != "f":
        return Diagnostic(state.origin.place, f"{name} has type {array.dtype} in {path}; expected floating-point numbers")
    try:
        numbers(array, np.dtype(np.float32), name)
    except DataError as e:
        return Diagnostic(state.origin.place, f"{path}: {e}")
    if _plain(array.shape, wanted) == tuple(map(int, wanted)):
        return None
    shapes = f"{'x'.join(map(str, array.shape))} in {path}, but {'x'.join(map(str, wanted))} in the net"
    return Diagnostic(state.origin.place, f"{name} is {shapes}; to train layer {state.state.layer!r} from scratch, rename it")


def _last_name(state: Node) -> str:
    """`weight` for the state `conv1.weight`."""
    return str(state.name).rpartition(".")[2]


def _plain(shape: tuple[int, ...], wanted: tuple[int | str, ...]) -> tuple[int, ...]:
    """Remove the leading ones with which old Caffe files pad shapes."""
    while len(shape) > len(wanted) and shape[0] == 1:
        shape = shape[1:]
    return shape


def _fitted(array: np.ndarray, wanted: tuple[int | str, ...]) -> np.ndarray:
    return np.asarray(array, np.float32).reshape(tuple(map(int, wanted)))
