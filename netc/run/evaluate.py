"""One pass over the test set: the mean of each scalar output, a batch counting by its labels."""

from collections.abc import Callable, Mapping

import numpy as np

from netc import registry
from netc.layers.context import BATCH
from netc.lower import OUT
from netc.net import Net
from netc.run.feed import Feeder, Feeds
from netc.session import Stepper

Scores = dict[str, float]


class Stopped(Exception):
    """A test was given up before its end."""


def evaluate(stepper: Stepper, feeder: Feeder, batches: int | None, static: bool, stop: Callable[[], bool] = lambda: False) -> Scores:
    """The mean over `batches` batches (None: one pass) of every output that is a number.

    A batch counts by the labels of the layer that made the output, those that it ignores left out; by its rows where it has none.
    A net whose batch is `static` cannot take the short last batch of a pass and leaves it out. What the net carries from
    batch to batch, all that a test writes, is zero before the first. Raises Stopped once `stop()` is true.
    """
    stepper.states.zero(stepper.writes.values())
    count = batches or feeder.batches or 1
    sums: dict[str, float] = {}
    totals: dict[str, int] = {}
    for index in range(count):
        if stop():
            raise Stopped
        feeds = feeder(index) if batches else feeder.once(index)
        size = feeder.size(feeds)
        if static and size < feeder.batch_size:
            continue
        counts = _label_counts(feeder.net, feeds)
        for name, value in feeder.kept(stepper.run(feeds)).items():
            if value.size == 1:
                weight = counts.get(name, size)
                sums[name] = sums.get(name, 0.0) + float(value.reshape(())) * weight
                totals[name] = totals.get(name, 0) + weight
    means = {name: total / max(1, totals[name]) for name, total in sums.items()}
    return {n.removeprefix(OUT): v for n, v in means.items() if n != "loss" or OUT + "loss" not in means}


def layer_scores(net: Net, states: Mapping[str, np.ndarray], feeder: Feeder, batches: int | None, seed: int) -> Scores:
    """What takes longer than a pass: the scores (`registry.score`) of layers that read the data and whose own loss the net names."""
    sources = {top for layer in net.sources for top in layer.tops}
    found: Scores = {}
    for layer in net.layers:
        if layer.type in registry.score and len(layer.tops) > layer.facts["own_loss"] and layer.bottoms[0] in sources:
            rows = np.concatenate([feeder(k)[BATCH + layer.bottoms[0]] for k in range(batches or feeder.batches or 1)])
            found |= registry.score[layer.type](layer.param, states, rows, seed)
    return found


def _label_counts(net: Net, feeds: Feeds) -> dict[str, int]:
    """Of each loss and metric whose labels are fed: how many of them it takes the mean of."""
    found: dict[str, int] = {}
    for layer in net.layers:
        labels = feeds.get(BATCH + layer.bottoms[1]) if len(layer.bottoms) > 1 and layer.tops else None
        if labels is None or not (layer.facts.get("loss") or layer.facts.get("metric")):
            continue
        p = layer.param.accuracy_param if layer.facts.get("metric") else layer.param.loss_param
        counted = np.count_nonzero(labels != p.ignore_label) if p.HasField("ignore_label") else labels.size
        found[OUT + layer.tops[0]] = int(counted)
    return found


def monitored(net: Net, asked: str) -> tuple[str, bool]:
    """The output that tells which model is best, and whether more of it is better: `asked`, the first metric, or the loss."""
    metrics = [layer.tops[0] for layer in net.layers if layer.facts.get("metric") and layer.tops]
    losses = [layer.tops[0] for layer in net.layers if layer.facts.get("loss") and layer.tops]
    name = asked or (metrics + losses + ["loss"])[0]
    return name, name in metrics


def finite(values: Mapping[str, np.ndarray]) -> bool:
    """Whether every number is one."""
    return all(np.isfinite(v).all() for v in values.values())
