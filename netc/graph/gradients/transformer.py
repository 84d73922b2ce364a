"""Gradients of the ops of Transformers: attention, normalization of rows, and GELU. One training op each."""

from typing import Any

from netc.graph.ir import TRAINING, Node, Value, zeros_like
from netc.graph.training_ops import activation, layer_norm
from netc.graph.training_ops.attention import attention_grad
from netc.registry import gradient

Gradients = tuple[Value | None, ...]


@gradient("Attention", domain=TRAINING)
def attention(node: Node, dy: Value | None, dweights: Value | None) -> Gradients:
    """The bias and the noise have no gradient."""
    y, weights = node.outputs
    read: list[Any] = [*node.inputs[:2], node.inputs[3]]
    dy = zeros_like(y) if dy is None else dy
    found = attention_grad(dy, dweights, weights, *read, **node.attrs)
    dq, dkv = (found, None) if node.attrs["packed"] else found
    return dq, dkv, None, None


def _read(node: Node) -> list[Any]:
    """x and the scale, if any."""
    return list(node.inputs[:2])


@gradient("LayerNorm", domain=TRAINING)
def layer_norm_rule(node: Node, dy: Value) -> Gradients:
    return layer_norm.layer_norm_grad(dy, *_read(node), **node.attrs)


@gradient("RMSNorm", domain=TRAINING)
def rms_norm(node: Node, dy: Value) -> Gradients:
    return layer_norm.rms_norm_grad(dy, *_read(node), **node.attrs)


@gradient("GroupNorm", domain=TRAINING)
def group_norm(node: Node, dy: Value) -> Gradients:
    return layer_norm.group_norm_grad(dy, *_read(node), **node.attrs)


@gradient("Gelu", domain=TRAINING)
def gelu(node: Node, dy: Value) -> Gradients:
    return (activation.gelu_grad(node.operands[0], dy, **node.attrs),)
