"""Cross entropy label by label: weights of rows and of classes, smoothed and ignored labels."""

from collections.abc import Sequence

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.graph.tensor_type import Dim
from netc.layers import domain
from netc.layers.context import Context
from netc.layers.weights import mean_of_labels


def picked_of(scores: Value, labels: Value, axis: int) -> Value:
    """The log-probability of each label, in the shape of the labels."""
    return op.Squeeze(op.GatherElements(op.LogSoftmax(scores, axis=axis), op.Unsqueeze(labels, [axis]), axis=axis), [axis])


def class_weights(ctx: Context, weights: Sequence[float], classes: Dim, *path: str) -> Value | None:
    """The weights of the classes as a blob; None if there are none. An error if their number differs from that of the classes."""
    if weights and len(weights) != classes:
        raise ctx.error(f"There are {len(weights)} `{path[-1]}` for {classes} classes. Add one for each class, or none.", *path)
    return constant(np.asarray(weights, np.float32)) if weights else None


def known_labels(ctx: Context, labels: Value) -> tuple[Value, Value | None]:
    """The labels with 0 instead of `ignore_label`, and 1 for a label that counts, else 0; None if all count."""
    ignored = domain.ignored_label(ctx.param.loss_param)
    if ignored is None:
        return labels, None
    valid = op.Not(op.Equal(labels, ignored))
    return op.Where(valid, labels, constant(0)), cast(valid, np.float32)


def shares_of(labels: Value, valid: Value | None, weights: Value | None) -> Value | None:
    """The weight of each label by its class, 0 for an ignored one; None if all are 1."""
    own = None if weights is None else op.Gather(weights, labels, axis=0)
    return valid if own is None else own if valid is None else own * valid


def weighted_softmax(ctx: Context, scores: Value, labels: Value, weight: Value | None, axis: int, normalization: str) -> Value:
    """The cross entropy with weights of rows and classes, and with smoothed labels (Szegedy et al. 2016)."""
    p = ctx.param.softmax_loss_param
    known, valid = known_labels(ctx, labels)
    by_class = class_weights(ctx, p.class_weight, scores.shape[axis], "softmax_loss_param", "class_weight")
    each = -picked_of(scores, known, axis)
    if p.label_smoothing:
        even = -op.ReduceMean(op.LogSoftmax(scores, axis=axis), [axis], keepdims=0)
        each = each * (1 - p.label_smoothing) + even * p.label_smoothing
    return mean_of_labels(ctx, each, weight, shares_of(known, valid, by_class), axis, normalization)


def class_weighted_softmax(ctx: Context, scores: Value, labels: Value, weight: Value | None, axis: int, normalization: str) -> Value:
    """The cross entropy of SegNet: `class_weighting` multiplies the losses, and the normalizer counts labels, not weights."""
    known, valid = known_labels(ctx, labels)
    p = ctx.param.loss_param
    factors = class_weights(ctx, p.class_weighting, scores.shape[axis], "loss_param", "class_weighting")
    if factors is None:
        raise ctx.error("`class_weighting` is missing. Add a factor for each class.", "loss_param", "weight_by_label_freqs")
    if ctx.param.softmax_loss_param.ListFields():
        raise ctx.error("`class_weighting` cannot be used with softmax_loss_param. Remove one of them.", "loss_param", "class_weighting")
    each = -picked_of(scores, known, axis) * op.Gather(factors, known, axis=0)
    return mean_of_labels(ctx, each, weight, valid, axis, normalization)
