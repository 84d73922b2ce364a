"""The rows of a table as reports compare them: labels, the predictions of the net, and those of a linear fit on the same training rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netc.data import Source
from netc.graph.contract import BATCH
from netc.net.model import Layer
from netc.report.linear import BLOCK, Design, logistic, ridge
from netc.report.run import Run
from netc.table.columns.define import column_types

MOST_TRAINED = 20_000  # rows that the linear fit reads, evenly spaced
SCORED = ("R2", "MAE", "RMSE", "Deviance", "EuclideanLoss")  # layers whose bottoms are predictions and labels


@dataclass(frozen=True)
class Compared:
    """Test rows: their labels, and what the net, a linear fit and a constant predict for them.

    For classes, labels are int64 (N,), and predictions are probabilities (N, classes). For numbers, all are float64 (N, targets).
    `numbers` are the rows' numbers in the table. `names` are the classes, or the label columns.
    """

    labels: np.ndarray
    net: np.ndarray
    linear: np.ndarray
    constant: np.ndarray
    numbers: np.ndarray
    names: tuple[str, ...]
    source: Source
    are_classes: bool

    @property
    def models(self) -> Mapping[str, np.ndarray]:
        """The predictions, by what made them."""
        return {"net": self.net, "linear": self.linear, "majority" if self.are_classes else "mean": self.constant}


def table_layer(run: Run) -> Layer | None:
    """The Table layer of the test net, if its rows are no series and have labels; None for other nets."""
    layer = next(iter(run.made.test_net.sources), None)
    if layer is None or layer.type != "Table" or layer.source is None or layer.source.series or len(layer.source.tops) < 2:
        return None
    return layer


@dataclass(frozen=True)
class TableRun:
    """A run of a net on a table."""

    run: Run
    layer: Layer

    @cached_property
    def compared(self) -> Compared | None:
        """The test rows with all predictions; None if the net has no predictions to compare, or several labels that are true or false."""
        described = self.layer.source
        assert described is not None
        labels = described.tops[1]
        if labels.dtype == "int64":
            return self._classes()
        return None if described.classes else self._numbers()

    @cached_property
    def tested(self) -> Source:
        return self.run.feeder.sources[0]

    @cached_property
    def trained(self) -> tuple[np.ndarray, np.ndarray]:
        """Encoded training rows and their labels."""
        layer = self.run.made.train_net.sources[0]
        assert layer.reader is not None
        source = layer.reader.source()
        rows = np.arange(source.rows or 0)
        rows = rows if len(rows) <= MOST_TRAINED else rows[np.linspace(0, len(rows) - 1, MOST_TRAINED).astype(np.int64)]
        return source.stored(0, rows), source.stored(1, rows)

    def _designs(self, count: int) -> tuple[np.ndarray, Iterator[np.ndarray]]:
        """The rows for a linear fit: those of training, and the first test rows in parts."""
        described = self.layer.source
        assert described is not None
        made = Design(column_types(described.tops[0].fitted))
        parts = (np.arange(k, min(k + BLOCK, count)) for k in range(0, count, BLOCK))
        return made(self.trained[0]), (made(self.tested.stored(0, rows)) for rows in parts)

    def _classes(self) -> Compared | None:
        found, count = self.run.classified, len(self.run.made.classes)
        if found is None or found.scores.shape[1] != count or not len(found.labels) or len(found.labels) != self.tested.rows:
            return None
        labels = self.trained[1]
        train, test = self._designs(len(found.labels))
        shares = np.bincount(labels, minlength=count) / len(labels)
        constant = np.tile(shares, (len(found.labels), 1))
        linear = logistic(train, labels, test, count)
        return Compared(found.labels, found.scores, linear, constant, np.arange(len(found.labels)), found.names, self.tested, True)

    def _numbers(self) -> Compared | None:
        label = self.layer.tops[1]
        scored = next((x for kind in SCORED for x in self.run.made.test_net.layers if x.type == kind and x.bottoms[1:2] == (label,)), None)
        if scored is None:
            return None
        made, truth = [], []
        for feeds, values in self.run.batches({"made": scored.bottoms[0]}):
            made.append(values["made"].reshape(len(values["made"]), -1))
            truth.append(np.asarray(feeds[BATCH(label)]).reshape(len(made[-1]), -1))
        net, labels = np.concatenate(made).astype(np.float64), np.concatenate(truth).astype(np.float64)
        if net.shape != labels.shape or not len(net):
            return None
        of_training = self.trained[1].reshape(len(self.trained[1]), -1).astype(np.float64)
        train, test = self._designs(len(net))
        constant = np.tile(of_training.mean(0), (len(net), 1))
        names = tuple(self.layer.param.table_param.label)
        return Compared(labels, net, ridge(train, of_training, test), constant, np.arange(len(net)), names, self.tested, False)
