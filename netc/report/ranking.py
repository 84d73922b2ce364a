"""Curves of scores: ROC, precision and recall, lift, calibration, and the scores of each threshold."""

from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True)
class Ranked:
    """Rows by their score for one class, the highest first, and for each different score how many rows have it or a higher one.

    `hits` of these `taken` rows are of the class. `thresholds` are the different scores.
    """

    thresholds: np.ndarray
    taken: np.ndarray
    hits: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, positive: np.ndarray) -> "Ranked":
        """Rank rows by scores (N,). `positive` says which are of the class. There must be rows of it and others."""
        order = np.argsort(-scores, kind="stable")
        ranked, hits = scores[order], np.cumsum(positive[order])
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        return cls(ranked[last], last + 1, hits[last])

    @property
    def rows(self) -> int:
        return int(self.taken[-1])

    @property
    def positive(self) -> int:
        """How many rows are of the class."""
        return int(self.hits[-1])

    @property
    def recall(self) -> np.ndarray:
        """The share of the rows of the class that are taken."""
        return np.asarray(self.hits / self.positive)

    @property
    def precision(self) -> np.ndarray:
        """The share of the taken rows that are of the class."""
        return np.asarray(self.hits / self.taken)

    @property
    def false_alarms(self) -> np.ndarray:
        """The share of the other rows that are taken."""
        return np.asarray((self.taken - self.hits) / (self.rows - self.positive))

    @property
    def f1(self) -> np.ndarray:
        """The harmonic mean of precision and recall."""
        return np.asarray(2 * self.hits / (self.taken + self.positive))

    @property
    def area(self) -> float:
        """The area under the ROC curve."""
        return float(np.trapezoid(np.r_[0, self.recall], np.r_[0, self.false_alarms]))

    @property
    def average_precision(self) -> float:
        """The mean of the precision over the recall, by steps, as in scikit-learn."""
        return float(np.sum(np.diff(np.r_[0, self.recall]) * self.precision))

    def lift(self, share: float) -> float:
        """How many times more rows of the class there are among this share of the rows with the highest scores than among all.

        Of rows with equal scores, a part is taken.
        """
        count = share * self.rows
        hits = float(np.interp(count, np.r_[0, self.taken], np.r_[0, self.hits]))
        return hits / count / (self.positive / self.rows)

    def at(self, threshold: float) -> tuple[float, float, float, float]:
        """The share of rows with at least this score, and their precision, recall and F1 score. Without such rows, the precision is 0."""
        k = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        if k < 0:
            return 0.0, 0.0, 0.0, 0.0
        return float(self.taken[k] / self.rows), float(self.precision[k]), float(self.recall[k]), float(self.f1[k])


@dataclass(frozen=True)
class Bin:
    """Rows with similar scores: how many, their mean score, and the share of them that are of the class."""

    rows: int
    score: float
    share: float


def calibration(scores: np.ndarray, positive: np.ndarray) -> list[Bin]:
    """Return the rows in ten bins of equal width from 0 to 1, without empty bins."""
    number = np.minimum((scores * BINS).astype(int), BINS - 1)
    bins = [number == k for k in range(BINS)]
    return [Bin(int(own.sum()), float(scores[own].mean()), float(positive[own].mean())) for own in bins if own.any()]


def calibration_error(scores: np.ndarray, positive: np.ndarray) -> float:
    """The mean distance of score and share over the bins, weighted by their rows (ECE, Naeini et al. 2015)."""
    return sum(b.rows * abs(b.score - b.share) for b in calibration(scores, positive)) / max(1, len(scores))
