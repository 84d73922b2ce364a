"""Layers for tables: Table, which delivers rows, and Encode, which turns them into vectors."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.contract import BATCH
from netc.graph.ir import Value, cast, leaf, op
from netc.graph.tensor_type import Dim
from netc.layers.context import Context
from netc.layers.inputs import data_
from netc.net.model import DEPLOY
from netc.registry import layer
from netc.table.columns.block import side_by_side
from netc.table.columns.define import ColumnType, Weight, column_types, groups
from netc.table.columns.number import MOST_PIECES
from netc.table.encoded import encoded_row, raw_dtype, raw_inputs


@layer("Table", bottoms=(0, 0), tops=(1, 4), source=True)
def table(ctx: Context) -> tuple[Value, ...]:
    """Rows of a table of texts, numbers, dates and gaps, as numbers for Encode; their label; and their weight.

    In a deployed net, each column is an input of its own.
    """
    if ctx.phase != DEPLOY:
        return data_(ctx)
    columns = column_types(ctx.described[ctx.layer.tops[0]].fitted)
    if ctx.param.table_param.HasField("series"):
        return _windows(ctx, columns)
    return (encoded_row(columns, raw_inputs(columns, ctx.batch or 1, [BATCH(column.name) for column in columns])),)


def _windows(ctx: Context, columns: Sequence[ColumnType]) -> tuple[Value, ...]:
    """The encoded rows of windows, the targets in the window, and the encoded columns of the next rows that are known ahead."""
    param, batch = ctx.param.table_param, ctx.batch or 1
    steps, horizon = int(param.series.steps), int(param.series.horizon)
    ahead = [c for c in columns if c.name in (*param.series.known, param.series.time, param.series.group)]
    raw = {c.name: _raw(c.name, raw_dtype(c), batch, steps + (horizon if c in ahead else 0)) for c in columns}
    window = {name: op.Slice(x, [0], [steps], [1]) for name, x in raw.items()}
    rows = _encoded(columns, [window[c.name] for c in columns], batch, steps)
    targets = [cast(window.get(name) or _raw(name, np.float32, batch, steps), np.float32) for name in param.label]
    tops = [rows, op.Concat(*(op.Unsqueeze(x, [2]) for x in targets), axis=2)]
    if ahead:
        tops.append(_encoded(ahead, [op.Slice(raw[c.name], [steps], [steps + horizon], [1]) for c in ahead], batch, horizon))
    return tuple(tops)


def _raw(name: str, dtype: Any, batch: Dim, length: int) -> Value:
    return leaf("Input", dtype, (batch, length), name=BATCH(name))


def _encoded(columns: Sequence[ColumnType], inputs: Sequence[Value], batch: Dim, length: int) -> Value:
    """Encoded rows (batch, length, slots) from raw values (batch, length)."""
    flat = [op.Reshape(x, [-1], shape=(f"{batch} rows",)) for x in inputs]
    rows = encoded_row(columns, flat)
    return op.Reshape(rows, [-1, length, int(rows.shape[1])], shape=(batch, length, rows.shape[1]))


@layer("Encode", in_place=False)
def encode(ctx: Context, rows: Value) -> Value:
    """One vector for each row of a Table (N, width).

    A number keeps its value and gets pieces between quantiles: (x - low) / (high - low), from 0 to 1. A category of few values becomes a
    one-hot vector, one of many has embeddings. Parts of dates are numbers and points on a circle. A text is the mean of the embeddings of
    its words and pairs of words.
    """
    spec = ctx.described.get(ctx.layer.bottoms[0])
    if spec is None or not spec.fitted:
        raise ctx.error(f"{ctx.layer.bottoms[0]!r} is not the top of a Table layer.", "bottom")
    _check_sizes(ctx)
    if rows.rank == 2:
        return _vectors(ctx, rows, column_types(spec.fitted))
    batch, steps, slots = rows.shape
    flat = op.Reshape(rows, [-1, int(slots)], shape=(batch * steps if isinstance(batch, int) else f"{batch} rows", slots))
    y = _vectors(ctx, flat, column_types(spec.fitted))
    return op.Reshape(y, [-1, int(steps), int(y.shape[1])], shape=(batch, steps, y.shape[1]))


def _check_sizes(ctx: Context) -> None:
    param = ctx.param.encode_param
    if param.pieces > MOST_PIECES:
        raise ctx.error(f"`pieces` is {param.pieces}. The most is {MOST_PIECES}.", "encode_param", "pieces")
    for name in ("width", "word_width"):
        if getattr(param, name) == 0:
            raise ctx.error(f"`{name}` is 0. Expected 1 or more.", "encode_param", name)


def _vectors(ctx: Context, rows: Value, columns: Sequence[ColumnType]) -> Value:
    """One vector for each encoded row (N, slots)."""
    param, parts, place, made = ctx.param.encode_param, list[Value](), 0, Counter[str]()
    for numbers in groups(columns):
        group = [columns[k] for k in numbers]
        end = place + sum(column.slots for column in group)
        part, place = op.Slice(rows, [place], [end], [1]), end
        parts += type(group[0]).encode(group, part, _weights(ctx, param, group, made), param)
    if not parts:
        raise ctx.error("No column has different values in the training rows, so there is nothing to learn from.", "bottom")
    return side_by_side(parts)


def _weights(ctx: Context, param: pb.EncodeParameter, group: Sequence[ColumnType], made: Counter[str]) -> Weight:
    """Creates the weights of a group of columns, named after their type: `category`, `text`, `text2`."""
    filler = param.weight_filler if param.HasField("weight_filler") else pb.FillerParameter(type="gaussian", std=0.1)
    name = group[0].type

    def weight(shape: tuple[int, ...]) -> Value:
        made[name] += 1
        return ctx.weight(f"{name}{made[name] if made[name] > 1 else ''}", shape, filler)

    return weight
