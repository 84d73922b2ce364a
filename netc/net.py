"""NetParameter to Net: a phase chosen, every name resolved, nothing left to doubt.

`resolve` raises one SpecError that lists all that is wrong. Rules are Caffe's (net.cpp: FilterNet, Init).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from netc import data, registry
from netc import netc_pb2 as pb
from netc.errors import Fault, NetcError, SpecError, near
from netc.spec import Document
from netc.spec.fields import KINDS

TRAIN, VALIDATION, TEST, DEPLOY = "TRAIN", "VALIDATION", "TEST", "DEPLOY"  # a net for TEST serves VALIDATION too, on other rows


@dataclass(frozen=True)
class Layer:
    """One layer of a net in one phase. `source` says what a data layer delivers, `index` its place in the file."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    param: pb.LayerParameter
    loss_weights: tuple[float, ...]
    document: Document
    index: int
    source: data.Description | None = None
    batch_size: int | None = None
    phase: str | None = None  # that the layer runs in, where it is not the net's

    def at(self, *path: str | int) -> str:
        """`file:line:column` of a field of the layer."""
        return self.document.place("layer", self.index, *path)

    @property
    def facts(self) -> dict[str, Any]:
        """What the layer's decorator says of its type."""
        return registry.layer.facts[self.type]


@dataclass(frozen=True)
class Net:
    """Layers in the order they run."""

    name: str
    phase: str
    layers: tuple[Layer, ...]
    document: Document

    @property
    def param(self) -> pb.NetParameter:
        return self.document.message

    @property
    def described(self) -> dict[str, data.TopSpec]:
        """What the sources say of their tops, those that a deployed net lacks among them."""
        return {n: t for layer in self.sources if layer.source for n, t in zip(layer.param.top, layer.source.tops, strict=False)}

    @property
    def sources(self) -> list[Layer]:
        """The layers that deliver batches."""
        return [layer for layer in self.layers if layer.source is not None]

    @property
    def feeds_itself(self) -> bool:
        """Whether nothing must be fed: what it reads comes from sources, or from a user's own layers."""
        return all(layer.type != "Input" for layer in self.layers)

    @property
    def has_validation(self) -> bool:
        """Whether a source has rows of its own for choosing the best model."""
        return any(layer.source is not None and layer.source.has_validation for layer in self.layers)

    @property
    def outputs(self) -> list[str]:
        """Blobs that no layer reads, in alphabetical order (Caffe's rule)."""
        open_blobs: set[str] = set()
        for layer in self.layers:
            open_blobs.difference_update(layer.bottoms)
            open_blobs.update(layer.tops)
        return sorted(open_blobs)


def resolve(document: Document, phase: str = TRAIN, stages: Iterable[str] = (), level: int | None = None, base: str = ".") -> Net:
    """The net of a NetParameter in `phase`. `base` is the folder that data paths are relative to.

    SpecError lists all that is wrong with it.
    """
    registry.load()
    param, faults = document.message, []
    state = param.state
    stages, level = {*state.stage, *stages}, state.level if level is None else level
    chosen = []
    for i, spec in enumerate(param.layer):
        if spec.include and spec.exclude:
            text = f"layer {spec.name!r} has both include and exclude rules; one kind only"
            faults.append(Fault(document.place("layer", i, "exclude"), text))
        elif _included(spec, phase, level, stages):
            chosen.append((i, spec))
    if not param.layer:
        faults.append(Fault(document.place(), "the net has no layers"))
    elif not chosen and not faults:
        faults.append(Fault(document.place(), f"no layer of the net is included in phase {phase}"))
    layers = [_layer(document, i, spec, phase, base, faults) for i, spec in chosen]
    faults += [*_name_faults(layers), *_blob_faults(layers)]
    if faults:
        raise SpecError(*sorted(faults, key=_line))
    return Net(param.name, phase, tuple(layers), document)


