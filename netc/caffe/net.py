"""`caffe.Net`: a net to run by hand, with pycaffe's arguments, blobs and files."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from netc import api, registry
from netc.caffe.state import random_seed
from netc.errors import DataError, SpecError, near
from netc.ir import Graph
from netc.net import Net as ResolvedNet
from netc.net import resolve
from netc.run.caffe_files import BINARYPROTO, HDF5, write_model
from netc.run.feed import Feeder
from netc.spec.job import Job, load_job

TRAIN, TEST = 0, 1
PHASES = {TRAIN: "TRAIN", TEST: "TEST", "TRAIN": "TRAIN", "TEST": "TEST"}


class Blob(api.Blob):
    """An array and its gradient, with the sizes that Caffe names."""

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return int(self.data.size)

    @property
    def num(self) -> int:
        return self._legacy(0)

    @property
    def channels(self) -> int:
        return self._legacy(1)

    @property
    def height(self) -> int:
        return self._legacy(2)

    @property
    def width(self) -> int:
        return self._legacy(3)

    def reshape(self, *shape: int) -> None:
        """Another shape; values are kept where their number stays. The net follows in its next forward, or reshape."""
        if prod(shape) == self.data.size:
            self.data, self.diff = self.data.reshape(shape), self.diff.reshape(shape)
        else:
            self.data, self.diff = np.zeros(shape, self.data.dtype), np.zeros(shape, np.float32)

    def _legacy(self, axis: int) -> int:
        if len(self.shape) > 4:
            raise DataError(f"num, channels, height and width are of blobs of at most 4 axes; this has {len(self.shape)}")
        return self.shape[axis] if axis < len(self.shape) else 1


class LayerView:
    """A layer as pycaffe shows it: its type and its blobs."""

    def __init__(self, type_: str, blobs: Sequence[Blob]):
        self.type, self.blobs = type_, blobs


class Net(api.Net):
    """`Net(file, phase, level=0, stages=None, weights=None)`, or as of old `Net(file, weights, phase)`.

    `forward` runs on what the input blobs hold, or on the next batch of the net's data layers. `backward` adds to the diffs of
    the parameters, as Caffe does; `clear_param_diffs` sets them to 0.
    """

    blob_type = Blob

    def __init__(self, network_file: str, *arguments: Any, **named: Any):
        phase, weights, level, stages = _arguments(arguments, named)
        registry.load()
        job = load_job(str(network_file))
        net = resolve(job.net(phase), phase, stages, level, base=job.base)
        self._open(job, net, random_seed())
        if weights:
            self.copy_from(weights)

    @classmethod
    def of_job(cls, job: Job, net: ResolvedNet, states: Mapping[str, Blob] | None = None) -> "Net":
        """A net of a solver. `states`, by name, are the other net's whose parameters it shares."""
        made = cls.__new__(cls)
        made._open(job, net, job.seed, states)
        return made

    def _open(self, job: Job, net: ResolvedNet, seed: int, states: Mapping[str, api.Blob] | None = None) -> None:
        self._job = job
        self._feeder: Feeder | None = None
        self._before: list[Callable[..., Any]] = []
        self._after: list[Callable[..., Any]] = []
        self._begin(job, net, seed, states)

    # -- what there is

    @property
    def layers(self) -> list[LayerView]:
        """The layers in the order in which they run."""
        return list(self.layer_dict.values())

    @property
    def layer_dict(self) -> "OrderedDict[str, LayerView]":
        """The layers by name."""
        return OrderedDict((x.name, LayerView(x.type, self.params.get(x.name, []))) for x in self._lowered.net.layers)  # type: ignore[arg-type]

    @property
    def top_names(self) -> "OrderedDict[str, list[str]]":
        """The tops of each layer."""
        return OrderedDict((layer.name, list(layer.tops)) for layer in self._lowered.net.layers)

    @property
    def bottom_names(self) -> "OrderedDict[str, list[str]]":
        """The bottoms of each layer."""
        return OrderedDict((layer.name, list(layer.bottoms)) for layer in self._lowered.net.layers)

    @property
    def blob_loss_weights(self) -> "OrderedDict[str, float]":
        """The weight of each blob in the total loss."""
        found = OrderedDict.fromkeys(self.blobs, 0.0)
        for layer in self._lowered.net.layers:
            found.update(zip(layer.tops, layer.loss_weights, strict=True))
        return found

    @property
    def _layer_names(self) -> list[str]:
        return [layer.name for layer in self._lowered.net.layers]

    @property
    def inputs(self) -> list[str]:
        """Names of the blobs that a script feeds; data layers feed theirs by themselves."""
        fed = {top for layer in self._lowered.net.sources for top in layer.tops}
        return [name for name in super().inputs if name not in fed]

    # -- running

    def forward(  # type: ignore[override]
        self, blobs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **inputs: Any
    ) -> Any:
        """Run the net; the outputs, and `blobs` beside them, by name. With `end`, the tops of that layer instead.

        `inputs` are all of the net's inputs or none. SpecError for `start`: a graph runs as a whole.
        """
        if start is not None:
            raise SpecError("forward(start=LAYER) is not there: the net is one graph, which runs from its inputs on")
        if inputs and set(inputs) != set(self.inputs):
            raise DataError(f"the inputs {', '.join(sorted(inputs))} came; the net has {', '.join(self.inputs)}")
        if end is not None and end not in self._layer_names:
            raise SpecError(f"the net has no layer {end!r}; {near(end, self._layer_names)}")
        self.reshape()
        self._feed()
        super().forward(**inputs)
        named = self.outputs if end is None else self.top_names[end]
        return {name: self.blobs[name].data for name in dict.fromkeys([*named, *(blobs or ())])}

    def backward(  # type: ignore[override]
        self, diffs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **top_diffs: Any
    ) -> Any:
        """The gradients of the losses and of `top_diffs`; the diffs of the inputs, and `diffs` beside them, by name.

        SpecError for `start` and `end`: a graph runs as a whole.
        """
        if start is not None or end is not None:
            raise SpecError("backward(start=LAYER, end=LAYER) is not there: the net is one graph, which runs back to its inputs")
        before = {name: np.array(blob.diff) for name, blob in self._states.items()}
        super().backward(**top_diffs)
        for name, blob in self._states.items():
            blob.diff += before[name]
        return {name: self.blobs[name].diff for name in dict.fromkeys([*self.inputs, *(diffs or ())])}

    def seek(self, batch: int) -> None:
        """The next forward takes batch number `batch` of the data layers, and its random numbers."""
        self._passes = batch

    def forward_all(self, blobs: Iterable[str] | None = None, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Forward in batches of the net's size, the last filled up with zeros; outputs for every row of `inputs`."""
        size = self.blobs[self.inputs[0]].shape[0]
        rows = len(next(iter(inputs.values())))
        found: dict[str, list[np.ndarray]] = {}
        for first in range(0, rows, size):
            batch: dict[str, Any] = {}
            for name, array in inputs.items():
                part = np.asarray(array[first : first + size])
                batch[name] = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
            for name, array in self.forward(blobs, **batch).items():
                found.setdefault(name, []).append(np.array(array))
        return {name: np.concatenate(arrays)[:rows] for name, arrays in found.items()}

    def reshape(self, **shapes: Sequence[int]) -> None:
        """The net in the shapes that its input blobs have now, or in `shapes`."""
        lowered = self._lowered.versions
        changed = {n: self.blobs[n].shape for n in self.inputs if self.blobs[n].shape != tuple(map(int, lowered[n][0].shape))}
        if changed or shapes:
            super().reshape(**(changed | shapes))

    def clear_param_diffs(self) -> None:
        """Zeros in the diffs of all parameters."""
        for blob in self._states.values():
            blob.diff[...] = 0

    # -- files

    def copy_from(self, weights: str) -> None:
        """The weights of a file, by the layers' names: .caffemodel, .caffemodel.h5 or .safetensors."""
        self.load(str(weights))

    def share_with(self, other: "Net") -> None:
        """The parameters of another net, by name, from now on for both."""
        for name in self._states.keys() & other._states.keys():
            self._states[name] = other._states[name]
        self._lower(self._lowered.net)

    def save(self, path: str) -> None:
        """The weights as a .caffemodel."""
        write_model(path, self._lowered, self._values, BINARYPROTO)

    def save_hdf5(self, path: str) -> None:
        """The weights as a .caffemodel.h5."""
        write_model(path, self._lowered, self._values, HDF5)

    load_hdf5 = copy_from

    @property
    def _values(self) -> dict[str, np.ndarray]:
        return {name: blob.data for name, blob in self._states.items()}

    def _feed(self) -> None:
        """The next batch of the data layers into their blobs."""
        if not self._lowered.net.sources:
            return
        if self._feeder is None:
            tops = {top: self._lowered.versions[top][0] for layer in self._lowered.net.sources for top in layer.tops}
            self._feeder = Feeder(self._lowered.net, Graph("", tops), self._seed, self._job.base)
        for name, array in self._feeder(self._passes).items():
            blob = self.blobs[name.removeprefix("batch/")]
            blob.data[: len(array)] = array


def _arguments(given: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[str, str | None, int | None, tuple[str, ...]]:
    """Phase, weights, level and stages from either order of pycaffe's arguments."""
    found = dict(named)
    unknown = found.keys() - {"phase", "weights", "level", "stages"}
    if unknown:
        raise SpecError(f"Net has no argument {', '.join(sorted(unknown))}; it has phase, level, stages and weights")
    old = bool(given) and isinstance(given[0], str) and given[0] not in PHASES
    names = ["weights", "phase"] if old else ["phase", "level", "stages", "weights"]
    found |= dict(zip(names, given, strict=False))
    if found.get("phase") not in PHASES:
        raise SpecError(f"a net has the phase caffe.TRAIN or caffe.TEST; {found.get('phase')!r} came")
    return PHASES[found["phase"]], found.get("weights"), found.get("level"), tuple(found.get("stages") or ())
