"""Layers for tables: Table, which delivers rows, and Encode, which turns them into vectors."""

from collections import Counter
from collections.abc import Sequence

from netc import netc_pb2 as pb
from netc.graph.contract import BATCH
from netc.graph.ir import Value, op
from netc.layers.context import Context
from netc.layers.inputs import data_
from netc.net.model import DEPLOY
from netc.registry import layer
from netc.table.columns.block import side_by_side
from netc.table.columns.define import ColumnType, Weight, column_types, groups
from netc.table.encoded import encoded_row, raw_inputs


@layer("Table", bottoms=(0, 0), tops=(1, 3), source=True)
def table(ctx: Context) -> tuple[Value, ...]:
    """Rows of a table of texts, numbers, dates and gaps, as numbers for Encode; their label; and their weight.

    In a deployed net, each column is an input of its own.
    """
    if ctx.phase != DEPLOY:
        return data_(ctx)
    columns = column_types(ctx.described[ctx.layer.tops[0]].fitted)
    return (encoded_row(columns, raw_inputs(columns, ctx.batch or 1, [BATCH(column.name) for column in columns])),)


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
    param, columns, parts, place = ctx.param.encode_param, column_types(spec.fitted), list[Value](), 0
    made: Counter[str] = Counter()
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
