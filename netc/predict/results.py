"""Predictions, and their file formats: tables, arrays, JSON, text."""

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
from netc.table.reading.writing import parquet

MOST_CELLS = 100_000  # per row of a table


@dataclass(frozen=True)
class Prediction:
    """The prediction for one input: the outputs of the model, and the best classes with their scores, best first.

    `labels` are the class names for the scores in the first output; empty if there are none. `named` has the names and values of columns
    that stand for the input in a table; by default one column, `input`.
    """

    source: str
    outputs: dict[str, np.ndarray]
    best: tuple[tuple[str, float], ...]
    labels: tuple[str, ...] = field(default=(), kw_only=True)
    named: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)

    @property
    def place(self) -> tuple[tuple[str, str], ...]:
        """The names and values of the columns that say what the prediction is for."""
        return self.named or (("input", self.source),)

    @property
    def said(self) -> tuple[tuple[str, str], ...]:
        """The names and values of columns that say the result in words."""
        return ()

    @property
    def cells(self) -> dict[str, np.ndarray]:
        """The arrays that a table has."""
        return self.outputs

    @property
    def rows(self) -> "tuple[Prediction, ...]":
        """The predictions that have a row each in a table: this one, or one for each object in a picture."""
        return (self,)

    @property
    def more(self) -> dict[str, Any]:
        """Further entries of JSON."""
        return {}

    @property
    def picture(self) -> bytes:
        """The prediction as a PNG file. DataError if it is no image."""
        raise DataError("A .png file holds a picture with boxes, or the classes of its pixels. This model predicts neither.")

    @property
    def text(self) -> str:
        """The lines that `netc predict` prints."""
        if self.best:
            return f"{self.source}: " + ", ".join(f"{name} {score:.4f}" for name, score in self.best)
        return "\n".join(f"{self.source}: {n} {' '.join(f'{x:.6g}' for x in v.reshape(-1))}" for n, v in self.outputs.items())


@dataclass(frozen=True)
class TreePrediction(Prediction):
    """The prediction for a tree: outputs with one row per node in the order of TreeData, and the best classes of the root."""

    drawing: str

    @property
    def text(self) -> str:
        return self.drawing


@dataclass(frozen=True)
class Forecast(Prediction):
    """A forecast of a time series: one output, named after the predicted column."""

    @property
    def text(self) -> str:
        return "\n".join(f"{self.source}: {n} +{k} {x:.6g}" for n, v in self.outputs.items() for k, x in enumerate(v, 1))


def encoded(arrays: Mapping[str, np.ndarray], suffix: str, labels: Sequence[str] = (), head: Sequence[Sequence[str]] = ()) -> bytes:
    """Encode arrays with equal numbers of rows as .npz, .npy (one array), .csv, .tsv or .parquet.

    `labels` are column names for arrays with that many columns; `head` has the names and cells of leading columns. DataError if the
    format cannot store the arrays.
    """
    if suffix in (".csv", ".tsv"):
        return _table(arrays, "," if suffix == ".csv" else "\t", labels, head)
    if suffix == ".parquet":
        _check_rows(arrays)
        columns = {name: np.array(cells, object) for name, *cells in head}
        for name, array in arrays.items():
            names = column_names(name, array.shape[1:], labels)
            columns |= zip(names, array.reshape(len(array), len(names)).T, strict=True)
        return parquet(columns)
    buffer = io.BytesIO()
    if suffix == ".npz":
        np.savez(buffer, **dict[str, Any](arrays))
    elif len(arrays) == 1:
        np.save(buffer, next(iter(arrays.values())))
    else:
        raise DataError(f"an .npy file stores one array, but there are {len(arrays)} outputs ({', '.join(arrays)}); use .npz")
    return buffer.getvalue()


def _flat(predictions: Sequence[Prediction], suffix: str) -> bytes:
    """One array per output with one row per input. Tables start with the input, and the best class with its score."""
    predictions = [row for p in predictions for row in p.rows]
    if not predictions:
        raise DataError("There are no objects to write. Use .json, which can hold none, or a lower --threshold.")
    head = [[name, *(p.place[k][1] for p in predictions)] for k, (name, _) in enumerate(predictions[0].place)]
    if predictions[0].best:
        best = [p.best[0] if p.best else ("", 0.0) for p in predictions]
        head += [["class", *(name for name, _ in best)], ["score", *(f"{score:.9g}" for _, score in best)]]
    head += [[name, *(p.said[k][1] for p in predictions)] for k, (name, _) in enumerate(predictions[0].said)]
    rows = [p.outputs if suffix in (".npz", ".npy") else p.cells for p in predictions]
    return encoded(_arrays(rows), suffix, predictions[0].labels, head)


