"""Layers that move values between channels, or between channels and space."""

from netc.graph.ir import Value, op
from netc.layers.context import Context, dims, sizes
from netc.layers.shape import merged, reshape
from netc.registry import layer


@layer("ShuffleChannel", in_place=False)
def shuffle_channel(ctx: Context, x: Value) -> Value:
    """Channel i of group g becomes channel i group + g (Zhang et al. 2018), so that the next layer's groups read from all groups."""
    group = int(ctx.param.shuffle_channel_param.group)
    if x.rank < 2:
        raise ctx.shape_error(f"Expected 2 axes or more. {ctx.layer.bottoms[0]} is of shape {dims(x.shape)}.", "bottom")
    (channels,) = sizes(x.shape[1:2])
    if not group or channels % group:
        text = f"`group` is {group}, which must divide the {channels} channels of {ctx.layer.bottoms[0]}."
        raise ctx.error(text, "shuffle_channel_param", *(["group"] if group != 1 else []))
    parts = reshape(x, [x.shape[0], group, channels // group, merged(x.shape[2:])])
    return reshape(op.Transpose(parts, perm=[0, 2, 1, 3]), list(x.shape))


@layer("Reorg", in_place=False)
def reorg(ctx: Context, x: Value) -> Value:
    """Moves space into channels: (N, C, H, W) becomes (N, C s s, H / s, W / s) for stride s, in the order of darknet's first version.

    That order reads the bottom as (N, C / (s s), H s, W s). With `reverse`, channels become space: (N, C / (s s), H s, W s).
    """
    p = ctx.param.reorg_param
    s = int(p.stride)
    if x.rank != 4:
        raise ctx.shape_error(f"Expected 4 axes (N, C, H, W). {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    if not s:
        raise ctx.error("`stride` is missing. Add a whole number, for example `stride: 2`.", "reorg_param")
    n, (c, h, w) = x.shape[0], sizes(x.shape[1:])
    if c % (s * s):
        raise ctx.shape_error(f"The {c} channels of {dims(x.shape)} do not divide by {s} x {s}.", "reorg_param", "stride")
    if p.reverse:
        parts = op.Transpose(reshape(x, [n, s, s, c // (s * s), h, w]), perm=[0, 3, 4, 1, 5, 2])
        return reshape(parts, [n, c // (s * s), h * s, w * s])
    if h % s or w % s:
        raise ctx.shape_error(f"`stride` {s} does not divide the height and width of {dims(x.shape)}.", "reorg_param", "stride")
    parts = op.Transpose(reshape(x, [n, c // (s * s) * h, s, w, s]), perm=[0, 2, 4, 1, 3])
    return reshape(parts, [n, c * s * s, h // s, w // s])
