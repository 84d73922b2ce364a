"""A linear fit on the same rows as a net: what the net must beat. Logistic regression for classes, ridge regression for numbers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np

from netc import netc_pb2 as pb
from netc import random
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, constant, leaf, op
from netc.graph.passes import simplify
from netc.runtime.session import Session
from netc.table.columns.block import side_by_side
from netc.table.columns.define import ColumnType, groups

MOST_ONE_HOT = 200  # values of a category; one of more, or a text, is projected on random vectors
PROJECTED = 64
STEPS, TOLERANCE = 400, 1e-6
PENALTY = 1.0  # times the sum of the squared weights, beside the sum of the losses, as in scikit-learn
BLOCK = 4096


@dataclass(frozen=True)
class Design:
    """Turns encoded rows of a table into float32 (N, width) for a linear fit: numbers as they are, categories as one-hot vectors."""

    columns: Sequence[ColumnType]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return the vectors of rows (N, slots)."""
        parts = [self._session.run({"rows": np.ascontiguousarray(rows[k : k + BLOCK])})["y"] for k in range(0, len(rows), BLOCK)]
        return np.concatenate(parts)

    @cached_property
    def _session(self) -> Session:
        param = pb.EncodeParameter(pieces=0, one_hot=MOST_ONE_HOT, width=PROJECTED, word_width=PROJECTED)
        slots = sum(column.slots for column in self.columns)
        x, parts, place = leaf("Input", np.float32, ("N", slots), name="rows"), list[Value](), 0
        for numbers in groups(self.columns):
            group = [self.columns[k] for k in numbers]
            end = place + sum(column.slots for column in group)
            parts += type(group[0]).encode(group, op.Slice(x, [place], [end], [1]), _projection, param)
            place = end
        return Session(emit(simplify(Graph("design", {"y": side_by_side(parts)}))))


def _projection(shape: tuple[int, ...]) -> Value:
    return constant(random.normal(0, "projection", shape) / np.float32(sqrt(shape[-1])))


def scaled(train: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that standardizes columns by the mean and the deviation of `train`, and adds a column of ones."""
    mean, std = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    std[std < 1e-9] = 1

    def standard(x: np.ndarray) -> np.ndarray:
        parts = [((x[k : k + BLOCK] - mean) / std).astype(np.float32) for k in range(0, len(x), BLOCK)]
        found: np.ndarray = np.c_[np.concatenate(parts), np.full(len(x), np.float32(1))]
        return found

    return standard


def logistic(train: np.ndarray, labels: np.ndarray, test: Iterable[np.ndarray], classes: int) -> np.ndarray:
    """Return probabilities (N, classes) for the parts of `test`, by multinomial logistic regression on standardized columns.

    The method is accelerated gradient descent (Nesterov 1983) with the step of the Lipschitz constant.
    """
    standard = scaled(train)
    x = standard(train)
    hot = np.eye(classes, dtype=np.float32)[labels]
    rows, width = x.shape
    step = 1 / (0.5 * _largest_eigenvalue(x) + PENALTY)
    kept = np.r_[np.full(width - 1, PENALTY), 0].astype(np.float32)[:, None]  # the constant has no penalty
    weights = previous = np.zeros((width, classes), np.float32)
    for k in range(STEPS):
        at = weights + (k / (k + 3)) * (weights - previous)
        gradient = x.T @ (_softmax(x @ at) - hot) + kept * at
        previous, weights = weights, at - step * gradient
        if np.abs(gradient).max() < TOLERANCE * rows:
            break
    return np.concatenate([_softmax(standard(part) @ weights) for part in test])


def ridge(train: np.ndarray, labels: np.ndarray, test: Iterable[np.ndarray]) -> np.ndarray:
    """Return predictions (N, targets) for the parts of `test`, by ridge regression on standardized columns. `labels` are (N, targets)."""
    standard = scaled(train)
    x = standard(train).astype(np.float64)
    penalty = np.diag(np.r_[np.full(x.shape[1] - 1, PENALTY), 1e-9])
    weights = np.linalg.solve(x.T @ x + penalty, x.T @ labels.astype(np.float64))
    return np.concatenate([np.asarray(standard(part).astype(np.float64) @ weights) for part in test])


def _softmax(scores: np.ndarray) -> np.ndarray:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def _largest_eigenvalue(x: np.ndarray) -> float:
    """The largest eigenvalue of x^T x, by power iterations; a little more, so that it is an upper bound."""
    vector = np.ones(x.shape[1], np.float32)
    size = 1.0
    for _ in range(30):
        vector = x.T @ (x @ vector)
        size = float(np.linalg.norm(vector)) or 1.0
        vector /= size
    return 1.02 * size
