"""Layers for tables: Table, which delivers rows, and Encode, which turns them into vectors."""

from functools import partial

from netc import netc_pb2 as pb
from netc.graph.contract import BATCH
from netc.graph.ir import Value, leaf, op
from netc.layers.context import Context
from netc.layers.inputs import data_
from netc.net.model import DEPLOY
from netc.registry import layer
from netc.table.columns.define import column_types
from netc.table.encoded import encoded_row, raw_dtype


@layer("Table", bottoms=(0, 0), tops=(1, 3), source=True)
def table(ctx: Context) -> tuple[Value, ...]:
    """Rows of a table of texts, numbers, dates and gaps, as numbers for Encode; their label; and their weight.

    In a deployed net, each column is an input of its own.
    """
    if ctx.phase != DEPLOY:
        return data_(ctx)
    columns = column_types(ctx.described[ctx.layer.tops[0]].fitted)
    inputs = [leaf("Input", raw_dtype(c), (ctx.batch or 1,), name=BATCH(c.name)) for c in columns]
    return (encoded_row(columns, inputs),)


@layer("Encode", in_place=False)
def encode(ctx: Context, rows: Value) -> Value:
    """One vector for each row of a Table (N, width).

    Numbers get pieces between quantiles: (x - low) / (high - low), from 0 to 1. Categories of few values become one-hot vectors, those of
    many have embeddings.
    """
    spec = ctx.described.get(ctx.layer.bottoms[0])
    if spec is None or not spec.fitted:
        raise ctx.error(f"{ctx.layer.bottoms[0]!r} is not the top of a Table layer.", "bottom")
    param, parts, place = ctx.param.encode_param, list[Value](), 0
    filler = param.weight_filler if param.HasField("weight_filler") else pb.FillerParameter(type="gaussian", std=0.1)
    for k, column in enumerate(column_types(spec.fitted)):
        part = op.Slice(rows, [place], [place + column.slots], [1])
        place += column.slots
        parts += column.encode(part, partial(ctx.weight, f"column{k}", filler=filler), param)
    return op.Concat(*parts, axis=1) if len(parts) > 1 else parts[0]
