"""Runs a net in NumPy: each layer straight from its formula, with Caffe's sizes. It shares no code with netc but the file's messages."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.lib.stride_tricks import sliding_window_view

from netc import netc_pb2 as pb

Arrays = Sequence[np.ndarray]
LAYERS: dict[str, Callable[..., Any]] = {}


def run(text: str, weights: Mapping[str, Arrays], **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The blobs of a net. `weights` are those of the layers by name, in Caffe's order."""
    blobs = {name: np.asarray(array, np.float64) for name, array in inputs.items()}
    for layer in text_format.Parse(text, pb.NetParameter()).layer:
        if layer.type == "Input":
            continue
        own = [np.asarray(a, np.float64) for a in weights.get(layer.name, ())]
        found = LAYERS[layer.type](layer, own, *(blobs[b] for b in layer.bottom))
        blobs |= dict(zip(layer.top, found if isinstance(found, tuple) else (found,), strict=True))
    return blobs


def of(*types: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function computes layers of these types."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        LAYERS.update(dict.fromkeys(types, function))
        return function

    return add


def along_channels(v: np.ndarray) -> np.ndarray:
    return v.reshape(1, -1, 1, 1)


def pair(p: Any, field: str, default: int) -> tuple[int, int]:
    """The value for both axes, of `pad`, of `pad_h` and `pad_w`."""
    stem, values = field.removesuffix("_size"), getattr(p, field)
    if p.HasField(f"{stem}_h") or p.HasField(f"{stem}_w"):
        return getattr(p, f"{stem}_h"), getattr(p, f"{stem}_w")
    values = list(values) if not isinstance(values, int) else [values]
    return (values[0], values[-1]) if values else (default, default)


def window(p: Any) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    return pair(p, "kernel_size", 0), pair(p, "stride", 1), pair(p, "pad", 0)


@of("Convolution", "DepthwiseConvolution", "ConvolutionDepthwise")
def convolution(layer: Any, own: Arrays, x: np.ndarray) -> np.ndarray:
    p, w = layer.convolution_param, own[0]
    group = p.group if layer.type == "Convolution" else x.shape[1]
    (kh, kw), (sh, sw), (ph, pw) = window(p)
    hole = p.dilation[0] if p.dilation else 1
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    views = sliding_window_view(x, (hole * (kh - 1) + 1, hole * (kw - 1) + 1), (2, 3))[:, :, ::sh, ::sw, ::hole, ::hole]
    parts = zip(np.split(views, group, 1), np.split(w, group), strict=True)
    y = np.concatenate([np.einsum("nchwij,ocij->nohw", v, k, optimize=True) for v, k in parts], 1)
    return y + along_channels(own[1]) if p.bias_term else y


@of("Deconvolution")
def deconvolution(layer: Any, own: Arrays, x: np.ndarray) -> np.ndarray:
    p, w = layer.convolution_param, own[0]
    (kh, kw), (sh, sw), (ph, pw) = window(p)
    n, _, h, wide = x.shape
    y = np.zeros((n, w.shape[1], (h - 1) * sh + kh, (wide - 1) * sw + kw))
    for i in range(kh):
        for j in range(kw):
            y[:, :, i : i + h * sh : sh, j : j + wide * sw : sw] += np.einsum("nchw,co->nohw", x, w[:, :, i, j])
    y = y[:, :, ph : y.shape[2] - ph, pw : y.shape[3] - pw]
    return y + along_channels(own[1]) if p.bias_term else y


@of("Pooling")
def pooling(layer: Any, own: Arrays, x: np.ndarray) -> Any:
    """Caffe's pooling_layer.cpp, a window at a time; a second top holds the index of the maximum in the plane."""
    p, (h, w) = layer.pooling_param, x.shape[2:]
    (kh, kw), (sh, sw), (ph, pw) = window(p)
    if p.global_pooling:
        (kh, kw), (sh, sw), (ph, pw) = (h, w), (1, 1), (0, 0)
    rounded = floor if p.HasField("ceil_mode") and not p.ceil_mode else ceil
    sizes = [rounded((d + 2 * q - k) / s) + 1 for d, k, s, q in ((h, kh, sh, ph), (w, kw, sw, pw))]
    sizes = [n - (q > 0 and (n - 1) * s >= d + q) for n, d, s, q in zip(sizes, (h, w), (sh, sw), (ph, pw), strict=True)]
    y, mask = np.zeros((*x.shape[:2], *sizes)), np.zeros((*x.shape[:2], *sizes))
    for i in range(sizes[0]):
        for j in range(sizes[1]):
            top, left = i * sh - ph, j * sw - pw
            area = (min(top + kh, h + ph) - top) * (min(left + kw, w + pw) - left)
            rows, columns = slice(max(top, 0), min(top + kh, h)), slice(max(left, 0), min(left + kw, w))
            part = x[:, :, rows, columns]
            flat = part.reshape(*x.shape[:2], -1)
            y[:, :, i, j] = flat.max(2) if p.pool == p.MAX else flat.sum(2) / area
            first = flat.argmax(2)
            mask[:, :, i, j] = (rows.start + first // part.shape[3]) * w + columns.start + first % part.shape[3]
    return (y, mask) if len(layer.top) > 1 else y


@of("BatchNorm")
def batch_norm(layer: Any, own: Arrays, x: np.ndarray) -> Any:
    mean, var, factor = own[0], own[1], own[2][0]
    return (x - along_channels(mean / factor)) / np.sqrt(along_channels(var / factor) + layer.batch_norm_param.eps)


@of("BN")
def bn(layer: Any, own: Arrays, x: np.ndarray) -> np.ndarray:
    """SegNet's INFERENCE and LEARN, or PSPNet's running statistics."""
    p = layer.bn_param
    if len(own) == 4:
        x = (x - along_channels(own[2])) / np.sqrt(along_channels(own[3]) + p.eps)
    elif p.bn_mode == p.LEARN:
        x = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-9)
    y: np.ndarray = x * along_channels(own[0]) + along_channels(own[1])
    return y


@of("Scale")
def scale(layer: Any, own: Arrays, x: np.ndarray) -> Any:
    return x * along_channels(own[0]) + along_channels(own[1])


@of("ReLU")
def relu(layer: Any, own: Arrays, x: np.ndarray) -> Any:
    return np.where(x > 0, x, layer.relu_param.negative_slope * x)


@of("PReLU")
def prelu(layer: Any, own: Arrays, x: np.ndarray) -> Any:
    return np.where(x > 0, x, along_channels(own[0]) * x)


LAYERS["ReLU6"] = lambda layer, own, x: np.clip(x, 0, 6)
LAYERS["Sigmoid"] = lambda layer, own, x: 1 / (1 + np.exp(-x))
LAYERS["Dropout"] = lambda layer, own, x: x
LAYERS["Eltwise"] = lambda layer, own, *xs: np.sum(xs, 0)
LAYERS["Concat"] = lambda layer, own, *xs: np.concatenate(xs, 1)
LAYERS["Axpy"] = lambda layer, own, a, x, y: a.reshape(*a.shape[:2], 1, 1) * x + y
LAYERS["InnerProduct"] = lambda layer, own, x: x.reshape(len(x), -1) @ own[0].T + own[1]


@of("Softmax")
def softmax(layer: Any, own: Arrays, x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(1, keepdims=True))
    shares: np.ndarray = e / e.sum(1, keepdims=True)
    return shares


@of("Crop")
def crop(layer: Any, own: Arrays, x: np.ndarray, like: np.ndarray) -> np.ndarray:
    at, (h, w) = layer.crop_param.offset[0], like.shape[2:]
    return x[:, :, at : at + h, at : at + w]


@of("Interp")
def interp(layer: Any, own: Arrays, x: np.ndarray) -> np.ndarray:
    p, (h, w) = layer.interp_param, x.shape[2:]
    size = (p.height, p.width) if p.height else [d + (d - 1) * (p.zoom_factor - 1) for d in (h, w)]
    for axis, (before, after) in enumerate(zip((h, w), size, strict=True), 2):
        at = np.arange(after) * ((before - 1) / (after - 1) if after > 1 else 0)
        low = np.minimum(np.floor(at + 1e-9).astype(int), before - 1)
        share = (at - low).reshape(-1, *[1] * (3 - axis))
        x = np.take(x, low, axis) * (1 - share) + np.take(x, np.minimum(low + 1, before - 1), axis) * share
    return x


@of("Upsample")
def upsample(layer: Any, own: Arrays, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    p, (n, c, h, w) = layer.upsample_param, x.shape
    size = (p.upsample_h, p.upsample_w) if p.upsample_h else (2 * h - p.pad_out_h, 2 * w - p.pad_out_w)
    y = np.zeros((n, c, size[0] * size[1]))
    np.put_along_axis(y, mask.reshape(n, c, -1).astype(int), x.reshape(n, c, -1), 2)
    return y.reshape(n, c, *size)


@of("ShuffleChannel")
def shuffle_channel(layer: Any, own: Arrays, x: np.ndarray) -> np.ndarray:
    n, c, h, w = x.shape
    group = layer.shuffle_channel_param.group
    return x.reshape(n, group, c // group, h, w).swapaxes(1, 2).reshape(x.shape)


@of("Reorg")
def reorg(layer: Any, own: Arrays, x: np.ndarray) -> np.ndarray:
    (n, c, h, w), s = x.shape, layer.reorg_param.stride
    return x.reshape(n, c // s**2, h, s, w, s).transpose(0, 3, 5, 1, 2, 4).reshape(n, c * s * s, h // s, w // s)
