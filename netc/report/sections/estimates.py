"""What nets that estimate a number make of the test rows."""

import numpy as np
from markupsafe import Markup

from netc.graph.contract import BATCH
from netc.layers import whole
from netc.net.model import Layer, ResolvedNet
from netc.registry import section
from netc.report import charts
from netc.report.html import figure, paragraph
from netc.report.run import Run

MOST_DOTS = 1000
ESTIMATES = ("R2", "EuclideanLoss")  # layers that tell estimates and truth: their bottoms


@section("Estimates", model=True)
def estimates(run: Run) -> Markup | None:
    """Estimates of test rows against the truth."""
    layer = _estimated(run.made.test_net)
    if layer is None:
        return None
    made, truth = [], []
    for feeds, values in run.batches({"made": layer.bottoms[0]}):
        made.append(values["made"].reshape(-1))
        truth.append(np.asarray(feeds[BATCH(layer.bottoms[1])]).reshape(-1))
    x, y = np.concatenate(truth), np.concatenate(made)
    if x.shape != y.shape:
        return None
    said = "The root mean squared error of {} test rows is {:.4f}; the deviation of the truth is {:.4f}."
    points = list(zip(x[:MOST_DOTS].tolist(), y[:MOST_DOTS].tolist(), strict=True))
    picture = figure(charts.scatter("estimates", points, layer.bottoms[1], layer.bottoms[0]))
    return paragraph(said, f"{len(x):,}", _error(run, layer, x, y), x.std(dtype=np.float64)) + picture


def _error(run: Run, layer: Layer, truth: np.ndarray, made: np.ndarray) -> float:
    """The root mean squared error: the test's own figure where it has one of as many rows."""
    tested = run.scores.get(layer.tops[1]) if layer.type == "R2" and len(layer.tops) > 1 else None
    if isinstance(tested, float) and len(truth) == run.feeder.rows:
        return tested
    return float(whole.r2(layer.param, {"prediction": made, "label": truth})[1])


def _estimated(net: ResolvedNet) -> Layer | None:
    """The layer that tells estimates from the truth: a label of one number a row, of rows that are no series."""
    labels = {top for x in net.sources if x.source and not x.source.target for top in x.tops[1:]}
    return next((x for kind in ESTIMATES for x in net.layers if x.type == kind and x.bottoms[1] in labels), None)
