"""Embed, which looks up rows of a table."""

from collections.abc import Sequence

import numpy as np

from netc.graph.ir import Value, cast
from netc.graph.training_ops import table as table_ops
from netc.layers.context import Context
from netc.layers.domain import Domain, Reads
from netc.net.model import Layer
from netc.registry import layer


def _indices(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> Domain:
    rows = blobs[0].shape[0]
    return Domain(0, int(rows) - 1, why=f"its table has {rows} rows")


@layer("Embed", in_place=False, reads=Reads(0, _indices))
def embed(ctx: Context, x: Value) -> Value:
    """y = W[x] + b: an embedding, which replaces each index by a row of the table W (input_dim, num_output), on a new last axis."""
    p = ctx.param.embed_param
    below = ctx.described.get(ctx.layer.bottoms[0])
    most = below.classes if below is not None else 0
    if not p.num_output or not (p.input_dim or most):
        missing = "input_dim is missing: the rows of the table" if p.num_output else "num_output is missing: the length of a row"
        raise ctx.error(missing, "embed_param")
    if p.input_dim and most > p.input_dim:
        raise ctx.error(f"{ctx.layer.bottoms[0]} has indices up to {most - 1}, a table of {p.input_dim} rows is too small.",
                        "embed_param", "input_dim")  # fmt: skip
    table = ctx.weight("weight", (int(p.input_dim or most), int(p.num_output)), p.weight_filler)
    y = table_ops.embed(table, cast(x, np.int64))
    return y + ctx.weight("bias", (int(p.num_output),), p.bias_filler) if p.bias_term else y
