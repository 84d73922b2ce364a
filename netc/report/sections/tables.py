"""Sections for nets on tables: scores beside simple models, ranking, calibration, thresholds, and errors of numbers."""

import numpy as np
from markupsafe import Markup

from netc.registry import section
from netc.report import charts, comparison
from netc.report.charts import Series
from netc.report.html import charts as side_by_side
from netc.report.html import details, figure, paragraph, table
from netc.report.ranking import Ranked, calibration
from netc.report.run import Run
from netc.report.scales import score, short
from netc.report.table_rows import Compared, TableRun, table_layer

THRESHOLDS = np.arange(1, 20) / 20
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
MOST_DOTS, MOST_ERRORS, BINS = 1000, 12, 30
MOST_CLASSES = 20


def compared_rows(run: Run) -> Compared | None:
    """The test rows with the predictions of all models; None if the run has no table, or is too large for one pass."""
    key = "compared"
    if key not in run.kept:
        layer = table_layer(run)
        run.kept[key] = None if layer is None else TableRun(run, layer).compared
    found: Compared | None = run.kept[key]
    return found


@section("Beside simple models", model=True)
def beside(run: Run) -> Markup | None:
    """The scores of the net, a linear fit on the same rows, and a constant."""
    compared = compared_rows(run)
    if compared is None:
        return None
    scores = comparison.scores_of(compared)
    rows = [(name, *(score(value) for value in values.values())) for name, values in scores.items()]
    text = {True: "logistic regression", False: "ridge regression"}[compared.are_classes]
    constant = "shares of the classes" if compared.are_classes else "mean"
    lead = paragraph(
        "All {} test rows. The linear fit is {} on the same training rows and columns, with categories as one-hot vectors. The {} "
        "of the training rows is what one predicts without looking.", f"{len(compared.labels):,}", text, constant,
    )  # fmt: skip
    words = Markup("").join(paragraph("<b>{}</b>", remark) for remark in comparison.remarks(compared))
    return words + lead + table(("", *next(iter(scores.values()))), rows)


@section("Ranking", model=True)
def ranking(run: Run) -> Markup | None:
    """ROC, precision and recall, and gain of two classes; the areas of each of several classes."""
    compared = compared_rows(run)
    if compared is None or not compared.are_classes or len(np.unique(compared.labels)) < 2:
        return None
    if len(compared.names) > 2:
        return _each_class(compared)
    name = f"class {compared.names[1]}"
    ranked = {model: Ranked.of(made[:, 1], compared.labels == 1) for model, made in compared.models.items() if model != "majority"}
    roc = [Series(f"{m} {r.area:.3f}", [0, *r.false_alarms], [0, *r.recall]) for m, r in ranked.items()]
    precise = [Series(f"{m} {r.average_precision:.3f}", [*r.recall], [*r.precision]) for m, r in ranked.items()]
    gain = [Series(m, [0, *(r.taken / r.rows)], [0, *r.recall]) for m, r in ranked.items()]
    chance = Series("chance", [0, 1], [0, 1], dashed=True, reference=True)
    own = ranked["net"]
    lifts = [(f"{share:.0%}", f"{own.lift(share):.2f}") for share in SHARES if share * own.rows >= 1]
    pictures = side_by_side(
        figure(charts.lines("ROC curve", [*roc, chance], "share of the other rows", f"share of {name}"),
               "Rows with the highest scores come first. The numbers are the areas under the curves (AUC)."),
        figure(charts.lines("precision and recall", precise, "recall", "precision"), f"The numbers are the average precision of {name}."),
        figure(charts.lines("gain", [*gain, chance], "share of all rows", f"share of {name}"),
               f"How much of {name} is among the rows with the highest scores."),
        figure(table(("rows with the highest scores", "lift"), lifts),
               f"The lift of the net: how many times more often these rows are of {name} than all rows."),
    )  # fmt: skip
    lead = paragraph("Rows in the order of their scores for {}. Of all rows, {:.1%} are of this class.", name, own.positive / own.rows)
    return lead + pictures


def _each_class(compared: Compared) -> Markup:
    """The areas for each class against all others."""
    rows = []
    for k, name in enumerate(compared.names[:MOST_CLASSES]):
        own = compared.labels == k
        if own.any() and not own.all():
            ranked = Ranked.of(compared.net[:, k], own)
            rows.append((name, f"{int(own.sum()):,}", f"{ranked.area:.4f}", f"{ranked.average_precision:.4f}"))
    return paragraph("Each class against all others.") + table(("class", "rows", "AUC", "average precision"), rows)


