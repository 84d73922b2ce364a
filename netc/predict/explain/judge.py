"""What is explained: the scores of a model, and its loss on rows whose label is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.errors import DataError, SpecError

MOST_CLASSES = 8  # with a curve of their own
LEAST = 1e-15  # probability in a logarithm

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Judge:
    """The task of a model. `outputs` are the names of its outputs with the scores, in the order of the labels or classes.

    `task` is "classes" (one output, a score for each of `classes`), "numbers" or "labels" (an output for each label).
    """

    task: str
    outputs: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def loss_name(self) -> str:
        """The name of the loss."""
        return "RMSE" if self.task == "numbers" else "log-loss"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the scores that are explained: of two classes the second one."""
        return self.classes[1:] if self.task == "classes" and len(self.classes) == 2 else self.classes or self.labels or self.outputs

    def scores(self, found: Arrays) -> np.ndarray:
        """Return float64 (N, scores) from the outputs of a model, a column for each of `names`."""
        scores = self._all(found)
        return scores[:, 1:] if self.task == "classes" and len(self.classes) == 2 else scores

    def _all(self, found: Arrays) -> np.ndarray:
        """Scores of all classes, or those of all labels: (N, classes) or (N, labels)."""
        arrays = [found[name].astype(np.float64).reshape(len(found[name]), -1) for name in self.outputs]
        scores = np.concatenate(arrays, axis=1)
        single = self.task == "classes" and scores.shape[1] == 1
        return np.concatenate([1 - scores, scores], axis=1) if single else scores

    def loss(self, found: Arrays, target: np.ndarray) -> float:
        """Return the loss on rows: the mean log-loss, or the root mean square error.

        `target` (N,) has the indices of the classes, (N, labels) numbers or 0 and 1. With several numbers, each error is divided by the
        deviation of its label.
        """
        scores = self._all(found)
        if self.task == "classes":
            return float(-np.log(np.clip(scores[np.arange(len(target)), target], LEAST, 1)).mean())
        if self.task == "labels":
            p = np.clip(scores, LEAST, 1 - LEAST)
            return float(-(target * np.log(p) + (1 - target) * np.log1p(-p)).mean())
        errors = np.sqrt(((scores - target) ** 2).mean(0))
        deviations = target.std(0) if target.shape[1] > 1 else np.ones(1)
        return float((errors / np.where(deviations > 0, deviations, 1)).mean())


def judge(ports: Sequence[Any], metadata: Mapping[str, Any], classes: Sequence[str], place: str) -> Judge:
    """Return the judge of a model, from its output ports and its metadata. SpecError if it predicts neither classes nor numbers."""
    numbers = [port for port in ports if port.type != "tensor(string)" and len(port.shape) <= 2]
    labels = tuple(metadata.get("labels") or filter(None, [metadata.get("label")]))
    task = str(metadata.get("task") or ("classes" if len(classes) > 1 else "numbers"))
    if task == "classes":
        widths = (len(classes), 1) if len(classes) == 2 else (len(classes),)
        scores = next((port.name for port in numbers if _width(port) in widths), None)
        if scores:
            return Judge(task, (scores,), tuple(classes), labels)
    by_name = {port.name: port for port in numbers}
    own = tuple(name for name in labels if name in by_name)
    if labels and len(own) == len(labels):
        return Judge(task, own, (), labels)
    whole = next((port.name for port in numbers if _width(port) == max(1, len(labels))), None)
    if whole:
        return Judge(task, (whole,), (), labels)
    raise SpecError(f"{place}: The model has no output with a score for each class, or a number for each label.")


def _width(port: Any) -> int | str:
    return 1 if len(port.shape) == 1 else port.shape[1]


def targets(judge: Judge, cells: Mapping[str, np.ndarray], place: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the targets of the rows whose labels the model knows, and which rows these are, as bool (N,).

    `cells` are texts, or numbers with NaN, by label. DataError if no row has a known label.
    """
    if judge.task == "classes":
        index = {name: k for k, name in enumerate(judge.classes)}
        found = np.array([index.get(str(cell), -1) for cell in cells[judge.labels[0]]], np.int64)
        known = np.asarray(found >= 0)
        wanted = f"one of {', '.join(map(repr, judge.classes[:MOST_CLASSES]))}"
    else:
        found = np.stack([cells[label].astype(np.float64) for label in judge.labels], axis=1)
        known = np.asarray(np.isfinite(found).all(1))
        wanted = "a number"
    if not known.any():
        text = f"No row has a label that the model knows in {', '.join(map(repr, judge.labels))}. Expected {wanted}."
        raise DataError(f"{place}: {text}")
    return found[known], known
