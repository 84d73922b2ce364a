"""Position, which tells a net the number of each time step."""

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, constant, op
from netc.graph.training_ops.attention import steps_of
from netc.layers.context import Context, dims, sizes
from netc.registry import layer

LONGEST = 10000.0  # the longest wavelength is about 2 pi times this


@layer("Position", in_place=False)
def position(ctx: Context, x: Value) -> Value:
    """y = x + p, with a vector p for each time step of x (T, N, C): a trainable one, or sines and cosines (Vaswani et al. 2017)."""
    p = ctx.param.position_param
    if x.rank != 3:
        raise ctx.shape_error(f"Expected time x batch x channels. {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    channels = sizes(x.shape[2:])[0]
    if p.kind == pb.PositionParameter.SINUSOIDAL:
        return x + op.Unsqueeze(_waves(x, channels), [1])
    rows = _rows(ctx, x)
    filler = p.weight_filler if p.HasField("weight_filler") else pb.FillerParameter(type="gaussian", std=0.02)
    table, steps = ctx.weight("weight", (rows, channels), filler), x.shape[0]
    if steps != rows:
        end = [steps] if isinstance(steps, int) else op.Shape(x, start=0, end=1)
        table = op.Slice(table, [0], end, [0], shape=(steps, channels))
    return x + op.Unsqueeze(table, [1])


def _rows(ctx: Context, x: Value) -> int:
    """The rows of the table: `max_steps`, or the time steps of the net."""
    p, steps = ctx.param.position_param, x.shape[0]
    known = [top.shape[0] for top in ctx.described.values() if top.batch_axis == 1 and isinstance(top.shape[0], int)]
    trained = max(known) if known and ctx.steps is not None else steps  # a deployed net may read fewer steps than a row of the source has
    rows = int(p.max_steps) or trained
    if not isinstance(rows, int):
        text = "`max_steps` is missing. Add the largest number of time steps, for example `max_steps: 64`."
        raise ctx.shape_error(text, "position_param")
    if isinstance(steps, int) and steps > rows:
        text = f"{ctx.layer.bottoms[0]} has {steps} time steps, but the table has {rows} rows. Use a larger `max_steps`."
        raise ctx.shape_error(text, *(("position_param", "max_steps") if p.max_steps else ("bottom",)))
    return rows


def _waves(x: Value, channels: int) -> Value:
    """(T, C): sines in even channels and cosines in odd ones."""
    pairs = -(-channels // 2)
    rates = constant((LONGEST ** (-2 * np.arange(pairs) / channels)).astype(np.float32))
    angles = op.Unsqueeze(steps_of(x), [1]) * rates
    waves = op.Reshape(op.Concat(op.Unsqueeze(op.Sin(angles), [2]), op.Unsqueeze(op.Cos(angles), [2]), axis=2), [0, 2 * pairs],
                       shape=(x.shape[0], 2 * pairs))  # fmt: skip
    return waves if channels == 2 * pairs else op.Slice(waves, [0], [channels], [1])
