"""Columns of categories: texts from a list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, ml, op
from netc.graph.tensor_type import STRING
from netc.registry import column_type
from netc.table.columns.block import end_to_end, matrix
from netc.table.columns.codes import vectors
from netc.table.columns.define import Cells, ColumnType, Values, Weight
from netc.table.reading import RawColumn, ReadingOptions, text_sql

MOST_VALUES = 20_000
MOST_SHOWN, MOST_LETTERS = 20, 40  # values in a list, and letters of each
DECIMAL = r"[+-]?\d+\.0*"  # a whole number with a decimal point
LONG_TEXT = "x" * 10_000


@column_type("category")
@dataclass(frozen=True)
class Category(ColumnType):
    """A text becomes the number of its value, from 1. Code 0 is for unseen and rare values and for gaps.

    `values` are those of at least `min_count` training rows, sorted, and `counts` their rows. `rare` and `missing` are the rows without
    one of these values. `own`: these rows are enough to learn code 0, see `codes`.
    """

    reads: ClassVar[tuple[str, ...]] = ("min_count", "most_values")

    values: tuple[str, ...]
    counts: tuple[int, ...]
    rare: int
    missing: int
    own: bool

    @property
    def dtype(self) -> str:
        return "string"

    @property
    def slots(self) -> int:
        return 1

    @classmethod
    def cells(cls, rule: pb.ColumnParameter, column: RawColumn, dialect: ReadingOptions) -> Cells:
        """A whole number is one value, whether it is stored as 3, 3.0 or the text "3"."""
        text = text_sql(column)
        whole = f"regexp_full_match({text}, '{DECIMAL}')"
        return Cells(f"case when {whole} then split_part({text}, '.', 1) else {text} end" if column.kind == "text" else text)

    @classmethod
    def fit(cls, rule: pb.ColumnParameter, seen: Values) -> "Category":
        counts, most = np.asarray(seen.counts), int(rule.most_values) or MOST_VALUES
        often = np.flatnonzero(counts >= max(1, rule.min_count))
        kept = np.sort(often[np.argsort(-counts[often], kind="stable")[:most]])  # of equally frequent values, the first
        rare = int(counts.sum() - counts[kept].sum())
        values = tuple(map(str, seen.values[kept]))
        return cls(rule.name, values, tuple(counts[kept].tolist()), rare, seen.missing, rare + seen.missing >= max(1, rule.min_count))

    @classmethod
    def preprocess(cls, columns: Sequence["Category"], inputs: Sequence[Value]) -> Value:
        """One list of all columns' values: a text is looked up with the number of its column before it."""
        starts = [f"{k}:" for k in range(len(columns))] if len(columns) > 1 else [""]
        codes = {start + text: code for start, column in zip(starts, columns, strict=True) for text, code in column.codes.items()}
        texts = matrix(end_to_end(inputs), len(inputs), inputs[0].shape[0])
        named = op.StringConcat(constant(np.array(starts, STRING).reshape(-1, 1)), texts) if len(columns) > 1 else texts
        return op.Transpose(cast(lookup(named, codes), np.float32), perm=[1, 0])

    @property
    def codes(self) -> dict[str, int]:
        """The code of each text. A whole number may have a decimal point."""
        known = dict(zip(self.values, range(1, len(self.values) + 1), strict=True))
        return {f"{value}.0": code for value, code in known.items() if value.removeprefix("-").isdecimal()} | known

    @classmethod
    def encode(cls, columns: Sequence["Category"], part: Value, weight: Weight, param: pb.EncodeParameter) -> list[Value]:
        return vectors(columns, part, weight, param)

    @property
    def about(self) -> Mapping[str, Any]:
        often = sorted(zip(self.counts, self.values, strict=True), key=lambda pair: -pair[0])
        rest = len(often) - MOST_SHOWN
        shown = ", ".join(_short(value) for _, value in often[:MOST_SHOWN]) + (f" and {rest:,} more" if rest > 0 else "")
        return {"example": often[0][1] if often else None, "values": shown or "none that is frequent", "gaps": self.missing > 0}

    @property
    def odd(self) -> Sequence[str]:
        return ["", "a value that no row has", " ", "ß\u20ac\U0001f600", "\0", LONG_TEXT]


def _short(value: str) -> str:
    """A value for a list: at most some letters, and in quotes if it has a comma."""
    cut = value if len(value) <= MOST_LETTERS else value[: MOST_LETTERS - 1] + "\u2026"
    return f'"{cut}"' if "," in cut or cut.strip() != cut else cut


def lookup(x: Value, codes: Mapping[str, int]) -> Value:
    """Return the code of each text, and 0 for a text without one."""
    keys = codes or {"": 0}
    return ml.LabelEncoder(x, keys_strings=list(keys), values_int64s=list(keys.values()), default_int64=0)
