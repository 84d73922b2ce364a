"""Columns of texts: their words and pairs of neighbouring words, averaged."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op
from netc.graph.training_ops import table as table_ops
from netc.registry import column_type
from netc.table.columns.block import side_by_side
from netc.table.columns.category import LONG_TEXT, lookup
from netc.table.columns.define import Cells, ColumnType, Values, Weight
from netc.table.columns.words import delimiters_of, in_rows, plain, split, words
from netc.table.reading import RawColumn, ReadingOptions, text_sql

MOST_WORDS, MOST_STEPS, MOST_BUCKETS = 15_000, 512, 20_011
COVERED = 0.95  # of the training rows are read to their ends
FACTOR = 7_919  # of the hash of a pair, a prime


@column_type("text")
@dataclass(frozen=True)
class Text(ColumnType):
    """The first `steps` words of a text, each as its number from 1. Code 0 is for rare and unseen words, and -1 follows the last word.

    A text without words is read as one unseen word. `words` are in small letters, and `spelled` has further spellings with the number of
    their word. `delimiters` end a word, as spaces do. A pair of words has one of `buckets` vectors, found by a hash.
    """

    reads: ClassVar[tuple[str, ...]] = ("min_count", "most_values", "steps", "buckets")

    words: tuple[str, ...]
    spelled: tuple[tuple[str, int], ...]
    delimiters: tuple[str, ...]
    steps: int
    buckets: int
    missing: int
    example: str

    @property
    def dtype(self) -> str:
        return "string"

    @property
    def slots(self) -> int:
        return self.steps

    @classmethod
    def cells(cls, rule: pb.ColumnParameter, column: RawColumn, dialect: ReadingOptions) -> Cells:
        return Cells(text_sql(column))

    @classmethod
    def fit(cls, rule: pb.ColumnParameter, seen: Values) -> "Text":
        texts, counts = [str(text) for text in seen.values], [int(n) for n in seen.counts]
        delimiters = delimiters_of(texts)
        rows, lengths = Counter[str](), Counter[int]()
        for text, count in zip(texts, counts, strict=True):
            found = split(text, delimiters)
            lengths[min(len(found), MOST_STEPS)] += count
            for word in set(found):
                rows[word] += count
        known = _often(rows, max(1, rule.min_count), int(rule.most_values) or MOST_WORDS)
        codes = {word: k for k, word in enumerate(known, 1)}
        spelled = {word: codes[plain(word)] for word in _spellings(known, rows) if word not in codes and plain(word) in codes}
        buckets = int(rule.buckets) if rule.HasField("buckets") else min(MOST_BUCKETS, 4 * len(known) + 1)
        steps = int(rule.steps) or _covering(lengths)
        example = min(texts, key=lambda text: (abs(len(text) - 60), text), default="")
        return cls(rule.name, known, tuple(sorted(spelled.items())), delimiters, steps, buckets, seen.missing, example)

    @classmethod
    def preprocess(cls, columns: Sequence["Text"], inputs: Sequence[Value]) -> Value:
        return side_by_side([column.coded(x) for column, x in zip(columns, inputs, strict=True)])

    def coded(self, x: Value) -> Value:
        """Return the codes of the words, float32 (N, steps)."""
        found, rows = words(x, self.steps, self.delimiters)
        codes = lookup(found, {word: k for k, word in enumerate(self.words, 1)} | dict(self.spelled))
        first = np.where(np.arange(self.steps), -1.0, 0.0).astype(np.float32)
        return op.Max(cast(in_rows(codes, rows, x, self.steps), np.float32), constant(first))

    @classmethod
    def encode(cls, columns: Sequence["Text"], part: Value, weight: Weight, param: pb.EncodeParameter) -> list[Value]:
        ends = np.cumsum([0, *(column.steps for column in columns)]).tolist()
        parts = [op.Slice(part, [a], [b], [1]) for a, b in zip(ends, ends[1:], strict=False)]
        return [column._mean(codes, weight, int(param.word_width)) for column, codes in zip(columns, parts, strict=True)]

    def _mean(self, codes: Value, weight: Weight, width: int) -> Value:
        """The mean of the vectors of words and pairs (N, width), as in fastText (Joulin et al. 2017)."""
        count = len(self.words) + 1
        table = weight((count + self.buckets, width))
        read, index = op.GreaterOrEqual(codes, 0.0), op.Max(cast(codes, np.int64), constant(np.int64(0)))
        if self.buckets and self.steps > 1:
            first, second = (op.Slice(index, [k], [self.steps - 1 + k], [1]) for k in (0, 1))
            pairs = op.Mod(first * FACTOR + second, self.buckets) + count
            read, index = op.Concat(read, op.Slice(read, [1], [self.steps], [1]), axis=1), op.Concat(index, pairs, axis=1)
        shares = cast(read, np.float32)
        shares = shares / op.ReduceSum(shares, [1])
        return op.Squeeze(op.MatMul(op.Unsqueeze(shares, [1]), table_ops.embed(table, index)), [1])

    @property
    def about(self) -> Mapping[str, Any]:
        values = f"the first {self.steps} words, {len(self.words):,} different ones" + (" and pairs of words" if self.buckets else "")
        return {"example": self.example or None, "values": values, "gaps": self.missing > 0}

    @property
    def odd(self) -> Sequence[str]:
        return ["", "qzx", "... !?", "\u00e4\u20ac\U0001f600 \0", LONG_TEXT, "a " * 2_000, "-" * 500, " \t\n"]


def _often(rows: Mapping[str, int], least: int, most: int) -> tuple[str, ...]:
    """The words in small letters that enough rows have, the most frequent ones first."""
    found: Counter[str] = Counter()
    for word, count in rows.items():
        found[plain(word)] += count
    often = sorted((-count, word) for word, count in found.items() if word and count >= least)
    return tuple(word for _, word in often[:most])


def _spellings(known: Iterable[str], rows: Iterable[str]) -> Iterable[str]:
    """All spellings in the training rows, and the usual capitals of each known word."""
    return dict.fromkeys([*rows, *(spelled for word in known for spelled in (word.capitalize(), word.title(), word.upper()))])


def _covering(lengths: Mapping[int, int]) -> int:
    """The number of words that is enough for most rows."""
    total, seen = sum(lengths.values()), 0
    for length, count in sorted(lengths.items()):
        seen += count
        if seen >= COVERED * total:
            return max(1, length)
    return 1
