"""Checks of the layers of a net together: blobs that no layer writes, blobs that two layers write."""

from collections.abc import Iterable, Mapping

from netc.errors import MAX_ERRORS, Diagnostic, near
from netc.net.model import Layer


def blob_errors(layers: list[Layer], left_out: Mapping[str, str]) -> Iterable[Diagnostic]:
    """Errors for bottoms that no layer above writes, and for tops that two layers write."""
    written: dict[str, Layer] = {}
    writers = {top: layer for layer in reversed(layers) for top in layer.tops}  # the first layer that writes each blob
    unsure = False  # whether a layer above may have tops that its broken text does not show
    unwritten = 0
    for layer in layers:
        stated = not layer.doubt or layer.document.states("layer", layer.index, "bottom")
        for i, bottom in enumerate(layer.bottoms if stated and not unsure else ()):
            if bottom not in written:
                unwritten += 1
                later = writers.get(bottom)
                text = left_out.get(bottom) if later is None else None
                is_label = bottom == "label" and layer.kind.reads_label
                wanted = later is None and text is None and not is_label and unwritten <= MAX_ERRORS  # searching for similar names is slow
                text = f"Layer {layer.name!r}: {text or _unwritten(bottom, layer, later)}"
                yield Diagnostic(layer.at("bottom", i), text, near(bottom, written) if wanted else None)
        shows_tops = layer.document.states("layer", layer.index, "top") or (layer.tops and layer.type) or layer.kind.writes_nothing
        unsure |= bool(layer.doubt) and not shows_tops
        yield from _top_errors(layer, written)
        for top in layer.tops:
            written.setdefault(top, layer)


def weight_errors(layers: list[Layer]) -> Iterable[Diagnostic]:
    """Errors for weights of rows that no layer reads, in a net with a loss. Without them, all rows would count alike."""
    read = {bottom for layer in layers for bottom in layer.bottoms}
    losses = [layer for layer in layers if layer.kind.loss]
    for layer in layers if losses else ():
        if layer.param.table_param.weight and not read & {*layer.tops[2:3]}:
            bottoms = ", ".join([*losses[0].bottoms[:2], *(layer.tops[2:3] or ["weight"])])
            text = f"No layer reads the weights of the rows. Add them to the loss: `{losses[0].type}: {{bottom: [{bottoms}]}}`."
            yield Diagnostic(layer.at("table_param", "weight"), f"Layer {layer.name!r}: {text}")


def _top_errors(layer: Layer, written: Mapping[str, Layer]) -> Iterable[Diagnostic]:
    """Errors for tops that the layer may not write."""
    seen: dict[str, Layer] = {}
    for i, top in enumerate(layer.tops):
        in_place = i < len(layer.bottoms) and layer.bottoms[i] == top
        other = written.get(top) or seen.get(top)
        if in_place and layer.kind.in_place is False:
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
    if bottom == "label" and layer.kind.reads_label:
        return f"It reads 'label', which no layer above writes. {layer.type} needs labels: add `label` as the second top of the data layer."
    return f"It reads {bottom!r}, which no layer above writes."
