"""What models make of inputs, and the files that it can be kept in: tables, arrays, JSON, text."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from netc.errors import DataError
from netc.formats.by_suffix import form, put

MOST_CELLS = 100_000  # of one row of a table


@dataclass(frozen=True)
class Prediction:
    """What a model makes of one input: its outputs, and the likeliest classes with their scores, best first.

    `labels` are the names of the classes that the first output has scores for; empty where there are none.
    """

    source: str
    outputs: dict[str, np.ndarray]
    best: tuple[tuple[str, float], ...]
    labels: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def text(self) -> str:
        """The lines that `netc predict` prints."""
        if self.best:
            return f"{self.source}: " + ", ".join(f"{name} {score:.4f}" for name, score in self.best)
        return "\n".join(f"{self.source}: {n} {' '.join(f'{x:.6g}' for x in v.reshape(-1))}" for n, v in self.outputs.items())


@dataclass(frozen=True)
class TreePrediction(Prediction):
    """What a model makes of a tree: its outputs, a row a node in the order of TreeData, and the likeliest classes of the root."""

    drawing: str

    @property
    def text(self) -> str:
        return self.drawing


@dataclass(frozen=True)
class Forecast(Prediction):
    """The values of a series after its last row: one output, called as the column that is foretold."""

    @property
    def text(self) -> str:
        return "\n".join(f"{self.source}: {n} +{k} {x:.6g}" for n, v in self.outputs.items() for k, x in enumerate(v, 1))


def encoded(arrays: Mapping[str, np.ndarray], suffix: str, labels: Sequence[str] = (), head: Sequence[Sequence[str]] = ()) -> bytes:
    """Arrays of as many rows each as an .npz, an .npy (one array), or a .csv or .tsv table with a row a line.

    `labels` name the values of an array that has as many; `head` are the names and the cells of columns before. DataError if the
    form cannot hold them.
    """
    if suffix in (".csv", ".tsv"):
        return _table(arrays, "," if suffix == ".csv" else "\t", labels, head)
    buffer = io.BytesIO()
    if suffix == ".npz":
        np.savez(buffer, **dict[str, Any](arrays))
    elif len(arrays) == 1:
        np.save(buffer, next(iter(arrays.values())))
    else:
        raise DataError(f"an .npy file holds one array, and there are {len(arrays)} outputs, {', '.join(arrays)}; give an .npz file")
    return buffer.getvalue()


def _flat(found: Sequence[Prediction], suffix: str) -> bytes:
    """An array an output, a row an input; in a table its name, and the likeliest class with its score, come first."""
    head = [["input", *(p.source for p in found)]]
    if found[0].best:
        best = [p.best[0] if p.best else ("", 0.0) for p in found]
        head += [["class", *(name for name, _ in best)], ["score", *(f"{score:.9g}" for _, score in best)]]
    return encoded(_arrays(found), suffix, found[0].labels, head)


def _arrays(found: Sequence[Prediction]) -> dict[str, np.ndarray]:
    """DataError if the inputs have outputs of different shapes, as trees of different sizes have."""
    for name in found[0].outputs:
        shapes = sorted({p.outputs[name].shape for p in found})
        if len(shapes) > 1:
            text = f"output {name!r} has different shapes, {shapes[0]} and {shapes[1]} among them"
            raise DataError(f"{text}; keep such inputs one at a time, or in a .json file")
    return {n: np.stack([p.outputs[n] for p in found]) for n in found[0].outputs}


def _table(arrays: Mapping[str, np.ndarray], delimiter: str, labels: Sequence[str], head: Sequence[Sequence[str]]) -> bytes:
    width = sum(a[0].size for a in arrays.values() if len(a))
    if width > MOST_CELLS:
        raise DataError(f"a row would have {width:,} cells, {MOST_CELLS:,} at most; give an .npz file")
    if len({len(a) for a in arrays.values()}) > 1:
        text = ", ".join(f"{name} {len(a):,}" for name, a in arrays.items())
        raise DataError(f"a table has a row for each input, and there are other numbers of rows ({text}); give an .npz file")
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    writer.writerow([*(column[0] for column in head), *(c for n, a in arrays.items() for c in _columns(n, a.shape[1:], labels))])
    for k in range(max(map(len, arrays.values()), default=0)):
        writer.writerow([*(column[1 + k] for column in head), *(_cell(v) for a in arrays.values() for v in a[k].reshape(-1))])
    return buffer.getvalue().encode()


def _columns(name: str, shape: tuple[int, ...], labels: Sequence[str]) -> list[str]:
    """The heads of the columns of an output: by the names of classes where it has scores for these, else by places."""
    if math.prod(shape) == 1:
        return [name]
    if len(shape) == 1 and len(labels) == shape[0]:
        return [f"{name}.{label}" for label in labels]
    return [".".join([name, *map(str, place)]) for place in np.ndindex(shape)]


def _cell(value: Any) -> str:
    return str(int(value)) if np.issubdtype(type(value), np.integer) else f"{float(value):.9g}"


def _record(p: Prediction) -> dict[str, Any]:
    """An input as JSON has it; what is not finite is null."""
    best = {"classes": [{"class": name, "score": _finite(score)} for name, score in p.best]} if p.best else {}
    return {"input": p.source, **best, "outputs": {name: _finite(array.tolist()) for name, array in p.outputs.items()}}


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json(found: Sequence[Prediction]) -> bytes:
    return (json.dumps([_record(p) for p in found], ensure_ascii=False, indent=1) + "\n").encode()


def _jsonl(found: Sequence[Prediction]) -> bytes:
    return "".join(json.dumps(_record(p), ensure_ascii=False) + "\n" for p in found).encode()


FORMS: Mapping[str, Callable[[Sequence[Prediction]], bytes]] = {
    **{suffix: partial(_flat, suffix=suffix) for suffix in (".csv", ".tsv", ".npz", ".npy")},
    ".json": _json,
    ".jsonl": _jsonl,
    ".txt": lambda found: "".join(f"{p.text}\n" for p in found).encode(),
}


def check_form(path: str) -> None:
    """SpecError if predictions cannot be kept in a file of that name."""
    form(path, tuple(FORMS), "predictions")


def save(predictions: Sequence[Prediction], path: str) -> None:
    """The outputs of all inputs in the form of the suffix: .csv, .tsv, .npz, .npy, .json, .jsonl or .txt.

    DataError if that form cannot hold them; RunError if it cannot be written.
    """
    put(path, FORMS[form(path, tuple(FORMS), "predictions")](predictions))
