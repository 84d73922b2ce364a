"""The context of a layer's function: the layer's message, and methods that create weights, statistics and random numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import prod
from typing import Any, cast

import numpy as np

from netc import fillers
from netc import netc_pb2 as pb
from netc.data import TopSpec
from netc.errors import Diagnostic, ShapeError, SpecError, Suggestion
from netc.graph.contract import BATCH, NOISE, ROWS, SINK, SUM, Prefix
from netc.graph.ir import Value, constant, leaf, op, stop
from netc.graph.leaves import Kind, NoiseInfo, StateInfo
from netc.graph.tensor_type import Dim, Shape
from netc.layers.plugin_param import PluginParam
from netc.net.model import DEPLOY, TEST, TRAIN, Epoch, Layer
from netc.net.rates import Rates
from netc.spec import plugin_fields

MOST_DRAWN = 512  # rows of random numbers, if only a run knows how many there are


def dims(shape: Shape) -> str:
    """`64x1x28x28`, or `nodes x 25`."""
    named = any(isinstance(d, str) and d.isalpha() and len(d) > 1 for d in shape)
    return (" x " if named else "x").join(map(str, shape)) or "scalar"


def sizes(shape: Shape) -> tuple[int, ...]:
    """The dimensions as numbers. ShapeError if any of them is symbolic."""
    if any(isinstance(d, str) for d in shape):
        raise ShapeError(f"{dims(shape)} must be known in numbers.")
    return tuple(int(d) for d in shape)


@dataclass
class Context:
    """The argument that a layer's function gets in addition to its bottoms."""

    layer: Layer
    phase: str
    batch: Dim | None
    seed: int
    shared: dict[str, Value]
    states: dict[str, Value]
    updates: dict[Value, Value]
    sinks: dict[str, Value]
    described: Mapping[str, TopSpec] = field(default_factory=dict)  # the tops of the data sources
    steps: Dim | None = None
    epoch: Epoch | None = None
    rates: Rates = Rates()  # of the solver
    regions: frozenset[str] = frozenset()  # the blobs with regions of images
    blobs: list[Value] = field(default_factory=list)
    names: list[tuple[Kind, str]] = field(default_factory=list)  # of the blobs

    @cached_property
    def param(self) -> pb.LayerParameter:
        """The layer's message. For a plug-in's layer, it also has the fields that only a fork of Caffe knows (`PluginParam`)."""
        layer = self.layer
        if not plugin_fields.takes_any(layer.type):
            return layer.param
        return cast(
            pb.LayerParameter, PluginParam(layer.param, {p[2] for p in layer.document.fields_of("layer", layer.index) if len(p) == 3})
        )

    @property
    def training(self) -> bool:
        return self.phase == TRAIN

    def error(self, text: str, *path: str | int) -> SpecError:
        """Return an error about a field of the layer, for the function to raise."""
        return SpecError(self.diagnostic(text, path))

    def shape_error(self, text: str, *path: str | int) -> ShapeError:
        """Return an error about the shapes of the bottoms, for the function to raise. netc adds how the shapes came about."""
        return ShapeError(self.diagnostic(text, path))

    def diagnostic(
        self, text: str, path: tuple[str | int, ...], suggestion: Suggestion | None = None, kind: type[Diagnostic] = Diagnostic
    ) -> Diagnostic:
        """Return the diagnostic of an error about a field of the layer."""
        return kind(self.layer.at(*path), f"Layer {self.layer.name!r} ({self.layer.type}): {text}", suggestion)

    def weight(self, name: str, shape: tuple[int, ...], filler: pb.FillerParameter, frozen: bool = False) -> Value:
        """Create the layer's next parameter: started by `filler`, shared with all of the same `param.name`. It learns unless `frozen`."""
        start = partial(fillers.fill, shape, filler, self.seed, f"{self.layer.name}.{name}")
        try:
            fillers.check(shape, filler)
        except SpecError as e:
            raise self.error(str(e), *self._path_of(filler)) from e
        return self._blob("parameter", name, shape, start, frozen=frozen)

    def _path_of(self, filler: pb.FillerParameter) -> tuple[str, ...]:
        """The fields of the layer's message that lead to a filler."""
        for param, message in self.layer.param.ListFields():
            fields = message.ListFields() if param.message_type and not param.is_repeated else ()
            for inner, value in fields:
                if inner.message_type is filler.DESCRIPTOR and value == filler:
                    return param.name, inner.name
        return ()

    def parameter(self, name: str, start: np.ndarray) -> Value:
        """Create the layer's next parameter, with an array as its start value."""
        return self._blob("parameter", name, start.shape, partial(np.array, start, np.float32))

    def pretrained(self, name: str, start: np.ndarray, kind: Kind) -> Value:
        """Create the layer's next parameter or statistic from an array of a file. Weight decay leaves out biases and norms, of one axis."""
        return self._blob(kind, name, start.shape, partial(np.array, start, np.float32), decay=float(start.ndim > 1))

    def statistic(self, name: str, shape: tuple[int, ...]) -> Value:
        """Create the layer's next blob that training updates without a gradient, such as a running mean. It starts at zero."""
        return self._blob("statistic", name, shape, fillers.Zeros(shape))

    def carry(self, name: str, shape: Shape, start: Callable[[], np.ndarray] | None = None) -> Value:
        """Create a state that passes from one batch to the next of its phase. Set its new value with `update`.

        It starts at zero, or at the result of `start`. In a deployed net it is an input and an output. ShapeError if the batch is symbolic
        in a phase that keeps the state itself.
        """
        phase = "" if self.phase == DEPLOY else f".{self.phase.lower()}"
        start = start or fillers.Zeros(shape if self.phase == DEPLOY else sizes(shape))
        info = StateInfo(f"{self.layer.name}.{name}{phase}", "carry", start, self.layer.name, blob=-1)
        state = self.states[info.name] = leaf("State", np.float32, shape, info=info)
        return state

    def update(self, state: Value, value: Value) -> None:
        """Set `state` to `value` at the end of a training step, unless it is frozen."""
        if not self.is_frozen(state):
            self.updates[state] = stop(value)

    def is_frozen(self, blob: Value) -> bool:
        """Whether a parameter or a statistic keeps its value in training, because of `freeze`."""
        return isinstance(blob.node.info, StateInfo) and blob.node.info.frozen

    def keep(self, *values: Value) -> None:
        """Compute the values in each run, even though no layer reads them. A deployed net does not."""
        if self.phase != DEPLOY:
            self.sinks |= {SINK(f"{self.layer.name}/{k}"): value for k, value in enumerate(values)}

    def add_up(self, **numbers: Value) -> None:
        """Sum numbers, or arrays of one shape, over the batches of a test. The layer's `whole` gets the sums."""
        self._record(SUM, numbers)

    def collect(self, **rows: Value) -> None:
        """Concatenate arrays along their first axis over the batches of a test. The layer's `whole` gets the results."""
        self._record(ROWS, rows)

    def _record(self, kind: Prefix, values: Mapping[str, Value]) -> None:
        if self.phase == TEST:
            self.sinks |= {kind(f"{self.layer.name}/{name}"): stop(value) for name, value in values.items()}

    def noise(self, name: str, shape: Shape, distribution: str = "uniform", like: Value | None = None) -> Value:
        """Create random numbers, different in each step: uniform in (0, 1), or standard normal. Only the batch may be symbolic.

        With `like`, of that shape, only a run may know the first size. Then rows after the first MOST_DRAWN repeat earlier ones.
        """
        key = f"{self.layer.name}.{name}"
        unknown = [d for d in shape if isinstance(d, str) and d != self.batch]
        if unknown and like is not None and not any(isinstance(d, str) for d in shape[1:]):
            drawn = self.noise(name, (MOST_DRAWN, *shape[1:]), distribution)
            rows = op.Range(constant(0), op.Squeeze(op.Shape(like, start=0, end=1), [0]), constant(1), shape=shape[:1])
            return op.Gather(drawn, op.Mod(rows, constant(MOST_DRAWN)), axis=0)
        if unknown:
            raise self.shape_error(f"Random numbers of shape {dims(shape)} need the size {unknown[0]!r}, which is only known at run time.")
        return leaf("Input", np.float32, shape, info=NoiseInfo(NOISE(key), distribution, key))

    def input(self, top: str, dtype: str, shape: Shape, batch_axis: int | None = 0) -> Value:
        """Create an input of the net. Axis 0 is the batch. With batch_axis 1, axis 0 is time and axis 1 the batch.

        With batch_axis None, the shape is used unchanged.
        """
        sizes = list(shape)
        if self.batch is not None and shape and batch_axis is not None:
            sizes[batch_axis] = f"{top}.regions" if top in self.regions else self.batch
        if self.steps is not None and batch_axis == 1:
            sizes[0] = self.steps
        return leaf("Input", dtype, sizes, name=BATCH(top))

    def _blob(self, kind: Kind, name: str, shape: tuple[int, ...], start: Any, decay: float = 1.0, frozen: bool = False) -> Value:
        self.blobs.append(self._new_or_shared(kind, name, shape, start, decay, frozen))
        self.names.append((kind, name))
        return self.blobs[-1]

    def _new_or_shared(self, kind: Kind, name: str, shape: tuple[int, ...], start: Any, decay: float, frozen: bool) -> Value:
        index = len(self.blobs)
        spec = self.layer.param.param[index] if index < len(self.layer.param.param) else pb.ParamSpec()
        if kind == "statistic" and spec.HasField("lr_mult") and spec.lr_mult != 0:
            raise self.error(f"{self.layer.type} updates its statistics itself. Their `lr_mult` must be 0.", "param", index, "lr_mult")
        owner = self.shared.get(spec.name) if spec.name else None
        if owner is not None:
            self.states.setdefault(owner.node.name, owner)
            return self._share(owner, spec, shape, index, name)
        state = leaf("State", np.float32, shape, info=self._described(kind, name, start, index, spec, decay, frozen))
        taken = self.states.get(state.node.name)
        if taken is not None:
            text = f"Its parameter {name!r} and a parameter of layer {taken.node.state.layer!r} have one name, {state.node.name!r}."
            raise self.error(f"{text} Rename the layer.")
        self.states[state.node.name] = state
        if spec.name:
            self.shared[spec.name] = state
        return state

    def _described(
        self, kind: Kind, name: str, start: Any, index: int, spec: pb.ParamSpec, decay: float, frozen: bool
    ) -> StateInfo:  # fmt: skip
        """The description of a new parameter or statistic. `freeze` and `lr_mult` of layer and solver decide whether it learns."""
        full, own = f"{self.layer.name}.{name}", Rates.of(self.layer.param)
        frozen = frozen or own.freezes(name) or self.rates.freezes(full)
        mults = (0.0, 0.0)
        if kind == "parameter" and not frozen:
            mults = (spec.lr_mult * own.factor(name) * self.rates.factor(full), spec.decay_mult if spec.HasField("decay_mult") else decay)
        return StateInfo(full, kind, start, self.layer.name, index, *mults, spec, frozen, self.layer.twin_of)

    def _share(self, owner: Value, spec: pb.ParamSpec, shape: tuple[int, ...], index: int, blob: str) -> Value:
        """Share a blob by Caffe's rules: the same shape (PERMISSIVE: the same count), and multipliers that are set once or equal."""
        state, own = owner.node.state, Rates.of(self.layer.param)
        if state.layer != self.layer.name and (own.freezes(blob) > state.frozen or own.factor(blob) != 1):
            field = "lr_mult" if own.factor(blob) != 1 else "freeze"
            raise self.error(f"It shares {spec.name!r} with layer {state.layer!r}, which owns it. Move `{field}` to that layer.", field)
        for name in ("lr_mult", "decay_mult"):
            if spec.HasField(name) and state.spec.HasField(name) and getattr(spec, name) != getattr(state, name):
                raise self.error(f"It shares {spec.name!r} with layer {state.layer!r}, which has another `{name}`.", "param", index, name)
        if owner.shape == shape:
            return owner
        if spec.share_mode == pb.ParamSpec.PERMISSIVE and prod(shape) == prod(map(int, owner.shape)):
            return op.Reshape(owner, list(shape))
        text = f"It shares {spec.name!r} of shape {dims(owner.shape)} with layer {state.layer!r}, but needs {dims(shape)}."
        raise self.error(text, "param", index, "name")
