"""NetParameter to Net: a phase chosen, every name resolved, nothing left to doubt.

`resolve` raises one SpecError that lists all that is wrong. Rules are Caffe's (net.cpp: FilterNet, Init).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from netc import data, registry
from netc import netc_pb2 as pb
from netc.errors import MAX_ERRORS, Diagnostic, NetcError, Place, SpecError, Suggestion, near
from netc.spec import Document
from netc.spec.fields import KINDS, LABELLED
from netc.spec.other_names import suggest_type
from netc.spec.ranges import range_errors

BROKEN, GUESSED = "broken", "guessed"
ENDLESS = ("Silence", "HDF5Output")  # types that write nothing
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
    doubt: str = ""  # of a net with errors: BROKEN if the layer has one, GUESSED if it is plain what is meant nevertheless

    def at(self, *path: str | int) -> Place:
        """The place of a field of the layer."""
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

    @cached_property
    def described(self) -> dict[str, data.TopSpec]:
        """What the sources say of their tops, those that a deployed net lacks among them."""
        return {n: t for layer in self.sources if layer.source for n, t in zip(layer.param.top, layer.source.described, strict=False)}

    @cached_property
    def sources(self) -> tuple[Layer, ...]:
        """The layers that deliver batches."""
        return tuple(layer for layer in self.layers if layer.source is not None)

    @cached_property
    def makers(self) -> Mapping[str, Layer]:
        """The layer that makes each blob; those that write it in place later are not meant."""
        return {top: layer for layer in self.layers for top in layer.tops if top not in layer.bottoms}

    @property
    def learned(self) -> dict[str, data.Learned]:
        """Of a net in phase TRAIN, what the nets that test it must find in their rows, by the first tops of its sources."""
        return {layer.tops[0]: data.Learned.of(layer.source) for layer in self.layers if layer.source and layer.tops}

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


def resolve(
    document: Document, phase: str = TRAIN, stages: Iterable[str] = (), level: int | None = None, base: str = ".",
    learned: data.Known = data.NOTHING,
) -> Net:  # fmt: skip
    """The net of a NetParameter in `phase`. `base` is the folder that data paths are relative to.

    `learned` says, by the first tops of sources, which columns and classes their rows must have. SpecError lists all that is wrong.
    """
    net, errors = judged(document, phase, stages, level, base, learned)
    if errors:
        raise SpecError(*errors)
    return net


def judged(
    document: Document, phase: str = TRAIN, stages: Iterable[str] = (), level: int | None = None, base: str = ".",
    learned: data.Known = data.NOTHING,
) -> tuple[Net, list[Diagnostic]]:  # fmt: skip
    """What `resolve` gives, and what is wrong with it beside what is wrong with its text; the layers' `doubt` says of which."""
    registry.load()
    param, errors = document.message, []
    stages, level = {*param.state.stage, *stages}, param.state.level if level is None else level
    chosen = []
    for i, spec in enumerate(param.layer):
        if spec.include and spec.exclude:
            at = document.place("layer", i, "exclude")
            errors.append(Diagnostic(at, f"Layer {spec.name!r}: It has both `include` and `exclude` rules. Use only one kind."))
        elif _included(spec, phase, level, stages):
            chosen.append((i, spec))
    if not param.layer:
        errors.append(Diagnostic(document.place(), "The net has no layers."))
    elif not chosen and not errors:
        errors.append(Diagnostic(document.place(), f"The net has no layers in phase {phase}."))
    layers = [_layer(document, i, spec, phase, base, learned, errors) for i, spec in chosen]
    errors += [*_name_errors(layers), *_blob_errors(layers, _left_out(document, chosen, phase)), *range_errors(layers)]
    return Net(param.name, phase, tuple(layers), document), sorted(errors, key=lambda d: d.position)


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


def _unknown_type(name: str, suggestion: Suggestion) -> str:
    """What is wrong with a type."""
    elsewhere = "" if name in KINDS or suggestion else " BVLC Caffe has none either. If a plug-in defines it, add `--plugin FILE`."
    return f"There is no layer type {name!r}.{elsewhere}"


