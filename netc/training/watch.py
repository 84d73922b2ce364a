"""Measure gradients, updates and activations of each layer in a step."""

from netc.graph.contract import WATCH
from netc.runtime.session import Stepper
from netc.training.feed import Feeds


def watched(stepper: Stepper, feeds: Feeds) -> dict[str, dict[str, float]]:
    """Measure a step on `feeds` without updating the states. Returns values by layer and quantity."""
    layers: dict[str, dict[str, float]] = {}
    for name, value in stepper.run(feeds).items():
        layer, _, what = WATCH.bare(name).rpartition("/")
        layers.setdefault(layer, {})[what] = float(value.reshape(()))
    return layers
