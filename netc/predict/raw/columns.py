"""The raw columns that a published model reads: one for each of its inputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from netc import netc_pb2 as pb
from netc import registry
from netc.graph.tensor_type import STRING
from netc.table.columns.define import MISSING_INT as MISSING
from netc.table.columns.define import Cells, ColumnType
from netc.table.reading import RawColumn, ReadingOptions

__all__ = ["MISSING", "InputColumn", "columns_of", "takes_raw_columns"]

SOURCE = "Table"  # the type of the data layer
DTYPES = {"tensor(string)": STRING, "tensor(double)": np.dtype(np.float64), "tensor(int64)": np.dtype(np.int64)}
FLOAT32 = np.dtype(np.float32)
TYPES = {"O": "category", "i": "date", "f": "number"}  # for models that do not state the type of a column, by the kind of their dtype


@dataclass(frozen=True)
class InputColumn:
    """A column that a model reads. `dtype` is that of its input; `rule` says how cells are read."""

    name: str
    dtype: np.dtype
    rule: pb.ColumnParameter

    def cells(self, column: RawColumn, dialect: ReadingOptions) -> Cells:
        """Return how the cells of a table's column are read, exactly as in training."""
        kind = cast(type[ColumnType], registry.column_type.find(self.rule.type))
        return kind.cells(self.rule, column, dialect)

    @property
    def missing(self) -> Any:
        """The raw value of a missing cell."""
        return {"O": "", "i": MISSING}.get(self.dtype.kind, np.nan)

    def array(self, values: np.ndarray) -> np.ndarray:
        """Return raw values in the type of the input. Numbers beyond its range become infinite."""
        with np.errstate(over="ignore"):
            return values.astype(self.dtype)


def takes_raw_columns(metadata: Mapping[str, Any]) -> bool:
    """Whether a model reads raw columns of a table."""
    return [source["type"] for source in metadata.get("sources", [])] == [SOURCE]


def columns_of(inputs: Mapping[str, Any], metadata: Mapping[str, Any]) -> tuple[InputColumn, ...]:
    """Return the columns of a model, in the order of its inputs, from its ports and its metadata."""
    described = {c["name"]: c for c in metadata.get("columns", ()) if isinstance(c, dict)}
    return tuple(_column(name, DTYPES.get(port.type, FLOAT32), described.get(name, {})) for name, port in inputs.items())


def _column(name: str, dtype: np.dtype, described: Mapping[str, Any]) -> InputColumn:
    kind = described.get("type") or TYPES.get(dtype.kind, "number")
    return InputColumn(name, dtype, pb.ColumnParameter(name=name, type=kind, format=described.get("format") or None))
