"""Gradients of convolution, and of training ops for normalization and losses."""

from typing import Any

from netc.graph.gradients.common import Gradients, only, sizes
from netc.graph.gradients.windows import transposed_window, window
from netc.graph.ir import TRAINING, Node, Value, op
from netc.graph.training_ops import activation, convolution, loss, normalization, upsample
from netc.registry import gradient


def _spatial(x: Value, node: Node) -> list[int]:
    return sizes(x, range(2, x.rank), node)


@gradient("Conv")
def conv(node: Node, dy: Value) -> Gradients:
    x, w, *b = node.operands
    attrs: Any = window(node, _spatial(w, node)).attrs | {"group": node.attrs.get("group", 1)}
    dx = convolution.conv_input_grad(dy, w, spatial=_spatial(x, node), **attrs)
    dw: Any = convolution.conv_filter_grad(x, dy, kernel_shape=_spatial(w, node), bias=int(bool(b)), **attrs)
    return (dx, *dw) if b else only(node, dx, dw)


@gradient("ConvTranspose")
def conv_transpose(node: Node, dy: Value) -> Gradients:
    """The transpose of a convolution from y to x: the two gradients change roles."""
    x, w = node.operands[:2]
    attrs: Any = transposed_window(node, _spatial(w, node)).attrs | {"group": node.attrs.get("group", 1)}
    dx = op.Conv(dy, w, **attrs)
    dw: Any = convolution.conv_filter_grad(dy, x, kernel_shape=_spatial(w, node), **attrs)
    return only(node, dx, dw, op.ReduceSum(dy, [0, *range(2, x.rank)], keepdims=0))


@gradient("Upsample", domain=TRAINING)
def upsample_(node: Node, dy: Value) -> Gradients:
    """The second input only gives a size, so it has no gradient."""
    attrs: dict[str, Any] = {name: node.attrs[name] for name in ("scale", "mode", "align") if name in node.attrs}
    return (upsample.upsample_grad(dy, spatial=_spatial(node.operands[0], node), **attrs), None)[: len(node.inputs)]


@gradient("LRN")
def lrn(node: Node, dy: Value) -> Gradients:
    attrs = {"alpha": 0.0001, "beta": 0.75, "bias": 1.0} | dict(node.attrs)
    return (normalization.lrn_grad(node.operands[0], node.outputs[0], dy, **attrs),)


@gradient("BatchNorm", domain=TRAINING)
def batch_norm(node: Node, dy: Value) -> Gradients:
    """The moments have no gradient of their own: the gradient of x already includes them."""
    read: list[Any] = list(node.inputs[:4])  # x, its moments, and the scale, if any
    dx, dscale, dbias = normalization.batch_norm_grad(dy, *read)
    return (dx, None, None, dscale, dbias)[: len(node.inputs)]


@gradient("Dropout", domain=TRAINING)
def dropout(node: Node, dy: Value) -> Gradients:
    return activation.dropout(dy, node.operands[1], **node.attrs), None


@gradient("Softplus", domain=TRAINING)
def softplus(node: Node, dy: Value) -> Gradients:
    return (dy * op.Sigmoid(node.operands[0]),)


@gradient("SoftmaxCrossEntropy", domain=TRAINING)
def softmax_cross_entropy(node: Node, dloss: Value | None, dprob: Value | None) -> Gradients:
    prob, labels = node.outputs[1], node.operands[1]
    dx = None if dloss is None else loss.softmax_cross_entropy_grad(dloss, prob, labels, **node.attrs)
    if dprob is not None:
        through = (dprob - op.ReduceSum(dprob * prob, [node.attrs["axis"]])) * prob
        dx = through if dx is None else dx + through
    return dx, None


@gradient("SigmoidCrossEntropy", domain=TRAINING)
def sigmoid_cross_entropy(node: Node, dloss: Value) -> Gradients:
    return loss.sigmoid_cross_entropy_grad(dloss, *node.operands, **node.attrs), None


@gradient("ContrastiveLoss", domain=TRAINING)
def contrastive_loss(node: Node, dloss: Value) -> Gradients:
    da = loss.contrastive_grad(dloss, *node.operands, **node.attrs)
    return da, -da, None
