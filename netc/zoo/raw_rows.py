"""Models that take raw rows of a table: the check on rows that training did not have, and thresholds from the validation rows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from netc.compiler.program import Program
from netc.compiler.raw_columns import columns_of, scores_of, series_of, table_of, task_of
from netc.errors import RunError
from netc.net.model import VALIDATION
from netc.runtime.session import Session
from netc.table.columns.define import ColumnType
from netc.table.encoded import raw_dtype

MOST_ALONE = 300  # columns that are changed one at a time
MOST_ROWS = 100_000  # validation rows for thresholds
BATCH_CELLS = 1 << 20
Rows = dict[str, np.ndarray]


def check_raw_rows(program: Program, model: bytes) -> None:
    """Run a model on rows with gaps, unseen categories and extreme numbers in every column. RunError if a score is not finite."""
    layer = table_of(program.test_net) or series_of(program.test_net)
    if layer is None:
        return
    columns, session = columns_of(program.test_net, layer), Session(model)
    _, batch = program.deploy
    rows = [({c.name: _example(c) for c in columns} | changed, what) for what, changed in _odd_rows(columns)]
    step = int(batch) if batch != "N" else max(1, BATCH_CELLS // (64 * len(columns)))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        part = part + part[-1:] * (step - len(part)) if batch != "N" else part
        values = {c.name: np.array([row[c.name] for row, _ in part], raw_dtype(c)) for c in columns}
        fed = {name: array for name, array in values.items() if name in session.inputs}
        outputs = session.run({name: _windows(array, session.inputs[name].shape) for name, array in fed.items()})
        for name, value in outputs.items():
            finite = np.isfinite(value.reshape(len(part), -1)).all(1) if value.dtype.kind == "f" else np.ones(len(part), bool)
            if not finite.all():
                what = part[int(finite.argmin())][1]
                raise RunError(f"model.onnx: output {name!r} is not finite for a row with {what}; it is not published")


def _windows(values: np.ndarray, shape: Sequence[Any]) -> np.ndarray:
    """Values (N,), each repeated over the rows of a window if the input has windows (N, rows)."""
    return values if len(shape) == 1 else np.repeat(values[:, None], int(shape[1]), axis=1)


def _example(column: ColumnType) -> Any:
    example = column.about["example"]
    return column.odd[0] if example is None else example


def _odd_rows(columns: tuple[ColumnType, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is odd about a row, and its odd values by column: first in all columns, then in one."""
    for k in range(max(len(column.odd) for column in columns)):
        values = {column.name: column.odd[k % len(column.odd)] for column in columns}
        yield "a gap in every column" if k == 0 else "unseen or extreme values in every column", values
    for column in columns[:MOST_ALONE]:
        for value in column.odd:
            yield f"{str(value)[:40]!r} in column {column.name!r}", {column.name: value}


def thresholds(program: Program, model: bytes) -> dict[str, float]:
    """Return scores of the second of two classes from which on a row should be of this class, by what they make best.

    `f1` is for the F1 score of the second class, and `balanced` for the mean of both classes' recall, on the validation rows. Empty if
    there are none, or no two classes.
    """
    layer = table_of(program.test_net)
    if layer is None or layer.source is None or layer.reader is None or not layer.source.has_validation:
        return {}
    source, session = layer.reader.in_phase(VALIDATION).source(), Session(model)
    _, batch = program.deploy
    count = min(source.rows or 0, MOST_ROWS)
    name = scores_of({o.name: (o.type, tuple(o.shape)) for o in session.ort.get_outputs()}, 2)
    if task_of(layer) != "classes" or len(program.classes) != 2 or not name or batch != "N" or not count:
        return {}
    found, step = [], max(1, BATCH_CELLS // (64 * len(session.inputs)))
    for start in range(0, count, step):
        raw = source.raw(np.arange(start, min(start + step, count)))
        assert raw is not None
        found.append(session.run({n: a for n, a in raw.items() if n in session.inputs})[name])
    scores = np.concatenate(found).reshape(count, -1)[:, -1].astype(np.float64)
    return best_thresholds(scores, source.stored(1, np.arange(count)).reshape(-1) == 1)


def best_thresholds(scores: np.ndarray, positive: np.ndarray) -> dict[str, float]:
    """Return the best thresholds for scores (N,) of rows of which some are positive. Empty if all rows are of one class."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(positive[order])
    total, others = int(positive.sum()), int((~positive).sum())
    if not total or not others:
        return {}
    last = np.append(ranked[1:] != ranked[:-1], True)  # the rows at whose score a threshold can be
    taken = np.arange(1, len(scores) + 1)
    measures = {"f1": 2 * hits / (taken + total), "balanced": hits / total - (taken - hits) / others}
    return {name: _between(ranked, int(np.argmax(np.where(last, measure, -np.inf)))) for name, measure in measures.items()}


def _between(ranked: np.ndarray, k: int) -> float:
    """A threshold between the score at a place and the next lower one."""
    following = ranked[k + 1] if k + 1 < len(ranked) else ranked[k]
    return float(np.float32((ranked[k] + following) / 2))


def table_manifest(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a manifest that describe the columns, from the metadata of a model. Empty for models without columns."""
    return {name: said[name] for name in ("columns", "labels", "task", "thresholds") if said.get(name)} if said.get("task") else {}
