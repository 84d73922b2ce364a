"""The class of each row: the most likely one, or the one by a threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.errors import SpecError, near
from netc.terminal import line

CLASSES = "classes"  # the task of a model of classes; others are numbers, or labels that are true or false
POSITIVE = 1  # the class that a threshold decides on, of two: the later one, as in scikit-learn


@dataclass(frozen=True)
class Decision:
    """How scores become classes. `labels` are the names of the classes, `threshold` is for the score of the class POSITIVE."""

    labels: tuple[str, ...]
    threshold: float | None = None

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the index of the class of each row (N,), and its score, from scores (N, classes) or (N, 1)."""
        scores = self.of_all(scores)
        if self.threshold is None:
            chosen = scores.argmax(1)
        else:
            chosen = np.where(scores[:, POSITIVE] >= np.float32(self.threshold), POSITIVE, 1 - POSITIVE)
        return chosen, np.take_along_axis(scores, chosen[:, None], 1)[:, 0]

    def of_all(self, scores: np.ndarray) -> np.ndarray:
        """Return the scores (N, classes) of all classes, also if there is only that of the class POSITIVE."""
        return np.concatenate([1 - scores, scores], axis=1) if scores.shape[1] == 1 and len(self.labels) == 2 else scores

    @property
    def text(self) -> str:
        """What decides, as a sentence; "" if it is the highest score."""
        if self.threshold is None or not self.labels:
            return ""
        yes, no = self.labels[POSITIVE], self.labels[1 - POSITIVE]
        return f"The class is {yes!r} if its score is at least {self.threshold:g}, else {no!r}."


@dataclass(frozen=True)
class Ranking:
    """The best `top` classes of a row: the one that is decided on, then the others by their scores."""

    decision: Decision
    top: int

    def __call__(self, scores: np.ndarray) -> tuple[tuple[str, float], ...]:
        """Return names and scores, from the scores of a row (classes,)."""
        (first,), _ = self.decision(scores[None])
        (scores,) = self.decision.of_all(scores[None])
        order = [first, *(k for k in np.argsort(-scores, kind="stable") if k != first)][: self.top]
        labels = self.decision.labels
        return tuple((line(labels[k]) if labels else str(k), float(scores[k])) for k in order)


def decision(labels: Sequence[str], given: str | float | None, metadata: Mapping[str, Any], place: str) -> Decision:
    """Return the decision for `--threshold given`: a number from 0 to 1, or the name of a threshold that the model states.

    SpecError if the model does not have two classes, or if there is no such threshold.
    """
    if metadata.get("task", CLASSES) != CLASSES:
        labels = ()
    if given is None:
        return Decision(tuple(labels))
    if metadata.get("boxes"):
        return Decision((), _threshold(given, {}, place))
    if len(labels) != 2:
        has = f"has {len(labels)} classes" if labels else "predicts no classes"
        raise SpecError(f"{place}: A threshold needs a model of two classes. This model {has}.")
    return Decision(tuple(labels), _threshold(given, metadata.get("thresholds") or {}, place))


def _threshold(given: str | float, stated: Mapping[str, float], place: str) -> float:
    if isinstance(given, str) and given in stated:
        return float(stated[given])
    try:
        number = float(given)
    except ValueError:
        known = f" {near(str(given), stated)}" if stated else " The model states none by name."
        raise SpecError(f"{place}: The threshold {given!r} is neither a number nor known.{known}") from None
    if not 0 <= number <= 1:
        raise SpecError(f"The threshold is {given}. Expected a number from 0 to 1.")
    return number