def deployed(net: Net) -> Net:
    """`net` (phase TEST) without labels, losses and metrics; a loss of scores leaves what it makes of them (Softmax), once.

    Of a layer with a loss of its own, that loss and what comes after it among its tops are left out. What chooses rows (Filter)
    by blobs that are not there passes its first bottom on.
    """
    inputs = {layer.name: layer.source.inputs for layer in net.sources if layer.source}
    missing = {top for layer in net.sources for k, top in enumerate(layer.tops) if k not in inputs[layer.name]}
    layers: list[Layer] = []
    for layer in net.layers:
        if layer.name in inputs:
            tops = tuple(t for k, t in enumerate(layer.tops) if k in inputs[layer.name])
            layers.append(replace(layer, tops=tops, loss_weights=layer.loss_weights[: len(tops)]))
        elif not (layer.facts.get("loss") or layer.facts.get("metric") or missing.intersection(layer.bottoms)):
            kept = layer.facts.get("own_loss", len(layer.tops))
            layers.append(replace(layer, tops=layer.tops[:kept], loss_weights=layer.loss_weights[:kept]))
            missing.update(layer.tops[kept:])
        elif not layer.bottoms or layer.bottoms[0] in missing:
            missing.update(layer.tops)
        elif layer.facts.get("passes"):
            layers.append(replace(layer, type="Split", bottoms=layer.bottoms[:1], tops=layer.tops[:1], loss_weights=layer.loss_weights[:1]))
            missing.update(layer.tops[1:])
        elif (kind := layer.facts.get("deployed")) and not _made(kind, layer.bottoms[0], net.layers):
            taken = {t for other in (*net.layers, *layers) for t in other.tops}
            top = next(name for k in range(1, 1000) if (name := f"prob{k if k > 1 else ''}") not in taken)
            layers.append(replace(layer, type=kind, name=top, bottoms=layer.bottoms[:1], tops=(top,), loss_weights=(0.0,)))
        else:
            missing.update(layer.tops)
    return replace(net, phase=DEPLOY, layers=tuple(_without_idle_inputs(net.layers, layers)))


def _without_idle_inputs(before: Iterable[Layer], layers: list[Layer]) -> Iterable[Layer]:
    """`layers` without the blobs of Input layers that only layers which are gone read: labels."""
    idle = {b for layer in before for b in layer.bottoms} - {b for layer in layers for b in layer.bottoms}
    for layer in layers:
        numbers = [k for k, top in enumerate(layer.tops) if top not in idle]
        if layer.type != "Input" or len(numbers) == len(layer.tops):
            yield layer
        elif numbers:
            param, shapes = pb.LayerParameter(), layer.param.input_param.shape
            param.CopyFrom(layer.param)
            param.input_param.ClearField("shape")
            param.input_param.shape.extend(shapes[k % len(shapes)] for k in numbers)
            yield replace(layer, param=param, tops=tuple(layer.tops[k] for k in numbers), loss_weights=(0.0,) * len(numbers))


def _made(kind: str, bottom: str, layers: Iterable[Layer]) -> bool:
    """Whether one of the layers is of this type and leaves `bottom` as it is."""
    return any(layer.type == kind and layer.bottoms == (bottom,) != layer.tops for layer in layers)


def pretraining(net: Net, name: str, place: str, base: str = ".") -> Net:
    """What layer `name` of `net` (phase TRAIN) learns by its own loss from: it, and the layers that it reads, as they are in testing.

    Data sources give all rows, with labels or without. SpecError at `place` if there is no such layer, or it has no loss of its own.
    """
    last = next((layer for layer in net.layers if layer.name == name), None)
    if last is None:
        raise SpecError(Fault(place, f"solver: there is no layer {name!r} to pretrain; {near(name, [x.name for x in net.layers])}"))
    own = last.facts.get("own_loss")
    if own is None:
        kinds = ", ".join(sorted(t for t, facts in registry.layer.facts.items() if "own_loss" in facts))
        raise SpecError(Fault(place, f"solver: layer {name!r} ({last.type}) has no loss of its own to learn by; {kinds} has one"))
    tops = (*last.tops, *(f"{name} {k}" for k in range(len(last.tops), own + 1)))[: own + 1]
    kept = [replace(last, tops=tops, loss_weights=tuple(float(k == own) for k in range(own + 1)))]
    read = set(last.bottoms)
    for layer in reversed(net.layers[: net.layers.index(last)]):
        if read.intersection(layer.tops):
            read.update(layer.bottoms)
            still = replace(layer, loss_weights=(0.0,) * len(layer.tops), phase=TEST)
            kept.append(still if layer.source is None else _with_all_rows(layer, base))
    return replace(net, layers=tuple(reversed(kept)))


def _with_all_rows(layer: Layer, base: str) -> Layer:
    """A source with the rows that have no labels."""
    param = pb.LayerParameter()
    param.CopyFrom(layer.param)
    param.data_param.ClearField("labelled")
    return replace(layer, param=param, source=data.describe(param, TRAIN, base))


def _included(spec: pb.LayerParameter, phase: str, level: int, stages: set[str]) -> bool:
    if spec.include:
        return any(_met(rule, phase, level, stages) for rule in spec.include)
    return not any(_met(rule, phase, level, stages) for rule in spec.exclude)


