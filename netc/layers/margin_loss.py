"""Losses with a margin."""

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.graph.training_ops import loss
from netc.layers import domain, whole
from netc.layers.context import Context, dims, sizes
from netc.layers.loss import alike
from netc.layers.shape import merged, reshape
from netc.registry import layer


@layer("HingeLoss", bottoms=(2, 2), tops=(0, 1), loss=True, whole=whole.mean, reads=domain.labels())
def hinge_loss(ctx: Context, scores: Value, labels: Value) -> Value:
    """The sum over classes of max(0, 1 - d score), averaged over the batch. L2 squares each term.

    d is 1 for the class of the label and -1 for all others.
    """
    flat = reshape(scores, [scores.shape[0], merged(scores.shape[1:])])
    (classes,) = sizes(flat.shape[1:])
    if labels.shape[:1] != scores.shape[:1] or merged(labels.shape[1:]) != 1:
        a, b = ctx.layer.bottoms
        raise ctx.shape_error(f"{b} is {dims(labels.shape)}; for {a} {dims(scores.shape)} it must hold one label a row.", "bottom", 1)
    labels = cast(labels if labels.rank == 1 else reshape(labels, [labels.shape[0]]), np.int64)
    side = op.OneHot(labels, constant(classes), constant(np.array([-1, 1], np.float32)), axis=1)
    short = op.Relu(1.0 - side * flat)
    p = ctx.param.hinge_loss_param
    each = op.ReduceSum(short * short if p.norm == p.L2 else short, [1], keepdims=0)
    return whole.mean_of(ctx, loss.mean(each), whole.size(each))


@layer("ContrastiveLoss", bottoms=(3, 3), tops=(0, 1), loss=True, whole=whole.mean, reads=domain.numbers(2, 0, 1, whole=True))
def contrastive_loss(ctx: Context, a: Value, b: Value, similar: Value) -> Value:
    """Half the mean of d^2 for similar pairs (label 1) and of max(0, margin - d)^2 for others (label 0); d is the distance of a and b.

    From Hadsell et al. 2006. With legacy_version, dissimilar pairs use max(0, margin - d^2). No gradient flows to the third bottom.
    """
    p, b = ctx.param.contrastive_loss_param, alike(ctx, a, b)
    a, b = (reshape(v, [v.shape[0], merged(v.shape[1:])]) for v in (a, b))
    if similar.shape[:1] != a.shape[:1] or merged(similar.shape[1:]) != 1:
        text = f"{ctx.layer.bottoms[2]} is {dims(similar.shape)}. Expected one number for each pair of {dims(a.shape)}."
        raise ctx.shape_error(text, "bottom", 2)
    similar = cast(similar if similar.rank == 1 else reshape(similar, [similar.shape[0]]), np.float32)
    value = loss.contrastive(a, b, similar, margin=p.margin, legacy=int(p.legacy_version))
    return whole.mean_of(ctx, value, whole.size(similar))
