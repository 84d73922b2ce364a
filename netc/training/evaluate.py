"""Test a net: compute each loss and metric as if one batch held the whole test set, whatever the batch size."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc import registry
from netc.compiler.lower import Lowered
from netc.errors import DataError, Diagnostic, Place, SpecError
from netc.graph.contract import BATCH, LOSS, OUT, ROWS, SUM, Prefix
from netc.graph.tensor_type import Dim
from netc.net.model import Layer, ResolvedNet
from netc.training.feed import Feeder
from netc.training.tester import TestNet

Score = float | list[float | None]  # None for a class without labels
Scores = dict[str, Score]


class Stopped(Exception):
    """A test was stopped before its end."""


class Tally:
    """Accumulates the outputs of the batches of a test. `batch` is the batch size of the net, "N" for any."""

    def __init__(self, lowered: Lowered, batch: Dim):
        self.lowered = lowered
        self._sums: dict[str, np.ndarray | float] = {}
        self._rows: dict[str, list[np.ndarray]] = {}
        numbers = [n for n, v in lowered.graph.outputs.items() if not v.rank or (batch != 1 and all(d == 1 for d in v.shape))]
        self._plain = [n for n in numbers if n == LOSS or n in OUT]
        self._totals = dict.fromkeys(self._plain, 0.0)
        self._count = 0

    def add(self, results: Mapping[str, np.ndarray], rows: int) -> None:
        """Add the results of a batch with this number of rows."""
        for name, array in results.items():
            if name in SUM:
                self._sums[name] = self._sums.get(name, 0.0) + array.astype(np.float64)
            elif name in ROWS:
                self._rows.setdefault(name, []).append(array)
        for name in self._plain:
            self._totals[name] += float(results[name].reshape(())) * rows
        self._count += rows

    def scores(self) -> Scores:
        """The scores: losses and metrics of the whole set; other scalar outputs as means over batches, weighted by rows."""
        tops = self._tops()
        scores: Scores = {}
        for name in self.lowered.graph.outputs:
            top = OUT.bare(name)
            if name == LOSS and OUT(LOSS) not in self.lowered.graph.outputs:
                scores["loss"] = self._loss(tops)
            elif name in OUT and (top in tops or name in self._totals):
                scores[top] = tops[top] if top in tops else self._totals[name] / max(1, self._count)
        return scores | self._per_character(scores)

    def _per_character(self, scores: Scores) -> Scores:
        """The losses of the tokens of a text for each character, which compare between tokenizers: the loss of a token by its length."""
        found: Scores = {}
        for layer in self.lowered.net.layers:
            means = layer.param.loss_param.normalization in (pb.LossParameter.VALID, pb.LossParameter.FULL)
            if layer.type != "SoftmaxWithLoss" or not means or len(layer.bottoms) < 2:
                continue
            sources = [s.source for s in self.lowered.net.sources if s.source and layer.bottoms[1] in s.tops[1:2]]
            value = scores.get(layer.tops[0])
            if sources and sources[0].characters and isinstance(value, float):
                found[f"{layer.tops[0]}_per_character"] = value / sources[0].characters
        return found

    def _tops(self) -> Scores:
        """The tops of losses and metrics that are computed from the whole set."""
        scores: Scores = {}
        for layer in self.lowered.net.layers:
            record = self._record(layer)
            if record and layer.kind.whole:
                tops = layer.tops[layer.kind.own_loss or 0 :]
                scores |= {t: _score(v) for t, v in zip(tops, layer.kind.whole(layer.param, record), strict=False)}
        return scores

    def _record(self, layer: Layer) -> dict[str, np.ndarray]:
        own = Prefix(f"{layer.name}/")
        sums, rows = own.within(SUM.within(self._sums)), own.within(ROWS.within(self._rows))
        return {n: np.asarray(v) for n, v in sums.items()} | {n: np.concatenate(v) for n, v in rows.items()}

    def _loss(self, tops: Scores) -> Score:
        """The weighted sum of all losses. Losses without a rule for the whole set are averaged over batches."""
        layers = self.lowered.net.layers
        weights = [(t, w) for x in layers for t, w in zip(x.tops, x.loss_weights, strict=True) if w]
        values = [(tops.get(t), w) for t, w in weights]
        if all(isinstance(v, float) for v, _ in values):
            return math.fsum(v * w for v, w in values if isinstance(v, float))
        return self._totals["loss"] / max(1, self._count)


def evaluate(net: TestNet, feeder: Feeder, batches: int | None, stop: Callable[[], bool] = lambda: False) -> Scores:
    """Compute the scores over `batches` batches (None: one pass).

    The carried state is zero before the first batch. Raises Stopped once `stop()` is true. DataError for invalid data, such as labels
    that are out of range, or NaN.
    """
    net.restart()
    tally = Tally(net.lowered, net.batch)
    for index in range(batches or feeder.batches or 1):
        if stop():
            raise Stopped
        feeds = feeder(index) if batches else feeder.once(index)
        rows = feeder.size(feeds)
        results = net.run(feeds, rows)
        if results is None:
            continue
        if not finite(results) and (errors := feeder.no_numbers(feeds, index)):
            raise DataError(*errors)
        tally.add(feeder.kept(results), rows)
    return tally.scores()


def layer_scores(net: ResolvedNet, states: Mapping[str, np.ndarray], feeder: Feeder, batches: int | None, seed: int) -> Scores:
    """The expensive scores (`registry.score`) of layers that read the data and whose own loss is in the net."""
    sources = {top for layer in net.sources for top in layer.tops}
    scores: Scores = {}
    for layer in net.layers:
        if layer.type in registry.score and len(layer.tops) > (layer.kind.own_loss or 0) and layer.bottoms[0] in sources:
            rows = np.concatenate([feeder(k)[BATCH(layer.bottoms[0])] for k in range(batches or feeder.batches or 1)])
            scores |= registry.score[layer.type](layer.param, states, rows, seed)
    return scores


def monitored_value(scores: Scores, name: str, place: Place) -> float:
    """The score that selects the best model. SpecError, at `place`, if there is no such score."""
    value = scores.get(name)
    if isinstance(value, float):
        return value
    numbers = ", ".join(singles(scores))
    what = f"the test net has no output {name!r}" if value is None else f"{name!r} has {len(value)} numbers; expected one"
    raise SpecError(Diagnostic(place, f"{what}; it has {numbers}"))


def singles(scores: Mapping[str, Any]) -> dict[str, float]:
    """The scores that consist of one number."""
    return {name: value for name, value in scores.items() if isinstance(value, float | int)}


def values(scores: Scores) -> Iterable[float]:
    """All numbers in the scores."""
    for value in scores.values():
        yield from ([value] if isinstance(value, float | int) else (v for v in value if v is not None))


def finite(values: Mapping[str, np.ndarray]) -> bool:
    """Whether all values are finite."""
    return all(np.isfinite(v).all() for v in values.values() if v.dtype.kind == "f")


def _score(value: np.ndarray | float) -> Score:
    """One number as a float, several as a list with None for NaN."""
    array = np.asarray(value, np.float64)
    return [None if np.isnan(v) else float(v) for v in array.reshape(-1)] if array.ndim else float(array)
