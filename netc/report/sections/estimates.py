"""Predictions of regression nets for the test rows."""

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
ESTIMATES = ("R2", "EuclideanLoss")  # layers whose bottoms are predictions and true values


@section("Estimates", model=True)
def estimates(run: Run) -> Markup | None:
    """Predictions for test rows against the true values."""
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
    summary = "The RMSE of {} test rows is {:.4f}. The standard deviation of the true values is {:.4f}."
    points = list(zip(x[:MOST_DOTS].tolist(), y[:MOST_DOTS].tolist(), strict=True))
    picture = figure(charts.scatter("estimates", points, layer.bottoms[1], layer.bottoms[0]))
    return paragraph(summary, f"{len(x):,}", _error(run, layer, x, y), x.std(dtype=np.float64)) + picture


def _error(run: Run, layer: Layer, truth: np.ndarray, made: np.ndarray) -> float:
    """The RMSE: the score of the test if it covers the same rows, else computed here."""
    tested = run.scores.get(layer.tops[1]) if layer.type == "R2" and len(layer.tops) > 1 else None
    if isinstance(tested, float) and len(truth) == run.feeder.rows:
        return tested
    return float(whole.r2(layer.param, {"prediction": made, "label": truth})[1])


def _estimated(net: ResolvedNet) -> Layer | None:
    """The layer that compares predictions and labels, if there is one number per row and the rows are no time series.

    Tables have sections of their own.
    """
    labels = {top for x in net.sources if x.source and not x.source.target and x.type != "Table" for top in x.tops[1:]}
    return next((x for kind in ESTIMATES for x in net.layers if x.type == kind and x.bottoms[1] in labels), None)
