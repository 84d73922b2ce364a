"""NetParameter to Net: a phase chosen, every name resolved, nothing left to doubt.

`resolve` raises one SpecError that lists all that is wrong. Rules are Caffe's (net.cpp: FilterNet, Init).
"""

import re
from collections.abc import Iterable, Sequence

from netc import data, registry
from netc import netc_pb2 as pb
from netc.errors import Diagnostic, NetcError, SpecError, line_of
from netc.net.checks import blob_errors, left_out_blobs, name_errors
from netc.net.model import BROKEN, GUESSED, TRAIN, Layer, ResolvedNet
from netc.spec import Document
from netc.spec.other_names import type_hint
from netc.spec.ranges import range_errors


def resolve(
    document: Document, phase: str = TRAIN, stages: Iterable[str] = (), level: int | None = None, tables: data.Tables | None = None,
    learned: data.Known = data.NOTHING,
) -> ResolvedNet:  # fmt: skip
    """The net of a NetParameter in `phase`. `tables` are what its sources gave so far: several nets of a job share them.

    `learned` says, by the first tops of sources, which columns and classes their rows must have. SpecError lists all that is wrong.
    """
    net, errors = judged(document, phase, stages, level, tables, learned)
    if errors:
        raise SpecError(*errors)
    return net


def judged(
    document: Document, phase: str = TRAIN, stages: Iterable[str] = (), level: int | None = None, tables: data.Tables | None = None,
    learned: data.Known = data.NOTHING,
) -> tuple[ResolvedNet, list[Diagnostic]]:  # fmt: skip
    """What `resolve` gives, and what is wrong with it beside what is wrong with its text; the layers' `doubt` says of which."""
    registry.load()
    param, errors, tables = document.message, [], tables or data.Tables()
    state = param.state
    stages, level = {*state.stage, *stages}, state.level if level is None else level
    chosen = []
    for i, spec in enumerate(param.layer):
        if spec.include and spec.exclude:
            text = f"layer {spec.name!r} has both include and exclude rules; one kind only"
            errors.append(Diagnostic(document.place("layer", i, "exclude"), text))
        elif _included(spec, phase, level, stages):
            chosen.append((i, spec))
    if not param.layer:
        errors.append(Diagnostic(document.place(), "the net has no layers"))
    elif not chosen and not errors:
        errors.append(Diagnostic(document.place(), f"no layer of the net is included in phase {phase}"))
    layers = [_layer(document, i, spec, phase, tables, learned, errors) for i, spec in chosen]
    errors += [*name_errors(layers), *blob_errors(layers, left_out_blobs(document, chosen, phase)), *range_errors(layers)]
    return ResolvedNet(param.name, phase, tuple(layers), document), sorted(errors, key=line_of)


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


def _unknown_type(name: str) -> tuple[str, str]:
    """What is wrong with a type, and the one that must be meant, "" if that is not plain."""
    hint, meant = type_hint(name, registry.layer)
    if not hint.startswith(("did", "here")):
        hint = f"BVLC Caffe has none of that name either, so it is a fork's or a plug-in's (--plugin FILE); {hint}"
    return f"there is no layer type {name!r}; {hint}", meant


def _layer(
    document: Document, i: int, spec: pb.LayerParameter, phase: str, tables: data.Tables, learned: data.Known, errors: list[Diagnostic]
) -> Layer:
    """The layer of `spec`; what is wrong with it is added to `errors`."""

    def error(text: str, *path: str | int) -> None:
        errors.append(Diagnostic(document.place("layer", i, *path), f"layer {spec.name!r}: {text}"))

    doubt = BROKEN if document.is_broken("layer", i) else GUESSED if document.is_guessed("layer", i) else ""
    known, type_ = len(errors), spec.type
    if not type_ and not doubt:
        error("has no type")
    elif type_ and type_ not in registry.layer:
        hint, type_ = _unknown_type(type_)
        if not any(f.place == document.place("layer", i, "type") for f in document.errors):
            error(hint, "type")
        known, doubt = known + bool(type_), doubt or GUESSED
    kind = registry.layer_type(type_)
    tops = tuple(spec.top) or ((spec.name,) if kind.loss else ())
    weights = tuple(spec.loss_weight) or _default_weights(kind, len(tops))
    if len(weights) != len(tops):
        error(f"{len(weights)} loss_weight for {len(tops)} tops; give one each, or none", "loss_weight")
    for what, names, limits in (("bottom", spec.bottom, kind.bottoms), ("top", tops, kind.tops)):
        if type_ in registry.layer and doubt != BROKEN and (wrong := _wrong_count(type_, what, names, *limits)):
            if not doubt:
                error(wrong, what)
            doubt = doubt and BROKEN
    reader, batch = None, None
    if kind.source:
        try:
            reader = tables.reader(spec, phase, learned.get(tops[0]) if tops else None)
            spec, delivered = reader.layer, len(reader.description.tops)
            batch = data.resolve_batch_size(spec, phase)
            if len(tops) > delivered:
                error(f"has {len(tops)} tops, its data set delivers {delivered}", "top")
        except NetcError as e:
            errors += [] if doubt == BROKEN else _source_errors(e, document, i, spec.name, data.message_name(spec))
            doubt = BROKEN
    doubt = BROKEN if len(errors) > known else doubt
    return Layer(spec.name, type_, tuple(spec.bottom), tops, spec, weights, document, i, reader, batch, doubt=doubt)


def _default_weights(kind: registry.LayerType, tops: int) -> tuple[float, ...]:
    """The loss_weight of each top where the net states none: 1 for the top that is a loss."""
    counts = 0 if kind.loss else kind.own_loss
    return tuple(1.0 if k == counts else 0.0 for k in range(tops))


def _wrong_count(type_: str, what: str, names: Sequence[str], least: int, most: int | None) -> str | None:
    """A sentence where a layer has too few or too many of its bottoms or tops; `most` is None where there may be any number."""
    if len(names) >= least and (most is None or len(names) <= most):
        return None
    wanted = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
    plural, given = "" if wanted == "1" else "s", f" ({', '.join(names)})" if names else ""
    return f"{type_} takes {wanted} {what}{plural}, {len(names)} given{given}"


def _source_errors(error: NetcError, document: Document, i: int, name: str, message: str) -> Iterable[Diagnostic]:
    """The errors of a data layer's source: within its files, or at the field of the layer that the sentence names first."""
    fields = {p[-1]: p for p in document.fields_of("layer", i) if len(p) == 4}
    for diagnostic in error.diagnostics:
        named = next((fields[word] for word in re.findall(r"\w+", diagnostic.text) if word in fields), ("layer", i, message, "source"))
        place = document.place(*named)
        if diagnostic.place:
            yield Diagnostic(diagnostic.place, f"{diagnostic.text} (layer {name!r} of {place} reads it)")
        else:
            yield Diagnostic(place, f"layer {name!r}: {diagnostic.text}")
