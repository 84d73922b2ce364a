"""Losses, and Accuracy: scalars. The loss_weight of a loss is 1 by default."""

import numpy as np

from netc import netc_pb2 as pb
from netc.data import read_blob
from netc.errors import ShapeError, SpecError
from netc.graph.ir import Value, cast, constant, op, stop
from netc.graph.training_ops import loss
from netc.graph.training_ops.activation import softplus
from netc.layers import domain, whole
from netc.layers.class_loss import class_weighted_softmax, class_weights, known_labels, picked_of, weighted_softmax
from netc.layers.context import Context, dims, sizes
from netc.layers.shape import axis_of, merged, reshape
from netc.layers.weights import mean_of_labels, mean_of_rows
from netc.registry import layer
from netc.spec.places import Places, there

LEAST_PROBABILITY = 1e-20


def normalization_of(ctx: Context, default: str, fixed: bool = False) -> str:
    """The name of LossParameter's mode. The old `normalize: false` means BATCH_SIZE. `fixed`: the layer knows PRE_FIXED."""
    p = ctx.param.loss_param
    if p.normalization == p.PRE_FIXED and not fixed:
        text = "`normalization: PRE_FIXED` is for SoftmaxWithLossOHEM and SmoothL1LossOHEM. Use NONE and a `loss_weight`."
        raise ctx.error(text, "loss_param", "normalization")
    if not p.HasField("normalization") and p.HasField("normalize"):
        return "VALID" if p.normalize else "BATCH_SIZE"
    return pb.LossParameter.NormalizationMode.Name(p.normalization) if p.HasField("normalization") else default


def _counted(ctx: Context, value: Value, each: Value, axis: int, normalization: str) -> Value:
    """Return the loss `value`, and record for a test how many numbers its normaliser counts. `each` has one number per label.

    For a loss that is a sum, record the loss itself.
    """
    ignored = domain.ignored_label(ctx.param.loss_param)
    if normalization == "NONE":
        ctx.add_up(total=value)
        return value
    if normalization == "VALID" and ignored is not None:
        valid = op.Not(op.Equal(cast(each, np.int64), ignored))
        return whole.mean_of(ctx, value, op.ReduceSum(cast(valid, np.int64), keepdims=0))
    return whole.mean_of(ctx, value, whole.size(each, axis if normalization == "BATCH_SIZE" else None))


def labels_of(ctx: Context, scores: Value, labels: Value, axis: int) -> Value:
    """Labels as int64, one for each element of the scores without `axis`."""
    wanted = [*scores.shape[:axis], *scores.shape[axis + 1 :]]
    labels = cast(labels, np.int64)
    known = ctx.described.get(ctx.layer.bottoms[1])
    if known is not None and isinstance(scores.shape[axis], int) and known.classes > int(scores.shape[axis]):
        a, b = ctx.layer.bottoms[:2]
        scored = f"{a} {dims(scores.shape)} has scores for {scores.shape[axis]} on axis {axis}"
        hint = f"The layer that writes {a!r} needs a `num_output` of {known.classes}."
        raise ctx.shape_error(f"{b} has {known.classes} classes, but {scored}. {hint}", "bottom")
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
    raise ctx.shape_error(f"{b} is {dims(labels.shape)}. For {place} it must be {dims(tuple(wanted))}.", "bottom", 1)


def alike(ctx: Context, a: Value, b: Value) -> Value:
    """b in the shape of a. Both must have the same batch and the same number of elements."""
    if a.shape == b.shape:
        return b
    if a.shape[:1] != b.shape[:1] or merged(a.shape[1:]) != merged(b.shape[1:]):
        named = " and ".join(f"{n} {dims(v.shape)}" for n, v in zip(ctx.layer.bottoms, (a, b), strict=False))
        raise ctx.shape_error(f"{named} differ in size.", "bottom")
    return reshape(b, list(a.shape))