def _layer(
    document: Document, i: int, spec: pb.LayerParameter, phase: str, base: str, learned: data.Known, errors: list[Diagnostic]
) -> Layer:
    """The layer of `spec`; what is wrong with it is added to `errors`."""

    def error(text: str, *path: str | int, suggestion: Suggestion | None = None) -> None:
        errors.append(Diagnostic(document.place("layer", i, *path), f"Layer {spec.name!r}: {text}", suggestion))

    doubt = BROKEN if document.is_broken("layer", i) else GUESSED if document.is_guessed("layer", i) else ""
    known, type_ = len(errors), spec.type
    if not type_ and not doubt:
        error("The type is missing.")
    elif type_ and type_ not in registry.layer:
        suggestion = suggest_type(type_, registry.layer)
        if not any(f.place == document.place("layer", i, "type") for f in document.errors):
            error(_unknown_type(type_, suggestion), "type", suggestion=suggestion)
        type_ = suggestion.meant
        known, doubt = known + bool(type_), doubt or GUESSED
    facts: dict[str, Any] = registry.layer.facts.get(type_, {})
    tops = tuple(spec.top) or ((spec.name,) if facts.get("loss") else ())
    weights = tuple(spec.loss_weight)
    if weights and len(weights) != len(tops):
        error(f"There are {len(weights)} `loss_weight` for {len(tops)} tops. Add one for each, or none.", "loss_weight")
    counts = 0 if facts.get("loss") else facts.get("own_loss")
    weights = weights or tuple(1.0 if k == counts else 0.0 for k in range(len(tops)))
    if type_ in registry.layer and doubt != BROKEN:
        for what, names in (("bottom", spec.bottom), ("top", tops)):
            if wrong := _wrong_count(type_, what, names, *facts.get(what + "s", (1, 1))):
                if not doubt:
                    error(wrong, what)
                doubt = doubt and BROKEN
    source, batch = None, None
    if facts.get("source"):
        try:
            spec, source = data.read_as_learned(spec, phase, base, learned.get(tops[0]) if tops else None)
            batch = data.resolve_batch_size(spec, phase)
            if len(tops) > len(source.tops):
                error(f"It has {len(tops)} tops, but its data set has {len(source.tops)}.", "top")
        except NetcError as e:
            errors += [] if doubt == BROKEN else _source_errors(e, document, i, spec.name, data.message_name(spec))
            doubt = BROKEN
    doubt = BROKEN if len(errors) > known else doubt
    return Layer(spec.name, type_, tuple(spec.bottom), tops, spec, weights, document, i, source, batch, doubt=doubt)


def _wrong_count(type_: str, what: str, names: Sequence[str], least: int, most: int | None) -> str | None:
    """A sentence where a layer has too few or too many of its bottoms or tops; `most` is None where there may be any number."""
    if len(names) >= least and (most is None or len(names) <= most):
        return None
    wanted = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
    plural, given = "" if wanted == "1" else "s", f" ({', '.join(names)})" if names else ""
    return f"{type_} takes {wanted} {what}{plural}, got {len(names)}{given}."


def _source_errors(error: NetcError, document: Document, i: int, name: str, message: str) -> Iterable[Diagnostic]:
    """The errors of a data layer's source: within its files, or at the field of the layer that they name."""
    fields = {p[-1]: p for p in document.fields_of("layer", i) if len(p) == 4}
    for diagnostic in error.diagnostics:
        place = document.place(*fields.get(diagnostic.field, ("layer", i, message, "source")))
        if diagnostic.place:
            yield replace(diagnostic, details=(*diagnostic.details, f"Layer {name!r} ({place}) reads this file."))
        else:
            yield replace(diagnostic, place=place, text=f"Layer {name!r}: {diagnostic.text}")


