"""Weights of channels that a net computes from its own channels."""

from netc import netc_pb2 as pb
from netc.graph.ir import Value, op
from netc.layers.context import Context, dims, sizes
from netc.registry import layer


@layer("SqueezeExcite", stem="se", places="same")
def squeeze_excite(ctx: Context, x: Value) -> Value:
    """x times a weight for each channel: gate(W2 activation(W1 m + b1) + b2), where m are the means of the channels (Hu et al. 2018).

    W1 is (hidden, C) and W2 (C, hidden). The defaults are those of the paper; torchvision's SqueezeExcitation is the same.
    """
    p = ctx.param.squeeze_excite_param
    if x.rank < 3:
        raise ctx.shape_error(f"Expected N x C x spatial axes. {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    (channels,), axes = sizes(x.shape[1:2]), list(range(2, x.rank))
    if not p.reduction or (p.HasField("squeeze_channels") and not p.squeeze_channels):
        field = "reduction" if not p.reduction else "squeeze_channels"
        raise ctx.error(f"`{field}` must be at least 1.", "squeeze_excite_param", field)
    hidden = p.squeeze_channels or max(1, channels // p.reduction)
    filler = p.weight_filler if p.HasField("weight_filler") else pb.FillerParameter(type="xavier")
    w1, b1 = ctx.weight("weight_squeeze", (hidden, channels), filler), ctx.weight("bias_squeeze", (hidden,), p.bias_filler)
    w2, b2 = ctx.weight("weight_excite", (channels, hidden), filler), ctx.weight("bias_excite", (channels,), p.bias_filler)
    inner = op.Gemm(op.ReduceMean(x, axes, keepdims=0), w1, b1, transB=1)
    inner = inner * op.Sigmoid(inner) if p.activation == p.SWISH else op.Relu(inner)
    outer = op.Gemm(inner, w2, b2, transB=1)
    gate = op.HardSigmoid(outer, alpha=1 / 6, beta=0.5) if p.gate == p.HARD_SIGMOID else op.Sigmoid(outer)
    return x * op.Unsqueeze(gate, axes)
