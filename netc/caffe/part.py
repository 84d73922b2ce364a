"""Run some layers of a net as a separate net, for `forward(start=, end=)` and `backward(start=, end=)`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc import data
from netc import netc_pb2 as pb
from netc.api.net import Net as PlainNet
from netc.compiler.twins import state_of
from netc.graph.ir import Graph
from netc.net.model import Layer, ResolvedNet
from netc.runtime.blob import Blob
from netc.runtime.chain import open_graph
from netc.runtime.session import Runs
from netc.spec.job import Job

WAYS = ("forward", "backward")
INPUT = "(read)"  # the layer that provides all external inputs of the others


class PartialNet(PlainNet):
    """The `layers` of the net `whole`, with its blobs and parameters. Their external inputs are fed, in their current shapes."""

    def __init__(self, job: Job, whole: PlainNet, layers: tuple[Layer, ...]):
        self.layers = layers
        self.read = {name: whole.blobs[name].shape for name in _read(layers)}
        self.made = {top for layer in layers for top in layer.tops}
        self.hosts = any(layer.type == "Python" for layer in layers)
        self.blob_type, self._backend = whole.blob_type, whole._backend
        states = [state_of(b) for blobs in whole._lowered.layer_blobs.values() for b in blobs]
        self._owned = {s.state.share_name: s.outputs[0] for s in states if s.state.share_name}
        names = dict.fromkeys([*self.read, *self.made])
        of = whole._lowered.net
        net = _Layers(whole.name, of.phase, self._fed(layers), of.document, of, rates=of.rates)
        self._begin(job, net, whole._seed, whole._states, {n: whole.blobs[n] for n in names})
        self._passes = whole._passes
        self.held: dict[str, np.ndarray] = {}  # values of inputs whose blobs have been overwritten since
        self.drawn: dict[str, np.ndarray] = {}  # random numbers of the last forward pass

    def _fed(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        if not self.read:
            return layers
        param = pb.LayerParameter(name=INPUT, type="Input", top=self.read)
        param.input_param.shape.extend(pb.BlobShape(dim=shape) for shape in self.read.values())
        return (Layer(INPUT, "Input", (), tuple(self.read), param, (0.0,) * len(self.read), layers[0].document, 0), *layers)

    def repeat(self) -> None:
        """Repeat the last forward pass without changing blobs, for layers that keep internal state."""
        kept = [(blob, blob.data.copy()) for blob in (*self.blobs.values(), *self._states.values())]
        for name, array in self.held.items():
            self.blobs[name].data[...] = array
        self.forward()
        for blob, array in kept:
            blob.data[...] = array

    def back(self) -> None:
        """Run `backward` from the diffs of the open tops, or from zeros if there are none, as after a Silence."""
        begin = seeds(self)
        if begin or loss_weights(self):
            self.backward(**begin)
        else:
            for name in self.read:
                self.blobs[name].diff[...] = 0

    def _draw(self) -> dict[str, np.ndarray]:
        return super()._draw() | self.drawn

    @property
    def _watched(self) -> list[str]:
        return list(self.blobs)

    def _inputs_of_forward(self) -> dict[str, np.ndarray]:
        return self.held

    def _feeds(self, session: Runs, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Feed integer blobs of sources as floats; layers that need integers convert them back."""
        return {n: np.asarray(a, np.float32) for n, a in super()._feeds(session, inputs).items()}


@dataclass(frozen=True)
class _Layers(ResolvedNet):
    """Layers of a net without its sources, whose descriptions remain available."""

    whole: ResolvedNet

    @property
    def described(self) -> dict[str, data.TopSpec]:
        return self.whole.described


def _read(layers: tuple[Layer, ...]) -> list[str]:
    """The external inputs of the layers."""
    made: set[str] = set()
    inputs: dict[str, None] = {}
    for layer in layers:
        inputs |= dict.fromkeys(b for b in layer.bottoms if b not in made)
        made.update(layer.tops)
    return list(inputs)