@layer(
    "SoftmaxWithLoss", bottoms=(2, 3), tops=(0, 2), loss=True, whole=whole.mean, deployed="Softmax",
    messages=("softmax_param", "loss_param", "softmax_loss_param"),
    reads=(domain.labels(lambda p: p.softmax_param.axis, lambda p: p.loss_param), domain.WEIGHTS),
)  # fmt: skip
def softmax_with_loss(ctx: Context, scores: Value, labels: Value, weight: Value | None = None) -> tuple[Value, ...]:
    """-log softmax(scores)[label], by default averaged over all labels that are not ignored. A second top holds the probabilities.

    A third bottom holds weights of the rows: the mean is then weighted, as it is with `class_weight`. SegNet's `class_weighting` multiplies
    the losses only.
    """
    axis = axis_of(ctx, ctx.param.softmax_param.axis, scores, "softmax_param", "axis")
    labels, normalization = labels_of(ctx, scores, labels, axis), normalization_of(ctx, "VALID")
    ignored = domain.ignored_label(ctx.param.loss_param)
    p = ctx.param.softmax_loss_param
    if ctx.param.loss_param.weight_by_label_freqs:
        return class_weighted_softmax(ctx, scores, labels, weight, axis, normalization), stop(op.Softmax(scores, axis=axis))
    if weight is not None or p.class_weight or p.label_smoothing:
        return weighted_softmax(ctx, scores, labels, weight, axis, normalization), stop(op.Softmax(scores, axis=axis))
    value, shares = loss.softmax_cross_entropy(scores, labels, axis=axis, normalization=normalization, ignore_label=ignored)
    return _counted(ctx, value, labels, axis, normalization), shares


@layer(
    "FocalLoss", bottoms=(2, 3), tops=(0, 2), loss=True, whole=whole.mean, deployed="Softmax",
    messages=("focal_loss_param", "softmax_param", "loss_param"),
    reads=(domain.labels(lambda p: p.softmax_param.axis, lambda p: p.loss_param), domain.WEIGHTS),
)  # fmt: skip
def focal_loss(ctx: Context, scores: Value, labels: Value, weight: Value | None = None) -> tuple[Value, ...]:
    """-(1 - p)^gamma log p with p = softmax(scores)[label] (Lin et al. 2017): labels that are predicted well count less.

    `alpha` multiplies the loss of each class; the normalizer counts labels, as in the paper. A second top holds the probabilities. A third
    bottom holds weights of the rows.
    """
    p, axis = ctx.param.focal_loss_param, axis_of(ctx, ctx.param.softmax_param.axis, scores, "softmax_param", "axis")
    labels = labels_of(ctx, scores, labels, axis)
    known, valid = known_labels(ctx, labels)
    log = picked_of(scores, known, axis)
    # 1 - p is 0 in floats before its logarithm is infinite, and its power has no finite gradient there.
    each = -op.Pow(op.Max(1.0 - op.Exp(log), 1e-7), constant(np.float32(p.gamma))) * log
    alpha = class_weights(ctx, p.alpha, scores.shape[axis], "focal_loss_param", "alpha")
    each = each if alpha is None else each * op.Gather(alpha, known, axis=0)
    value = mean_of_labels(ctx, each, weight, valid, axis, normalization_of(ctx, "VALID"))
    return value, stop(op.Softmax(scores, axis=axis))


@layer(
    "SigmoidCrossEntropyLoss", bottoms=(2, 3), tops=(0, 2), loss=True, whole=whole.mean, deployed="Sigmoid",
    messages=("loss_param",),
    reads=(domain.numbers(1, 0, 1, ignored=lambda p: p.loss_param), domain.WEIGHTS),
)  # fmt: skip
def sigmoid_cross_entropy_loss(ctx: Context, x: Value, targets: Value, weight: Value | None = None) -> tuple[Value, ...]:
    """The cross entropy of sigmoid(x) with targets in [0, 1], by default summed over each image and averaged over the batch.

    For several labels of a row, of which each is 0 or 1. A second top holds the probabilities. A third bottom holds weights of the rows.
    """
    if weight is not None:
        return _weighted_sigmoid(ctx, x, targets, weight), stop(op.Sigmoid(x))
    targets, normalization = cast(alike(ctx, x, targets), np.float32), normalization_of(ctx, "BATCH_SIZE")
    ignored = domain.ignored_label(ctx.param.loss_param)
    value = loss.sigmoid_cross_entropy(x, targets, normalization=normalization, ignore_label=ignored)
    return _counted(ctx, value, targets, 1, normalization), stop(op.Sigmoid(x))


