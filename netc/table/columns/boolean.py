"""Columns of two values: true and false, yes and no, in several languages."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op
from netc.registry import column_type
from netc.table.columns.block import block, end_to_end
from netc.table.columns.category import Category, lookup
from netc.table.columns.define import Cells, Values, Weight
from netc.table.reading import RawColumn, ReadingOptions, quoted, text_sql

NO = ("false", "f", "no", "n", "off", "0", "0.0", "nein", "non", "nej", "nee", "não", "falsch", "faux", "falso", "нет")
YES = ("true", "t", "yes", "y", "on", "1", "1.0", "ja", "j", "oui", "si", "sí", "sì", "sim", "wahr", "vrai", "vero", "verdadero", "да")
FALSE, TRUE = 1, 2  # codes


@column_type("boolean")
@dataclass(frozen=True)
class Boolean(Category):
    """Code 1 is false, code 2 is true. Code 0 is for gaps, and for other texts in a published model. Capitals do not matter."""

    @classmethod
    def cells(cls, rule: pb.ColumnParameter, column: RawColumn, dialect: ReadingOptions) -> Cells:
        text = f"lower({text_sql(column)})"
        value = f"case when {text} in ({_listed(NO)}) then 'false' when {text} in ({_listed(YES)}) then 'true' end"
        return Cells(value, f"{quoted(column.name)} is not null and {value} is null", "Expected yes or no, true or false, 1 or 0.")

    @classmethod
    def fit(cls, rule: pb.ColumnParameter, seen: Values) -> "Boolean":
        counts = dict(zip(map(str, seen.values), map(int, seen.counts), strict=True))
        values = ("false", "true")
        return cls(rule.name, values, tuple(counts.get(v, 0) for v in values), 0, seen.missing, seen.missing >= max(1, rule.min_count))

    @classmethod
    def preprocess(cls, columns: Sequence[Category], inputs: Sequence[Value]) -> Value:
        spelled = {text: code for words, code in ((NO, FALSE), (YES, TRUE)) for word in words for text in _capitals(word)}
        codes = lookup(end_to_end(inputs), spelled)
        return cast(block(codes, len(inputs), inputs[0].shape[0]), np.float32)

    @classmethod
    def encode(cls, columns: Sequence[Category], part: Value, weight: Weight, param: pb.EncodeParameter) -> list[Value]:
        """A value that no training row has counts as a gap."""
        never = np.array([c.counts.index(0) + 1 if 0 in c.counts else -1 for c in columns], np.float32)
        codes = op.Where(op.Equal(part, constant(never)), constant(np.float32(0)), part) if (never > 0).any() else part
        return super().encode(columns, codes, weight, param)

    @property
    def odd(self) -> Sequence[str]:
        return ["", "perhaps", "True", "NO", "1", " "]


def _capitals(word: str) -> list[str]:
    """The word in all mixtures of small letters and capitals."""
    return ["".join(letters) for letters in product(*(dict.fromkeys((letter, letter.upper())) for letter in word))]


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