class LayerRuns:
    """Runs layers of a net: together, or one by one if there are callbacks or a script wrote to their blobs.

    `held` has the overwritten values of blobs, by blob and number of earlier overwrites.
    """

    def __init__(self, net: PlainNet, job: Job):
        self.net, self.job = net, job
        self.calls: dict[str, list[Callable[[int], Any]]] = {f"{when}_{way}": [] for when in ("before", "after") for way in WAYS}
        self.parts: dict[range, PartialNet] = {}
        self.held: dict[tuple[str, int], np.ndarray] = {}

    def clear(self) -> None:
        """Forget earlier passes and the nets for earlier shapes."""
        self.parts.clear()
        self.held.clear()

    def as_one(self, layers: range, way: str) -> bool:
        """Whether the layers are all layers of the net and can run together."""
        return len(layers) == len(self.net._lowered.net.layers) and not self._one_by_one(layers, way)

    def forward(self, layers: range) -> None:
        """Run the layers forward on the current blobs."""
        for run in self._runs(layers, "forward"):
            self._call("before_forward", run)
            if part := self._part(run):
                part.held, part.drawn = {}, {}
                part.forward()
                self._note(part, run)
            self._call("after_forward", run)

    def _note(self, part: PartialNet, layers: range) -> None:
        """Record the random numbers, inputs and outputs of a pass for the backward pass."""
        net = self.net
        net._noise |= part._noise
        net._carries |= part._carries
        fed = net._batch
        net._left |= {n: a for n, a in part._left.items() if n in part.made or n in fed}
        read = {n: (self._version(n, layers), a) for n, a in part._began.items()}
        self.held |= {(n, version): a for n, (version, a) in read.items()}
        net._began |= {n: a for n, (version, a) in read.items() if n in fed and not version}

    def backward(self, layers: range) -> None:
        """Run the layers backward. Gradients of a blob with several readers are summed; those of parameters are added to their diffs."""
        states, read, weights = self.net._states, set[str](), loss_weights(self.net)
        runs = self._runs(layers, "backward")
        overwritten = self._overwritten(runs)
        for run in reversed(runs):
            self._call("before_backward", run)
            if part := self._part(run):
                learned = {name: np.array(blob.diff) for name, blob in states.items()}
                given = {n: np.array(part.blobs[n].diff) for n in part.read if n in read - part.made}
                given |= {n: np.full_like(part.blobs[n].diff, weights[n]) for n in part.read if n in weights and n not in read}
                part.held = {n: overwritten[at] for n in part.read if (at := (n, self._version(n, run))) in overwritten}
                part.drawn = self.net._noise
                if part.hosts:
                    part.repeat()
                part._noise = part._draw()
                part._carries |= {n: a for n, a in self.net._carries.items() if n in part._carries}
                part.back()
                add(states, learned)
                add(part.blobs, given)
                read = (read - part.made) | part.read.keys()
            self._call("after_backward", run)

    def _overwritten(self, runs: Sequence[range]) -> dict[tuple[str, int], np.ndarray]:
        """The values of blobs before in-place layers changed them, for runs that start at such a layer. Recomputed if needed."""
        lowered, blobs = self.net._lowered, self.net.blobs
        parts = [(run, self._part(run)) for run in runs]
        read = {(name, self._version(name, run)) for run, part in parts if part for name in part.read}
        kept = {at: self.held[at] for at in read if at in self.held}
        wanted = {at for at in read - kept.keys() if at[1] < len(lowered.versions[at[0]]) - 1}
        fed = [n for n in self.net._batch if blobs[n].shape != tuple(map(int, lowered.versions[n][0].shape))]
        if not wanted or fed:
            return kept
        session = open_graph(Graph("", {f"{n}/{k}": lowered.versions[n][k] for n, k in wanted}), self.net._backend)
        made = session.run(self.net._feeds(session, self.net._began))
        return kept | {(n, k): made[f"{n}/{k}"] for n, k in wanted}

    def _version(self, name: str, layers: range) -> int:
        """How often a blob was overwritten before the first of these layers reads it."""
        every = self.net._lowered.net.layers
        first = next(k for k in layers if name in every[k].bottoms)
        return sum(name in other.tops for other in every[:first]) - 1

    def _one_by_one(self, layers: range, way: str) -> bool:
        heard = bool(self.calls[f"before_{way}"] or self.calls[f"after_{way}"])
        return heard or (way == "backward" and self._written(layers))

    def _written(self, layers: range) -> bool:
        """Whether a script changed a blob of these layers after the forward pass."""
        net = self.net
        names = {name for k in layers for layer in [net._lowered.net.layers[k]] for name in (*layer.bottoms, *layer.tops)}
        left = net._left
        return bool(left) and not all(n in left and np.array_equal(net.blobs[n].data, left[n], equal_nan=True) for n in names)

    def _runs(self, layers: range, way: str) -> list[range]:
        return [range(k, k + 1) for k in layers] if self._one_by_one(layers, way) else [layers]

    def _call(self, when: str, layers: range) -> None:
        for function in self.calls[when]:
            function(layers.start)

    def _part(self, layers: range) -> PartialNet | None:
        """The net of some layers in the current shapes of its blobs; None if all layers are fed."""
        every = self.net._lowered.net.layers
        chosen = tuple(every[k] for k in layers if every[k].type != "Input" and every[k].source is None)
        part = self.parts.get(layers)
        if chosen and (part is None or any(self.net.blobs[name].shape != shape for name, shape in part.read.items())):
            part = self.parts[layers] = PartialNet(self.job, self.net, chosen)
        return part


def loss_weights(net: PlainNet) -> dict[str, float]:
    """The loss weights of all blobs that are part of the loss."""
    return {top: w for layer in net._lowered.net.layers for top, w in zip(layer.tops, layer.loss_weights, strict=True) if w}


def seeds(net: PlainNet) -> dict[str, np.ndarray]:
    """The diffs that a backward pass starts from: those of the open tops. Losses with their own loss_weight are omitted."""
    weights = loss_weights(net)
    made = {top for layer in net._lowered.net.layers if layer.type != "Input" and layer.source is None for top in layer.tops}
    tops = [name for name in net.outputs if name in made and net.blobs[name].data.dtype.kind == "f"]
    held = {name: np.array(net.blobs[name].diff) for name in tops}
    changed = {name: diff for name, diff in held.items() if (diff != weights.get(name, 0)).any()}
    return changed if changed or weights else held


def add(blobs: Mapping[str, Blob], diffs: Mapping[str, np.ndarray]) -> None:
    """Add the earlier diffs to those of a backward pass."""
    for name, diff in diffs.items():
        blobs[name].diff += diff