def _weighted_sigmoid(ctx: Context, x: Value, targets: Value, weight: Value) -> Value:
    targets = stop(cast(alike(ctx, x, targets), np.float32))
    ignored = domain.ignored_label(ctx.param.loss_param)
    valid = None if ignored is None else cast(op.Not(op.Equal(cast(targets, np.int64), ignored)), np.float32)
    return mean_of_labels(ctx, softplus(x) - x * targets, weight, valid, 1, normalization_of(ctx, "BATCH_SIZE"))


@layer("EuclideanLoss", bottoms=(2, 3), label=False, tops=(0, 1), loss=True, whole=whole.mean, reads=domain.WEIGHTS)
def euclidean_loss(ctx: Context, a: Value, b: Value, weight: Value | None = None) -> Value:
    """Half the squared distance between a and b, averaged over the batch. A third bottom holds weights of the rows."""
    a, b = cast(a, np.float32), cast(b, np.float32)
    difference = a - alike(ctx, a, b)
    squares = difference * difference
    each = op.ReduceSum(squares, list(range(1, a.rank)), keepdims=0) if a.rank > 1 else squares
    if weight is not None:
        return mean_of_rows(ctx, each * 0.5, weight)
    return _counted(ctx, loss.mean(each) * 0.5, each, 1, "BATCH_SIZE")


@layer("MultinomialLogisticLoss", bottoms=(2, 2), tops=(0, 1), loss=True, whole=whole.mean, reads=domain.labels(lambda p: 1))
def multinomial_logistic_loss(ctx: Context, probabilities: Value, labels: Value) -> Value:
    """-log of the label's probability, averaged over the batch. After a Softmax, use SoftmaxWithLoss: it is more precise.

    The loss limits a probability to at least 1e-20. Its gradient has no limit, so a label with probability 0 can still be learned.
    """
    labels = labels_of(ctx, probabilities, labels, 1)
    picked = op.GatherElements(probabilities, op.Unsqueeze(labels, [1]), axis=1)
    cut = picked + stop(op.Max(picked, LEAST_PROBABILITY) - picked)
    each = -op.Log(cut)
    return _counted(ctx, loss.normalised(each, None, 1, "BATCH_SIZE"), each, 1, "BATCH_SIZE")


@layer(
    "InfogainLoss", bottoms=(2, 3), tops=(0, 2), loss=True, whole=whole.mean, deployed="Softmax",
    messages=("infogain_loss_param", "loss_param"),
    reads=domain.labels(lambda p: p.infogain_loss_param.axis, lambda p: p.loss_param),
)  # fmt: skip
def infogain_loss(ctx: Context, scores: Value, labels: Value, gain: Value | None = None) -> tuple[Value, ...]:
    """-sum over classes l of H[label, l] log softmax(scores)[l], by default averaged over all labels that are not ignored.

    H is the third bottom, or a BlobProto in the file `source`. A second top holds the probabilities (no gradient). The log is limited
    to that of 1e-20; its gradient is not.
    """
    axis = axis_of(ctx, ctx.param.infogain_loss_param.axis, scores, "infogain_loss_param", "axis")
    (classes,) = sizes(scores.shape[axis : axis + 1])
    labels, ignore = labels_of(ctx, scores, labels, axis), domain.ignored_label(ctx.param.loss_param)
    valid = None if ignore is None else op.Not(op.Equal(labels, ignore))
    known = labels if valid is None else op.Where(valid, labels, constant(0))
    rows = op.Gather(_infogain(ctx, gain, classes), known, axis=0)  # the classes become the last axis
    log_softmax = op.LogSoftmax(scores, axis=axis)
    cut = log_softmax + stop(op.Max(log_softmax, float(np.log(LEAST_PROBABILITY))) - log_softmax)
    order = [*range(axis), labels.rank, *range(axis, labels.rank)]
    each = -op.ReduceSum(cut * op.Transpose(rows, perm=order), [axis], keepdims=0)
    counted = None if valid is None else cast(valid, np.float32)
    each = each if counted is None else each * counted
    normalization = normalization_of(ctx, "VALID")
    total = loss.normalised(each, counted, axis, normalization)
    return _counted(ctx, total, labels, axis, normalization), stop(op.Exp(log_softmax))


