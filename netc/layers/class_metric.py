"""Metrics of predicted classes and probabilities. They are computed in float64, batch by batch and over the full test set.

Predictions are probabilities: one for each class, one of the class 1 in each row, or one for each of several labels. They are the second
top of a loss such as SoftmaxWithLoss or MemberLoss, or the top of Softmax or Sigmoid.
"""

from collections.abc import Sequence

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.layers import domain, whole
from netc.layers.context import Context, dims, sizes
from netc.layers.regression_loss import columns
from netc.layers.shape import merged, reshape
from netc.net.model import Layer
from netc.registry import layer

SMALLEST = float(np.finfo(np.float32).eps)


def _classes(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> domain.Domain | None:
    """The labels that a metric accepts: the classes that have probabilities, or 0 and 1."""
    width, wide = merged(bottoms[0].shape[1:]), merged(bottoms[1].shape[1:]) != 1
    if not isinstance(width, int):
        return None
    count = 2 if width == 1 or wide else width
    return domain.Domain(0, count - 1, why=f"{layer.bottoms[0]} has probabilities of {count} classes")


LABELS = domain.Reads(1, _classes)
READS = (LABELS, domain.probabilities())
# Of several classes, the one with the highest score is also the most probable; a threshold needs probabilities.
PREDICTED = (LABELS, domain.probabilities(lambda bottoms: merged(bottoms[0].shape[1:]) == 1 or merged(bottoms[1].shape[1:]) != 1))


def _labels(ctx: Context, labels: Value) -> Value:
    """The labels as int64 (N,)."""
    if merged(labels.shape[1:]) != 1:
        raise ctx.shape_error(f"{ctx.layer.bottoms[1]} is {dims(labels.shape)}. Expected one label a row.", "bottom", 1)
    return cast(labels if labels.rank == 1 else reshape(labels, [labels.shape[0]]), np.int64)


def _hot(labels: Value, classes: int) -> Value:
    """(N, classes) float64: 1 for the class of the label."""
    return cast(op.OneHot(labels, constant(classes), constant(np.array([0, 1], np.float32)), axis=1), np.float64)


def _probabilities(ctx: Context, prediction: Value) -> tuple[Value, int]:
    """(N, classes) float64, and the number of classes. One probability a row is that of the class 1."""
    p = cast(columns(prediction), np.float64)
    (width,) = sizes(p.shape[1:])
    return (p, width) if width > 1 else (op.Concat(1.0 - p, p, axis=1), 2)


@layer("LogLoss", stem="log_loss", bottoms=(2, 2), metric=True, lower_is_better=(0,), whole=whole.mean_of_columns, reads=READS)
def log_loss(ctx: Context, prediction: Value, labels: Value) -> Value:
    """The mean of -log of the probability of the label. Probabilities are limited to at least 1.2e-7, as in scikit-learn's log_loss."""
    p, classes = _probabilities(ctx, prediction)
    own = op.ReduceSum(_hot(_labels(ctx, labels), classes) * p, [1])
    return whole.exact_mean(ctx, -op.Log(op.Clip(own, SMALLEST, 1 - SMALLEST)))[0]


@layer("BrierScore", stem="brier", bottoms=(2, 2), metric=True, lower_is_better=(0,), whole=whole.mean_of_columns, reads=READS)
def brier_score(ctx: Context, prediction: Value, labels: Value) -> Value:
    """The mean squared error of the probabilities (Brier 1950): for two classes that of the class 1, for more the sum over the classes."""
    p, classes = _probabilities(ctx, prediction)
    error = p - _hot(_labels(ctx, labels), classes)
    error = op.Gather(error, [1], axis=1) if classes == 2 else error
    return whole.exact_mean(ctx, op.ReduceSum(error * error, [1]))[0]


@layer(
    "CalibrationError", stem="calibration_error", bottoms=(2, 2), metric=True, lower_is_better=(0,), whole=whole.calibration_error,
    reads=READS,
)  # fmt: skip
def calibration_error(ctx: Context, prediction: Value, labels: Value) -> Value:
    """The expected calibration error (Guo et al. 2017): the mean distance of probability and frequency over intervals of the probability.

    It compares the probability of the most probable class with the share of right predictions, or with `positive` the probability of this
    class with its share.
    """
    p, (probability, classes) = ctx.param.calibration_error_param, _probabilities(ctx, prediction)
    if p.positive >= classes or not p.bins:
        text = f"`positive` {p.positive} of {classes} classes." if p.bins else "`bins` is 0. Expected 1 or more."
        raise ctx.error(text, "calibration_error_param", "positive" if p.bins else "bins")
    hot = _hot(_labels(ctx, labels), classes)
    if p.HasField("positive"):
        chosen, right = (op.Gather(v, [p.positive], axis=1) for v in (probability, hot))
    else:
        chosen = op.ReduceMax(probability, [1])
        right = op.GatherElements(hot, op.ArgMax(probability, axis=1), axis=1)
    edges = constant(np.linspace(0, 1, p.bins + 1)[1:-1][None])
    number = op.ReduceSum(cast(chosen > edges, np.int64), [1], keepdims=0)
    gap = op.ReduceSum(_hot(number, p.bins) * (chosen - right), [0], keepdims=0)
    rows = whole.size(chosen)
    ctx.add_up(gap=gap, count=rows)
    return cast(op.ReduceSum(op.Abs(gap), keepdims=0) / op.Max(cast(rows, np.float64), 1.0), np.float32)


def _predicted(ctx: Context, prediction: Value, labels: Value, threshold: float) -> tuple[Value, Value, bool]:
    """The predicted and the true classes as 0 and 1, float64 (N, classes), and whether these are several labels of each row."""
    p = columns(prediction)
    (width,) = sizes(p.shape[1:])
    likely = cast(op.GreaterOrEqual(p, np.float32(threshold)), np.float64)
    if width > 1 and merged(labels.shape[1:]) == width:
        return likely, cast(op.Equal(cast(columns(labels), np.int64), 1), np.float64), True
    flat = _labels(ctx, labels)
    if width == 1:
        return op.Concat(1.0 - likely, likely, axis=1), _hot(flat, 2), False
    return _hot(op.ArgMax(p, axis=1, keepdims=0), width), _hot(flat, width), False


def _score(ctx: Context, prediction: Value, labels: Value, by_prediction: float, by_label: float) -> tuple[Value, ...]:
    """Hits divided by the weighted mean of the numbers of predictions and of labels: the average over the classes, and each class."""
    p = ctx.param.f1_param
    predicted, true, several = _predicted(ctx, prediction, labels, p.threshold)
    (classes,) = sizes(true.shape[1:])
    if p.HasField("positive") and p.positive >= classes:
        raise ctx.error(f"`positive` {p.positive} of {classes} classes.", "f1_param", "positive")
    hits, made, given = (op.ReduceSum(v, [0], keepdims=0) for v in (predicted * true, predicted, true))
    asked = made * by_prediction + given * by_label
    seen = op.Min(made + given + float(several), 1.0)  # several labels all count, classes that occur
    ctx.add_up(hits=hits, asked=asked, seen=seen)
    each = hits / op.Where(op.Equal(asked, 0.0), constant(1.0, np.float64), asked)
    if p.HasField("positive"):
        first = op.Gather(each, constant(p.positive), axis=0)
    elif p.average == p.MICRO:
        first = op.ReduceSum(hits, keepdims=0) / op.Max(op.ReduceSum(asked, keepdims=0), SMALLEST)
    else:
        first = op.ReduceSum(each * seen, keepdims=0) / op.Max(op.ReduceSum(seen, keepdims=0), 1.0)
    return cast(first, np.float32), cast(each, np.float32)


@layer("F1", bottoms=(2, 2), tops=(1, 2), metric=True, whole=whole.class_scores, reads=PREDICTED)
def f1(ctx: Context, prediction: Value, labels: Value) -> tuple[Value, ...]:
    """The harmonic mean of precision and recall: of the class `positive`, or averaged over the classes. A second top holds each class.

    For several labels of a row, each 0 or 1, the labels take the place of the classes. Classes that occur neither as labels nor as
    predictions do not count in the average.
    """
    return _score(ctx, prediction, labels, 0.5, 0.5)


@layer("Precision", bottoms=(2, 2), tops=(1, 2), metric=True, whole=whole.class_scores, messages=("f1_param",), reads=PREDICTED)
def precision(ctx: Context, prediction: Value, labels: Value) -> tuple[Value, ...]:
    """The share of right ones among the rows predicted as a class: of the class `positive`, or averaged. A second top holds each class.

    Classes and averages are those of F1.
    """
    return _score(ctx, prediction, labels, 1, 0)


@layer("Recall", bottoms=(2, 2), tops=(1, 2), metric=True, whole=whole.class_scores, messages=("f1_param",), reads=PREDICTED)
def recall(ctx: Context, prediction: Value, labels: Value) -> tuple[Value, ...]:
    """The share of a class's rows that are predicted as this class: of the class `positive`, or averaged. A second top holds each class.

    Classes and averages are those of F1.
    """
    return _score(ctx, prediction, labels, 0, 1)


@layer(
    "MultiLabelAccuracy", stem="label_accuracy", bottoms=(2, 2), tops=(1, 2), metric=True, whole=whole.multi_label_accuracy,
    reads=READS,
)  # fmt: skip
def multi_label_accuracy(ctx: Context, prediction: Value, labels: Value) -> tuple[Value, ...]:
    """The share of rows whose labels are all predicted right (subset accuracy). A second top holds the share of labels that are right.

    The latter is 1 minus the Hamming loss.
    """
    if merged(prediction.shape[1:]) != merged(labels.shape[1:]):
        a, b = ctx.layer.bottoms
        raise ctx.shape_error(f"{a} {dims(prediction.shape)} and {b} {dims(labels.shape)} must have the same number of labels.", "bottom")
    threshold = np.float32(ctx.param.multi_label_accuracy_param.threshold)
    likely = op.GreaterOrEqual(columns(prediction), threshold)
    right = cast(op.Equal(likely, op.Equal(cast(columns(labels), np.int64), 1)), np.float64)
    whole_rows = cast(op.ReduceMin(right, [1]) > 0.0, np.float64)
    rows, count = (op.ReduceSum(v, keepdims=0) for v in (whole_rows, right))
    number = (whole.size(whole_rows), whole.size(right))
    ctx.add_up(rows=rows, count=number[0], right=count, labels=number[1])
    shares = (v / op.Max(cast(n, np.float64), 1.0) for v, n in zip((rows, count), number, strict=True))
    return tuple(cast(v, np.float32) for v in shares)
