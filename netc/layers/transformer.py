"""Transformer, a block of attention and fully connected layers."""

from netc import netc_pb2 as pb
from netc.graph.ir import Value, op
from netc.graph.training_ops import activation, layer_norm
from netc.layers.attention import attend, dropout, linear
from netc.layers.context import Context, dims, sizes
from netc.layers.layer_norm import ONE, ZERO
from netc.registry import layer


@layer("Transformer", bottoms=(1, 2), messages=("attention_param", "transformer_param"), in_place=False)
def transformer(ctx: Context, x: Value, mask: Value | None = None) -> Value:
    """y = x + attention(norm(x)), then y + W2 activation(W1 norm(y)): a block of a Transformer (Vaswani et al. 2017; Xiong et al. 2020).

    Bottoms: x (T, N, C), and optionally a mask (T, N) as for Attention. It computes what torch's TransformerEncoderLayer does. The blobs
    come in the order in which they are used: those of a norm, of the attention, of the other norm, W1 and W2 with their biases.
    """
    if mask is not None and mask.rank != 2:
        raise ctx.shape_error(f"{ctx.layer.bottoms[1]} is {dims(mask.shape)}. A mask is time x batch.", "bottom", 1)
    first = ctx.param.transformer_param.norm_first
    if x.rank != 3:
        raise ctx.shape_error(f"Expected time x batch x channels. {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    y = attend(ctx, _norm(ctx, x, 1) if first else x, mask=mask)[0]
    x = x + dropout(ctx, y, "attention_dropout")
    x = x if first else _norm(ctx, x, 1)
    y = _connected(ctx, _norm(ctx, x, 2) if first else x)
    x = x + dropout(ctx, y, "dropout")
    return x if first else _norm(ctx, x, 2)


def _norm(ctx: Context, x: Value, number: int) -> Value:
    p, size = ctx.param.transformer_param, sizes(x.shape[2:])
    scale = ctx.weight(f"norm{number}_scale", size, ONE)
    if p.norm == p.RMS:
        return layer_norm.rms_norm(x, scale, epsilon=p.eps)
    bias = ctx.weight(f"norm{number}_bias", size, ZERO) if ctx.param.attention_param.bias_term else None
    return layer_norm.layer_norm(x, scale, bias, epsilon=p.eps)


def _connected(ctx: Context, x: Value) -> Value:
    """The two fully connected layers."""
    p, channels = ctx.param.transformer_param, sizes(x.shape[2:])[0]
    hidden = int(p.hidden) if p.HasField("hidden") else 4 * channels
    if not hidden:
        raise ctx.error("`hidden` must be 1 or more.", "transformer_param", "hidden")
    y = _activated(p.activation, linear(ctx, x, "_hidden", hidden))
    return linear(ctx, dropout(ctx, y, "hidden_dropout"), "_output", channels)


def _activated(kind: int, x: Value) -> Value:
    if kind == pb.TransformerParameter.RELU:
        return op.Relu(x)
    return x * op.Sigmoid(x) if kind == pb.TransformerParameter.SILU else activation.gelu(x)
