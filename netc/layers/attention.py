"""Attention. Blobs are (T, N, C): time first, then the batch. Matrices are ordered as in torch's MultiheadAttention."""

from typing import Any

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op, stop
from netc.graph.training_ops import activation
from netc.graph.training_ops import attention as ops
from netc.graph.training_ops.attention import MASKED
from netc.layers.context import Context, dims, sizes
from netc.layers.dense import affine
from netc.registry import layer

MEAN_FAN = pb.FillerParameter(type="xavier", variance_norm=pb.FillerParameter.AVERAGE)


@layer("Attention", bottoms=(1, 3), tops=(1, 2), in_place=False)
def attention(ctx: Context, x: Value, *others: Value) -> tuple[Value, ...]:
    """Attention of several heads: each step reads a weighted mean of the values of all steps (Vaswani et al. 2017).

    Bottoms: x (T, N, C); keys (S, N, K) to read in place of x; a mask (S, N), see `mask`. Tops: (T, N, C); the weights (N, heads, T, S).
    The blobs are those of torch: the matrices of queries, keys and values in one, their bias, and the matrix and the bias of the outputs.
    With keys of their own, the matrix of the queries comes before that of keys and values.
    """
    keys = others[0] if others and others[0].rank == 3 else None
    masks = others if keys is None else others[1:]
    if len(masks) > 1 or any(m.rank != 2 for m in masks):
        shapes = ", ".join(f"{n} is {dims(v.shape)}" for n, v in zip(ctx.layer.bottoms, (x, *others), strict=True))
        raise ctx.shape_error(f"It reads x (T, N, C), keys (S, N, K) and a mask (S, N), but {shapes}.", "bottom")
    return attend(ctx, x, keys, masks[0] if masks else None)


def attend(ctx: Context, x: Value, keys: Value | None = None, mask: Value | None = None) -> tuple[Value, Value]:
    """The result of attention and its weights, by the fields of attention_param. Creates the blobs."""
    p, channels = ctx.param.attention_param, _channels(ctx, x, keys)
    heads, kv_heads = _heads(ctx, channels)
    kv_size = channels // heads * kv_heads
    if keys is None:
        q = kv = linear(ctx, x, "", channels + 2 * kv_size)
    else:
        q, kv = linear(ctx, x, "_query", channels), linear(ctx, keys, "_keys", 2 * kv_size)
    if mask is None and p.HasField("mask"):
        raise ctx.error("`mask` is set, but no bottom is a mask (time x batch).", "attention_param", "mask")
    source = x if keys is None else keys
    bias = None if mask is None else _mask_bias(ctx, source, mask, keys is not None)
    noise = None
    if ctx.training and p.dropout:
        noise = ctx.noise("attention_mask", (x.shape[1], heads, x.shape[0], source.shape[0]))
    attrs: dict[str, Any] = {"heads": heads, "kv_heads": kv_heads, "packed": int(keys is None), "causal": int(p.causal)}
    rates: dict[str, Any] = {"dropout": p.dropout if noise else 0.0, "rotary": p.rotary_base if p.rotary else 0.0}
    y, weights = ops.attention(q, kv, bias, noise, **attrs, **rates)
    return linear(ctx, y, "_out", channels), weights


def dropout(ctx: Context, x: Value, name: str) -> Value:
    """x with the layer's dropout, in training."""
    ratio = ctx.param.attention_param.dropout
    return activation.dropout(x, ctx.noise(name, x.shape), ratio=ratio) if ctx.training and ratio else x


def linear(ctx: Context, x: Value, suffix: str, outputs: int) -> Value:
    """x W' + b over the last axis, with the next blobs of the layer."""
    p = ctx.param.attention_param
    filler = p.weight_filler if p.HasField("weight_filler") else MEAN_FAN
    w = ctx.weight(f"weight{suffix}", (outputs, sizes(x.shape[2:])[0]), filler)
    return affine(x, w, ctx.weight(f"bias{suffix}", (outputs,), p.bias_filler) if p.bias_term else None)


def _channels(ctx: Context, x: Value, keys: Value | None) -> int:
    """The size of the last axis of x, after checks of the shapes."""
    if x.rank != 3:
        raise ctx.shape_error(f"Expected time x batch x channels. {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    if keys is not None and keys.shape[1] != x.shape[1]:
        text = f"{ctx.layer.bottoms[1]} is {dims(keys.shape)}. Its batch (axis 1) must be that of {ctx.layer.bottoms[0]}, {dims(x.shape)}."
        raise ctx.shape_error(text, "bottom", 1)
    if keys is not None and ctx.param.attention_param.causal:
        raise ctx.error("`causal` compares the steps of one sequence. It needs keys of the first bottom.", "attention_param", "causal")
    return sizes(x.shape[2:])[0]


def _heads(ctx: Context, channels: int) -> tuple[int, int]:
    """`heads` and `kv_heads`, after checks."""
    p = ctx.param.attention_param
    heads = int(p.heads)
    kv_heads = int(p.kv_heads) if p.HasField("kv_heads") else heads
    if not heads or channels % heads:
        near = [h for h in range(1, channels + 1) if channels % h == 0]
        some = ", ".join(map(str, sorted(sorted(near, key=lambda h: abs(h - heads))[:4])))
        text = f"`heads` is {heads}, which must divide the {channels} channels of {ctx.layer.bottoms[0]}. Divisors near it are {some}."
        raise ctx.error(text, "attention_param", "heads")
    if not kv_heads or heads % kv_heads:
        raise ctx.error(f"`kv_heads` is {kv_heads}, which must divide `heads`, {heads}.", "attention_param", "kv_heads")
    if p.rotary and channels // heads % 2:
        raise ctx.error(f"`rotary` turns pairs of values, but a head has {channels // heads}.", "attention_param", "rotary")
    if p.rotary and p.rotary_base <= 1:
        raise ctx.error(f"`rotary_base` must be above 1, not {p.rotary_base:g}.", "attention_param", "rotary_base")
    if not 0 <= p.dropout < 1:
        raise ctx.error(f"`dropout` must be at least 0 and below 1, not {p.dropout:g}.", "attention_param", "dropout")
    return heads, kv_heads


def _mask_bias(ctx: Context, source: Value, mask: Value, separate: bool) -> Value:
    """What is added to the scores: (N, 1, 1, S) for KEYS, (N, 1, T, S) for CONT."""
    p, at = ctx.param.attention_param, len(ctx.layer.bottoms) - 1
    if mask.shape != source.shape[:2]:
        text = f"{ctx.layer.bottoms[at]} is {dims(mask.shape)}. The mask must be time x batch, {dims(source.shape[:2])}."
        raise ctx.shape_error(text, "bottom", at)
    kind = p.mask if p.HasField("mask") else p.KEYS if separate else p.CONT
    if separate and kind == p.CONT:
        raise ctx.error("CONT marks sequences that read themselves. With keys of their own, use KEYS.", "attention_param", "mask")
    by_row = op.Transpose(stop(cast(mask, "float32")), perm=[1, 0])
    if kind == p.KEYS:
        return op.Unsqueeze((1.0 - by_row) * MASKED, [1, 2])
    number = op.CumSum(1.0 - by_row, constant(1))  # of the sequence that each step belongs to
    other = op.Not(op.Equal(op.Unsqueeze(number, [1]), op.Unsqueeze(number, [2])))
    return op.Unsqueeze(cast(other, "float32") * MASKED, [1])
