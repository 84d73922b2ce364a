"""Layers that make images larger without weights."""

from collections.abc import Sequence
from typing import Any

from netc.graph.ir import Value, op
from netc.graph.training_ops import upsample as ops
from netc.layers.context import Context, dims, sizes
from netc.layers.shape import reshape
from netc.registry import layer
from netc.spec.scalars import shortest


@layer("Upsample", bottoms=(1, 2))
def upsample(ctx: Context, x: Value, like: Value | None = None) -> Value:
    """Changes the size of images (N, C, spatial...) by the nearest pixel or by linear interpolation, as torch's interpolate.

    The new size is `scale` times the present one, or `size`, or that of the second bottom.
    """
    p = ctx.param.upsample_param
    if not 3 <= x.rank <= 5:
        raise ctx.shape_error(f"Expected 3 to 5 axes (N, C, spatial axes). {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    if like is not None and like.rank != x.rank:
        text = f"{ctx.layer.bottoms[1]} is {dims(like.shape)}, and {ctx.layer.bottoms[0]} is {dims(x.shape)}. Expected as many axes."
        raise ctx.shape_error(text, "bottom", 1)
    if (like is not None) + bool(p.scale) + bool(p.size) != 1:
        text = "Expected one of `scale`, `size` and a second bottom with the new size, for example `scale: 2`."
        raise ctx.error(text, "upsample_param", *(["size"] if p.size else ["scale"] if p.scale else []))
    if p.align_corners and p.mode != p.BILINEAR:
        raise ctx.error("`align_corners` is for `mode: BILINEAR`.", "upsample_param", "align_corners")
    scale = [float(shortest(s)) for s in _each(ctx, "scale", p.scale, x.rank - 2)]
    size = [int(s) for s in _each(ctx, "size", p.size, x.rank - 2)]
    before = sizes(x.shape[2:])
    after = size or [int(ops.scaled(d, s)) for d, s in zip(before, scale, strict=True)] if like is None else list(sizes(like.shape[2:]))
    if min(after) < 1:
        raise ctx.shape_error(f"Nothing is left of {dims(x.shape)}: the new size is {dims(tuple(after))}.", "upsample_param")
    mode = "linear" if p.mode == p.BILINEAR else "nearest"
    y: Value = ops.upsample(x, like, scale=scale or None, size=size or None, mode=mode, align=int(p.align_corners))
    return y


def _each(ctx: Context, field: str, values: Sequence[Any], axes: int) -> list[Any]:
    """One number for each spatial axis."""
    if len(values) not in (0, 1, axes):
        text = f"There are {len(values)} `{field}` for {axes} spatial axes. Add one for all, or one for each."
        raise ctx.error(text, "upsample_param", field)
    if any(v <= 0 for v in values):
        raise ctx.error(f"`{field}` must be above 0.", "upsample_param", field)
    return list(values) * (axes if len(values) == 1 else 1)


@layer("PixelShuffle")
def pixel_shuffle(ctx: Context, x: Value) -> Value:
    """Moves channels into space: (N, C r r, H, W) becomes (N, C, H r, W r) with r = upscale_factor (Shi et al. 2016).

    Channel c r r + i r + j becomes the pixels of row i and column j of each square, as in torch's pixel_shuffle. With `inverse`, it
    moves space into channels, as pixel_unshuffle.
    """
    p = ctx.param.pixel_shuffle_param
    r = int(p.upscale_factor)
    if x.rank != 4:
        raise ctx.shape_error(f"Expected 4 axes (N, C, H, W). {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    if not r:
        raise ctx.error("`upscale_factor` is missing. Add a whole number, for example `upscale_factor: 2`.", "pixel_shuffle_param")
    n, (c, h, w) = x.shape[0], sizes(x.shape[1:])
    wrong = ""
    if p.inverse and (h % r or w % r):
        wrong = f"`upscale_factor` {r} does not divide the height and width of {dims(x.shape)}."
    if not p.inverse and c % (r * r):
        wrong = f"The {c} channels of {dims(x.shape)} do not divide by {r} x {r}."
    if wrong:
        raise ctx.shape_error(wrong, "pixel_shuffle_param", "upscale_factor")
    if p.inverse:
        parts = op.Transpose(reshape(x, [n, c, h // r, r, w // r, r]), perm=[0, 1, 3, 5, 2, 4])
        return reshape(parts, [n, c * r * r, h // r, w // r])
    parts = op.Transpose(reshape(x, [n, c // (r * r), r, r, h, w]), perm=[0, 1, 4, 2, 5, 3])
    return reshape(parts, [n, c // (r * r), h * r, w * r])