def _name_errors(layers: list[Layer]) -> Iterable[Diagnostic]:
    first: dict[str, Layer] = {}
    for layer in layers:
        if layer.name in first:
            text = f"The layer at {first[layer.name].at()} has the same name. Weights are stored by layer name, so names must be unique."
            yield Diagnostic(layer.at("name"), f"Layer {layer.name!r}: {text}")
        first.setdefault(layer.name, layer)


def _left_out(document: Document, chosen: Iterable[tuple[int, Any]], phase: str) -> dict[str, str]:
    """What to say of blobs that only layers write which do not run in this phase."""
    numbers = {i for i, _ in chosen}
    said = {}
    for i, spec in enumerate(document.message.layer):
        place = document.place("layer", i, "include" if spec.include else "exclude")
        for top in spec.top if i not in numbers else ():
            said[top] = (
                f"No layer writes {top!r} in phase {phase}: {spec.name!r} does not run in it ({place}). "
                f"Include it, or add a layer that writes {top!r} in {phase}."
            )
    return said


def _blob_errors(layers: list[Layer], left_out: Mapping[str, str]) -> Iterable[Diagnostic]:
    """Bottoms that nothing before them writes, and tops that two layers write."""
    written: dict[str, Layer] = {}
    writers = {top: layer for layer in reversed(layers) for top in layer.tops}  # the first of each
    unsure, unwritten = False, 0  # unsure: a layer above may write what it does not say
    for layer in layers:
        stated = not layer.doubt or layer.document.states("layer", layer.index, "bottom")
        for i, bottom in enumerate(layer.bottoms if stated and not unsure else ()):
            if bottom not in written:
                unwritten += 1
                later = writers.get(bottom)
                text = left_out.get(bottom) if later is None else None
                is_label = bottom == "label" and layer.type in LABELLED
                wanted = later is None and text is None and not is_label and unwritten <= MAX_ERRORS  # a search takes its time
                text = f"Layer {layer.name!r}: {text or _unwritten(bottom, layer, later)}"
                yield Diagnostic(layer.at("bottom", i), text, near(bottom, written) if wanted else None)
        told = layer.document.states("layer", layer.index, "top") or (layer.tops and layer.type) or layer.type in ENDLESS
        unsure |= bool(layer.doubt) and not told
        yield from _top_errors(layer, written)
        for top in layer.tops:
            written.setdefault(top, layer)


def _top_errors(layer: Layer, written: Mapping[str, Layer]) -> Iterable[Diagnostic]:
    """Tops of a layer that it may not write."""
    seen: dict[str, Layer] = {}
    for i, top in enumerate(layer.tops):
        in_place = i < len(layer.bottoms) and layer.bottoms[i] == top
        other = written.get(top) or seen.get(top)
        if in_place and not registry.layer.facts.get(layer.type, {}).get("in_place", True):
            text = f"{layer.type} cannot run in place. Give its top a name other than {top!r}."
            yield Diagnostic(layer.at("top", i), f"Layer {layer.name!r}: {text}")
        elif other is not None and not in_place:
            first = f"layer {other.name!r} ({other.at()})"
            text = f"It writes {top!r}, which {first} writes too. Only a layer that reads {top!r} may write it, in place."
            yield Diagnostic(layer.at("top", i), f"Layer {layer.name!r}: {text}")
        seen[top] = layer


def _unwritten(bottom: str, layer: Layer, later: Layer | None) -> str:
    """What is wrong with a bottom that no layer above writes; `later` is a layer further down that does."""
    if later is layer:
        return f"It reads {bottom!r}, which is its own top. Read a blob from above instead."
    if later is not None:
        place = f"layer {later.name!r} ({later.at()})"
        return f"It reads {bottom!r}, which {place} writes further down. Move this layer below it, or read a blob from above."
    if bottom == "label" and layer.type in LABELLED:
        return f"It reads 'label', which no layer above writes. {layer.type} needs labels: add `label` as the second top of the data layer."
    return f"It reads {bottom!r}, which no layer above writes."
