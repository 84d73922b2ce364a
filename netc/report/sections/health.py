"""Gradients, updates and activations of each layer during training, from the `watch` lines of the log."""

from collections.abc import Iterable

from markupsafe import Markup

from netc.registry import section
from netc.report import charts
from netc.report.charts import Series
from netc.report.html import charts as side_by_side
from netc.report.html import figure, paragraph
from netc.report.run import Lines, Run

MOST_LAYERS = 12  # per chart
WATCHED = {
    "gradient": (
        "gradient norm", True,
        "L2 norm of the gradient for the parameters of each layer. If the lines are far apart, the gradient vanishes or explodes.",
    ),
    "update": ("update to weight ratio", True, "Norm of an update divided by the norm of the parameters. About 1e-3 is typical."),
    "mean": ("activation mean", False, "Mean of the output of each layer."),
    "deviation": ("activation deviation", True, "Standard deviation of the output of each layer. Near 0, all rows have the same output."),
    "zero": ("activations at zero", False, "Fraction of exact zeros, for example units that ReLU or dropout switched off."),
    "saturated": ("activations saturated", False, "Fraction of outputs in the outer 5 % of the range, where slopes are small."),
}  # fmt: skip


@section("Gradient health")
def gradient_health(run: Run) -> Markup | None:
    """One chart per quantity, with one line per layer."""
    lines, before = run.events("watch"), run.events("prewatch")
    if not lines and not before:
        return None
    parts = [paragraph("{}", text)] if lines and (text := verdict(lines)) else []
    parts.append(side_by_side(*charts_of(lines)))
    if before:
        parts.append(paragraph("During pretraining, each layer with its own loss:"))
        parts.append(side_by_side(*charts_of(before, "pretraining ")[:2]))
    return Markup("").join(parts)


def charts_of(lines: Lines, prefix: str = "") -> list[Markup]:
    """The charts of all quantities in the lines, without empty ones."""
    figures = []
    for what, (name, log, caption) in WATCHED.items():
        layers = _layers(lines, what)
        series = [_series(lines, layer, what) for layer in layers]
        if any(any(s.y) for s in series):
            figures.append(figure(charts.lines(prefix + name, series, "iteration", name, log=log, ordered=True), caption))
    return figures


def _layers(lines: Lines, what: str) -> list[str]:
    """The layers of a chart. If there are many, only activations, not the layers with parameters before them."""
    learns_by_layer = {layer: "gradient" in values for line in lines for layer, values in line["layers"].items() if what in values}
    without = [layer for layer, learns in learns_by_layer.items() if not learns]
    return without if len(learns_by_layer) > MOST_LAYERS and without else list(learns_by_layer)


def _series(lines: Lines, layer: str, what: str) -> Series:
    own = [line for line in lines if what in line["layers"].get(layer, {})]
    return Series(layer, [line["iteration"] for line in own], [line["layers"][layer][what] for line in own])


def verdict(lines: Lines) -> str:
    """Compare the gradients of the first and the last layer, as text. "" if only one layer is trained."""
    first, last = (_gradients(line["layers"].values()) for line in (lines[0], lines[-1]))
    if len(first) < 2 or len(last) < 2:
        return ""
    names = [layer for layer, values in lines[0]["layers"].items() if "gradient" in values]
    ratios = [_three_digits(gradients[-1] / gradients[0]) if gradients[0] else "infinitely many" for gradients in (first, last)]
    start, end = lines[0]["iteration"], lines[-1]["iteration"]
    text = f"The gradient of the last layer, {names[-1]}, is {ratios[0]} times that of the first, {names[0]}, at iteration {start:,}"
    return f"{text}, and {ratios[1]} times at {end:,}."


def _gradients(layers: Iterable[dict[str, float]]) -> list[float]:
    return [values["gradient"] for values in layers if "gradient" in values]


def _three_digits(ratio: float) -> str:
    return f"{ratio:.3g}" if ratio < 1000 else f"{float(f'{ratio:.3g}'):,.0f}"
