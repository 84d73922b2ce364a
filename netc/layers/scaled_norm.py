"""Forks' layers that normalize, scale and shift in one: Normalize of SSD, BN of PSPNet and BN of SegNet."""

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, op, stop
from netc.graph.training_ops import normalization
from netc.graph.training_ops.normalization import per_channel
from netc.layers.context import Context, dims
from netc.registry import layer

PSPNET = "slope_filler", "bias_filler", "momentum", "eps", "frozen", "engine"
SEGNET = "scale_filler", "shift_filler", "bn_mode"
SEGNET_EPS = 1e-9


@layer("Normalize", stem="norm", places="same")
def normalize(ctx: Context, x: Value) -> Value:
    """x / sqrt(sum of x^2 + eps) * scale, with a sum over the image, or over the channels of each pixel without across_spatial.

    The scale is trainable and starts at 1: one number, or one for each channel without channel_shared (Liu et al. 2015).
    """
    p = ctx.param.norm_param
    if x.rank < 2:
        raise ctx.shape_error(f"Expected 2 axes or more. {ctx.layer.bottoms[0]} is of shape {dims(x.shape)}.", "bottom")
    filler = p.scale_filler if p.HasField("scale_filler") else pb.FillerParameter(value=1)
    scale = ctx.weight("scale", () if p.channel_shared else (int(x.shape[1]),), filler)
    axes = list(range(1, x.rank)) if p.across_spatial else [1]
    y = x / op.Sqrt(op.ReduceSum(x * x, axes) + p.eps)
    return y * (scale if p.channel_shared else per_channel(scale, x))


@layer("BN", tops=(1, 3), places="same")
def bn(ctx: Context, x: Value) -> Value | tuple[Value, ...]:
    """Normalizes each channel, then scales and shifts it. PSPNet and SegNet have different layers of this name; the fields decide.

    PSPNet (slope_filler, bias_filler, momentum, eps, frozen): testing and `frozen` use the running mean and variance. Its blobs are
    scale, shift, mean and variance.
    SegNet (scale_filler, shift_filler, bn_mode): LEARN uses the statistics of the batch, in testing too, and INFERENCE only scales and
    shifts. Its blobs are scale and shift. Further tops of LEARN hold the mean and the variance of the batch (no gradient).
    """
    p = ctx.param.bn_param
    if x.rank < 2:
        raise ctx.shape_error(f"Expected 2 axes or more. {ctx.layer.bottoms[0]} is of shape {dims(x.shape)}.", "bottom")
    pspnet, segnet = ([name for name in names if p.HasField(name)] for names in (PSPNET, SEGNET))
    if bool(pspnet) == bool(segnet):
        raise ctx.error(_undecided(pspnet, segnet), "bn_param", *segnet[:1])
    if segnet:
        return _segnet(ctx, x, p)
    if len(ctx.layer.tops) > 1:
        raise ctx.error("BN of PSPNet has one top.", "top", 1)
    return _pspnet(ctx, x, p)


def _undecided(pspnet: list[str], segnet: list[str]) -> str:
    """Why the fields do not tell which BN is meant."""
    both = (
        "PSPNet (slope_filler, bias_filler, momentum, eps, frozen; four blobs) and SegNet (scale_filler, shift_filler, bn_mode; two blobs)"
    )
    if not segnet:
        return (
            f"{both} have different layers BN. Set a field that tells which one is meant, for example `frozen: false` or `bn_mode: LEARN`."
        )
    names = [" and ".join(f"`{name}`" for name in names) for names in (pspnet, segnet)]
    return f"{both} have different layers BN. Remove {names[0]}, or {names[1]}."


def _pspnet(ctx: Context, x: Value, p: pb.BNParameter) -> Value:
    shape = (1, int(x.shape[1]), *[1] * max(2, x.rank - 2))
    slope, bias = (ctx.weight(name, shape, filler, p.frozen) for name, filler in (("slope", p.slope_filler), ("bias", p.bias_filler)))
    mean = ctx.pretrained("mean", np.zeros(shape), "statistic")
    var = ctx.pretrained("variance", np.full(shape, float(p.frozen)), "statistic")
    slope_, bias_, mean_, var_ = (op.Reshape(v, [-1]) for v in (slope, bias, mean, var))
    if p.frozen or not ctx.training or ctx.is_frozen(mean):
        factor = slope_ / op.Sqrt(var_ + p.eps)
        return (x - per_channel(mean_, x)) * per_channel(factor, x) + per_channel(bias_, x)
    batch_mean, batch_var, inverse_std = normalization.batch_moments(x, epsilon=p.eps)
    keep = np.float32(p.momentum)
    for running, batch in ((mean, batch_mean), (var, batch_var)):
        ctx.update(running, running * keep + op.Reshape(batch, list(shape)) * (1 - keep))
    return normalization.batch_norm(x, batch_mean, inverse_std, slope_, bias_)


def _segnet(ctx: Context, x: Value, p: pb.BNParameter) -> Value | tuple[Value, ...]:
    shape = (1, int(x.shape[1]), 1, 1)
    scale = op.Reshape(ctx.weight("scale", shape, p.scale_filler), [-1])
    shift = op.Reshape(ctx.weight("shift", shape, p.shift_filler), [-1])
    if p.bn_mode == p.INFERENCE:
        if len(ctx.layer.tops) > 1:
            raise ctx.error("Only LEARN has further tops, the mean and the variance of the batch.", "top", 1)
        return x * per_channel(scale, x) + per_channel(shift, x)
    mean, var, inverse_std = normalization.batch_moments(x, epsilon=SEGNET_EPS)
    y = normalization.batch_norm(x, mean, inverse_std, scale, shift)
    return (y, *(op.Reshape(stop(v), list(shape)) for v in (mean, var)))[: len(ctx.layer.tops)]
