"""Make the arrays of a table: encoded rows, labels and weights, and the rows of each part. They become an entry of the cache."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.data.fitted import FittedColumn
from netc.data.series import spread
from netc.errors import DataError, Diagnostic
from netc.files import scratch
from netc.spec.private_paths import plain_path
from netc.table.cells import Codes, Column, Numbers, Wanted, read_cells
from netc.table.columns.define import Cells, ColumnType, class_of, column_types
from netc.table.encoding import encode
from netc.table.labels import CLASSES, Labels, label_columns, labels_of, task_errors, task_of, wanted_labels, wanted_weight
from netc.table.raw_values import keep
from netc.table.reading import RawColumn, RawTable, number_sql, quoted, text_sql
from netc.table.reading.store import CELLS
from netc.table.roles import Roles, roles_of
from netc.table.split import Rows, absent, parts_by_name, parts_of, split_errors
from netc.table.wrong import Wrong, cell_error

LITTLE = "32MB"


@dataclass(frozen=True)
class Known:
    """What is known before the rows are read: the columns, the names of the classes, and the task.

    `anew`: the net is trained on these rows, which may have other classes. `splits`: the rows are split into parts.
    """

    fitted: tuple[FittedColumn, ...] = ()
    classes: tuple[str, ...] = ()
    task: int | None = None
    anew: bool = True
    splits: bool = True

    def as_json(self) -> list[Any]:
        """JSON values that differ for different objects."""
        return [[column.as_json() for column in self.fitted], self.classes, self.task, self.anew, self.splits]


@dataclass(frozen=True)
class Making:
    """A table whose arrays are being made in `folder`."""

    raw: RawTable
    param: pb.TableParameter
    known: Known
    folder: Path

    def make(self) -> dict[str, Any]:
        """Write the arrays and return what is known of them, as JSON values."""
        if errors := [*task_errors(self.param), *(split_errors(self.param) if self.known.splits else ())]:
            raise DataError(*errors)
        with scratch(self.folder) as place:
            cells, wrong = read_cells(self.raw, self.wanted, place)
            if wrong:
                raise DataError(*wrong)
            self.raw.query(f"set memory_limit = '{LITTLE}'")  # the arrays have the cells now
            labels, parts = self._labels(cells), dict[str, np.ndarray]()
            notes = [*self.roles.notes, *self._left_out(labels)]
            parts = self._parts(cells, labels)
            if labels is not None and self.known.splits and labels.array.dtype.kind == "u":
                notes += absent(labels.array, parts["TRAIN"], labels.classes, self.raw.name)
            for part, rows in parts.items():
                np.save(self.folder / f"{part}.npy", rows.astype(np.int32 if self.raw.rows < 2**31 else np.int64))
            columns = self._columns(cells, parts.get("TRAIN", np.zeros(0, np.int64)))
            self._encode(columns, cells)
            raw = keep(columns, {column.name: cells[f"column {column.name}"] for column in columns}, self.folder)
            weight = cells.get("weight")
            if isinstance(weight, Numbers):
                np.save(self.folder / "weight.npy", weight.cells.astype(np.float32))
        return {
            "name": plain_path(self.raw.name), "sha256": self.raw.sha256, "rows": self.raw.rows, "notes": notes,
            "columns": [column.as_json() for column in columns], "classes": list(labels.classes if labels else ()),
            "spread": self._spread(labels, parts), "raw": raw, "rules": [rule.SerializeToString().hex() for rule, _ in self.roles.rules],
        }  # fmt: skip

    @cached_property
    def roles(self) -> Roles:
        """What each column of the table is for."""
        return roles_of(self.raw, self.param, self.known.fitted, self.known.splits)

    @cached_property
    def wanted(self) -> dict[str, Wanted]:
        """The cells to read."""
        roles, raw, found = self.roles, self.raw, dict[str, Wanted]()
        cells = [class_of(rule).cells(rule, column, raw.dialect) for rule, column in roles.rules]
        for (rule, _), cell, dtype in zip(roles.rules, cells, _dtypes(cells, raw), strict=True):
            found[f"column {rule.name}"] = Wanted(rule.name, cell, dtype)
        found |= wanted_labels(raw, roles.labels)
        if roles.weight:
            found["weight"] = wanted_weight(raw, roles.weight)
        found |= {key: Wanted(c.name, Cells(text_sql(c)), "string") for key, c in (("group", roles.group), ("part", roles.part)) if c}
        if roles.time:
            own = found.get(f"column {roles.time.name}")
            plain = Wanted(roles.time.name, _time(roles.time, raw), "float64")
            found["time"] = own if own and own.dtype != "string" else plain  # a date may have a format of its own
        return found

    def _labels(self, cells: Mapping[str, Column]) -> Labels | None:
        """The labels; None if there is no label column."""
        columns = label_columns(self.raw, self.roles.labels, cells)
        if not columns:
            return None
        known = self.known
        task = task_of(self.param, columns) if known.task is None else known.task
        if known.anew:
            found = labels_of(self.raw, columns, task, self.param.classes)
            ours = known.classes and task == CLASSES and not self.param.classes and {*found.classes} <= {*known.classes}
            return labels_of(self.raw, columns, task, known.classes) if ours else found
        return labels_of(self.raw, columns, task, known.classes)

    def _left_out(self, labels: Labels | None) -> list[str]:
        """A note on the rows without a label."""
        missing = 0 if labels is None else int(np.count_nonzero(~labels.known))
        names = " or ".join(repr(name) for name in self.param.label)
        verbs = "has no label", "is" if missing == 1 else "are"
        return [f"{self.raw.name}: {missing:,} of {self.raw.rows:,} rows {verbs[0] if missing == 1 else 'have no label'} {names} "
                f"and {verbs[1]} left out"] if missing else []  # fmt: skip

    def _parts(self, cells: Mapping[str, Column], labels: Labels | None) -> dict[str, np.ndarray]:
        """The rows of each part, without those that have no label."""
        known = np.ones(self.raw.rows, bool) if labels is None else labels.known
        there, split = np.flatnonzero(known).astype(np.int32 if self.raw.rows < 2**31 else np.int64), self.param.split
        if not self.known.splits:
            return {"ALL": there}
        if (part := cells.get("part")) is not None:
            assert isinstance(part, Codes)
            found, unknown = parts_by_name(np.where(known, part.cells, -1), part.words)
            self._no_part(part, unknown, found)
            return found
        group, time = cells.get("group"), cells.get("time")
        classes = labels.array if labels is not None and labels.array.dtype.kind == "u" else None
        if split.stratify and classes is None:
            raise DataError("`stratify` needs a label of classes.", field="split")
        plain = group is not None or time is not None or (split.HasField("stratify") and not split.stratify)
        rows = Rows(there, None if plain else classes, None if group is None else _coded(group, self.raw), self._times(time, known))
        return dict(parts_of(split, rows, self.raw.name))

    def _no_part(self, part: Codes, unknown: list[int], found: Mapping[str, np.ndarray]) -> None:
        """DataError for rows whose part is unknown, or if a part for training has no rows."""
        name = self.param.split.column
        wrong = Wrong()
        wrong.add(np.flatnonzero(np.isin(part.cells, unknown) | part.missing()))
        if wrong.count:
            raise DataError(cell_error(self.raw, name, wrong, f"{self.raw.rows:,} cells", "Expected train, validation or test."))
        if not len(found["TRAIN"]):
            raise DataError(f"{self.raw.name}: Column {name!r} names no row for training.", field="split")

    def _times(self, time: Column | None, known: np.ndarray) -> np.ndarray | None:
        if time is None:
            return None
        assert isinstance(time, Numbers)
        missing = np.flatnonzero(time.missing() & known)
        if len(missing):
            wrong = Wrong()
            wrong.add(missing)
            raise DataError(cell_error(self.raw, self.param.split.time, wrong, f"{self.raw.rows:,} cells", "Expected a number or a date."))
        return time.cells

    def _columns(self, cells: Mapping[str, Column], trained: np.ndarray) -> tuple[ColumnType, ...]:
        """The columns, as weights know them or as fitted on the training rows."""
        if self.known.fitted:
            return column_types(self.known.fitted)
        return tuple(class_of(rule).fit(rule, cells[f"column {rule.name}"].values(trained)) for rule, _ in self.roles.rules)

    def _encode(self, columns: tuple[ColumnType, ...], cells: Mapping[str, Column]) -> None:
        shape = self.raw.rows, sum(column.slots for column in columns)
        out = np.lib.format.open_memmap(self.folder / "rows.npy", "w+", np.float32, shape)
        encode(columns, {column.name: cells[f"column {column.name}"] for column in columns}, out, partial(os.utime, self.folder))
        out.flush()

    def _spread(self, labels: Labels | None, parts: Mapping[str, np.ndarray]) -> list[list[float]]:
        """Mean and standard deviation of the numbers to predict over the training rows. Writes the labels."""
        if labels is None:
            return [[], []]
        dtype = np.int64 if labels.array.dtype.kind == "u" else labels.array.dtype
        np.lib.format.open_memmap(self.folder / "label.npy", "w+", dtype, labels.array.shape)[:] = labels.array
        if labels.array.dtype.kind == "u" or labels.classes or "TRAIN" not in parts:
            return [[], []]
        found = spread(labels.array[parts["TRAIN"]].reshape(len(parts["TRAIN"]), -1))
        return [list(found.mean), list(found.std)]


def _dtypes(cells: Sequence[Cells], raw: RawTable) -> list[str]:
    """What DuckDB makes of expressions."""
    (kinds,) = raw.query(f"select {', '.join(f'typeof({cell.value})' for cell in cells)} from {CELLS} limit 1")
    return [{"BIGINT": "int64", "VARCHAR": "string"}.get(kind, "float64") for kind in kinds]


def _time(column: RawColumn, raw: RawTable) -> Cells:
    """How a column of numbers or dates is read as numbers."""
    value = number_sql(column, raw.dialect)
    if column.kind == "text":
        value = f"coalesce({value}, epoch(try_cast({quoted(column.name)} as TIMESTAMP)))"
    return Cells(value, f"{quoted(column.name)} is not null and {value} is null", "Expected a number or a date.")


def _coded(column: Column, raw: RawTable) -> np.ndarray:
    """The groups of rows as numbers."""
    if isinstance(column, Codes):
        return column.cells
    raise DataError(Diagnostic(None, f"{raw.name}: There are too many groups.", field="split"))
