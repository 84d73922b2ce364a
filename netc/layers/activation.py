"""Elementwise layers."""

from math import log

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op, shape_of
from netc.graph.training_ops import activation
from netc.layers.context import Context, dims
from netc.layers.shape import axis_of
from netc.registry import layer


@layer("ReLU", elementwise=True, in_place=True)
def relu(ctx: Context, x: Value) -> Value:
    """y = max(x, 0) + negative_slope min(x, 0). The gradient at 0 is the slope."""
    slope = ctx.param.relu_param.negative_slope
    return op.LeakyRelu(x, alpha=slope) if slope else op.Relu(x)


@layer("ReLU6", elementwise=True, in_place=True)
def relu6(ctx: Context, x: Value) -> Value:
    """y = min(max(x, 0) + negative_slope min(x, 0), 6). The gradient at 0 is the slope."""
    slope = ctx.param.relu6_param.negative_slope
    return op.Min(op.LeakyRelu(x, alpha=slope) if slope else op.Relu(x), 6.0)


@layer("PReLU", elementwise=True, in_place=True)
def prelu(ctx: Context, x: Value) -> Value:
    """ReLU with a trainable slope for negative x, one per channel or one for all (He et al. 2015). Slopes start at 0.25."""
    p = ctx.param.prelu_param
    if x.rank < 2:
        raise ctx.shape_error(f"Expected 2 axes or more. {ctx.layer.bottoms[0]} is of shape {dims(x.shape)}.", "bottom")
    filler = p.filler if p.HasField("filler") else pb.FillerParameter(value=0.25)
    slope = ctx.weight("slope", () if p.channel_shared else (int(x.shape[1]),), filler)
    return op.PRelu(x, slope if p.channel_shared else op.Reshape(slope, [-1, *[1] * (x.rank - 2)]))


@layer("ELU", elementwise=True, in_place=True)
def elu(ctx: Context, x: Value) -> Value:
    """y = x if x > 0, else alpha (exp(x) - 1) (Clevert et al. 2015)."""
    return op.Elu(x, alpha=ctx.param.elu_param.alpha)


@layer("Sigmoid", elementwise=True, in_place=True, range=(0.0, 1.0))
def sigmoid(ctx: Context, x: Value) -> Value:
    """y = 1 / (1 + exp(-x))."""
    return op.Sigmoid(x)


@layer("HardSigmoid", elementwise=True, in_place=True, range=(0.0, 1.0))
def hard_sigmoid(ctx: Context, x: Value) -> Value:
    """y = alpha x + beta, limited to the range from 0 to 1."""
    p = ctx.param.hard_sigmoid_param
    return op.HardSigmoid(x, alpha=p.alpha, beta=p.beta)


@layer("TanH", elementwise=True, in_place=True, range=(-1.0, 1.0))
def tanh(ctx: Context, x: Value) -> Value:
    """y = tanh(x)."""
    return op.Tanh(x)


@layer("AbsVal", stem="abs", elementwise=True, in_place=False)
def absolute_value(ctx: Context, x: Value) -> Value:
    """y = |x|. The gradient at 0 is 0."""
    return op.Abs(x)


@layer("BNLL", elementwise=True, in_place=True)
def bnll(ctx: Context, x: Value) -> Value:
    """y = log(1 + exp(x)), the binomial normal log likelihood (softplus)."""
    return op.Softplus(x)


@layer("Softplus", elementwise=True, in_place=True)
def softplus(ctx: Context, x: Value) -> Value:
    """y = log(1 + exp(x)), a smooth ReLU. Caffe calls it BNLL."""
    return op.Softplus(x)


@layer("Mish", elementwise=True, in_place=True)
def mish(ctx: Context, x: Value) -> Value:
    """y = x tanh(log(1 + exp(x))) (Misra 2019)."""
    return x * op.Tanh(op.Softplus(x))


@layer("Clip", elementwise=True, in_place=True)
def clip(ctx: Context, x: Value) -> Value:
    """Limits x to the range from `min` to `max`. The gradient passes at the bounds too."""
    p = ctx.param.clip_param
    if p.min > p.max:
        raise ctx.error(f"`min` is {p.min:g}, above `max`, {p.max:g}.", "clip_param", "min")
    return op.Clip(x, p.min, p.max)


@layer("Swish", elementwise=True, in_place=True)
def swish(ctx: Context, x: Value) -> Value:
    """y = x sigmoid(beta x) (Ramachandran et al. 2017). beta is not trained."""
    beta = ctx.param.swish_param.beta
    return x * op.Sigmoid(x if beta == 1 else x * beta)


