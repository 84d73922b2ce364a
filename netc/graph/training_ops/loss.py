"""Losses with their gradients, normalised according to Caffe's LossParameter.

`normalization` is "FULL" (all elements), "VALID" (those not ignored), "BATCH_SIZE" (the axes before `axis`) or "NONE".
"""

from math import prod

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.graph.training_ops.define import training_op

SMALLEST = np.finfo(np.float32).tiny  # Caffe limits probabilities to this before the log


def _valid(labels: Value, ignore_label: int | None) -> Value | None:
    """1 for a label that counts, 0 for an ignored one, as float; None if all count."""
    return None if ignore_label is None else cast(op.Not(op.Equal(labels, ignore_label)), np.float32)


def normalised(each: Value, valid: Value | None, axis: int, normalization: str) -> Value:
    """The sum of `each` divided by the normaliser, a scalar. `valid` is 1 for a label that counts; None if all do.

    It supports a symbolic batch by using means instead of counts. The mean over zero rows is 0.
    """
    if normalization == "NONE":
        return op.ReduceSum(each, keepdims=0)
    if normalization == "VALID" and valid is not None:
        return op.ReduceSum(each, keepdims=0) / op.Max(op.ReduceSum(valid, keepdims=0), 1.0)
    if normalization == "BATCH_SIZE" and each.rank > axis:
        each = op.ReduceSum(each, list(range(axis, each.rank)), keepdims=0)
    return mean(each)


def mean(x: Value) -> Value:
    """The mean of all elements, a scalar; 0 if there are no elements."""
    if not any(isinstance(d, str) for d in x.shape):
        return op.ReduceMean(x, keepdims=0)
    return op.ReduceSum(x, keepdims=0) / op.Max(cast(op.Size(x), np.float32), 1.0)


def _factor(like: Value, valid: Value | None, axis: int, normalization: str) -> Value | float:
    """1 / normaliser for the gradient. `like` has one number per label."""
    if normalization == "NONE":
        return 1.0
    if normalization == "VALID" and valid is not None:
        return op.Reciprocal(op.Max(op.ReduceSum(valid, keepdims=0), 1.0))
    counted = like.shape[:axis] if normalization == "BATCH_SIZE" else like.shape
    if not any(isinstance(d, str) for d in counted):
        return 1.0 / max(1, prod(map(int, counted)))
    others = prod(int(d) for d in like.shape[len(counted) :])
    return float(others) / op.Max(cast(op.Size(like), np.float32), 1.0)


@training_op("SoftmaxCrossEntropy")
def softmax_cross_entropy(
    scores: Value, labels: Value, *, axis: int, normalization: str, ignore_label: int | None = None
) -> tuple[Value, ...]:
    """(loss, probabilities): -log softmax(scores)[label]. Labels are int64 of the shape of scores without `axis`."""
    prob, valid = op.Softmax(scores, axis=axis), _valid(labels, ignore_label)
    known = labels if valid is None else op.Where(op.Equal(labels, ignore_label), constant(0), labels)
    picked = op.Squeeze(op.GatherElements(prob, op.Unsqueeze(known, [axis]), axis=axis), [axis])
    each = -op.Log(op.Max(picked, constant(SMALLEST)))
    if valid is not None:
        each = each * valid
    return normalised(each, valid, axis, normalization), prob


@training_op("SoftmaxCrossEntropyGrad")
def softmax_cross_entropy_grad(
    dloss: Value, prob: Value, labels: Value, *, axis: int, normalization: str, ignore_label: int | None = None
) -> Value:
    """The gradient with respect to the scores: (probabilities - one-hot labels) * dloss / normaliser, 0 for ignored labels."""
    valid = _valid(labels, ignore_label)
    hot = op.OneHot(labels, constant(prob.shape[axis]), constant(np.array([0, 1], np.float32)), axis=axis)
    scale = dloss * _factor(labels, valid, axis, normalization)
    dx = (prob - hot) * scale
    return dx if valid is None else dx * op.Unsqueeze(valid, [axis])


@training_op("SigmoidCrossEntropy")
def sigmoid_cross_entropy(x: Value, targets: Value, *, normalization: str, ignore_label: int | None = None) -> Value:
    """-t log s - (1 - t) log(1 - s) with s = sigmoid(x), in the form that does not overflow. t has the shape of x."""
    valid = _valid(cast(targets, np.int64), ignore_label)
    each = op.Max(x, 0.0) - x * targets + op.Log(1.0 + op.Exp(-op.Abs(x)))
    return normalised(each if valid is None else each * valid, valid, 1, normalization)


@training_op("SigmoidCrossEntropyGrad")
def sigmoid_cross_entropy_grad(dloss: Value, x: Value, targets: Value, *, normalization: str, ignore_label: int | None = None) -> Value:
    """The gradient with respect to x: (sigmoid(x) - t) * dloss / normaliser, 0 for ignored targets."""
    valid = _valid(cast(targets, np.int64), ignore_label)
    dx = (op.Sigmoid(x) - targets) * (dloss * _factor(x, valid, 1, normalization))
    return dx if valid is None else dx * valid


@training_op("ContrastiveLoss")
def contrastive(a: Value, b: Value, similar: Value, *, margin: float, legacy: int) -> Value:
    """Half the mean of d^2 for similar pairs, of max(0, margin - d)^2 for others. d is the distance of rows of a and b (N, F).

    `legacy`: max(0, margin - d^2) for the latter. `similar` (N,) is 1 for similar pairs, else 0.
    """
    square = op.ReduceSumSquare(a - b, [1], keepdims=0)
    short = op.Relu(margin - (square if legacy else op.Sqrt(square)))
    each = similar * square + (1.0 - similar) * (short if legacy else short * short)
    return mean(each) * 0.5


@training_op("ContrastiveLossGrad")
def contrastive_grad(dloss: Value, a: Value, b: Value, similar: Value, *, margin: float, legacy: int) -> Value:
    """The gradient with respect to a.

    The gradient with respect to b is its negative. 1e-4 is added to each distance, so equal rows have one.
    """
    difference = a - b
    square = op.ReduceSumSquare(difference, [1], keepdims=0)
    distance = square if legacy else op.Sqrt(square)
    short = op.Relu(margin - distance)
    apart = cast(short > 0.0, a.dtype) if legacy else short / (distance + 1e-4)
    factor = (similar - (1.0 - similar) * apart) * (dloss * _factor(similar, None, 1, "FULL"))
    return difference * op.Unsqueeze(factor, [1])
