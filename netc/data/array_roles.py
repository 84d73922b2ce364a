"""Which arrays of an .npz file are the rows and which their labels, for training, validation and test: from names and shapes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netc.data.class_folders import PARTS
from netc.errors import DataError

Header = tuple[tuple[int, ...], np.dtype]

ROWS = ("x", "data", "images", "image", "features", "inputs", "input", "rows", "samples")
LABELS = ("y", "label", "labels", "target", "targets", "classes", "outputs", "output")
SEQUENCES = {"length", "cont"}  # arrays that come with sequences
SPARSE = {"indices", "indptr", "format", "shape", "data"}  # a matrix that SciPy has saved
PART_WORDS = {word: phase for phase, words in PARTS.items() for word in words}
JOINED = re.compile(rf"([xy])({'|'.join(PART_WORDS)})")  # xtrain


@dataclass(frozen=True)
class ArrayName:
    """The name of an array in parts: what is left of it without the word for a phase, and the phase."""

    stem: str
    phase: str | None

    @classmethod
    def of(cls, name: str) -> "ArrayName":
        """Split a name: x_train, trainX, train_images and xtrain are of the phase TRAIN."""
        spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        words = [word for word in re.split(r"[^a-z0-9]+", JOINED.sub(r"\1_\2", spaced)) if word]
        phases = [PART_WORDS[word] for word in words if word in PART_WORDS]
        if len(phases) != 1:
            return cls("_".join(words), None)
        return cls("_".join(word for word in words if word not in PART_WORDS), phases[0])


def counterpart(name: str, phase: str, there: Mapping[str, Header]) -> str | None:
    """The array that is to a phase what `name` is to training: x_test for x_train. None if there is none."""
    wanted = ArrayName(ArrayName.of(name).stem, phase)
    return next((other for other in there if ArrayName.of(other) == wanted), None)


def choose(path: object, there: Mapping[str, Header], label: str = "") -> tuple[str, str]:
    """The names of the arrays of the training rows and of their labels. `label` is the name that a user gives.

    DataError if there are no labels, or if it is not clear which arrays they are.
    """
    if set(there) >= SPARSE:
        raise DataError(f"{path}: It is a sparse matrix of SciPy. Save an array: np.savez(FILE, x=matrix.toarray(), y=labels).")
    if label and label not in there:
        raise DataError(f"{path}: There is no array {label!r}. There are {listed(there)}.")
    training = [n for n in there if ArrayName.of(n).phase in (None, "TRAIN") and there[n][0]]
    training = [n for n in training if ArrayName.of(n).phase] or training
    found = {role: [n for n in training if ArrayName.of(n).stem in stems] for role, stems in (("rows", ROWS), ("labels", LABELS))}
    labels = [label] if label else found["labels"]
    rows = [n for n in found["rows"] if n not in labels]
    if len(rows) == len(labels) == 1:
        return rows[0], labels[0]
    others = [n for n in training if n not in (*rows, *labels)]
    if len(labels) == 1 and not rows:
        rows = _alike(others, there, labels[0])
    elif len(rows) == 1 and not labels:
        labels = _alike(others, there, rows[0])
    elif not rows and not labels and len(others) == 2:
        rows, labels = _by_shape(others, there)
    if len(rows) == len(labels) == 1:
        return rows[0], labels[0]
    if len(training) == 1:
        raise DataError(f"{path}: There is one array, {listed(there)}, and no labels. Save both: np.savez(FILE, x=rows, y=labels).")
    text = "It is not clear which array has the rows and which has the labels"
    raise DataError(f"{path}: {text}. There are {listed(there)}. Name the labels with --label, or call the arrays x and y.")


def _alike(names: list[str], there: Mapping[str, Header], other: str) -> list[str]:
    """The arrays with as many rows as another one."""
    return [name for name in names if there[name][0][:1] == there[other][0][:1]]


def _by_shape(names: list[str], there: Mapping[str, Header]) -> tuple[list[str], list[str]]:
    """Two arrays as rows and labels: the labels have one value per row, and the rows have more."""
    shapes = [there[name][0] for name in names]
    single = [name for name, shape in zip(names, shapes, strict=True) if int(np.prod(shape[1:])) == 1]
    return ([n for n in names if n not in single], single) if len(single) == 1 and shapes[0][0] == shapes[1][0] else ([], [])


def listed(there: Mapping[str, Header], most: int = 12) -> str:
    """Arrays in words: x (100x5 float64), y (100 int64)."""
    texts = [f"{name} ({'x'.join(map(str, shape)) or 'one value'} {_kind(dtype)})" for name, (shape, dtype) in there.items()]
    return ", ".join(texts[:most]) + (f", ... ({len(texts)} in all)" if len(texts) > most else "")


def _kind(dtype: np.dtype) -> str:
    return {"U": "text", "S": "bytes", "O": "objects"}.get(dtype.kind, str(dtype))
