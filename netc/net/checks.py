"""What can be wrong with the layers of a net taken together: names, blobs that nothing writes, blobs that two layers write."""

from collections.abc import Iterable, Mapping
from typing import Any

from netc.errors import MAX_ERRORS, Diagnostic, near
from netc.net.model import Layer
from netc.spec import Document


def name_errors(layers: list[Layer]) -> Iterable[Diagnostic]:
    """Layers of one name."""
    first: dict[str, Layer] = {}
    for layer in layers:
        if layer.name in first:
            text = f"the layer at {first[layer.name].at()} has the same name; weights are kept by name, so each layer needs its own"
            yield Diagnostic(layer.at("name"), f"layer {layer.name!r}: {text}")
        first.setdefault(layer.name, layer)


def left_out_blobs(document: Document, chosen: Iterable[tuple[int, Any]], phase: str) -> dict[str, str]:
    """Blobs that no layer of the phase writes, though one of another phase does; the text of the error for each."""
    numbers = {i for i, _ in chosen}
    said = {}
    for i, spec in enumerate(document.message.layer):
        place = document.place("layer", i, "include" if spec.include else "exclude")
        for top in spec.top if i not in numbers else ():
            said[top] = (
                f"in phase {phase} no layer makes {top!r}: {spec.name!r} does not run in it ({place}); "
                f"let it run there too, or give {phase} a layer of its own that makes {top!r}"
            )
    return said


def blob_errors(layers: list[Layer], left_out: Mapping[str, str]) -> Iterable[Diagnostic]:
    """Bottoms that nothing before them writes, and tops that two layers write."""
    written: dict[str, Layer] = {}
    writers = {top: layer for layer in reversed(layers) for top in layer.tops}  # the first of each
    unsure = False  # whether a layer above may write what it does not say
    unwritten = 0
    for layer in layers:
        stated = not layer.doubt or layer.document.states("layer", layer.index, "bottom")
        for i, bottom in enumerate(layer.bottoms if stated and not unsure else ()):
            if bottom not in written:
                unwritten += 1
                later = writers.get(bottom)
                said = left_out.get(bottom) if later is None else None
                said = said or _unwritten(bottom, layer, later, written if unwritten <= MAX_ERRORS else None)  # a search takes its time
                yield Diagnostic(layer.at("bottom", i), f"layer {layer.name!r}: {said}")
        told = layer.document.states("layer", layer.index, "top") or (layer.tops and layer.type) or layer.kind.writes_nothing
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
        if in_place and layer.kind.in_place is False:
            text = f"{layer.type} cannot run in place: give its top a name other than {top!r}"
            yield Diagnostic(layer.at("top", i), f"layer {layer.name!r}: {text}")
        elif other is not None and not in_place:
            first = f"layer {other.name!r} ({other.at()})"
            text = f"writes {top!r}, which {first} writes too; only a layer that reads {top!r} may write it, in place"
            yield Diagnostic(layer.at("top", i), f"layer {layer.name!r}: {text}")
        seen[top] = layer


def _unwritten(bottom: str, layer: Layer, later: Layer | None, written: Iterable[str] | None) -> str:
    """What is wrong with a bottom that no layer before it writes, with what is near among `written`. `later` is a layer that does."""
    if later is None:
        if bottom == "label" and layer.kind.reads_label:
            return f"reads 'label', which no layer before it writes; {layer.type} needs it: the data layer can have it as its second top"
        return f"reads {bottom!r}, which no layer before it writes{'' if written is None else f'; {near(bottom, written)}'}"
    if later is layer:
        return f"reads {bottom!r}, which is its own top: nothing has written it yet"
    place = f"layer {later.name!r} ({later.at()})"
    return f"reads {bottom!r}, which {place} makes further down: move this layer below that, or let it read a blob from above"