@section("Calibration", model=True)
def calibrated(run: Run) -> Markup | None:
    """Whether scores are probabilities: the share of right predictions in rows of similar scores."""
    compared = compared_rows(run)
    if compared is None or not compared.are_classes:
        return None
    if len(compared.names) == 2:
        scores, hit, what = compared.net[:, 1], compared.labels == 1, f"the share of rows that are of class {compared.names[1]}"
    else:
        scores, hit = compared.net.max(1), compared.net.argmax(1) == compared.labels
        what = "the share of rows whose most likely class is right"
    bins = calibration(scores.astype(np.float64), hit)
    points = Series("net", [b.score for b in bins], [b.share for b in bins], dots=True)
    picture = charts.lines("calibration", [points, Series("perfect", [0, 1], [0, 1], dashed=True, reference=True)], "mean score", "share")
    rows = [(f"{b.score:.3f}", f"{b.share:.3f}", f"{b.rows:,}") for b in bins]
    numbers = table(("mean score", "share", "rows"), rows)
    return side_by_side(figure(picture, f"In rows of similar scores: {what}."), numbers)


@section("Thresholds", model=True)
def thresholds(run: Run) -> Markup | None:
    """What a threshold for the second of two classes gives."""
    compared = compared_rows(run)
    if compared is None or not compared.are_classes or len(compared.names) != 2 or len(np.unique(compared.labels)) < 2:
        return None
    ranked, name = Ranked.of(compared.net[:, 1], compared.labels == 1), f"class {compared.names[1]}"
    found = [(t, *ranked.at(t)) for t in THRESHOLDS]
    rows = [tuple([f"{t:.2f}", *(f"{v:.3f}" for v in values)]) for t, *values in found]
    series = [Series(label, [t for t, *_ in found], [row[k] for row in found]) for k, label in ((2, "precision"), (3, "recall"), (4, "F1"))]
    best = int(np.argmax(ranked.f1))
    lead = paragraph(
        "A row counts as {} if its score is at least the threshold. On these test rows, the F1 score is highest, {:.3f}, at {:.3f}. "
        "Choose a threshold by validation rows: <code>netc predict --threshold f1</code> takes the best one of those.",
        name, ranked.f1[best], ranked.thresholds[best],
    )  # fmt: skip
    picture = figure(charts.lines("thresholds", series, "threshold", ""))
    head = ("threshold", "share of rows", "precision", "recall", "F1")
    return lead + side_by_side(picture, table(head, rows[1::2])) + details("All thresholds", table(head, rows))


@section("Errors", model=True)
def errors(run: Run) -> Markup | None:
    """Predicted against true numbers, the distribution of the errors, and the largest ones."""
    compared = compared_rows(run)
    if compared is None or compared.are_classes:
        return None
    return Markup("").join(_errors_of(compared, k, name) for k, name in enumerate(compared.names[:MOST_CLASSES]))


def _errors_of(compared: Compared, k: int, name: str) -> Markup:
    truth, made = compared.labels[:, k], compared.net[:, k]
    error = made - truth
    chosen = np.linspace(0, len(truth) - 1, min(MOST_DOTS, len(truth))).astype(int)
    points = list(zip(truth[chosen].tolist(), made[chosen].tolist(), strict=True))
    low, high = np.quantile(error, (0.005, 0.995))
    counts, edges = np.histogram(error, BINS, (low, high) if high > low else None)
    middles = ((edges[1:] + edges[:-1]) / 2).tolist()
    pictures = side_by_side(
        figure(charts.scatter(f"predicted {name}", points, f"true {name}", f"predicted {name}"), "On the line, both are equal."),
        figure(charts.lines(f"errors of {name}", [Series("rows", middles, counts.tolist())], f"predicted minus true {name}", "rows"),
               f"Without the {np.mean((error < low) | (error > high)):.0%} of the rows with the largest errors."),
    )  # fmt: skip
    worst = np.argsort(-np.abs(error), kind="stable")[:MOST_ERRORS]
    rows = [(compared.source.place(1, int(r)), short(truth[r]), short(made[r]), short(error[r])) for r in worst]
    bias = f"The mean error is {short(float(error.mean()))}, and half of the errors are at most {short(float(np.median(np.abs(error))))}."
    return paragraph("<b>{}</b>: {}", name, bias) + pictures + table(("place", "true", "predicted", "error"), rows)
