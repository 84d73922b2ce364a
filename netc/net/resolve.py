"""Resolves a NetParameter: selects the layers of a phase, and checks their types, blobs and data sources.

`resolve` raises one SpecError that lists every error. The rules are Caffe's (net.cpp: FilterNet, Init).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from netc import data, registry
from netc import netc_pb2 as pb
from netc.errors import Diagnostic, NetcError, SpecError, Suggestion
from netc.net.checks import blob_errors, weight_errors
from netc.net.mixing import mixing_errors, with_partners
from netc.net.model import BROKEN, GUESSED, TEST, TRAIN, Layer, ResolvedNet
from netc.net.names import unique_names
from netc.net.phases import State, left_out
from netc.spec import Document
from netc.spec.ranges import range_errors
from netc.spec.unknown_types import unknown_type


def resolve(
    document: Document, phase: str = TRAIN, stages: Iterable[str] = (), level: int | None = None, tables: data.Tables | None = None,
    learned: data.Known = data.NOTHING,
) -> ResolvedNet:  # fmt: skip
    """Return the net in `phase`. SpecError lists all its errors.

    `tables` has the data that is already open; the nets of a job share it. `learned` maps the first top of a source to the columns and
    classes that its rows must have.
    """
    net, errors = judged(document, phase, stages, level, tables, learned)
    if errors:
        raise SpecError(*errors)
    return net


def judged(
    document: Document, phase: str = TRAIN, stages: Iterable[str] = (), level: int | None = None, tables: data.Tables | None = None,
    learned: data.Known = data.NOTHING, rules: str = "",
) -> tuple[ResolvedNet, list[Diagnostic]]:  # fmt: skip
    """Return the net and its errors, without those of its text. The `doubt` of a layer marks whether it has one.

    With `rules`, the layers are those of that phase, for a net that has data in only one.
    """
    registry.load()
    param, errors = document.message, list[Diagnostic]()
    state = State.of(param, rules or phase, tuple(stages), level)
    chosen = []
    for i, spec in enumerate(param.layer):
        if spec.include and spec.exclude:
            text = f"Layer {spec.name!r}: It has both `include` and `exclude` rules. Use only one kind."
            errors.append(Diagnostic(document.place("layer", i, "exclude"), text))
        elif state.runs(spec):
            chosen.append((i, spec))
    if not param.layer:
        errors.append(Diagnostic(document.place(), "The net has no layers."))
    elif not chosen and not errors:
        errors.append(Diagnostic(document.place(), f"The net has no layers in phase {phase}."))
    names = unique_names(param, [state, *(State.of(param, other, tuple(stages), level) for other in (TRAIN, TEST))])
    resolver = _Resolver(document, phase, tables or data.Tables(), learned, errors, names)
    layers = with_partners([resolver.layer(i, spec) for i, spec in chosen])
    errors += [
        *blob_errors(layers, left_out(document, [i for i, _ in chosen], state)),
        *range_errors(layers),
        *weight_errors(layers),
        *mixing_errors(layers),
    ]
    return ResolvedNet(param.name, phase, tuple(layers), document), sorted(errors, key=lambda d: d.position)


@dataclass(frozen=True)
class _Resolver:
    """Makes the layers of a net in one phase, and adds their errors to `errors`."""

    document: Document
    phase: str
    tables: data.Tables
    learned: data.Known
    errors: list[Diagnostic]
    names: Sequence[str]

    def layer(self, i: int, spec: pb.LayerParameter) -> Layer:
        """Layer number `i` of the document."""
        known, doubt = len(self.errors), self._doubt(i)
        type_ = spec.type if spec.type in registry.layer else self._meant(i, spec, doubt)
        if spec.type and type_ != spec.type:
            known, doubt = known + bool(type_), doubt or GUESSED
        kind = registry.layer_type(type_)
        tops = tuple(spec.top) or ((spec.name,) if kind.loss else ())
        weights = tuple(spec.loss_weight) or _default_weights(kind, len(tops))
        if len(weights) != len(tops):
            text = f"There are {len(weights)} `loss_weight` for {len(tops)} tops. Add one for each, or none."
            self._error(i, spec, text, "loss_weight")
        for what, names, limits in (("bottom", spec.bottom, kind.bottoms), ("top", tops, kind.tops)):
            if type_ in registry.layer and doubt != BROKEN and (wrong := _wrong_count(type_, what, names, *limits)):
                if not doubt:
                    self._error(i, spec, wrong, what)
                doubt = doubt and BROKEN
        reader, batch = self._source(i, spec, tops, doubt) if kind.source else (None, None)
        broken = len(self.errors) > known or (kind.source and batch is None)
        param = reader.layer if reader else spec
        if reader and batch is not None:
            names = reader.description.names(tops)
            tops, weights = names, (*weights, *[0.0] * (len(names) - len(tops)))
        return Layer(
            self.names[i],
            type_,
            tuple(spec.bottom),
            tops,
            param,
            weights,
            self.document,
            i,
            reader,
            batch,
            doubt=BROKEN if broken else doubt,
            twin_of=spec.name if self.names[i] != spec.name else "",
        )

    def _error(
        self, i: int, spec: pb.LayerParameter, text: str, *path: str | int, suggestion: Suggestion | None = None, kind: str = ""
    ) -> None:
        self.errors.append(Diagnostic(self.document.place("layer", i, *path), f"Layer {spec.name!r}: {text}", suggestion, kind=kind))

    def _doubt(self, i: int) -> str:
        """BROKEN or GUESSED if the text of a layer has an error, else ""."""
        return BROKEN if self.document.is_broken("layer", i) else GUESSED if self.document.is_guessed("layer", i) else ""

    def _meant(self, i: int, spec: pb.LayerParameter, doubt: str) -> str:
        """The likely meaning of an unknown type, "" if none is likely enough."""
        if not spec.type:
            if not doubt:
                self._error(i, spec, "The type is missing.")
            return ""
        text, suggestion = unknown_type(spec.type)
        if not any(e.place == self.document.place("layer", i, "type") for e in self.document.errors):
            self._error(i, spec, text, "type", suggestion=suggestion, kind=text)
        return suggestion.meant if suggestion else ""

    def _source(self, i: int, spec: pb.LayerParameter, tops: tuple[str, ...], doubt: str) -> tuple[data.Reader | None, int | None]:
        """The reader of a data layer and its batch size. Each is None if an error prevents it."""
        reader = None
        try:
            reader = self.tables.reader(spec, self.phase, self.learned.get(tops[0]) if tops else None)
            batch = data.resolve_batch_size(reader.layer, self.phase)
            delivered = len(reader.description.tops)
            if len(tops) > delivered:
                self._error(i, spec, f"It has {len(tops)} tops, but its data set has {delivered}.", "top")
        except NetcError as e:
            if doubt != BROKEN:
                self.errors.extend(_source_errors(e, self.document, i, spec.name, data.message_name(spec)))
            return reader, None
        return reader, batch


def _default_weights(kind: registry.LayerType, tops: int) -> tuple[float, ...]:
    """The default loss weights: 1 for the top that is a loss, 0 for others."""
    counts = 0 if kind.loss else kind.own_loss
    return tuple(1.0 if k == counts else 0.0 for k in range(tops))


def _wrong_count(type_: str, what: str, names: Sequence[str], least: int, most: int | None) -> str | None:
    """An error text if a layer has too few or too many bottoms or tops. `most` is None if any number is allowed."""
    if len(names) >= least and (most is None or len(names) <= most):
        return None
    wanted = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
    plural, given = "" if wanted == "1" else "s", f" ({', '.join(names)})" if names else ""
    return f"{type_} takes {wanted} {what}{plural}, got {len(names)}{given}."


def _source_errors(error: NetcError, document: Document, i: int, name: str, message: str) -> Iterable[Diagnostic]:
    """The errors of a data source, placed in its files or at the field of the layer that they name."""
    fields = {p[-1]: p for p in (*document.fields_of("layer", i), *document.overrides) if len(p) == 4 and p[:2] == ("layer", i)}
    for diagnostic in error.diagnostics:
        place = document.place(*fields.get(diagnostic.field, ("layer", i, message, "source")))
        if diagnostic.place:
            yield replace(diagnostic, details=(*diagnostic.details, f"Layer {name!r} ({place}) reads this file."))
        else:
            yield replace(diagnostic, place=place, text=f"Layer {name!r}: {diagnostic.text}")
