"""Labels that mixup and cutmix mix: the loss reads the label of the other row and the share of the first one too."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from netc.errors import Diagnostic
from netc.net.model import Layer


def with_partners(layers: Sequence[Layer]) -> list[Layer]:
    """The layers, with two more bottoms for each loss that reads mixed labels: the label of the other row, and the share of the first."""
    mixed = _mixed(layers)
    return [
        replace(layer, bottoms=(*layer.bottoms, *mixed[layer.bottoms[1]].tops[2:4]), mixed=True) if _can_mix(layer, mixed) else layer
        for layer in layers
    ]


def mixing_errors(layers: Sequence[Layer]) -> Iterable[Diagnostic]:
    """An error for each layer that reads mixed labels as if each row had one: losses without weights of rows, layers that change labels.

    A metric reads the label with the larger share.
    """
    mixed = _mixed(layers)
    for layer in layers:
        for k, bottom in enumerate(layer.bottoms):
            if bottom in mixed and not (layer.mixed or layer.kind.metric or layer.kind.writes_nothing or layer.doubt):
                source = mixed[bottom]
                text = f"The rows of layer {source.name!r} are mixed, so each has two labels, and {layer.type} cannot take them."
                if layer.kind.loss and layer.kind.weighs_rows:
                    text = f"The rows of layer {source.name!r} are mixed, so they have no weights. Remove the third bottom, or the mixing."
                yield Diagnostic(layer.at("bottom", k), f"Layer {layer.name!r}: {text}")


def _mixed(layers: Sequence[Layer]) -> dict[str, Layer]:
    """The sources of mixed labels, by the names of the labels."""
    return {layer.tops[1]: layer for layer in layers if layer.source and layer.source.added}


def _can_mix(layer: Layer, mixed: dict[str, Layer]) -> bool:
    """Whether a loss takes mixed labels: it must take weights of rows, and have none."""
    return layer.kind.loss and layer.kind.weighs_rows and len(layer.bottoms) == 2 and layer.bottoms[1] in mixed
