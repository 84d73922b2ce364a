"""Losses and metrics of images with a label for each pixel: scores (N, C, H, W), labels (N, H, W), with any number of spatial axes."""

from collections.abc import Sequence

import numpy as np

from netc.graph.ir import Value, cast, constant, op, stop
from netc.layers import domain, whole
from netc.layers.class_loss import class_weights
from netc.layers.context import Context, dims, sizes
from netc.layers.loss import alike
from netc.layers.shape import reshape
from netc.net.model import Layer
from netc.registry import layer


@layer(
    "DiceLoss", bottoms=(2, 2), tops=(0, 2), loss=True, whole=whole.mean, deployed="Softmax",
    reads=domain.labels(lambda p: 1, lambda p: p.dice_loss_param),
)  # fmt: skip
def dice_loss(ctx: Context, scores: Value, labels: Value) -> tuple[Value, ...]:
    """1 - (2 sum of p y + smooth) / (sum of p + sum of y + smooth) with p = softmax(scores): averaged over classes and images.

    y is 1 for the pixels of a class, else 0 (Milletari et al. 2016). It weights small and large classes equally. The sums are over the
    pixels of an image. A second top holds the probabilities. For masks of one channel, use SigmoidDiceLoss.
    """
    if scores.rank < 3 or scores.shape[1] == 1:
        text = f"{ctx.layer.bottoms[0]} is {dims(scores.shape)}. Expected rows x two or more classes x pixels."
        hint = " SigmoidDiceLoss is for masks of one channel." if scores.rank > 2 else ""
        raise ctx.shape_error(text + hint, "bottom")
    (classes,), p = sizes(scores.shape[1:2]), ctx.param.dice_loss_param
    labels, valid = _labels(ctx, scores, labels, domain.ignored_label(p))
    weights = class_weights(ctx, p.class_weight, classes, "dice_loss_param", "class_weight")
    each = _overlap(ctx, op.Softmax(scores, axis=1), _hot(labels, classes), valid, weights)
    return each, stop(op.Softmax(scores, axis=1))


@layer(
    "SigmoidDiceLoss", bottoms=(2, 2), tops=(0, 2), loss=True, whole=whole.mean, deployed="Sigmoid", messages=("dice_loss_param",),
    reads=domain.numbers(1, 0, 1, ignored=lambda p: p.dice_loss_param),
)  # fmt: skip
def sigmoid_dice_loss(ctx: Context, x: Value, targets: Value) -> tuple[Value, ...]:
    """DiceLoss with p = sigmoid(x), for one mask or several that may overlap: targets have the size of x and are 0 or 1.

    A second top holds the probabilities.
    """
    if x.rank < 3:
        raise ctx.shape_error(f"{ctx.layer.bottoms[0]} is {dims(x.shape)}. Expected rows x masks x pixels.", "bottom")
    p, y = ctx.param.dice_loss_param, stop(cast(alike(ctx, x, targets), np.float32))
    ignored = domain.ignored_label(p)
    valid = None if ignored is None else cast(op.Not(op.Equal(y, float(ignored))), np.float32)
    weights = class_weights(ctx, p.class_weight, x.shape[1], "dice_loss_param", "class_weight")
    return _overlap(ctx, op.Sigmoid(x), y, valid, weights), stop(op.Sigmoid(x))


def _overlap(ctx: Context, p: Value, y: Value, valid: Value | None, weights: Value | None) -> Value:
    """The mean over rows and classes of 1 - Dice, of probabilities and targets (N, C, pixels...)."""
    if valid is not None:
        p, y = p * valid, y * valid
    axes, smooth = list(range(2, p.rank)), np.float32(ctx.param.dice_loss_param.smooth)
    both, either = op.ReduceSum(p * y, axes, keepdims=0), op.ReduceSum(p + y, axes, keepdims=0)
    each = 1.0 - (both * 2.0 + smooth) / (op.Max(either, 1e-20) + smooth)
    if weights is None:
        rows = op.ReduceMean(each, [1], keepdims=0)
    else:
        rows = op.ReduceSum(each * weights, [1], keepdims=0) / op.ReduceSum(weights, keepdims=0)
    return whole.mean_of(ctx, op.ReduceMean(rows, keepdims=0), whole.size(rows))


