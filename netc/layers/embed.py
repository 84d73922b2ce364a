"""Embed: rows of a table."""

import numpy as np

from netc.ir import Value, cast, op
from netc.layers.context import Context
from netc.registry import layer


@layer("Embed", in_place=False)
def embed(ctx: Context, x: Value) -> Value:
    """For each number in x that row of a learned table (input_dim, num_output), plus a bias: the shape of x with one axis more."""
    p = ctx.param.embed_param
    for name in ("num_output", "input_dim"):
        if not getattr(p, name):
            raise ctx.error(f"{name} is missing; input_dim rows of num_output numbers each", "embed_param")
    table = ctx.weight("weight", (p.input_dim, p.num_output), p.weight_filler)
    y = op.Gather(table, cast(x, np.int64), axis=0)
    return y + ctx.weight("bias", (p.num_output,), p.bias_filler) if p.bias_term else y