def _arrays(rows: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Stack the arrays of rows. DataError if their shapes differ, as for trees of different sizes."""
    for name in rows[0]:
        shapes = sorted({row[name].shape for row in rows})
        if len(shapes) > 1:
            text = f"output {name!r} has different shapes, such as {shapes[0]} and {shapes[1]}"
            raise DataError(f"{text}; save the inputs one at a time, or use .json")
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _table(arrays: Mapping[str, np.ndarray], delimiter: str, labels: Sequence[str], head: Sequence[Sequence[str]]) -> bytes:
    _check_rows(arrays)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    writer.writerow([*(column[0] for column in head), *(c for n, a in arrays.items() for c in column_names(n, a.shape[1:], labels))])
    for k in range(max(map(len, arrays.values()), default=len(head[0]) - 1 if head else 0)):
        writer.writerow([*(column[1 + k] for column in head), *(_cell(v) for a in arrays.values() for v in a[k].reshape(-1))])
    return buffer.getvalue().encode()


def _check_rows(arrays: Mapping[str, np.ndarray]) -> None:
    """DataError if a table cannot hold the arrays: its rows would be too long, or their numbers differ."""
    width = sum(a[0].size for a in arrays.values() if len(a))
    if width > MOST_CELLS:
        raise DataError(f"a row would have {width:,} cells; the limit is {MOST_CELLS:,}; use .npz")
    if len({len(a) for a in arrays.values()}) > 1:
        text = ", ".join(f"{name} {len(a):,}" for name, a in arrays.items())
        raise DataError(f"a table needs one row per input, but the numbers of rows differ ({text}); use .npz")


def column_names(name: str, shape: tuple[int, ...], labels: Sequence[str]) -> list[str]:
    """The column names of an output: class names for scores, else indices."""
    if math.prod(shape) == 1:
        return [name]
    if len(shape) == 1 and len(labels) == shape[0]:
        return [f"{name}.{label}" for label in labels]
    return [".".join([name, *map(str, place)]) for place in np.ndindex(shape)]


def _cell(value: Any) -> str:
    return str(int(value)) if np.issubdtype(type(value), np.integer) else f"{float(value):.9g}"


def _record(p: Prediction) -> dict[str, Any]:
    """A prediction for JSON, with null for NaN and infinite values."""
    best = {"classes": [{"class": name, "score": _finite(score)} for name, score in p.best]} if p.best else {}
    return {
        **dict(p.place),
        **dict(p.said),
        **best,
        **p.more,
        "outputs": {name: _finite(array.tolist()) for name, array in p.outputs.items()},
    }


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json(predictions: Sequence[Prediction]) -> bytes:
    return (json.dumps([_record(p) for p in predictions], ensure_ascii=False, indent=1) + "\n").encode()


def _jsonl(predictions: Sequence[Prediction]) -> bytes:
    return "".join(json.dumps(_record(p), ensure_ascii=False) + "\n" for p in predictions).encode()


def _png(predictions: Sequence[Prediction]) -> bytes:
    picture = predictions[0].picture
    if len(predictions) > 1:
        raise DataError(f"A .png file holds one image, but there are {len(predictions)}. Use .npz, or a file for each.")
    return picture


FORMS: Mapping[str, Callable[[Sequence[Prediction]], bytes]] = {
    **{suffix: partial(_flat, suffix=suffix) for suffix in (".csv", ".tsv", ".parquet", ".npz", ".npy")},
    ".json": _json,
    ".jsonl": _jsonl,
    ".png": _png,
    ".txt": lambda predictions: "".join(f"{p.text}\n" for p in predictions).encode(),
}


def check_form(path: str) -> None:
    """SpecError if the suffix of a file is not a format for predictions."""
    form(path, tuple(FORMS), "predictions")


def save(predictions: Sequence[Prediction], path: str) -> None:
    """Save predictions in the format of the suffix: .csv, .tsv, .parquet, .npz, .npy, .json, .jsonl, .txt or .png.

    DataError if the format cannot store them; RunError if writing fails.
    """
    put(path, FORMS[form(path, tuple(FORMS), "predictions")](predictions))
