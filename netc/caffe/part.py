"""Some of a net's layers as a net of their own: what `forward(start=, end=)` and `backward(start=, end=)` run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc import data
from netc import netc_pb2 as pb
from netc.api.net import Net as PlainNet
from netc.graph.ir import Graph
from netc.net.model import Layer, ResolvedNet
from netc.runtime.blob import Blob
from netc.runtime.chain import open_graph
from netc.runtime.session import Runs
from netc.spec.job import Job
from netc.training.weights import state_of

WAYS = ("forward", "backward")
INPUT = "(read)"  # the layer that stands for all that the others read from outside


class PartialNet(PlainNet):
    """The `layers` of `whole` on its blobs and its parameters. What they read and do not make is fed, in the shape that it has now."""

    def __init__(self, job: Job, whole: PlainNet, layers: tuple[Layer, ...]):
        self.layers = layers
        self.read = {name: whole.blobs[name].shape for name in _read(layers)}
        self.made = {top for layer in layers for top in layer.tops}
        self.hosts = any(layer.type == "Python" for layer in layers)
        self.blob_type, self._backend = whole.blob_type, whole._backend
        states = [state_of(b) for blobs in whole._lowered.layer_blobs.values() for b in blobs]
        self._owned = {s.state.share_name: s.outputs[0] for s in states if s.state.share_name}
        names = dict.fromkeys([*self.read, *self.made])
        net = _Layers(whole.name, whole._lowered.net.phase, self._fed(layers), whole._lowered.net.document, whole._lowered.net)
        self._begin(job, net, whole._seed, whole._states, {n: whole.blobs[n] for n in names})
        self._passes = whole._passes
        self.held: dict[str, np.ndarray] = {}  # what is read, where the blob holds something else by now
        self.drawn: dict[str, np.ndarray] = {}  # random numbers that are there already

    def _fed(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        if not self.read:
            return layers
        param = pb.LayerParameter(name=INPUT, type="Input", top=self.read)
        param.input_param.shape.extend(pb.BlobShape(dim=shape) for shape in self.read.values())
        return (Layer(INPUT, "Input", (), tuple(self.read), param, (0.0,) * len(self.read), layers[0].document, 0), *layers)

    def repeat(self) -> None:
        """The last forward pass again, which leaves everything as it is: for layers that remember what their own did."""
        kept = [(blob, blob.data.copy()) for blob in (*self.blobs.values(), *self._states.values())]
        for name, array in self.held.items():
            self.blobs[name].data[...] = array
        self.forward()
        for blob, array in kept:
            blob.data[...] = array

    def back(self) -> None:
        """`backward` from what the open tops hold; zeros where there is none, as after a Silence."""
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
        """Blobs that a source gives as whole numbers are fed as floats here; layers that want numbers turn them back."""
        return {n: np.asarray(a, np.float32) for n, a in super()._feeds(session, inputs).items()}


@dataclass(frozen=True)
class _Layers(ResolvedNet):
    """Layers of a net without its sources, which still say what they deliver."""

    whole: ResolvedNet

    @property
    def described(self) -> dict[str, data.TopSpec]:
        return self.whole.described


def _read(layers: tuple[Layer, ...]) -> list[str]:
    """What the layers read from outside."""
    made: set[str] = set()
    found: dict[str, None] = {}
    for layer in layers:
        found |= dict.fromkeys(b for b in layer.bottoms if b not in made)
        made.update(layer.tops)
    return list(found)


class LayerRuns:
    """Runs of some of a net's layers: as one, or one by one where `calls` want to hear of each, or a script wrote to their blobs.

    `held` is what parts of the net wrote over: each blob's values by how often it had been written over before.
    """

    def __init__(self, net: PlainNet, job: Job):
        self.net, self.job = net, job
        self.calls: dict[str, list[Callable[[int], Any]]] = {f"{when}_{way}": [] for when in ("before", "after") for way in WAYS}
        self.parts: dict[range, PartialNet] = {}
        self.held: dict[tuple[str, int], np.ndarray] = {}

    def clear(self) -> None:
        """Nothing is kept of passes, nor of layers in shapes that they had."""
        self.parts.clear()
        self.held.clear()

    def as_one(self, layers: range, way: str) -> bool:
        """Whether these are all layers, in one run."""
        return len(layers) == len(self.net._lowered.net.layers) and not self._one_by_one(layers, way)

    def forward(self, layers: range) -> None:
        """From the first to the last, on what the blobs hold."""
        for run in self._runs(layers, "forward"):
            self._call("before_forward", run)
            if part := self._part(run):
                part.held, part.drawn = {}, {}
                part.forward()
                self._note(part, run)
            self._call("after_forward", run)

    def _note(self, part: PartialNet, layers: range) -> None:
        """What a pass of a part, which is these layers, drew, found and left, for the way back."""
        net = self.net
        net._noise |= part._noise
        net._carries |= part._carries
        fed = net._batch
        net._left |= {n: a for n, a in part._left.items() if n in part.made or n in fed}
        found = {n: (self._version(n, layers), a) for n, a in part._began.items()}
        self.held |= {(n, version): a for n, (version, a) in found.items()}
        net._began |= {n: a for n, (version, a) in found.items() if n in fed and not version}

    def backward(self, layers: range) -> None:
        """From the last to the first. A blob that several layers read gets the sum of what they give, parameters get it on top."""
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
        """What blobs held before layers changed them in place, where a run begins at such a layer: made again, from the net's inputs."""
        lowered, blobs = self.net._lowered, self.net.blobs
        parts = [(run, self._part(run)) for run in runs]
        read = {(name, self._version(name, run)) for run, part in parts if part for name in part.read}
        found = {at: self.held[at] for at in read if at in self.held}
        wanted = {at for at in read - found.keys() if at[1] < len(lowered.versions[at[0]]) - 1}
        fed = [n for n in self.net._batch if blobs[n].shape != tuple(map(int, lowered.versions[n][0].shape))]
        if not wanted or fed:
            return found
        session = open_graph(Graph("", {f"{n}/{k}": lowered.versions[n][k] for n, k in wanted}), self.net._backend)
        made = session.run(self.net._feeds(session, self.net._began))
        return found | {(n, k): made[f"{n}/{k}"] for n, k in wanted}

    def _version(self, name: str, layers: range) -> int:
        """How often a blob was written over before the first of these layers reads it."""
        every = self.net._lowered.net.layers
        first = next(k for k in layers if name in every[k].bottoms)
        return sum(name in other.tops for other in every[:first]) - 1

    def _one_by_one(self, layers: range, way: str) -> bool:
        heard = bool(self.calls[f"before_{way}"] or self.calls[f"after_{way}"])
        return heard or (way == "backward" and self._written(layers))

    def _written(self, layers: range) -> bool:
        """Whether a blob of these layers holds something else than what a forward pass left there."""
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
        """The net of some layers, in the shapes that its blobs have now; None if all of them are fed."""
        every = self.net._lowered.net.layers
        chosen = tuple(every[k] for k in layers if every[k].type != "Input" and every[k].source is None)
        part = self.parts.get(layers)
        if chosen and (part is None or any(self.net.blobs[name].shape != shape for name, shape in part.read.items())):
            part = self.parts[layers] = PartialNet(self.job, self.net, chosen)
        return part


def loss_weights(net: PlainNet) -> dict[str, float]:
    """The weights in the loss of the blobs that are part of it."""
    return {top: w for layer in net._lowered.net.layers for top, w in zip(layer.tops, layer.loss_weights, strict=True) if w}


def seeds(net: PlainNet) -> dict[str, np.ndarray]:
    """The diffs that a backward pass begins with: what the open tops hold. Losses at their loss_weight are left to the net itself."""
    weights = loss_weights(net)
    made = {top for layer in net._lowered.net.layers if layer.type != "Input" and layer.source is None for top in layer.tops}
    tops = [name for name in net.outputs if name in made and net.blobs[name].data.dtype.kind == "f"]
    held = {name: np.array(net.blobs[name].diff) for name in tops}
    found = {name: diff for name, diff in held.items() if (diff != weights.get(name, 0)).any()}
    return found if found or weights else held


def add(blobs: Mapping[str, Blob], diffs: Mapping[str, np.ndarray]) -> None:
    """To the diffs that a backward pass wrote those that were there before."""
    for name, diff in diffs.items():
        blobs[name].diff += diff
