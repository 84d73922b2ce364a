"""What nets that estimate a number make of the test rows."""

import numpy as np
from markupsafe import Markup

from netc.layers.context import BATCH
from netc.net import Net
from netc.registry import section
from netc.report import charts
from netc.report.html import figure, paragraph
from netc.report.run import Run

MOST_DOTS = 1000
ESTIMATES = ("R2", "EuclideanLoss")  # layers that tell estimates and truth: their bottoms


@section("Estimates", model=True)
def estimates(run: Run) -> Markup | None:
    """Estimates of test rows against the truth."""
    found = _estimated(run.made.test_net)
    if found is None:
        return None
    made, truth = [], []
    for feeds, values in run.batches({"made": run.made.test[0].versions[found[0]][-1]}):
        made.append(values["made"].reshape(-1))
        truth.append(np.asarray(feeds[BATCH + found[1]]).reshape(-1))
    x, y = np.concatenate(truth), np.concatenate(made)
    if x.shape != y.shape:
        return None
    error, spread = float(np.sqrt(np.mean((y - x) ** 2, dtype=np.float64))), float(x.std(dtype=np.float64))
    said = "The root mean squared error of {} test rows is {:.4g}; the deviation of the truth is {:.4g}."
    points = list(zip(x[:MOST_DOTS].tolist(), y[:MOST_DOTS].tolist(), strict=True))
    return paragraph(said, f"{len(x):,}", error, spread) + figure(charts.scatter("estimates", points, found[1], found[0]))


def _estimated(net: Net) -> tuple[str, str] | None:
    """The blob of estimates and that of the truth: a label of one number a row, of rows that are no series."""
    labels = {top for x in net.sources if x.source and not x.source.target for top in x.tops[1:]}
    layers = [x for kind in ESTIMATES for x in net.layers if x.type == kind and x.bottoms[1] in labels]
    return layers[0].bottoms if layers else None  # type: ignore[return-value]
