"""Columns of categories: texts from a list."""

from dataclasses import dataclass

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, ml, op
from netc.graph.training_ops import table as table_ops
from netc.registry import column_type
from netc.table.columns.define import Cells, ColumnType, Values, Weight
from netc.table.reading import RawColumn, ReadingOptions, text_sql

MOST_VALUES = 20_000


@column_type("category")
@dataclass(frozen=True)
class Category(ColumnType):
    """A text becomes the number of its value, from 1. Code 0 is for unseen and rare values and for gaps.

    `values` are those of at least `min_count` training rows, sorted.
    """

    values: tuple[str, ...]

    @property
    def dtype(self) -> str:
        return "string"

    @property
    def slots(self) -> int:
        return 1

    @classmethod
    def cells(cls, rule: pb.ColumnParameter, column: RawColumn, dialect: ReadingOptions) -> Cells:
        return Cells(text_sql(column))

    @classmethod
    def fit(cls, rule: pb.ColumnParameter, seen: Values) -> "Category":
        most = int(rule.most_values) or MOST_VALUES
        often = sorted((-int(n), str(w)) for w, n in zip(seen.values, seen.counts, strict=True) if n >= rule.min_count)[:most]
        return cls(rule.name, tuple(sorted(word for _, word in often)))

    def preprocess(self, x: Value) -> Value:
        codes = ml.LabelEncoder(x, keys_strings=list(self.values), values_int64s=[*range(1, len(self.values) + 1)], default_int64=0)
        return op.Unsqueeze(cast(codes, np.float32), [1])

    def encode(self, part: Value, weight: Weight, param: pb.EncodeParameter) -> list[Value]:
        count = len(self.values) + 1
        codes = cast(part, np.int64)
        if count - 1 <= param.one_hot:
            return [cast(op.Equal(codes, constant(np.arange(count, dtype=np.int64))), np.float32)]
        table = weight((count, int(param.width)))
        return [table_ops.embed(table, op.Reshape(codes, [-1], shape=part.shape[:1]))]
