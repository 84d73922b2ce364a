"""Some of a net's layers as a net of their own: what `forward(start=, end=)` and `backward(start=, end=)` run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc import api, data
from netc import netc_pb2 as pb
from netc.chain import open_graph
from netc.ir import Graph
from netc.layers.context import BATCH
from netc.net import Layer
from netc.net import Net as ResolvedNet
from netc.run.weights import state_of
from netc.session import Runs
from netc.spec.job import Job

WAYS = ("forward", "backward")
INPUT = "(read)"  # the layer that stands for all that the others read from outside


class Part(api.Net):
    """The `layers` of `whole` on its blobs and its parameters. What they read and do not make is fed, in the shape that it has now."""

    def __init__(self, job: Job, whole: api.Net, layers: tuple[Layer, ...]):
        self.layers = layers
        self.read = {name: whole.blobs[name].shape for name in _read(layers)}
        self.made = {top for layer in layers for top in layer.tops}
        self.hosts = any(layer.type == "Python" for layer in layers)
        self.blob_type = whole.blob_type
        states = [state_of(b) for blobs in whole._lowered.layer_blobs.values() for b in blobs]
        self._owned = {s.attrs["share_name"]: s.outputs[0] for s in states if s.attrs.get("share_name")}
        names = dict.fromkeys([*self.read, *self.made])
        net = _Layers(whole.name, whole._lowered.net.phase, self._fed(layers), whole._lowered.net.document, whole._lowered.net)
        self._begin(job, net, whole._seed, whole._states, {n: whole.blobs[n] for n in names})
        self._passes = whole._passes
        self.held: dict[str, np.ndarray] = {}  # what is read, where the blob holds something else by now

    def _fed(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        if not self.read:
            return layers
        param = pb.LayerParameter(name=INPUT, type="Input", top=self.read)
        param.input_param.shape.extend(pb.BlobShape(dim=shape) for shape in self.read.values())
        return (Layer(INPUT, "Input", (), tuple(self.read), param, (0.0,) * len(self.read), layers[0].document, 0), *layers)

    def _feeds(self, session: Runs) -> dict[str, np.ndarray]:
        """Blobs that a source gives as whole numbers are fed as floats here; layers that want numbers turn them back."""
        held = {BATCH + n: a for n, a in self.held.items() if BATCH + n in session.inputs}
        return {n: np.asarray(a, np.float32) for n, a in (super()._feeds(session) | held).items()}


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
    """Runs of some of a net's layers: as one, or one by one where `calls` want to hear of each."""

    def __init__(self, net: api.Net, job: Job):
        self.net, self.job = net, job
        self.calls: dict[str, list[Callable[[int], Any]]] = {f"{when}_{way}": [] for when in ("before", "after") for way in WAYS}
        self.parts: dict[range, Part] = {}

    def as_one(self, layers: range, way: str) -> bool:
        """Whether these are all layers, and nobody wants to hear of each."""
        return len(layers) == len(self.net._lowered.net.layers) and not self._heard(way)

    def forward(self, layers: range) -> None:
        """From the first to the last, on what the blobs hold."""
        for run in self._runs(layers, "forward"):
            self._call("before_forward", run)
            if part := self._part(run):
                part.held = {}
                part.forward()
                self.net._noise |= part._noise
                self.net._carries |= part._carries
            self._call("after_forward", run)

    def backward(self, layers: range) -> None:
        """From the last to the first. A blob that several layers read gets the sum of what they give, parameters get it on top."""
        states, read = self.net._states, set[str]()
        overwritten = self._overwritten(layers)
        for run in reversed(list(self._runs(layers, "backward"))):
            self._call("before_backward", run)
            if part := self._part(run):
                learned = {name: np.array(blob.diff) for name, blob in states.items()}
                given = {name: np.array(part.blobs[name].diff) for name in part.read if name in read - part.made}
                part.held = {n: overwritten[at] for n in part.read if (at := (n, self._version(n, run.start))) in overwritten}
                if part.hosts:  # a Python layer may want to know what its own forward did
                    part.forward()
                part._noise = part._draw() | self.net._noise
                part._carries |= {n: a for n, a in self.net._carries.items() if n in part._carries}
                part.backward(**seeds(part))
                add(states, learned)
                add(part.blobs, given)
                read = (read - part.made) | part.read.keys()
            self._call("after_backward", run)

    def _overwritten(self, layers: range) -> dict[tuple[str, int], np.ndarray]:
        """What blobs held before layers changed them in place, where a run begins at such a layer: made again, from the net's inputs."""
        lowered, blobs = self.net._lowered, self.net.blobs
        parts = [(run.start, self._part(run)) for run in self._runs(layers, "backward")]
        read = {(name, self._version(name, start)) for start, part in parts if part for name in part.read}
        wanted = {at for at in read if at[1] < len(lowered.versions[at[0]]) - 1}
        fed = [n for n in self.net._batch if blobs[n].shape != tuple(map(int, lowered.versions[n][0].shape))]
        if not wanted or fed:
            return {}
        session = open_graph(Graph("", {f"{n}/{k}": lowered.versions[n][k] for n, k in wanted}))
        found = session.run(self.net._feeds(session))
        return {(n, k): found[f"{n}/{k}"] for n, k in wanted}

    def _version(self, name: str, layer: int) -> int:
        """How often a blob was written over before a layer runs."""
        return sum(name in other.tops for other in self.net._lowered.net.layers[:layer]) - 1

    def _heard(self, way: str) -> bool:
        return bool(self.calls[f"before_{way}"] or self.calls[f"after_{way}"])

    def _runs(self, layers: range, way: str) -> Iterator[range]:
        yield from (range(k, k + 1) for k in layers) if self._heard(way) else (layers,)

    def _call(self, when: str, layers: range) -> None:
        for function in self.calls[when]:
            function(layers.start)

    def _part(self, layers: range) -> Part | None:
        """The net of some layers, in the shapes that its blobs have now; None if all of them are fed."""
        every = self.net._lowered.net.layers
        chosen = tuple(every[k] for k in layers if every[k].type != "Input" and every[k].source is None)
        part = self.parts.get(layers)
        if chosen and (part is None or any(self.net.blobs[name].shape != shape for name, shape in part.read.items())):
            part = self.parts[layers] = Part(self.job, self.net, chosen)
        return part


def seeds(net: api.Net) -> dict[str, np.ndarray]:
    """The diffs that a backward pass begins with: what the open tops hold. Losses at their loss_weight are left to the net itself."""
    weights = {top: w for layer in net._lowered.net.layers for top, w in zip(layer.tops, layer.loss_weights, strict=True) if w}
    made = {top for layer in net._lowered.net.layers if layer.type != "Input" and layer.source is None for top in layer.tops}
    tops = [name for name in net.outputs if name in made and net.blobs[name].data.dtype.kind == "f"]
    held = {name: np.array(net.blobs[name].diff) for name in tops}
    found = {name: diff for name, diff in held.items() if (diff != weights.get(name, 0)).any()}
    return found if found or weights else held


def add(blobs: Mapping[str, api.Blob], diffs: Mapping[str, np.ndarray]) -> None:
    """To the diffs that a backward pass wrote those that were there before."""
    for name, diff in diffs.items():
        blobs[name].diff += diff
