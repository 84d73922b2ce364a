"""The training step of a netc net in JAX: the same layers as functions of `jax.lax`, compiled as one."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from netc import netc_pb2 as pb
from netc.net.model import Layer, ResolvedNet

Arrays = dict[str, Any]


def train_step(net: ResolvedNet, momentum: float, weight_decay: float) -> Callable[..., tuple[Any, Arrays, Arrays]]:
    """(parameters, histories, batch, rate) -> (loss, parameters, histories), jitted; the arguments that change are given away."""

    def step(weights: Arrays, histories: Arrays, batch: Arrays, rate: float) -> tuple[Any, Arrays, Arrays]:
        loss, gradients = jax.value_and_grad(partial(_loss, net))(weights, batch)
        new = {n: momentum * histories[n] + rate * (g + weight_decay * weights[n]) for n, g in gradients.items()}
        return loss, {n: w - new[n] for n, w in weights.items()}, new

    jitted: Callable[..., tuple[Any, Arrays, Arrays]] = jax.jit(step, donate_argnums=(0, 1))
    return jitted


def _loss(net: ResolvedNet, weights: Arrays, batch: Arrays) -> Any:
    blobs, total = dict(batch), 0.0
    for layer in net.layers:
        if layer.type in ("Input", "Data", "Accuracy"):
            continue
        own = {n.partition(".")[2]: w for n, w in weights.items() if n.partition(".")[0] == layer.name}
        y = LAYERS[layer.type](layer, own, *(blobs[b] for b in layer.bottoms))
        if layer.type.endswith("Loss"):
            total += y * (layer.param.loss_weight[0] if layer.param.loss_weight else 1.0)
        else:
            blobs[layer.tops[0]] = y
    return total


def _convolution(layer: Layer, own: Mapping[str, Any], x: Any) -> Any:
    p = layer.param.convolution_param
    stride, pad = (p.stride[0] if p.stride else 1), (p.pad[0] if p.pad else 0)
    y = lax.conv_general_dilated(x, own["weight"], (stride, stride), [(pad, pad)] * 2, feature_group_count=p.group)
    return y + own["bias"][:, None, None] if "bias" in own else y


def _inner_product(layer: Layer, own: Mapping[str, Any], x: Any) -> Any:
    return x.reshape(len(x), -1) @ own["weight"].T + own["bias"]


def _window(x: Any, kernel: int, stride: int, pad: int, start: float, add: Callable[..., Any]) -> Any:
    """Sums or maxima of windows; the last may reach beyond the image, as in Caffe."""
    pads = [(0, 0), (0, 0)]
    for size in x.shape[2:]:
        out = -((kernel - size - 2 * pad) // stride) + 1
        out -= (out - 1) * stride >= size + pad
        pads.append((pad, max(0, (out - 1) * stride + kernel - size - pad)))
    return lax.reduce_window(x, start, add, (1, 1, kernel, kernel), (1, 1, stride, stride), pads)


def _pooling(layer: Layer, own: Mapping[str, Any], x: Any) -> Any:
    p = layer.param.pooling_param
    if p.global_pooling:
        return x.mean((2, 3), keepdims=True)
    if p.pool == pb.PoolingParameter.MAX:
        return _window(x, p.kernel_size, p.stride, p.pad, -np.inf, lax.max)
    inside = np.pad(np.ones((1, 1, *x.shape[2:]), np.float32), [(0, 0), (0, 0), (p.pad, p.pad), (p.pad, p.pad)], constant_values=1)
    return _window(x, p.kernel_size, p.stride, p.pad, 0.0, lax.add) / _window(inside, p.kernel_size, p.stride, 0, 0.0, lax.add)


def _lrn(layer: Layer, own: Mapping[str, Any], x: Any) -> Any:
    p = layer.param.lrn_param
    half = p.local_size // 2
    if p.norm_region == pb.LRNParameter.ACROSS_CHANNELS:
        window, pads, share = (1, p.local_size, 1, 1), [(0, 0), (half, half), (0, 0), (0, 0)], p.alpha / p.local_size
    else:
        window, pads, share = (1, 1, p.local_size, p.local_size), [(0, 0), (0, 0), (half, half), (half, half)], p.alpha / p.local_size**2
    return x * (p.k + share * lax.reduce_window(x * x, 0.0, lax.add, window, (1, 1, 1, 1), pads)) ** -p.beta


def _batch_norm(layer: Layer, own: Mapping[str, Any], x: Any) -> Any:
    mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    return (x - mean) * lax.rsqrt(var + layer.param.batch_norm_param.eps)


def _scale(layer: Layer, own: Mapping[str, Any], x: Any) -> Any:
    return x * own["scale"][:, None, None] + own["bias"][:, None, None]


def _softmax_loss(layer: Layer, own: Mapping[str, Any], x: Any, labels: Any) -> Any:
    scores = jax.nn.log_softmax(x.reshape(len(x), -1))
    return -jnp.take_along_axis(scores, labels[:, None].astype(jnp.int32), 1).mean()


def _sigmoid_loss(layer: Layer, own: Mapping[str, Any], x: Any, targets: Any) -> Any:
    return (jnp.maximum(x, 0) - x * targets + jnp.log1p(jnp.exp(-jnp.abs(x)))).sum() / len(x)


LAYERS: dict[str, Callable[..., Any]] = {
    "BatchNorm": _batch_norm,
    "Concat": lambda layer, own, *xs: jnp.concatenate(xs, 1),
    "Convolution": _convolution,
    "Eltwise": lambda layer, own, a, b: a + b,
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "Pooling": _pooling,
    "ReLU": lambda layer, own, x: jnp.maximum(x, 0),
    "Scale": _scale,
    "Sigmoid": lambda layer, own, x: jax.nn.sigmoid(x),
    "SigmoidCrossEntropyLoss": _sigmoid_loss,
    "SoftmaxWithLoss": _softmax_loss,
}
