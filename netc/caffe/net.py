"""`caffe.Net`: a net for scripts, with pycaffe's arguments, blobs and files."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from netc import registry
from netc.api.net import Net as PlainNet
from netc.caffe.arguments import arguments
from netc.caffe.batches import batches_of, joined, keep
from netc.caffe.blob import Blob, LayerView
from netc.caffe.part import LayerRuns, add, seeds
from netc.caffe.state import allows_python, backend, dropped, random_seed
from netc.commands.program import known_rows
from netc.compiler.compilation import Compilation
from netc.errors import DataError, SpecError, near
from netc.graph.contract import BATCH
from netc.graph.ir import Graph
from netc.net.model import Layer, ResolvedNet
from netc.runtime.blob import Blob as PlainBlob
from netc.runtime.blob import numbers
from netc.spec.job import Job, load_job
from netc.training.caffe_snapshots import BINARYPROTO, HDF5, write_model
from netc.training.feed import Feeder


class Net(PlainNet):
    """`Net(file, phase, level=0, stages=None, weights=None)`, or in the old order `Net(file, weights, phase)`.

    `forward` runs on the contents of the input blobs, or on the next batch of the data layers. `backward` starts from the diffs of the
    tops (for losses their loss_weight) and adds to the diffs of the parameters, as in Caffe. `clear_param_diffs` sets these to 0.
    """

    blob_type = Blob
    blobs: dict[str, Blob]
    params: dict[str, list[Blob]]

    def __init__(self, network_file: str, *given: Any, **named: Any):
        phase, weights, level, stages = arguments(given, named)
        registry.load()
        job = load_job(str(network_file), dropped=dropped(), allow_python=allows_python())
        made = Compilation.of(job).with_learned(known_rows([weights] if weights else []))
        net = made.nets.net(phase, stages, level)
        self._open(job, net, random_seed())
        if weights:
            self.copy_from(weights)

    @classmethod
    def of_job(cls, job: Job, net: ResolvedNet, states: Mapping[str, PlainBlob] | None = None) -> "Net":
        """A net of a solver. It shares the parameters `states`, by name, of another net."""
        made = cls.__new__(cls)
        made._open(job, net, job.seed, states)
        return made

    def _open(self, job: Job, net: ResolvedNet, seed: int, states: Mapping[str, PlainBlob] | None = None) -> None:
        self._job, self._backend = job, backend()
        self._feeder: Feeder | None = None
        self._runs = LayerRuns(self, job)
        self._begin(job, net, seed, states)

    def _lower(self, net: ResolvedNet) -> None:
        super()._lower(net)
        self._runs.clear()
        for layer in net.layers:
            for top, weight in zip(layer.tops, layer.loss_weights, strict=True):
                if weight:
                    self.blobs[top].diff[...] = weight

    # -- structure

    @property
    def layers(self) -> list[LayerView]:
        """The layers in execution order."""
        return [self._view(layer) for layer in self._lowered.net.layers]

    def _view(self, layer: Layer) -> LayerView:
        return LayerView(layer.type, self.params.get(layer.name, []))

    @property
    def layer_dict(self) -> "OrderedDict[str, LayerView]":
        """The layers by name. If several have one name, the last one counts, as in pycaffe."""
        return OrderedDict((x.twin_of or x.name, self._view(x)) for x in self._lowered.net.layers)

    @property
    def top_names(self) -> "OrderedDict[str, list[str]]":
        """The tops of each layer."""
        return OrderedDict((layer.twin_of or layer.name, list(layer.tops)) for layer in self._lowered.net.layers)

    @property
    def bottom_names(self) -> "OrderedDict[str, list[str]]":
        """The bottoms of each layer."""
        return OrderedDict((layer.twin_of or layer.name, list(layer.bottoms)) for layer in self._lowered.net.layers)

    @property
    def blob_loss_weights(self) -> "OrderedDict[str, float]":
        """The loss weight of each blob."""
        weights = OrderedDict.fromkeys(self.blobs, 0.0)
        for layer in self._lowered.net.layers:
            weights.update(zip(layer.tops, layer.loss_weights, strict=True))
        return weights

    @property
    def _layer_names(self) -> list[str]:
        return [layer.twin_of or layer.name for layer in self._lowered.net.layers]

    @property
    def inputs(self) -> list[str]:
        """The names of the blobs that a script must feed. Data layers feed their own blobs."""
        fed = {top for layer in self._lowered.net.sources for top in layer.tops}
        return [name for name in super().inputs if name not in fed]

    # -- running

    def forward(  # type: ignore[override]  # pycaffe's signature
        self, blobs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **inputs: Any
    ) -> Any:
        """Run the layers from `start` to `end`. Returns the outputs, or with `end` the tops of that layer, and the `blobs`, by name.

        Pass all `inputs` of the net or none. The blobs of layers before `start` remain unchanged.
        """
        if inputs and set(inputs) != set(self.inputs):
            raise DataError(f"got the inputs {', '.join(sorted(inputs))}; expected {', '.join(self.inputs)}")
        layers = self._range(start, end)
        named = self.outputs if end is None else self.top_names[end]
        if self._runs.as_one(layers, "forward"):
            self.reshape()
            self._feed()
            super().forward(**inputs)
            self._runs.held.clear()
        else:
            for name, array in inputs.items():
                self._take(name, array)
            if any(self._lowered.net.layers[k].source for k in layers):
                self._feed()
                self._next_of_memory()
                self._passes += 1
            self._runs.forward(layers)
        return {name: self.blobs[name].data for name in dict.fromkeys([*named, *(blobs or ())])}

    def backward(  # type: ignore[override]  # pycaffe's signature
        self, diffs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **top_diffs: Any
    ) -> Any:
        """Run backward from `start` to `end`. Returns the diffs of the inputs, or with `end` of that layer's bottoms, and `diffs`, by name.

        It starts from the diffs of the tops that no layer up to `start` reads, or from `top_diffs`. If a script wrote to a blob after
        the forward pass, the layers that read it use the new values.
        """
        layers = self._range(end, start)
        if self._runs.as_one(layers, "backward"):
            before = {name: np.array(blob.diff) for name, blob in self._states.items()}
            super().backward(**seeds(self) | top_diffs)
            add(self._states, before)
        else:
            for name, array in top_diffs.items():
                self._take_diff(name, array)
            self._runs.backward(layers)
        named = self.inputs if end is None else self.bottom_names[end]
        return {name: self.blobs[name].diff for name in dict.fromkeys([*named, *(diffs or ())])}

    def _range(self, first: str | None, last: str | None) -> range:
        """The indices of the layers from `first` to `last`."""
        names = self._layer_names
        for name in (first, last):
            if name is not None and name not in names:
                raise SpecError(f"the net has no layer {name!r}. {near(name, names)}")
        begin, end = 0 if first is None else names.index(first), len(names) - 1 if last is None else names.index(last)
        if begin > end:
            raise SpecError(f"layer {last!r} runs before layer {first!r}")
        return range(begin, end + 1)

    def _take_diff(self, name: str, array: Any) -> None:
        """Copy an array into the diff of a blob."""
        if name not in self.blobs:
            raise DataError(f"The net has no blob {name!r}. {near(name, self.blobs)}")
        if np.size(array) != self.blobs[name].data.size:
            raise DataError(f"The diff of {name!r} has shape {np.shape(array)}. The blob has {self.blobs[name].shape}.")
        diff = numbers(array, np.dtype(np.float32), f"The diff of {name!r}")
        self.blobs[name].diff[...] = diff.reshape(self.blobs[name].shape)

    def _take(self, name: str, array: Any) -> None:
        """Copy an array into an input blob."""
        if np.shape(array) != self.blobs[name].shape:
            raise DataError(f"Input {name!r} has shape {np.shape(array)}. The net takes {self.blobs[name].shape}.")
        self.blobs[name].data[...] = numbers(array, self.blobs[name].data.dtype, f"Input {name!r}")

    def before_forward(self, function: Callable[[int], Any]) -> None:
        """Call `function` with the index of a layer before each layer. From then on, layers run one by one."""
        self._runs.calls["before_forward"].append(function)

    def after_forward(self, function: Callable[[int], Any]) -> None:
        """Call `function` after each layer of the forward pass, see before_forward."""
        self._runs.calls["after_forward"].append(function)

    def before_backward(self, function: Callable[[int], Any]) -> None:
        """Call `function` before each layer of the backward pass, see before_forward."""
        self._runs.calls["before_backward"].append(function)

    def after_backward(self, function: Callable[[int], Any]) -> None:
        """Call `function` after each layer of the backward pass, see before_forward."""
        self._runs.calls["after_backward"].append(function)

    def seek(self, batch: int) -> None:
        """Make the next forward read batch `batch` of the data layers and use its random numbers."""
        self._passes = batch

    def forward_all(self, blobs: Iterable[str] | None = None, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run forward in batches of the net's size, padding the last with zeros. Returns outputs for every row of `inputs`."""
        outputs: dict[str, list[np.ndarray]] = {}
        for batch in batches_of(self, inputs):
            keep(self.forward(blobs, **batch), outputs)
        return joined(outputs, inputs)

    def forward_backward_all(
        self, blobs: Iterable[str] | None = None, diffs: Iterable[str] | None = None, **arrays: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Run forward and backward in batches, see `forward_all`. Returns the outputs, and the diffs of the inputs, for every row.

        `arrays` has the inputs and, under the names of outputs, the diffs to start from.
        """
        outputs = [name for name in self.outputs if name in arrays]
        results: tuple[dict[str, list[np.ndarray]], dict[str, list[np.ndarray]]] = {}, {}
        for batch in batches_of(self, arrays):
            keep(self.forward(blobs, **{n: a for n, a in batch.items() if n not in outputs}), results[0])
            keep(self.backward(diffs, **{n: batch[n] for n in outputs}), results[1])
        return joined(results[0], arrays), joined(results[1], arrays)

    def reshape(self, **shapes: Sequence[int]) -> None:
        """Adapt the net to the current shapes of its input blobs, or to `shapes`."""
        lowered = self._lowered.versions
        changed = {n: self.blobs[n].shape for n in self.inputs if self.blobs[n].shape != tuple(map(int, lowered[n][0].shape))}
        if changed or shapes:
            super().reshape(**(changed | shapes))

    def clear_param_diffs(self) -> None:
        """Set the diffs of all parameters to zero."""
        for blob in self._states.values():
            blob.diff[...] = 0

    # -- files

    def copy_from(self, weights: str) -> None:
        """Load weights by layer name from a .caffemodel, .caffemodel.h5 or .safetensors file."""
        self.load(str(weights))

    def share_with(self, other: "Net") -> None:
        """Share the parameters of another net by name."""
        for name in self._states.keys() & other._states.keys():
            self._states[name] = other._states[name]
        self._lower(self._lowered.net)

    def save(self, path: str) -> None:
        """Save the weights as a .caffemodel."""
        write_model(path, self._lowered, self._values, BINARYPROTO)

    def save_hdf5(self, path: str) -> None:
        """Save the weights as a .caffemodel.h5."""
        write_model(path, self._lowered, self._values, HDF5)

    load_hdf5 = copy_from

    @property
    def _watched(self) -> list[str]:
        return list(self.blobs)

    def _inputs_of_forward(self) -> dict[str, np.ndarray]:
        return self._began

    @property
    def _values(self) -> dict[str, np.ndarray]:
        return {name: blob.data for name, blob in self._states.items()}

    def _feed(self) -> None:
        """Load the next batch of the data layers into their blobs."""
        if not self._lowered.net.sources:
            return
        if self._feeder is None:
            tops = {top: self._lowered.versions[top][0] for layer in self._lowered.net.sources for top in layer.tops}
            self._feeder = Feeder(self._lowered.net, Graph("", tops), self._seed, self._job.base)
        for name, array in self._feeder(self._passes).items():
            blob = self.blobs[BATCH.bare(name)]
            blob.data[: len(array)] = array
