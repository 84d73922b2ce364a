"""Losses and metrics: scalars. A loss has loss_weight 1 unless the net says otherwise."""

import numpy as np

from netc import netc_pb2 as pb
from netc.errors import ShapeError
from netc.ir import Value, cast, constant, op
from netc.layers.context import Context, dims, sizes
from netc.layers.shape import axis_of, merged, reshape
from netc.registry import layer
from netc.training_ops import loss


def _normalization(ctx: Context, default: str) -> str:
    """LossParameter's mode by name. The old `normalize: false` means BATCH_SIZE."""
    p = ctx.param.loss_param
    if not p.HasField("normalization") and p.HasField("normalize"):
        return "VALID" if p.normalize else "BATCH_SIZE"
    return pb.LossParameter.NormalizationMode.Name(p.normalization) if p.HasField("normalization") else default


def _ignored(p: pb.LossParameter | pb.AccuracyParameter) -> int | None:
    return p.ignore_label if p.HasField("ignore_label") else None


def _labels(ctx: Context, scores: Value, labels: Value, axis: int) -> Value:
    """Labels as int64, one for each place of the scores without `axis`."""
    wanted = [*scores.shape[:axis], *scores.shape[axis + 1 :]]
    labels = cast(labels, np.int64)
    known = ctx.described.get(ctx.layer.bottoms[1])
    if known is not None and isinstance(scores.shape[axis], int) and known.classes > int(scores.shape[axis]):
        a, b = ctx.layer.bottoms[:2]
        raise ctx.shape_error(
            f"{b} has {known.classes} classes, {a} {dims(scores.shape)} scores {scores.shape[axis]} on axis {axis}", "bottom"
        )
    if list(labels.shape) == wanted:
        return labels
    try:
        if merged(labels.shape[1:]) == merged(tuple(wanted[1:])) and labels.shape[:1] == tuple(wanted[:1]):
            return reshape(labels, wanted)
        if merged(labels.shape) == merged(tuple(wanted)):
            return reshape(labels, wanted)
    except ShapeError:
        pass
    a, b = ctx.layer.bottoms[:2]
    place = f"{a} {dims(scores.shape)} with classes on axis {axis}"
    raise ctx.shape_error(f"{b} is {dims(labels.shape)}; for {place} it must be {dims(tuple(wanted))}", "bottom", 1)


def _alike(ctx: Context, a: Value, b: Value) -> Value:
    """b in the shape of a; both have one batch and the same number of elements in it."""
    if a.shape == b.shape:
        return b
    if a.shape[:1] != b.shape[:1] or merged(a.shape[1:]) != merged(b.shape[1:]):
        named = " and ".join(f"{n} {dims(v.shape)}" for n, v in zip(ctx.layer.bottoms, (a, b), strict=True))
        raise ctx.shape_error(f"{named} differ in size", "bottom")
    return reshape(b, list(a.shape))


@layer("SoftmaxWithLoss", bottoms=(2, 2), tops=(0, 2), loss=True, deployed="Softmax")
def softmax_with_loss(ctx: Context, scores: Value, labels: Value) -> tuple[Value, ...]:
    """-log softmax(scores)[label], by default the mean over all labels that are not ignored. A second top holds the probabilities."""
    axis = axis_of(ctx, ctx.param.softmax_param.axis, scores, "softmax_param", "axis")
    labels = _labels(ctx, scores, labels, axis)
    return loss.softmax_cross_entropy(
        scores, labels, axis=axis, normalization=_normalization(ctx, "VALID"), ignore_label=_ignored(ctx.param.loss_param)
    )


@layer("SigmoidCrossEntropyLoss", bottoms=(2, 2), tops=(0, 1), loss=True, deployed="Sigmoid")
def sigmoid_cross_entropy_loss(ctx: Context, x: Value, targets: Value) -> Value:
    """The cross-entropy of sigmoid(x) against targets in [0, 1], by default the sum over each image, the mean over the batch."""
    targets, normalization = cast(_alike(ctx, x, targets), np.float32), _normalization(ctx, "BATCH_SIZE")
    return loss.sigmoid_cross_entropy(x, targets, normalization=normalization, ignore_label=_ignored(ctx.param.loss_param))


@layer("EuclideanLoss", bottoms=(2, 2), tops=(0, 1), loss=True)
def euclidean_loss(ctx: Context, a: Value, b: Value) -> Value:
    """Half the squared distance of a and b, the mean over the batch."""
    a, b = cast(a, np.float32), cast(b, np.float32)
    difference = a - _alike(ctx, a, b)
    squares = difference * difference
    each = op.ReduceSum(squares, list(range(1, a.rank)), keepdims=0) if a.rank > 1 else squares
    return op.ReduceMean(each, keepdims=0) * 0.5


@layer("Accuracy", bottoms=(2, 2), tops=(1, 2), metric=True)
def accuracy(ctx: Context, scores: Value, labels: Value) -> tuple[Value, ...]:
    """The share of labels whose score is among the top_k; a score equal to the label's counts against it. No gradient.

    A second top holds the share for each class, 0 for a class without labels.
    """
    p = ctx.param.accuracy_param
    axis = axis_of(ctx, p.axis, scores, "accuracy_param", "axis")
    labels = _labels(ctx, scores, labels, axis)
    (classes,) = sizes(scores.shape[axis : axis + 1])
    if not 1 <= p.top_k <= classes:
        raise ctx.error(f"top_k {p.top_k} of {classes} classes", "accuracy_param", "top_k")
    ignore = _ignored(p)
    valid = None if ignore is None else op.Not(op.Equal(labels, ignore))
    known = labels if valid is None else op.Where(valid, labels, constant(0))
    own = op.GatherElements(scores, op.Unsqueeze(known, [axis]), axis=axis)
    below = op.ReduceSum(cast(scores < own, np.float32), [axis], keepdims=0)
    correct = cast(op.GreaterOrEqual(below, np.float32(classes - p.top_k)), np.float32)
    if valid is None:
        total = op.ReduceMean(correct, keepdims=0)
    else:
        counted = cast(valid, np.float32)
        correct = correct * counted
        total = op.ReduceSum(correct, keepdims=0) / op.Max(op.ReduceSum(counted, keepdims=0), 1.0)
    return (total, _per_class(labels, correct, classes)) if len(ctx.layer.tops) > 1 else (total,)


def _per_class(labels: Value, correct: Value, classes: int) -> Value:
    """correct, averaged over the labels of each class. An ignored label is no class's."""
    hot = op.OneHot(op.Reshape(labels, [-1], shape=("L",)), constant(np.array([classes])), constant(np.array([0, 1], np.float32)), axis=1)
    hits = op.ReduceSum(hot * op.Reshape(correct, [-1, 1], shape=("L", 1)), [0], keepdims=0)
    return hits / op.Max(op.ReduceSum(hot, [0], keepdims=0), 1.0)
