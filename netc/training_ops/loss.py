"""Losses with their gradients, normalised as Caffe's LossParameter says.

`normalization` is "FULL" (all elements), "VALID" (those not ignored), "BATCH_SIZE" (the axes before `axis`) or "NONE".
"""

import numpy as np

from netc.ir import Value, cast, constant, op
from netc.training_ops.define import training_op

SMALLEST = np.finfo(np.float32).tiny  # Caffe cuts probabilities here before the log


def _valid(labels: Value, ignore_label: int | None) -> Value | None:
    """1 where a label counts, 0 where it is ignored, in float; None if all count."""
    return None if ignore_label is None else cast(op.Not(op.Equal(labels, ignore_label)), np.float32)


def _normalised(each: Value, valid: Value | None, axis: int, normalization: str) -> Value:
    """The sum of `each` over the normaliser, a scalar. Works with a symbolic batch: means instead of counts."""
    if normalization == "NONE":
        return op.ReduceSum(each, keepdims=0)
    if normalization == "VALID" and valid is not None:
        return op.ReduceSum(each, keepdims=0) / op.Max(op.ReduceSum(valid, keepdims=0), 1.0)
    if normalization == "BATCH_SIZE" and each.rank > axis:
        each = op.ReduceSum(each, list(range(axis, each.rank)), keepdims=0)
    return op.ReduceMean(each, keepdims=0)


def _factor(like: Value, valid: Value | None, axis: int, normalization: str) -> Value | float:
    """1 / normaliser for the gradient, whose shapes are static. `like` has a shape of one number a label."""
    sizes = list(map(int, like.shape))
    if normalization == "NONE":
        return 1.0
    if normalization == "VALID" and valid is not None:
        return op.Reciprocal(op.Max(op.ReduceSum(valid, keepdims=0), 1.0))
    return 1.0 / max(1, int(np.prod(sizes[:axis] if normalization == "BATCH_SIZE" else sizes)))


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
    return _normalised(each, valid, axis, normalization), prob


@training_op("SoftmaxCrossEntropyGrad")
def softmax_cross_entropy_grad(
    dloss: Value, prob: Value, labels: Value, *, axis: int, normalization: str, ignore_label: int | None = None
) -> Value:
    """The gradient by the scores: (probabilities - one-hot labels) * dloss / normaliser, 0 where ignored."""
    valid = _valid(labels, ignore_label)
    hot = op.OneHot(labels, constant(np.array([prob.shape[axis]])), constant(np.array([0, 1], np.float32)), axis=axis)
    scale = dloss * _factor(labels, valid, axis, normalization)
    dx = (prob - hot) * scale
    return dx if valid is None else dx * op.Unsqueeze(valid, [axis])


@training_op("SigmoidCrossEntropy")
def sigmoid_cross_entropy(x: Value, targets: Value, *, normalization: str, ignore_label: int | None = None) -> Value:
    """-t log s - (1 - t) log(1 - s) with s = sigmoid(x), in the form that does not overflow. t is of the shape of x."""
    valid = _valid(cast(targets, np.int64), ignore_label)
    each = op.Max(x, 0.0) - x * targets + op.Log(1.0 + op.Exp(-op.Abs(x)))
    return _normalised(each if valid is None else each * valid, valid, 1, normalization)


@training_op("SigmoidCrossEntropyGrad")
def sigmoid_cross_entropy_grad(dloss: Value, x: Value, targets: Value, *, normalization: str, ignore_label: int | None = None) -> Value:
    """The gradient by x: (sigmoid(x) - t) * dloss / normaliser, 0 where ignored."""
    valid = _valid(cast(targets, np.int64), ignore_label)
    dx = (op.Sigmoid(x) - targets) * (dloss * _factor(x, valid, 1, normalization))
    return dx if valid is None else dx * valid