def _met(rule: pb.NetStateRule, phase: str, level: int, stages: set[str]) -> bool:
    """Caffe's StateMeetsRule: every condition that is set holds."""
    if rule.HasField("phase") and pb.Phase.Name(rule.phase) != phase:
        return False
    if rule.HasField("min_level") and level < rule.min_level or rule.HasField("max_level") and level > rule.max_level:
        return False
    return stages.issuperset(rule.stage) and not stages.intersection(rule.not_stage)


def _unknown_type(name: str) -> str:
    hint = near(name, registry.layer)
    if name not in KINDS and not hint.startswith("did"):
        hint = f"BVLC Caffe has none of that name either, so it is a fork's or a plug-in's (--plugin FILE); {hint}"
    return f"there is no layer type {name!r}; {hint}"


def _layer(document: Document, i: int, spec: pb.LayerParameter, phase: str, base: str, faults: list[Fault]) -> Layer:
    """The layer of `spec`; what is wrong with it is added to `faults`."""

    def fault(text: str, *path: str | int) -> None:
        faults.append(Fault(document.place("layer", i, *path), f"layer {spec.name!r}: {text}"))

    facts: dict[str, Any] = {}
    if not spec.type:
        fault("has no type")
    elif spec.type not in registry.layer:
        fault(_unknown_type(spec.type), "type")
    else:
        facts = registry.layer.facts[spec.type]
    tops = tuple(spec.top) or ((spec.name,) if facts.get("loss") else ())
    weights = tuple(spec.loss_weight)
    if weights and len(weights) != len(tops):
        fault(f"{len(weights)} loss_weight for {len(tops)} tops; give one each, or none", "loss_weight")
    counts = 0 if facts.get("loss") else facts.get("own_loss")
    weights = weights or tuple(1.0 if k == counts else 0.0 for k in range(len(tops)))
    if spec.type in registry.layer:
        for what, names in (("bottom", spec.bottom), ("top", tops)):
            least, most = facts.get(what + "s", (1, 1))
            if len(names) < least or (most is not None and len(names) > most):
                wanted = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
                plural, given = "" if wanted == "1" else "s", f" ({', '.join(names)})" if names else ""
                fault(f"{spec.type} takes {wanted} {what}{plural}, {len(names)} given{given}", what)
    source, batch = None, None
    if facts.get("source"):
        try:
            source = data.describe(spec, phase, base)
            batch = data.resolve_batch_size(spec, phase)
            if len(tops) > len(source.tops):
                fault(f"has {len(tops)} tops, its data set delivers {len(source.tops)}", "top")
        except NetcError as e:
            fault(str(e), data.message_name(spec), "source")
    return Layer(spec.name, spec.type, tuple(spec.bottom), tops, spec, weights, document, i, source, batch)


def _name_faults(layers: list[Layer]) -> Iterable[Fault]:
    first: dict[str, Layer] = {}
    for layer in layers:
        if layer.name in first:
            yield Fault(layer.at("name"), f"layer {layer.name!r}: {first[layer.name].at()} has the same name")
        first.setdefault(layer.name, layer)


def _blob_faults(layers: list[Layer]) -> Iterable[Fault]:
    """Bottoms that nothing before them writes, and tops that two layers write."""
    written: dict[str, Layer] = {}
    for k, layer in enumerate(layers):
        for i, bottom in enumerate(layer.bottoms):
            if bottom not in written:
                later = next((other for other in layers[k:] if bottom in other.tops), None)
                hint = (
                    near(bottom, written)
                    if later is None
                    else (f"layer {later.name!r} further down writes it ({later.at()}); layers stand in the order they run")
                )
                yield Fault(layer.at("bottom", i), f"layer {layer.name!r}: reads {bottom!r}, which no layer before it writes; {hint}")
        for i, top in enumerate(layer.tops):
            in_place = i < len(layer.bottoms) and layer.bottoms[i] == top
            if in_place and not registry.layer.facts.get(layer.type, {}).get("in_place", True):
                yield Fault(layer.at("top", i), f"layer {layer.name!r}: {layer.type} cannot run in place")
            elif top in written and not in_place:
                first = f"layer {written[top].name!r} ({written[top].at()})"
                yield Fault(layer.at("top", i), f"layer {layer.name!r}: writes {top!r}, which {first} writes too")
            written.setdefault(top, layer)


def _line(fault: Fault) -> tuple[int, int]:
    numbers = [int(n) for n in fault.place.rsplit(":", 2)[1:] if n.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)
