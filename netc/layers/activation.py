"""Layers that act element by element."""

from netc import netc_pb2 as pb
from netc.ir import Value, op
from netc.layers.context import Context, dims
from netc.layers.shape import axis_of
from netc.registry import layer
from netc.training_ops import activation


@layer("ReLU")
def relu(ctx: Context, x: Value) -> Value:
    """y = max(x, 0) + negative_slope min(x, 0). The gradient at 0 is the slope."""
    slope = ctx.param.relu_param.negative_slope
    return op.LeakyRelu(x, alpha=slope) if slope else op.Relu(x)


@layer("PReLU")
def prelu(ctx: Context, x: Value) -> Value:
    """ReLU with a learned slope for negative x, one a channel or one for all (He et al. 2015). Starts at 0.25."""
    p = ctx.param.prelu_param
    if x.rank < 2:
        raise ctx.shape_error(f"needs 2 axes or more; {ctx.layer.bottoms[0]} is of shape {dims(x.shape)}", "bottom")
    filler = p.filler if p.HasField("filler") else pb.FillerParameter(value=0.25)
    slope = ctx.weight("slope", () if p.channel_shared else (int(x.shape[1]),), filler)
    return op.PRelu(x, slope if p.channel_shared else op.Reshape(slope, [-1, *[1] * (x.rank - 2)]))


@layer("ELU")
def elu(ctx: Context, x: Value) -> Value:
    """y = x where x > 0, alpha (exp(x) - 1) elsewhere (Clevert et al. 2015)."""
    return op.Elu(x, alpha=ctx.param.elu_param.alpha)


@layer("Sigmoid")
def sigmoid(ctx: Context, x: Value) -> Value:
    """y = 1 / (1 + exp(-x))."""
    return op.Sigmoid(x)


@layer("TanH")
def tanh(ctx: Context, x: Value) -> Value:
    """y = tanh(x)."""
    return op.Tanh(x)


@layer("Dropout")
def dropout(ctx: Context, x: Value) -> Value:
    """In training each element is 0 with probability dropout_ratio, else divided by 1 - dropout_ratio (Srivastava et al. 2014)."""
    ratio = ctx.param.dropout_param.dropout_ratio
    if not 0 <= ratio < 1:
        raise ctx.error(f"dropout_ratio must be at least 0 and below 1, not {ratio:g}", "dropout_param", "dropout_ratio")
    if not ctx.training or ratio == 0:
        return x
    return activation.dropout(x, ctx.noise("mask", x.shape), ratio=ratio)


@layer("Softmax")
def softmax(ctx: Context, x: Value) -> Value:
    """y = exp(x) / sum of exp(x) along `axis`."""
    return op.Softmax(x, axis=axis_of(ctx, ctx.param.softmax_param.axis, x, "softmax_param", "axis"))
