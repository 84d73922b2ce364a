"""Layers that normalise their input."""

from math import prod

import numpy as np

from netc import netc_pb2 as pb
from netc.errors import near
from netc.graph.ir import Value, constant, op, stop
from netc.graph.training_ops import normalization
from netc.graph.training_ops.normalization import per_channel
from netc.layers.context import Context, dims, sizes
from netc.registry import layer

NVCAFFE_EPS = 1e-5  # its smallest `eps`


@layer("BatchNorm", stem="bn", places="same")
def batch_norm(ctx: Context, x: Value) -> Value:
    """(x - mean) / sqrt(variance + eps) per channel (Ioffe and Szegedy 2015). For scale and shift, add a Scale layer after it.

    In training, it uses the statistics of the batch and updates running sums of them, weighted by moving_average_fraction. In testing,
    with use_global_stats or frozen, it uses the running statistics. Its three blobs are the sums of mean, unbiased variance and weight.
    With NVCaffe's scale_bias, it scales and shifts too. The blobs are then mean, biased variance, an unused one, scale and shift.
    """
    p = ctx.param.batch_norm_param
    if x.rank < 2:
        raise ctx.shape_error(f"Expected 2 axes or more. {ctx.layer.bottoms[0]} is of shape {dims(x.shape)}.", "bottom")
    channels = int(x.shape[1])
    if p.scale_bias or p.HasField("scale_filler") or p.HasField("bias_filler"):
        return _scaled_batch_norm(ctx, x, channels)
    mean, var = ctx.statistic("mean", (channels,)), ctx.statistic("variance", (channels,))
    weight = ctx.statistic("weight", (1,))
    if p.use_global_stats if p.HasField("use_global_stats") else not ctx.training or ctx.is_frozen(mean):
        factor = op.Where(op.Equal(weight, 0.0), constant(0.0), op.Reciprocal(weight))
        return (x - per_channel(mean * factor, x)) / op.Sqrt(per_channel(var * factor, x) + p.eps)
    batch_mean, batch_var, inverse_std = normalization.batch_moments(x, epsilon=p.eps)
    y = normalization.batch_norm(x, batch_mean, inverse_std)
    if not ctx.training:
        return y
    count = prod(sizes(x.shape)) // channels
    keep = np.float32(p.moving_average_fraction)
    ctx.update(mean, mean * keep + batch_mean)
    ctx.update(var, var * keep + batch_var * (count / max(1, count - 1)))
    ctx.update(weight, weight * keep + 1.0)
    return y


def _scaled_batch_norm(ctx: Context, x: Value, channels: int) -> Value:
    """BatchNorm of NVCaffe, whose running statistics are means, not sums. The third blob is 0 until there are some, then 1."""
    p = ctx.param.batch_norm_param
    eps = max(p.eps, NVCAFFE_EPS)
    mean, var = ctx.statistic("mean", (channels,)), ctx.statistic("variance", (channels,))
    started = ctx.statistic("weight", (1,))
    scale = ctx.weight("scale", (channels,), p.scale_filler if p.HasField("scale_filler") else pb.FillerParameter(value=1))
    bias = ctx.weight("bias", (channels,), p.bias_filler)
    if p.use_global_stats if p.HasField("use_global_stats") else not ctx.training or ctx.is_frozen(mean):
        return (x - per_channel(mean, x)) * per_channel(scale / op.Sqrt(var + eps), x) + per_channel(bias, x)
    batch_mean, batch_var, inverse_std = normalization.batch_moments(x, epsilon=eps)
    y = normalization.batch_norm(x, batch_mean, inverse_std, scale, bias)
    if ctx.training:
        keep = op.Where(op.Equal(started, 0.0), constant(0.0), constant(np.float32(p.moving_average_fraction)))
        ctx.update(mean, mean * keep + batch_mean * (1.0 - keep))
        ctx.update(var, var * keep + batch_var * (1.0 - keep))
        ctx.update(started, op.Max(started, 1.0))
    return y


@layer("MVN", places="same")
def mvn(ctx: Context, x: Value) -> Value:
    """(x - mean) / (standard deviation + eps), per image and channel, or over all channels with across_channels.

    With normalize_variance false, it subtracts only the mean. The gradient is that of an eps inside the root, as in Caffe: the same for
    a small eps, and finite for a constant image.
    """
    p = ctx.param.mvn_param
    if x.rank < (2 if p.across_channels else 3):
        raise ctx.shape_error(f"Expected axes after the channel. {ctx.layer.bottoms[0]} is of shape {dims(x.shape)}.", "bottom")
    axes = list(range(1 if p.across_channels else 2, x.rank))
    centred = x - op.ReduceMean(x, axes)
    if not p.normalize_variance:
        return centred
    variance = op.ReduceMean(centred * centred, axes)
    divisor = op.Sqrt(variance) + p.eps
    return centred / op.Sqrt(variance + stop(divisor * divisor - variance))


@layer("LRN", stem="norm", places="same")
def lrn(ctx: Context, x: Value) -> Value:
    """x (k + alpha / n * sum of x^2 over n channels)^-beta (Krizhevsky et al. 2012). n is local_size and odd.

    WITHIN_CHANNEL: x (1 + alpha * mean of x^2 over an n by n window)^-beta. Zeros beyond the border count, and k is unused.
    """
    p = ctx.param.lrn_param
    if p.local_size % 2 == 0:
        raise ctx.error(f"`local_size` must be odd, not {p.local_size}.", "lrn_param", "local_size")
    if p.norm_region == p.ACROSS_CHANNELS:
        if x.rank < 3:
            raise ctx.shape_error(f"Expected 3 axes or more. {ctx.layer.bottoms[0]} is of shape {dims(x.shape)}.", "bottom")
        return op.LRN(x, size=p.local_size, alpha=p.alpha, beta=p.beta, bias=p.k)
    if x.rank != 4:
        raise ctx.shape_error(f"WITHIN_CHANNEL needs 4 axes (N, C, H, W). {ctx.layer.bottoms[0]} is of shape {dims(x.shape)}.", "bottom")
    half = (p.local_size - 1) // 2
    mean = op.AveragePool(x * x, kernel_shape=[p.local_size] * 2, pads=[half] * 4, count_include_pad=1)
    return x * op.Pow(mean * p.alpha + 1.0, -p.beta)


@layer("Standardize")
def standardize(ctx: Context, x: Value) -> Value:
    """(x - mean) / std of each column (the last axis), with the statistics of the training rows. With `inverse`, x std + mean.

    `blob` names the top of a Data layer that has the columns; by default it is the bottom.
    """
    p = ctx.param.standardize_param
    name = p.blob or ctx.layer.bottoms[0]
    source = ctx.described.get(name)
    if source is None or not source.mean:
        known = [n for n, top in ctx.described.items() if top.mean]
        raise ctx.error(
            f"No source has the mean and deviation of the columns of {name!r}. {near(name, known)}", "standardize_param", "blob"
        )
    if x.shape[-1:] != (len(source.mean),) and len(source.mean) > 1:
        text = f"{ctx.layer.bottoms[0]} is {dims(x.shape)}, but {name} has {len(source.mean)} columns."
        raise ctx.shape_error(text, "bottom")
    mean, std = (constant(np.asarray(v, np.float32)) for v in (source.mean, source.std))
    return x * std + mean if p.inverse else (x - mean) / std
