"""The rows of a Table layer with `series`: windows of rows in time, and the labels of the rows after each window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.data.series import spread
from netc.data.series_facts import SeriesFacts
from netc.data.source import Description, Request, Table, TopSpec
from netc.errors import DataError
from netc.spec.private_paths import plain_path
from netc.table.columns.define import ColumnType, Values, class_of, column_types
from netc.table.encoded import encoded
from netc.table.reading import RawTable
from netc.table.series import MISSING_TIME, Frames, Grid, Windows, gaps_text, grid, windows
from netc.table.wrong import wrong_cells

MISSING = {"float32": np.nan, "float64": np.nan, "int64": MISSING_TIME, "string": ""}


@dataclass(frozen=True)
class Series:
    """A table that is read as series in time. `values` returns the raw values of a column: float64, int64 seconds, or texts."""

    request: Request
    raw: RawTable
    rules: Sequence[pb.ColumnParameter]
    values: Callable[[pb.ColumnParameter], np.ndarray]

    @property
    def param(self) -> pb.TableParameter:
        return self.request.layer.table_param

    @property
    def series(self) -> pb.TableSeriesParameter:
        return self.param.series

    def check(self) -> None:
        """DataError for cells that cannot be read: one error a column."""
        stored = {column.name: column for column in self.raw.columns}
        rules = {rule.name: rule for rule in (*self._targets, self._time, *self.rules)}
        cells = {name: class_of(rule).cells(rule, stored[name], self.raw.dialect) for name, rule in rules.items() if name in stored}
        if errors := wrong_cells(self.raw, cells):
            raise DataError(*errors)

    @property
    def _targets(self) -> list[pb.ColumnParameter]:
        """The rules of the labels."""
        return [pb.ColumnParameter(name=name, type="number") for name in self.param.label]

    @property
    def _time(self) -> pb.ColumnParameter:
        """The rule of the column with the times."""
        kind = next((c.kind for c in self.raw.columns if c.name == self.series.time), "text")
        plain = pb.ColumnParameter(name=self.series.time, type="number" if kind in ("number", "integer") else "date")
        return next((r for r in self.rules if r.name == self.series.time), plain)

    @cached_property
    def grid(self) -> Grid:
        """All rows in the order of time, without holes."""
        if not self.series.time:
            raise DataError("A series needs `time`, the column with the time of each row.", field="series")
        times = self.values(self._time)
        if times.dtype.kind == "f":
            times = np.where(np.isnan(times), float(MISSING_TIME), np.rint(times)).astype(np.int64)
        groups = self.values(pb.ColumnParameter(name=self.series.group, type="category")) if self.series.group else None
        return grid(times, groups, self.series.frequency)

    @cached_property
    def targets(self) -> list[np.ndarray]:
        """The labels on the grid, float64 with NaN for a gap."""
        if not self.param.label:
            raise DataError("A series needs `label`, the columns to predict.", field="label")
        return [self.grid.values(self.values(rule), np.nan) for rule in self._targets]

    @cached_property
    def windows(self) -> Windows:
        split, series = self.param.split, self.series
        if split.column or split.group or split.folds or split.time:
            raise DataError("A series is split by time: the last rows are for testing. Remove the other fields of `split`.", field="split")
        if not series.steps or not series.horizon:
            raise DataError("A series needs `steps`, the rows of a window, and `horizon`, the rows to predict.", field="series")
        return windows(self.grid, self.targets, int(series.steps), int(series.horizon), split.validation, split.test)

    @cached_property
    def columns(self) -> tuple[ColumnType, ...]:
        """The columns as fitted on the rows before the validation rows, or as the weights of the net know them."""
        request = self.request
        known = request.learned.tops[0].fitted if request.learned else request.known.fitted if request.known else ()
        if known:
            return column_types(known)
        return tuple(class_of(rule).fit(rule, Values.of(self.on_grid(rule)[self.windows.fitted])) for rule in self.rules)

    def on_grid(self, rule: pb.ColumnParameter) -> np.ndarray:
        """The raw values of a column on the grid. The time and the series of a missing row are known."""
        column, at = self.values(rule), self.grid
        if rule.name == self.series.time:
            return at.times.astype(column.dtype)
        missing = MISSING["string" if column.dtype == object else "int64" if column.dtype.kind == "i" else "float64"]
        found = at.values(column, missing)
        if rule.name == self.series.group:
            names = {int(number): found[np.flatnonzero((at.series == number) & (at.rows >= 0))[0]] for number in np.unique(at.series)}
            found = np.array([names[int(number)] for number in at.series], object)
        return found

    @cached_property
    def on_grids(self) -> dict[str, np.ndarray]:
        """The raw values of all columns on the grid."""
        return {rule.name: self.on_grid(rule) for rule in self.rules}

    @property
    def known(self) -> tuple[ColumnType, ...]:
        """The columns whose values are known ahead."""
        return tuple(c for c in self.columns if c.name in (*self.series.known, self.series.time, self.series.group))

    def table(self) -> Table:
        """Windows (steps, slots), labels (horizon, targets), the labels of the window (steps, targets), and what is known ahead."""
        self.check()
        steps, horizon, names = int(self.series.steps), int(self.series.horizon), tuple(self.param.label)
        targets = np.stack(self.targets, 1).astype(np.float32)
        mean, std = spread(targets[self.windows.fitted][np.isfinite(targets[self.windows.fitted]).all(1)])
        slots, ahead = (sum(c.slots for c in columns) for columns in (self.columns, self.known))
        tops = (
            TopSpec("float32", (steps, slots), fitted=self.columns),
            TopSpec("float32", (horizon, len(names)), mean=mean, std=std),
            TopSpec("float32", (steps, len(names)), input=True, gaps=True, mean=mean, std=std),
            *((TopSpec("float32", (horizon, ahead), input=True, fitted=self.known),) if ahead else ()),
        )
        known = tuple(c.name for c in self.known)
        facts = SeriesFacts(self.series.time, str(self.grid.frequency), self.series.group, steps, horizon, known, names)
        described = Description(
            plain_path(self.raw.name), tops, len(self.windows.starts), sha256=self.raw.sha256, columns=tuple(c.name for c in self.columns),
            label=", ".join(names), series=facts, has_validation=len(self.windows.parts["VALIDATION"]) > 0,
            rules=tuple(self.rules),
        )  # fmt: skip

        def load() -> tuple[Any, ...]:
            rows, starts = encoded(self.columns, self.on_grids), self.windows.starts
            frames = (Frames(rows, starts, 0, steps), Frames(targets, starts, steps, horizon), Frames(targets, starts, 0, steps))
            return (*frames, Frames(encoded(self.known, self.on_grids), starts, steps, horizon)) if ahead else frames

        return Table(
            described, load, series=True, parts=self.windows.parts, raw=self.raw_windows, has_test_rows=True, all_phases=True,
            notes=lambda: [text] if (text := gaps_text(self.grid)) else [],
        )  # fmt: skip

    def raw_windows(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """The raw values of windows by column: (windows, steps), or (windows, steps + horizon) for columns that are known ahead."""
        steps, horizon = int(self.series.steps), int(self.series.horizon)
        found = {}
        for column in self.columns:
            length = steps + (horizon if column in self.known else 0)
            values = Frames(self.on_grids[column.name], self.windows.starts, 0, length)[numbers]
            found[column.name] = values.astype(object if column.dtype == "string" else column.dtype)
        for name, values in zip(self.param.label, self.targets, strict=True):
            if name not in found:
                found[name] = Frames(values, self.windows.starts, 0, steps)[numbers].astype(np.float32)
        return found
