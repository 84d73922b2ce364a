"""The data source of the Table layer: rows encoded as numbers, labels, and the rows of each phase."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netc import netc_pb2 as pb
from netc.data.source import Description, Request, Table, TopSpec
from netc.errors import DataError
from netc.registry import source
from netc.table.columns.define import Cells, ColumnType, Values, class_of, column_types
from netc.table.encoded import encoded
from netc.table.reading import RawTable, ReadingOptions, open_table
from netc.table.series_source import Series
from netc.table.split import parts

RULES = {"text": "category", "number": "number", "integer": "number", "boolean": "category", "date": "number"}


@source("Table")
def table(request: Request) -> Table:
    """Encoded rows as float32 and the label. All phases share one table; `parts` has the rows of each."""
    opened = _Opened(request)
    if request.layer.table_param.HasField("series"):
        return Series(request, opened.raw, opened.rules, opened.values).table()
    features, label, classes = opened.features, opened.label, opened.classes
    param, raw = request.layer.table_param, opened.raw
    rows = TopSpec("float32", features.shape[1:], fitted=opened.columns)
    tops = (rows, TopSpec(str(label.dtype), label.shape[1:]))
    names = tuple(column.name for column in opened.columns)
    described = Description(raw.name, tops, raw.rows, classes, sha256=raw.sha256, columns=names, label=", ".join(param.label),
                            has_validation=len(opened.parts["VALIDATION"]) > 0)  # fmt: skip
    return Table(described, lambda: (features, label), parts=opened.parts, raw=opened.raw_values, has_test_rows=True, all_phases=True)


@dataclass(frozen=True)
class _Opened:
    """A table that is open, with what is fitted on its training rows."""

    request: Request

    @cached_property
    def raw(self) -> RawTable:
        return open_table(self.request.source, self.request.base, ReadingOptions(query=self.param.query))

    @property
    def param(self) -> pb.TableParameter:
        return self.request.layer.table_param

    @cached_property
    def parts(self) -> Mapping[str, np.ndarray]:
        return parts(self.param.split, self.raw.rows)

    @cached_property
    def rules(self) -> list[pb.ColumnParameter]:
        """The columns to read. If the layer names none, all that have no other role."""
        if self.param.columns:
            return list(self.param.columns)
        others = {*self.param.label, self.param.weight, *(column.name for column in self.param.ignore)}
        return [pb.ColumnParameter(name=c.name, type=RULES[c.kind]) for c in self.raw.columns if c.name not in others]

    def cells(self, rule: pb.ColumnParameter) -> Cells:
        column = next((c for c in self.raw.columns if c.name == rule.name), None)
        if column is None:
            raise DataError(f"{self.raw.name}: There is no column {rule.name!r}, which the net reads.")
        return class_of(rule).cells(rule, column, self.raw.dialect)

    @cached_property
    def columns(self) -> tuple[ColumnType, ...]:
        """The columns, as the weights of the net know them, or as fitted on the training rows."""
        known = self.request.learned.tops[0].fitted if self.request.learned else self.request.known.fitted if self.request.known else ()
        if known:
            return column_types(known)
        trained = self.parts["TRAIN"]
        return tuple(class_of(rule).fit(rule, Values.of(self.values(rule)[trained])) for rule in self.rules)

    def values(self, rule: pb.ColumnParameter) -> np.ndarray:
        """All raw values of a column."""
        return np.concatenate([chunk["x"] for chunk in self.raw.chunks({"x": self.cells(rule).value})])

    @cached_property
    def features(self) -> np.ndarray:
        return encoded(self.columns, {rule.name: self.values(rule) for rule in self.rules})

    def raw_values(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The raw values of rows, by column."""
        return {c.name: self.values(r)[rows].astype(c.dtype if c.dtype != "string" else object)
                for c, r in zip(self.columns, self.rules, strict=True)}  # fmt: skip

    @cached_property
    def _labels(self) -> tuple[np.ndarray, tuple[str, ...]]:
        (name,) = self.param.label
        cells = self.values(pb.ColumnParameter(name=name, type="category"))
        classes = self.request.known.classes if self.request.known else tuple(self.param.classes) or tuple(np.unique(cells.astype(str)))
        return np.searchsorted(classes, cells.astype(str)).astype(np.int64), tuple(map(str, classes))

    @property
    def label(self) -> np.ndarray:
        return self._labels[0]

    @property
    def classes(self) -> tuple[str, ...]:
        return self._labels[1]