@layer("SiLU", elementwise=True, in_place=True)
def silu(ctx: Context, x: Value) -> Value:
    """y = x sigmoid(x) (Elfwing et al. 2017). It is Swish with a beta of 1."""
    return x * op.Sigmoid(x)


@layer("HardSwish", elementwise=True, in_place=True)
def hard_swish(ctx: Context, x: Value) -> Value:
    """y = x hard_sigmoid(x), with hard_sigmoid(x) = x / 6 + 1 / 2, limited to the range from 0 to 1 (Howard et al. 2019)."""
    return x * op.HardSigmoid(x, alpha=1 / 6, beta=0.5)


@layer("GELU", elementwise=True, in_place=True)
def gelu(ctx: Context, x: Value) -> Value:
    """y = x Phi(x), with the normal distribution function Phi, exact or by tanh (Hendrycks and Gimpel 2016)."""
    return activation.gelu(x, tanh=int(ctx.param.gelu_param.approximate == pb.GELUParameter.TANH))


@layer("Threshold", elementwise=True)
def threshold(ctx: Context, x: Value) -> Value:
    """y = 1 if x > threshold, else 0. No gradient."""
    return cast(x > ctx.param.threshold_param.threshold, np.float32)


@layer("Exp", elementwise=True)
def exponential(ctx: Context, x: Value) -> Value:
    """y = base^(shift + scale x). The default base, -1, means e."""
    p = ctx.param.exp_param
    return op.Exp(_affine(x, _log_base(ctx, p, "exp_param"), p))


@layer("Log", elementwise=True)
def logarithm(ctx: Context, x: Value) -> Value:
    """y = log(shift + scale x) to the base `base`. The default base, -1, means e."""
    p = ctx.param.log_param
    y, unit = op.Log(_affine(x, 1.0, p)), _log_base(ctx, p, "log_param")
    if not unit:
        raise ctx.error("There is no logarithm to the base 1.", "log_param", "base")
    return y if unit == 1 else y * (1 / unit)


@layer("Power", elementwise=True)
def power(ctx: Context, x: Value) -> Value:
    """y = (shift + scale x)^power."""
    p = ctx.param.power_param
    if p.power * p.scale == 0:
        if p.power < 0 and p.shift == 0:
            raise ctx.error(f"The result is 0 to the power of {p.power:g}, as `shift` and `scale` are 0.", "power_param", "power")
        return op.Expand(constant(np.float32(p.shift) ** np.float32(p.power)), shape_of(x), shape=x.shape)
    y = _affine(x, 1.0, p)
    return y if p.power == 1 else op.Pow(y, p.power)


def _affine(x: Value, factor: float, p: pb.ExpParameter | pb.LogParameter | pb.PowerParameter) -> Value:
    """factor (shift + scale x)."""
    y = x if p.scale * factor == 1 else x * (p.scale * factor)
    return y + p.shift * factor if p.shift * factor else y


def _log_base(ctx: Context, p: pb.ExpParameter | pb.LogParameter, field: str) -> float:
    """The natural logarithm of `base`."""
    if p.base != -1 and p.base <= 0:
        raise ctx.error(f"`base` must be above 0, or -1 for e, not {p.base:g}.", field, "base")
    return 1.0 if p.base == -1 else log(p.base)


@layer("Dropout", stem="drop", elementwise=True, linear=True, in_place=True)
def dropout(ctx: Context, x: Value) -> Value:
    """In training, sets elements to 0 with probability dropout_ratio and divides the rest by 1 - dropout_ratio (Srivastava et al. 2014).

    With `scale_train: false`, training does not divide, and a test multiplies by 1 - dropout_ratio.
    """
    ratio = ctx.param.dropout_param.dropout_ratio
    later = 1.0 if ctx.param.dropout_param.scale_train else 1.0 - ratio
    if not 0 <= ratio < 1:
        raise ctx.error(f"`dropout_ratio` must be at least 0 and below 1, not {ratio:g}.", "dropout_param", "dropout_ratio")
    y = activation.dropout(x, ctx.noise("mask", x.shape, like=x), ratio=ratio) if ctx.training and ratio else x
    return y if later == 1 else y * np.float32(later)


@layer("Softmax", stem="prob", single=True, places="same")
def softmax(ctx: Context, x: Value) -> Value:
    """y = exp(x) / sum of exp(x) along `axis`."""
    return op.Softmax(x, axis=axis_of(ctx, ctx.param.softmax_param.axis, x, "softmax_param", "axis"))
