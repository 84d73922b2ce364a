"""Scores of a net on a table beside those of a linear fit and of a constant, and what they mean in words."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from netc.report.ranking import Ranked, calibration_error
from netc.report.table_rows import Compared

LEAST = 1e-15
Measure = Callable[[Compared, np.ndarray], float]
CLEAR = 0.005  # a relative difference of losses below this is none


def scores_of(compared: Compared) -> dict[str, dict[str, float]]:
    """Return the scores, by measure and model. The first measure decides which model is better: less is better."""
    measures = _class_measures(compared) if compared.are_classes else _number_measures(compared)
    return {name: {model: measure(compared, made) for model, made in compared.models.items()} for name, measure in measures.items()}


def _class_measures(compared: Compared) -> Mapping[str, Measure]:
    several: dict[str, Measure] = {"log-loss": log_loss, "accuracy": accuracy}
    if len(compared.names) != 2 or len(np.unique(compared.labels)) != 2:
        return several
    more: dict[str, Measure] = {
        "AUC": lambda c, p: Ranked.of(p[:, 1], c.labels == 1).area,
        "average precision": lambda c, p: Ranked.of(p[:, 1], c.labels == 1).average_precision,
        "Brier score": lambda c, p: float(np.mean((p[:, 1] - (c.labels == 1)) ** 2)),
        "calibration error": lambda c, p: calibration_error(p[:, 1], c.labels == 1),
    }
    return several | more


def _number_measures(compared: Compared) -> Mapping[str, Measure]:
    found: dict[str, Measure] = {"RMSE": rmse, "MAE": mae, "R2": r2}
    if (compared.labels >= 0).all() and all((made > 0).all() for made in (compared.net, compared.constant)):
        found["Poisson deviance"] = poisson_deviance
    return found


def log_loss(compared: Compared, made: np.ndarray) -> float:
    """The mean of -log p of the true class."""
    return float(-np.mean(np.log(np.maximum(made[np.arange(len(made)), compared.labels].astype(np.float64), LEAST))))


def accuracy(compared: Compared, made: np.ndarray) -> float:
    """The share of rows whose most likely class is the true one."""
    return float(np.mean(made.argmax(1) == compared.labels))


def rmse(compared: Compared, made: np.ndarray) -> float:
    """The root of the mean square error, over all targets."""
    return float(np.sqrt(np.mean((made - compared.labels) ** 2)))


def mae(compared: Compared, made: np.ndarray) -> float:
    """The mean absolute error, over all targets."""
    return float(np.mean(np.abs(made - compared.labels)))


def r2(compared: Compared, made: np.ndarray) -> float:
    """The coefficient of determination, over all targets together."""
    away = np.mean((compared.labels - compared.labels.mean(0)) ** 2)
    return float(1 - np.mean((made - compared.labels) ** 2) / away) if away else 0.0


def poisson_deviance(compared: Compared, made: np.ndarray) -> float:
    """The mean Poisson deviance; NaN if a prediction is not above 0."""
    y, p = compared.labels, made
    if not (p > 0).all():
        return float("nan")
    return float(2 * np.mean(np.where(y > 0, y * np.log(np.where(y > 0, y, 1) / p), 0) - y + p))


def remarks(compared: Compared) -> Iterator[str]:
    """Yield what the scores mean, a sentence each: what a user should worry about first."""
    scores = scores_of(compared)
    measure, values = next(iter(scores.items()))
    constant = "majority" if compared.are_classes else "mean"
    if compared.are_classes:
        predicted = np.unique(compared.net.argmax(1))
        if len(predicted) == 1 and len(np.unique(compared.labels)) > 1:
            yield f"The net predicts one class only, {compared.names[int(predicted[0])]!r}, for all {len(compared.labels):,} test rows."
    elif np.ptp(compared.net, axis=0).max() < 1e-6 * max(1e-12, float(np.ptp(compared.labels, axis=0).max())):
        yield f"The net predicts the same number for all {len(compared.labels):,} test rows."
    net, linear, least = (f"{values[model]:.4f}" for model in ("net", "linear", constant))
    what = "the shares of the classes" if compared.are_classes else "the mean"
    if values["net"] >= values[constant] * (1 - CLEAR):
        yield f"The net is no better than predicting {what} for every row: its {measure} is {net}, and that of the {constant} {least}."
    elif values["net"] > values["linear"] * (1 + CLEAR):
        yield f"A linear fit on the same rows is better: its {measure} is {linear}, and that of the net {net}."
    elif values["net"] > values["linear"] * (1 - CLEAR):
        yield f"The net is about as good as a linear fit on the same rows, whose {measure} is {linear}."


def summary(compared: Compared) -> str:
    """The scores of the linear fit and of the constant in one line."""
    scores = scores_of(compared)
    shown = ("accuracy", "AUC", "log-loss") if compared.are_classes else ("R2", "RMSE", "MAE")
    models = [model for model in compared.models if model != "net"]
    kinds = {"linear": "a linear fit", "majority": "the majority", "mean": "the mean"}
    parts = [f"{kinds[model]}: " + ", ".join(f"{name} {scores[name][model]:.4f}" for name in shown if name in scores) for model in models]
    return "for comparison, " + "; ".join(parts)
