"""What `watch` asks of a step: numbers of each layer."""

from netc.graph.contract import WATCH
from netc.runtime.session import Stepper
from netc.training.feed import Feeds


def watched(stepper: Stepper, feeds: Feeds) -> dict[str, dict[str, float]]:
    """What the step on `feeds` would do to each layer, by layer and what is measured."""
    layers: dict[str, dict[str, float]] = {}
    for name, value in stepper.run(feeds).items():
        layer, _, what = WATCH.bare(name).rpartition("/")
        layers.setdefault(layer, {})[what] = float(value.reshape(()))
    return layers
