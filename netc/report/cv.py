"""The report of a cross-validation: the scores of each fold, their mean and deviation, and the predictions of all rows."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from netc.report import charts
from netc.report.compare import curves
from netc.report.compare import lines as aligned
from netc.report.html import details, figure, paragraph, seconds, table
from netc.report.page import Filled, render
from netc.report.progress import scores_text
from netc.report.run import Run
from netc.training.evaluate import singles

MOST_CLASSES = 100
Rows = list[tuple[str, ...]]


def scores_of(run: Run) -> str:
    """The scores of a fold in one line."""
    known = run.record
    best = f" after {known.best:,} iterations" if known and known.best is not None else ""
    return f"{scores_text(run.scores)}{best}"


def summary(runs: Sequence[Run]) -> dict[str, tuple[float, float]]:
    """The mean and the standard deviation over the folds of each score that is one number. The deviation divides by folds - 1."""
    names = dict.fromkeys(name for run in runs for name in singles(run.scores))
    found = {name: np.array([singles(run.scores).get(name, np.nan) for run in runs], np.float64) for name in names}
    return {name: (float(values.mean()), float(values.std(ddof=1))) for name, values in found.items()}


def lines(runs: Sequence[Run]) -> list[str]:
    """The mean and the deviation of each score, as lines of text."""
    rows = [(name, f"{mean:.4f}", "±", f"{deviation:.4f}") for name, (mean, deviation) in summary(runs).items()]
    return aligned([("score", "mean", "", "deviation"), *rows])


def page(title: str, runs: Sequence[Run], labels: np.ndarray | None, predicted: np.ndarray | None, names: Sequence[str]) -> str:
    """The HTML page. `labels` and `predicted` are the classes of all rows, or their numbers if there are no `names`, if known."""
    filled = [Filled("Scores", _scores(runs)), Filled("Folds", _folds(runs))]
    if labels is not None and predicted is not None:
        filled.append(Filled("Predictions of all rows", _confusion(labels, predicted, names) if names else _scatter(labels, predicted)))
    filled.append(Filled("Curves", curves(runs, [f"fold {k}" for k in range(len(runs))])))
    filled.append(Filled("Runs", details("The folder of each fold", table(("fold", "run"), _places(runs), numbers=False))))
    return render(title, filled)


def _scores(runs: Sequence[Run]) -> Markup:
    rows = [(name, f"{mean:.4f}", f"± {deviation:.4f}") for name, (mean, deviation) in summary(runs).items()]
    text = "Each fold was tested once, by a net that was trained on the other {}. The deviation is that between folds."
    return table(("score", "mean", "deviation"), rows) + paragraph(text, len(runs) - 1 if len(runs) > 2 else "one")


def _folds(runs: Sequence[Run]) -> Markup:
    names = list(summary(runs))
    rows = [(str(k), *(_number(singles(run.scores).get(name)) for name in names), *_ended(run)) for k, run in enumerate(runs)]
    return table(("fold", *names, "best at", "iterations", "time"), rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _ended(run: Run) -> tuple[str, str, str]:
    known = run.record
    if known is None:
        return "-", "-", "-"
    return "-" if known.best is None else f"{known.best:,}", f"{known.iteration:,}", seconds(known.seconds)


def _confusion(labels: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> Markup:
    size = len(names)
    counts = np.bincount(labels * size + predicted, minlength=size * size).reshape(size, size)
    right = int(np.trace(counts))
    text = paragraph("{:,} of {:,} rows are predicted correctly ({:.2%}), each by the net that was trained without it.",
                     right, len(labels), right / len(labels))  # fmt: skip
    if size > MOST_CLASSES:
        return text
    picture = charts.heat_map("confusion matrix", counts.tolist(), list(names), "true class", "predicted class")
    return text + figure(picture, "Each cell is shaded by its share of the row.")


def _scatter(labels: np.ndarray, predicted: np.ndarray) -> Markup:
    shown = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), 1000)).astype(np.int64))
    points = list(zip(labels[shown].tolist(), predicted[shown].tolist(), strict=True))
    rmse = float(np.sqrt(np.mean((labels.astype(np.float64) - predicted) ** 2)))
    text = (
        "The RMSE of {:,} rows is {:.4f}, each predicted by the net that was trained without it. The deviation of their values is {:.4f}."
    )
    return paragraph(text, len(labels), rmse, labels.std(dtype=np.float64)) + figure(
        charts.scatter("predictions", points, "label", "predicted")
    )


def _places(runs: Sequence[Run]) -> Rows:
    return [(str(k), str(run.path)) for k, run in enumerate(runs)]