def _labels(ctx: Context, scores: Value, labels: Value, ignored: int | None) -> tuple[Value, Value | None]:
    """The labels (N, pixels...) as int64 with 0 for ignored ones, and 1 for those that count (N, 1, pixels...), None if all do."""
    wanted = [scores.shape[0], *scores.shape[2:]]
    found = [d for k, d in enumerate(labels.shape) if k != 1 or labels.rank != scores.rank or d != 1]
    if found != wanted:
        a, b = ctx.layer.bottoms[:2]
        text = f"{b} is {dims(labels.shape)}. For {a}, which is {dims(scores.shape)}, expected {dims(tuple(wanted))}: a label a pixel."
        raise ctx.shape_error(text, "bottom", 1)
    labels = cast(labels if list(labels.shape) == wanted else reshape(labels, wanted), np.int64)
    if ignored is None:
        return labels, None
    valid = op.Not(op.Equal(labels, ignored))
    return op.Where(valid, labels, constant(0)), op.Unsqueeze(cast(valid, np.float32), [1])


def _hot(labels: Value, classes: int) -> Value:
    """(N, classes, pixels...) float32: 1 for the class of a label."""
    y: Value = op.OneHot(labels, constant(classes), constant(np.array([0, 1], np.float32)), axis=1)
    return y


def _classes(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> domain.Domain | None:
    """The labels that MeanIoU accepts."""
    width = bottoms[0].shape[1] if bottoms[0].rank > 1 else None
    if not isinstance(width, int):
        return None
    count = max(width, 2)
    ignored = domain.ignored_label(layer.param.mean_iou_param)
    return domain.Domain(0, count - 1, ignored=ignored, why=f"{layer.bottoms[0]} has scores for {count} classes")


@layer(
    "MeanIoU", stem="mean_iou", bottoms=(2, 2), tops=(1, 2), metric=True, whole=whole.mean_iou,
    reads=(domain.Reads(1, _classes), domain.probabilities(lambda bottoms: bottoms[0].rank > 1 and bottoms[0].shape[1] == 1)),
)  # fmt: skip
def mean_iou(ctx: Context, scores: Value, labels: Value) -> tuple[Value, ...]:
    """The pixels that are predicted and labelled as a class, divided by those that are either: averaged over the classes.

    The counts are those of all images together. Classes that are neither predicted nor labelled do not count. With `positive`, it is the
    value of that class. A second top holds the value of each class. With one channel, it is the probability of class 1.
    """
    p = ctx.param.mean_iou_param
    if scores.rank < 3:
        raise ctx.shape_error(f"{ctx.layer.bottoms[0]} is {dims(scores.shape)}. Expected rows x classes x pixels.", "bottom")
    (width,) = sizes(scores.shape[1:2])
    classes = max(width, 2)
    if p.positive >= classes:
        raise ctx.error(f"`positive` is {p.positive}, but there are {classes} classes.", "mean_iou_param", "positive")
    labels, valid = _labels(ctx, scores, labels, domain.ignored_label(p))
    likely = cast(op.GreaterOrEqual(scores, np.float32(p.threshold)), np.int64)
    found = op.Squeeze(likely, [1]) if width == 1 else op.ArgMax(scores, axis=1, keepdims=0)
    predicted, true = _hot(found, classes), _hot(labels, classes)
    if valid is not None:
        predicted, true = predicted * valid, true * valid
    both, either = _count(predicted * true), _count(op.Max(predicted, true))
    ctx.add_up(both=both, either=either)
    each = cast(both, np.float32) / op.Max(cast(either, np.float32), 1.0)
    if p.HasField("positive"):
        return op.Gather(each, constant(int(p.positive)), axis=0), each
    seen = cast(either > 0, np.float32)
    return op.ReduceSum(each, keepdims=0) / op.Max(op.ReduceSum(seen, keepdims=0), 1.0), each


def _count(pixels: Value) -> Value:
    """How many pixels of each class are 1, int64 (classes,). Sums of an image are exact in float32, those of a test set are not."""
    per_image = op.ReduceSum(pixels, list(range(2, pixels.rank)), keepdims=0)
    y: Value = op.ReduceSum(cast(per_image, np.int64), [0], keepdims=0)
    return y
