"""The Keras model of a netc net on TensorFlow: the same layers, images with channels last as TensorFlow's CPU kernels want them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from netc import netc_pb2 as pb
from netc.net.model import Layer, ResolvedNet

layers = tf.keras.layers


def model_of(net: ResolvedNet, batch: Mapping[str, np.ndarray], start: Mapping[str, np.ndarray]) -> tuple[Any, Callable[..., Any]]:
    """(the model from data to scores, the loss of its scores) of a net that is a chain with one loss. KeyError for other layers."""
    shape = batch["data"].shape[1:]
    images = len(shape) == 3
    inputs = x = tf.keras.Input((*shape[1:], shape[0]) if images else shape, batch_size=len(batch["data"]))
    loss = None
    for layer in net.layers:
        if layer.type in ("Input", "Data", "Accuracy"):
            continue
        if layer.type in LOSSES:
            loss = LOSSES[layer.type]
            continue
        weights = [a for n, a in start.items() if n.partition(".")[0] == layer.name]
        if layer.type == "InnerProduct" and len(x.shape) == 4:
            x = layers.Flatten()(layers.Permute((3, 1, 2))(x))  # weights of netc are in the order of channels first
        made = MAKERS[layer.type](layer, x)
        x = made(x)
        if weights:
            axes = (2, 3, 1, 0) if weights[0].ndim == 4 else (1, 0)
            made.set_weights([weights[0].transpose(axes), *weights[1:]])
    assert loss is not None
    return tf.keras.Model(inputs, x), loss


def _convolution(layer: Layer, x: Any) -> Any:
    p = layer.param.convolution_param
    pad = p.pad[0] if p.pad else 0
    kernel, stride = p.kernel_size[0], p.stride[0] if p.stride else 1
    if pad and (2 * pad != kernel - 1 or stride != 1):
        raise KeyError("a padding that Keras does not have")
    return layers.Conv2D(p.num_output, kernel, stride, "same" if pad else "valid", groups=p.group, use_bias=p.bias_term)


def _pooling(layer: Layer, x: Any) -> Any:
    """Caffe's windows reach beyond the image at its end where they must; `same` pads there first where strides allow it."""
    p = layer.param.pooling_param
    kind = layers.MaxPooling2D if p.pool == pb.PoolingParameter.MAX else layers.AveragePooling2D
    if p.global_pooling or p.pad:
        raise KeyError("a pooling that Keras does not have")
    return kind(p.kernel_size, p.stride, "valid" if (x.shape[1] - p.kernel_size) % p.stride == 0 else "same")


MAKERS: dict[str, Callable[[Layer, Any], Any]] = {
    "Convolution": _convolution,
    "InnerProduct": lambda layer, x: layers.Dense(layer.param.inner_product_param.num_output),
    "Pooling": _pooling,
    "ReLU": lambda layer, x: layers.ReLU(),
    "Sigmoid": lambda layer, x: layers.Activation("sigmoid"),
}


def _sigmoid_loss(scores: Any, targets: Any) -> Any:
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(targets, scores)) / len(targets)


def _softmax_loss(scores: Any, labels: Any) -> Any:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))


LOSSES: dict[str, Callable[..., Any]] = {"SigmoidCrossEntropyLoss": _sigmoid_loss, "SoftmaxWithLoss": _softmax_loss}
