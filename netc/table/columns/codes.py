"""Vectors for columns of codes: one-hot vectors for few values, embeddings for many.

A column has codes from 1 for the values that it distinguishes, and 0 for all else: rare and unseen values, and gaps. If enough training
rows have code 0, it is learned like a value of its own. Otherwise its vector is the mean of the vectors of the other values, weighted by
their training rows, because a vector without training rows would stay as random as it was at the start.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op
from netc.graph.training_ops import table as table_ops
from netc.table.columns.block import taken
from netc.table.columns.define import Weight

MOST_AVERAGED = 64  # the most frequent values, whose mean stands for all


class Coded(Protocol):
    """A column of codes. `counts` are the training rows of codes 1, 2, ...; `own` says whether code 0 is learned."""

    @property
    def counts(self) -> tuple[int, ...]: ...

    @property
    def own(self) -> bool: ...


def vectors(columns: Sequence[Coded], codes: Value, weight: Weight, param: pb.EncodeParameter) -> list[Value]:
    """Return one-hot vectors of the columns with at most `param.one_hot` values, and embeddings of the others. `codes` are (N, columns)."""
    few = [k for k, column in enumerate(columns) if len(column.counts) <= param.one_hot]
    many = [k for k in range(len(columns)) if k not in set(few)]
    made = [_one_hot([columns[k] for k in few], taken(codes, few))] if any(_codes(columns[k]) for k in few) else []
    return made + ([_embedded([columns[k] for k in many], taken(codes, many), weight, int(param.width))] if many else [])


def _codes(column: Coded) -> list[int]:
    """The codes with training rows."""
    return [code for code, rows in enumerate((int(column.own), *column.counts)) if rows]


def _shares(column: Coded, code: int) -> float:
    """The part of a value in the mean that stands for code 0."""
    return 0.0 if column.own else column.counts[code - 1] / sum(column.counts)


def _one_hot(columns: Sequence[Coded], codes: Value) -> Value:
    wanted = [(k, code) for k, column in enumerate(columns) for code in _codes(column)]
    given = op.Gather(codes, constant(np.array([k for k, _ in wanted], np.int64)), axis=1)
    hot = cast(op.Equal(given, constant(np.array([code for _, code in wanted], np.float32))), np.float32)
    shares = np.array([_shares(columns[k], code) for k, code in wanted], np.float32)
    return hot + cast(op.Equal(given, 0.0), np.float32) * constant(shares) if shares.any() else hot


def _embedded(columns: Sequence[Coded], codes: Value, weight: Weight, width: int) -> Value:
    """Rows of one table, which has those of each column in turn, and then the means that stand for code 0."""
    sizes = [len(column.counts) + column.own for column in columns]
    starts = np.cumsum([0, *sizes[:-1]])
    table, mixed = weight((sum(sizes), width)), [k for k, column in enumerate(columns) if not column.own]
    zero = starts.copy()
    zero[mixed] = sum(sizes) + np.arange(len(mixed))
    first = starts - [not column.own for column in columns]
    index = op.Where(op.Equal(codes, 0.0), constant(zero.astype(np.float32)), codes + constant(first.astype(np.float32)))
    rows = op.Concat(table, _means([columns[k] for k in mixed], table, first[mixed]), axis=0) if mixed else table
    found = table_ops.embed(rows, cast(index, np.int64))
    return op.Reshape(found, [-1, len(columns) * width], shape=(codes.shape[0], len(columns) * width))


def _means(columns: Sequence[Coded], table: Value, first: np.ndarray) -> Value:
    """The mean of the vectors of each column, over its most frequent values."""
    most = min(MOST_AVERAGED, max(len(column.counts) for column in columns))
    chosen, shares = np.zeros((len(columns), most), np.int64), np.zeros((len(columns), 1, most), np.float32)
    for k, (column, start) in enumerate(zip(columns, first, strict=True)):
        often = np.argsort(-np.array(column.counts), kind="stable")[:most]
        counts = np.array(column.counts)[often]
        chosen[k, : len(often)], shares[k, 0, : len(often)] = start + 1 + often, counts / counts.sum()
    means = op.MatMul(constant(shares), table_ops.embed(table, constant(chosen)))
    return op.Squeeze(means, [1])
