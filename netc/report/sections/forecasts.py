"""The section for forecasts of a table that is a series: errors beside simple forecasts, by target and by step."""

import numpy as np
from markupsafe import Markup

from netc.graph.contract import BATCH
from netc.net.model import Layer
from netc.registry import section
from netc.report import charts
from netc.report.charts import Series
from netc.report.html import charts as side_by_side
from netc.report.html import figure, paragraph, table
from netc.report.run import Run
from netc.report.scales import short
from netc.report.table_rows import SCORED
from netc.table.frequency import parse

PAST = 2  # the number of the top with the targets in the window
MOST_TARGETS = 8


@section("Beside simple forecasts", model=True)
def beside(run: Run) -> Markup | None:
    """The errors of the net beside those of persistence and of the seasonal mean, on all test windows."""
    layer = next(iter(run.made.test_net.sources), None)
    described = layer.source if layer else None
    if layer is None or described is None or described.series is None or len(layer.tops) <= PAST:
        return None
    found = _forecasts(run, layer)
    if found is None:
        return None
    made, truth, past = found
    season = parse(described.series.frequency).season
    simple = {"net": made, "persistence": persistence(past, truth.shape[1]), "seasonal mean": seasonal_mean(past, truth.shape[1], season)}
    errors = {name: np.abs(values - truth) for name, values in simple.items() if values is not None}
    rows, pictures = [], []
    for k, target in enumerate(described.series.targets):
        rows.append((target, *(short(float(np.nanmean(e[:, :, k]))) for e in errors.values())))
        if k < MOST_TARGETS and truth.shape[1] > 1:
            steps = list(range(1, truth.shape[1] + 1))
            lines = [Series(name, steps, np.nanmean(e[:, :, k], 0).tolist(), dots=True) for name, e in errors.items()]
            pictures.append(figure(charts.lines(f"error of {target}", lines, "rows ahead", f"mean absolute error of {target}")))
    lead = paragraph(
        "The mean absolute error on {} test windows. Persistence repeats the last value. The seasonal mean is the mean of the values in "
        "the window that are a multiple of {} rows before.", f"{len(truth):,}", f"{season:,}",
    )  # fmt: skip
    words = Markup("").join(paragraph("<b>{}</b>", text) for text in _remarks(described.series.targets, errors))
    return words + lead + table(("target", *errors), rows) + side_by_side(*pictures)


def _forecasts(run: Run, layer: Layer) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Forecasts and labels (windows, horizon, targets), and the targets of the windows (windows, steps, targets)."""
    label, past = layer.tops[1], BATCH(layer.tops[PAST])
    scored = next((x for kind in SCORED for x in run.made.test_net.layers if x.type == kind and x.bottoms[1:2] == (label,)), None)
    if scored is None:
        return None
    parts = [(v["made"], f[BATCH(label)], f[past]) for f, v in run.batches({"made": scored.bottoms[0]}) if past in f]
    if not parts:
        return None
    made, truth, window = (np.concatenate([np.asarray(part[k], np.float64) for part in parts]) for k in range(3))
    return (made.reshape(truth.shape), truth, window) if made.size == truth.size else None


def persistence(past: np.ndarray, horizon: int) -> np.ndarray:
    """The last known value of each window and target, for each of the next rows."""
    last = past[:, -1]
    for step in range(past.shape[1] - 2, -1, -1):
        last = np.where(np.isnan(last), past[:, step], last)
    return np.repeat(last[:, None], horizon, axis=1)


def seasonal_mean(past: np.ndarray, horizon: int, season: int) -> np.ndarray | None:
    """The mean of the values in each window that are whole seasons before each of the next rows; None if the window is too short."""
    steps = past.shape[1]
    if season < 2 or steps < season:
        return None
    made, last = [], persistence(past, 1)[:, 0]
    for ahead in range(horizon):
        own = past[:, (steps + ahead) % season :: season]
        known = np.isfinite(own)
        mean = np.where(known, own, 0).sum(1) / np.maximum(known.sum(1), 1)
        made.append(np.where(known.any(1), mean, last))
    return np.stack(made, 1)


def _remarks(targets: tuple[str, ...], errors: dict[str, np.ndarray]) -> list[str]:
    """What a user should worry about: targets for which a simple forecast is as good."""
    found = []
    for k, target in enumerate(targets):
        own = {name: float(np.nanmean(e[:, :, k])) for name, e in errors.items()}
        best = min((name for name in own if name != "net"), key=lambda name: own[name])
        if own["net"] >= own[best]:
            found.append(f"For {target}, the {best} is no worse than the net: {short(own[best])} and {short(own['net'])}.")
    return found
