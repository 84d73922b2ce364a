"""Labels against the scores that a net has for them."""

from collections.abc import Mapping

import numpy as np

from netc.errors import Fault
from netc.layers.context import BATCH
from netc.lower import Lowered
from netc.net import Layer


def scored(lowered: Lowered) -> dict[str, tuple[int, Layer]]:
    """How many classes a net has scores for, by the blob of the labels, and the layer that compares them.

    Layers that compare scores with labels state `class_axis`, which gives the axis of the classes for a layer's message.
    """
    found: dict[str, tuple[int, Layer]] = {}
    for layer in lowered.net.layers:
        axis_of = layer.facts.get("class_axis")
        if axis_of and len(layer.bottoms) > 1:
            classes = lowered.versions[layer.bottoms[0]][-1].shape[axis_of(layer.param)]
            if isinstance(classes, int) and classes <= found.get(layer.bottoms[1], (classes, layer))[0]:
                found[layer.bottoms[1]] = classes, layer
    return found


def beyond(lowered: Lowered, feeds: Mapping[str, np.ndarray]) -> Fault | None:
    """What to say of a batch with a label that the net has no score for; None if it has none."""
    for label, (classes, layer) in scored(lowered).items():
        values = feeds.get(BATCH + label)
        if values is not None and values.size and values.max() >= classes:
            scores = f"{layer.bottoms[0]!r} has scores for {classes} classes, 0 to {classes - 1}"
            text = f"layer {layer.name!r} ({layer.type}): a label is {int(values.max())}, but {scores}; `netc check --data` counts such"
            return Fault(layer.at(), text)
    return None
