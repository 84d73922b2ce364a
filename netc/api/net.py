"""Run a net by hand: `netc.Net`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc import registry
from netc.api.backward import BLOB_DIFF, SEED, STATE_DIFF, backward_graph, hosted
from netc.commands.program import known_rows, weights_files
from netc.compiler import compilation
from netc.compiler.lower import Lowered, lower
from netc.compiler.twins import state_of
from netc.errors import DataError, ShapeError, near
from netc.graph.contract import BATCH, NEXT, NOISE, SINK, STATE
from netc.graph.ir import Graph, Value
from netc.layers.context import dims
from netc.net.model import ResolvedNet
from netc.runtime.backends import PORTABLE, choose_plain
from netc.runtime.blob import Blob, apart, numbers
from netc.runtime.chain import open_graph
from netc.runtime.session import Runs
from netc.spec.job import Job
from netc.training.feed import draw, sinks_of
from netc.training.guards import check_blobs
from netc.training.weights import load_weights


class Net:
    """The net of a file in one phase, to run by hand.

    `params[layer][i]` and `blobs[name]` are Blobs. `forward` computes the blobs. `backward` computes the diffs of blobs and params. It
    overwrites them instead of adding to them, and params with lr_mult 0 get zeros.

    An input keeps its last value, even if an in-place layer wrote it. `backward` still uses the value from before that layer, unless
    you write to the input in between.

    Each forward pass draws new random masks from `seed`. `allow_python` lets the net's Python layers run. `provider` is as for
    `--provider`.
    """

    blob_type = Blob
    blobs: Mapping[str, Blob]
    params: Mapping[str, Sequence[Blob]]
    _owned: Mapping[str, Value] = {}  # parameters that layers outside share with these, by param name

    def __init__(
        self, path: str, weights: str | None = None, phase: str = "TRAIN", seed: int = 0, allow_python: bool = False,
        provider: str = PORTABLE.provider,
    ):  # fmt: skip
        registry.load()
        self._backend = choose_plain(provider)
        made = compilation.load(path, allow_python=allow_python).with_learned(known_rows([weights] if weights else []))
        self._begin(made.job, made.nets.net(phase), seed)
        if weights:
            self.load(weights)

    def _begin(
        self, job: Job, net: ResolvedNet, seed: int, states: Mapping[str, Blob] | None = None, blobs: Mapping[str, Blob] | None = None
    ) -> None:
        """Lower `net`. Its states come from `states` or from fillers. `blobs` are the existing blobs."""
        self.name, self._seed, self._passes = job.name, seed, 0
        self._sinks = sinks_of(net.layers, job.base)
        self._memory: dict[str, np.ndarray] = {}
        self._states: dict[str, Blob] = dict(states or {})
        self.blobs = dict(blobs or {})
        self._lower(net)

    def _lower(self, net: ResolvedNet) -> None:
        """Build the graphs for the current shapes of `net`. Existing blobs and states keep their values if their shapes allow it."""
        lowered = lower(net, seed=self._seed, owned=self._owned)
        self._lowered: Lowered = lowered
        values = {str(i): v for i, v in enumerate((*(v[-1] for v in lowered.versions.values()), *lowered.graph.ends))}
        nodes = {state_of(b) for blobs in lowered.layer_blobs.values() for b in blobs} | set(Graph("", values).leaves("State"))
        carried = [node.name for node in nodes if node.state.kind == "carry"]
        for node in nodes:
            name, shape = node.name, tuple(map(int, node.types[0].shape))
            if name not in self._states:
                self._states[name] = self.blob_type(np.asarray(node.state.start(), np.float32))
            elif self._states[name].shape != shape:
                raise ShapeError(f"The shape of {name} is {dims(self._states[name].shape)}. Inputs of these shapes need {dims(shape)}.")
        self._carries = {n: self._states[n].data.copy() for n in carried}  # values before the last forward pass
        self.params = {layer: [self._states[state_of(b).name] for b in blobs] for layer, blobs in lowered.layer_blobs.items() if blobs}
        blobs = dict(self.blobs)
        for name, versions in lowered.versions.items():
            shape, dtype = tuple(d if isinstance(d, int) else 0 for d in versions[-1].shape), versions[-1].dtype
            if name not in blobs:
                blobs[name] = self.blob_type(np.zeros(shape, dtype))
            elif blobs[name].shape != shape:
                blobs[name].data, blobs[name].diff = np.zeros(shape, dtype), np.zeros(shape, np.float32)
        self.blobs = blobs
        self._backwards: dict[frozenset[str], Runs] = {}
        self._began: dict[str, np.ndarray] = {}  # inputs that layers overwrite: values before the last forward pass
        self._left: dict[str, np.ndarray] = {}  # watched blobs: values after the last forward pass
        self._noise: dict[str, np.ndarray] = {}
        self._hosted = {n: np.zeros(tuple(map(int, v.shape)), np.float32) for n, v in hosted(Graph("", values).nodes).items()}
        for cached in ("_leaves", "_forward"):
            self.__dict__.pop(cached, None)

    def load(self, weights: str) -> None:
        """Load weights from a file, or from a zoo model, into `params` by layer name. SnapshotError if they do not fit."""
        states = {n.name: n for blobs in self._lowered.layer_blobs.values() for n in map(state_of, blobs)}
        for name, array in load_weights(weights_files([weights])[0], states, self._lowered.layer_blobs).items():
            self._states[name].data[...] = array

    def reshape(self, **shapes: Sequence[int]) -> None:
        """Change the shapes of inputs, and so of all blobs.

        SpecError if they do not fit, ShapeError if a parameter would change its shape.
        """
        for name in shapes:
            if name not in self.inputs:
                raise DataError(f"The net has no input {name!r}. {near(name, self.inputs)}")
        net = self._lowered.net
        layers = []
        for layer in net.layers:
            if layer.type == "Input" and any(top in shapes for top in layer.tops):
                given = layer.param.input_param.shape
                new = [shapes.get(top, given[k % len(given)].dim) for k, top in enumerate(layer.tops)]
                param = pb.LayerParameter()
                param.CopyFrom(layer.param)
                param.ClearField("input_param")
                param.input_param.shape.extend(pb.BlobShape(dim=shape) for shape in new)
                layer = replace(layer, param=param)
            layers.append(layer)
        self._lower(replace(net, layers=tuple(layers)))

    @property
    def inputs(self) -> list[str]:
        """The names of the input blobs."""
        return self._batch

    @property
    def _batch(self) -> list[str]:
        return [BATCH.bare(n.name) for n in self._leaves if n.name in BATCH]

    @property
    def outputs(self) -> list[str]:
        """The names of the blobs that no layer reads."""
        return self._lowered.net.outputs

    def forward(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run the net on `inputs`, and on the values of its other input blobs. Sets all blobs and returns the outputs."""
        for name, array in inputs.items():
            if name not in self.inputs:
                raise DataError(f"The net has no input {name!r}. {near(name, self.inputs)}")
            wanted = self._lowered.versions[name][0].shape
            if len(wanted) != np.ndim(array) or any(w != n for w, n in zip(wanted, np.shape(array), strict=True) if isinstance(w, int)):
                raise DataError(f"Input {name!r} has shape {np.shape(array)}. The net takes {wanted}.")
            self.blobs[name].hold(numbers(array, self.blobs[name].data.dtype, f"Input {name!r}"))
        self._next_of_memory()
        self._check_blobs(fed=True)
        self._noise = self._draw()
        self._passes += 1
        self._carries = {n: self._states[n].data.copy() for n in self._carries}
        self._began = {n: self.blobs[n].data.copy() for n in self._overwritten_inputs}
        results = self._forward.run(self._feeds(self._forward, self._began))
        self._hosted = {n: results[n] for n in self._hosted}
        self._left = {n: apart(results[n], self.blobs[n].data) for n in self._watched}
        for name, array in results.items():
            if name in self.blobs:
                self.blobs[name].hold(array)
        self._check_blobs(fed=False)
        for layer, sink in self._sinks:
            sink.write(*(self.blobs[b].data for b in layer.bottoms))
        for name, array in NEXT.within(results).items():
            self._states[name].data[...] = array
        return {name: self.blobs[name].data for name in self.outputs}

    def _check_blobs(self, fed: bool) -> None:
        check_blobs(self._lowered, {name: blob.data for name, blob in self.blobs.items()}, fed)

    def set_input_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        """Set the data of the net's MemoryData layer. Each forward pass then reads a batch, and restarts after the last one.

        DataError unless rows have the layer's shape and their number is a multiple of its batch_size.
        """
        layer = next((x for x in self._lowered.net.layers if x.type == "MemoryData"), None)
        if layer is None:
            raise DataError(f"{self.name}: The net has no MemoryData layer.")
        arrays = np.asarray(data, np.float32), np.asarray(labels, np.float32).reshape(-1)
        shape = self.blobs[layer.tops[0]].shape
        if arrays[0].shape[1:] != shape[1:] or len(arrays[0]) != len(arrays[1]) or not len(arrays[0]) or len(arrays[0]) % shape[0]:
            given = f"{np.shape(data)} with {len(arrays[1])} labels"
            raise DataError(f"Layer {layer.name!r}: Expected a multiple of {shape[0]} rows of {shape[1:]} with a label each, got {given}.")
        self._memory = dict(zip(layer.tops, arrays, strict=False))

    def _next_of_memory(self) -> None:
        for name, array in self._memory.items():
            count = len(self.blobs[name].data)
            self.blobs[name].data[...] = array[np.arange(self._passes * count, (self._passes + 1) * count) % len(array)]

    def backward(self, **top_diffs: np.ndarray) -> dict[str, np.ndarray]:
        """Compute all diffs from the losses and from `top_diffs`. Returns the diffs of the inputs.

        The diff of a loss starts at its loss_weight, unless `top_diffs` names it.
        """
        for name in top_diffs:
            if name not in self.blobs:
                raise DataError(f"The net has no blob {name!r}. {near(name, self.blobs)}")
            if np.size(top_diffs[name]) != self.blobs[name].data.size:
                raise DataError(f"The diff of {name!r} has shape {np.shape(top_diffs[name])}. The blob has {self.blobs[name].shape}.")
        seeded = frozenset(top_diffs)
        if seeded not in self._backwards:
            self._backwards[seeded] = open_graph(backward_graph(self._lowered, seeded), self._backend)
        session = self._backwards[seeded]
        arrays = {n: numbers(a, np.dtype(np.float32), f"The diff of {n!r}") for n, a in top_diffs.items()}
        seeds = {f"{SEED}{n}": a.reshape(self.blobs[n].shape) for n, a in arrays.items()}
        results = session.run(self._feeds(session, self._inputs_of_forward()) | {n: a for n, a in seeds.items() if n in session.inputs})
        for name, blob in self.blobs.items():
            blob.diff[...] = results.get(f"{BLOB_DIFF}{name}", 0)
        for name, state in self._states.items():
            state.diff[...] = results.get(f"{STATE_DIFF}{name}", 0)
        return {name: self.blobs[name].diff for name in self.inputs}

    @property
    def _overwritten_inputs(self) -> list[str]:
        """The inputs that an in-place layer overwrites."""
        return [n for n in self._batch if len(self._lowered.versions[n]) > 1]

    @property
    def _watched(self) -> list[str]:
        """The blobs whose values after a forward pass are recorded."""
        return self._overwritten_inputs

    def _inputs_of_forward(self) -> dict[str, np.ndarray]:
        """The inputs that layers overwrote in the last forward pass, with their previous values.

        Inputs that the user has changed since are excluded.
        """
        return {n: a for n, a in self._began.items() if np.array_equal(self.blobs[n].data, self._left[n], equal_nan=True)}

    @cached_property
    def _leaves(self) -> list[Any]:
        values = (*(v[-1] for v in self._lowered.versions.values()), *self._lowered.graph.ends)
        return Graph("", {str(i): v for i, v in enumerate(values)}).leaves("Input")

    @cached_property
    def _forward(self) -> Runs:
        outputs = {n: v for n, v in self._lowered.graph.outputs.items() if n in SINK}
        outputs |= {n: v[-1] for n, v in self._lowered.versions.items()}
        updates = self._lowered.graph.updates
        outputs |= hosted(Graph("", outputs, updates).nodes)
        return open_graph(Graph(self.name, outputs, updates), self._backend)

    def _draw(self) -> dict[str, np.ndarray]:
        return {n.name: draw(n, self._seed, self._passes) for n in self._leaves if n.name in NOISE}

    def _feeds(self, session: Runs, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The feeds of a session: `inputs`, and the blobs of the remaining inputs."""
        feeds = {BATCH(n): inputs.get(n, self.blobs[n].data) for n in self._batch} | self._noise | self._hosted
        feeds |= {STATE(n): self._carries.get(n, b.data) for n, b in self._states.items()}
        return {n: a for n, a in feeds.items() if n in session.inputs}
