"""Gradients of convolution, pooling, normalization, recursive nets and losses: one training op each."""

from typing import Any

from netc.errors import GradientError
from netc.graph.ir import TRAINING, Node, Value, op
from netc.graph.training_ops import activation, convolution, loss, normalization, pooling, upsample
from netc.registry import gradient

Gradients = tuple[Value | None, ...]


def _window(node: Node, rank: int) -> dict[str, Any]:
    """The attributes of a window, with ONNX's defaults filled in."""
    return {"strides": node.attrs.get("strides", [1] * rank), "pads": node.attrs.get("pads", [0] * 2 * rank)}


def _spatial(x: Value) -> Any:
    """The sizes of the spatial axes. In training graphs they are numbers."""
    return list(x.shape[2:])


def _filter(node: Node, rank: int) -> dict[str, Any]:
    return _window(node, rank) | {"dilations": node.attrs.get("dilations", [1] * rank), "group": node.attrs.get("group", 1)}


@gradient("Conv")
def conv(node: Node, dy: Value) -> Gradients:
    x, w, *b = node.operands
    attrs, has_bias = _filter(node, x.rank - 2), bool(b)
    dx = convolution.conv_input_grad(dy, w, spatial=_spatial(x), **attrs)
    dw: Any = convolution.conv_filter_grad(x, dy, kernel_shape=_spatial(w), bias=int(has_bias), **attrs)
    return (dx, *dw) if has_bias else (dx, dw, None)[: len(node.inputs)]


@gradient("ConvTranspose")
def conv_transpose(node: Node, dy: Value) -> Gradients:
    """The transpose of a convolution from y to x: the two gradients change roles."""
    x, w, *b = node.operands
    attrs, rank = _filter(node, x.rank - 2), x.rank - 2
    dx = op.Conv(dy, w, **attrs)
    dw: Any = convolution.conv_filter_grad(dy, x, kernel_shape=_spatial(w), **attrs)
    return (dx, dw, op.ReduceSum(dy, [0, *range(2, 2 + rank)], keepdims=0))[: len(node.inputs)]


@gradient("MaxPool")
def max_pool(node: Node, dy: Value, *unused: Value | None) -> Gradients:
    x, y = node.operands[0], node.outputs[0]
    return (pooling.max_pool_grad(x, y, dy, kernel_shape=node.attrs["kernel_shape"], **_window(node, x.rank - 2)),)


@gradient("AveragePool")
def average_pool(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    attrs = _window(node, x.rank - 2)
    if any(attrs["pads"]) and not node.attrs.get("count_include_pad", 0):
        raise GradientError("AveragePool has a gradient only where padding counts (count_include_pad=1)")
    return (pooling.average_pool_grad(dy, spatial=_spatial(x), kernel_shape=node.attrs["kernel_shape"], **attrs),)


@gradient("Upsample", domain=TRAINING)
def upsample_(node: Node, dy: Value) -> Gradients:
    """The second input only gives a size, so it has no gradient."""
    attrs: dict[str, Any] = {name: node.attrs[name] for name in ("scale", "mode", "align") if name in node.attrs}
    return (upsample.upsample_grad(dy, spatial=_spatial(node.operands[0]), **attrs), None)[: len(node.inputs)]


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
