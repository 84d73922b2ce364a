"""The predictions for the rows of each fold, by the net that was trained without them."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from netc.compiler.program import Program
from netc.errors import RunError
from netc.files import replace_file
from netc.report.run import Run
from netc.runtime.session import Session

ROWS = 16_384  # rows to predict at a time


@dataclass(frozen=True)
class Predictions:
    """The test rows of a fold: their numbers in the table, from 0, their labels, and the outputs of the published model.

    `classes` are the names of the classes, () if the label is not a class. `labels` and `outputs` are arrays (rows, width) by name.
    """

    fold: int
    rows: np.ndarray
    classes: tuple[str, ...]
    labels: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]


def predictions(run: Run, program: Program, fold: int) -> Predictions:
    """Predict the test rows of a run from their raw values, as the published model does."""
    opened = replace(run, program=program)
    (layer,) = (layer for layer in program.test_net.sources if layer.type == "Table")
    source = next(s for s, x in zip(opened.feeder.sources, opened.feeder.layers, strict=True) if x.name == layer.name)
    session = Session(program.deploy_model(opened.states), threads=run.threads)
    count, parts = source.rows or 0, list[dict[str, np.ndarray]]()
    for start in range(0, count, ROWS):
        raw = source.raw(np.arange(start, min(start + ROWS, count)))
        assert raw is not None  # tables have raw values
        parts.append(session.run(raw))
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in session.outputs}
    every = np.arange(count)
    names = list(layer.param.table_param.label)
    labels = source.stored(1, every).reshape(count, -1) if names else np.zeros((count, 0))
    columns = {name: labels[:, k] for k, name in enumerate(names)}
    classes = source.description.classes if names and labels.dtype == np.int64 else ()
    return Predictions(fold, source.in_file(every), classes, columns, {n: a.reshape(count, -1) for n, a in outputs.items()})


def classified(found: Sequence[Predictions]) -> tuple[np.ndarray, np.ndarray] | None:
    """The labels and the predicted classes, or numbers, of all rows; None if the net has no output that predicts its label."""
    if len(found[0].labels) != 1:
        return None
    width = len(found[0].classes) or 1
    name = next((name for name, array in found[0].outputs.items() if array.shape[1] == width and array.dtype.kind == "f"), None)
    if name is None:
        return None
    labels = np.concatenate([labels for p in found for labels in p.labels.values()])
    outputs = np.concatenate([p.outputs[name] for p in found])
    return labels, outputs.argmax(1) if found[0].classes else outputs[:, 0]


def write_csv(path: Path, found: Sequence[Predictions]) -> None:
    """Write the predictions in the order of the table: the row from 1, its fold, its labels, and the outputs. RunError if that fails."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "fold", *found[0].labels, *_names(found[0])))
    order = np.argsort(np.concatenate([p.rows for p in found]), kind="stable")
    lines = [line for p in found for line in _lines(p)]
    writer.writerows(lines[k] for k in order)
    try:
        replace_file(path, text.getvalue().encode())
    except OSError as e:
        raise RunError(f"Cannot write {path}: {e.strerror or e}") from e


def _names(found: Predictions) -> list[str]:
    """The names of the columns of outputs, such as prob.yes, or `predicted price` for an output that is named after its label."""
    names = []
    for output, array in found.outputs.items():
        name = f"predicted {output}" if output in found.labels else output
        width = array.shape[1]
        ends = found.classes if len(found.classes) == width else tuple(map(str, range(width)))
        names += [name] if width == 1 else [f"{name}.{end}" for end in ends]
    return names


def _lines(found: Predictions) -> Iterator[tuple[object, ...]]:
    labels = [[found.classes[int(k)] for k in values] if found.classes else map(str, values) for values in found.labels.values()]
    outputs = [map(str, values) for array in found.outputs.values() for values in array.T]
    for number, *rest in zip((found.rows + 1).tolist(), *labels, *outputs, strict=True):
        yield number, found.fold, *rest