def _infogain(ctx: Context, gain: Value | None, classes: int) -> Value:
    """H of shape (classes, classes), from the third bottom or the file."""
    source = ctx.param.infogain_loss_param.source
    if gain is None and not source:
        raise ctx.error("The matrix H is missing. Add it as a third bottom, or as the file `source`.", "infogain_loss_param")
    if gain is None:
        places = Places.of(ctx.layer.document)
        if not there(places.find(source)):
            raise SpecError(ctx.diagnostic(places.missing(source).text, ("infogain_loss_param", "source"), kind=places.kind))
        array = read_blob(places.find(source))
        gain = constant(array.reshape(array.shape[-2:]) if array.size == classes * classes else array)
    if merged(gain.shape) != classes * classes:
        wanted = f"{dims(gain.shape)}; for {classes} classes it must be {classes}x{classes}"
        raise ctx.shape_error(f"H is {wanted}", "infogain_loss_param" if source else "bottom")
    return stop(op.Reshape(gain, [classes, classes]))


@layer(
    "Accuracy", bottoms=(2, 2), tops=(1, 2), metric=True, whole=whole.accuracy,
    reads=domain.labels(lambda p: p.accuracy_param.axis, lambda p: p.accuracy_param),
)  # fmt: skip
def accuracy(ctx: Context, scores: Value, labels: Value) -> tuple[Value, ...]:
    """The fraction of samples whose label is among the top_k scores. A tie with the label's score counts against it. No gradient.

    A second top holds the accuracy of each class, 0 for a class without labels.
    """
    p = ctx.param.accuracy_param
    axis = axis_of(ctx, p.axis, scores, "accuracy_param", "axis")
    labels = labels_of(ctx, scores, labels, axis)
    (classes,) = sizes(scores.shape[axis : axis + 1])
    if not 1 <= p.top_k <= classes:
        raise ctx.error(f"`top_k` is {p.top_k}, but there are {classes} classes.", "accuracy_param", "top_k")
    ignore = domain.ignored_label(p)
    valid = None if ignore is None else op.Not(op.Equal(labels, ignore))
    known = labels if valid is None else op.Where(valid, labels, constant(0))
    own = op.GatherElements(scores, op.Unsqueeze(known, [axis]), axis=axis)
    below = op.ReduceSum(cast(scores < own, np.float32), [axis], keepdims=0)
    correct = cast(op.GreaterOrEqual(below, np.float32(classes - p.top_k)), np.float32)
    if valid is None:
        total, counted = loss.mean(correct), whole.size(labels)
    else:
        correct = correct * cast(valid, np.float32)
        counted = op.ReduceSum(cast(valid, np.int64), keepdims=0)
        total = op.ReduceSum(correct, keepdims=0) / op.Max(cast(counted, np.float32), 1.0)
    ctx.add_up(right=op.ReduceSum(cast(correct, np.int64), keepdims=0), count=counted)
    return (total, _per_class(ctx, labels, correct, classes)) if len(ctx.layer.tops) > 1 else (total,)


def _per_class(ctx: Context, labels: Value, correct: Value, classes: int) -> Value:
    """The mean of `correct` over the labels of each class. Ignored labels belong to no class."""
    hot = op.OneHot(op.Reshape(labels, [-1], shape=("L",)), constant(classes), constant(np.array([0, 1], np.float32)), axis=1)
    right = op.ReduceSum(hot * op.Reshape(correct, [-1, 1], shape=("L", 1)), [0], keepdims=0)
    labelled = op.ReduceSum(hot, [0], keepdims=0)
    ctx.add_up(right_of_class=right, of_class=labelled)
    return right / op.Max(labelled, 1.0)
