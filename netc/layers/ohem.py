"""Online hard example mining (Shrivastava et al. 2016), with the layers of R-FCN: losses of each region, and the choice of regions."""

import numpy as np

from netc.graph.ir import Value, cast, constant, op, stop
from netc.graph.training_ops import loss
from netc.layers import domain, whole
from netc.layers.class_loss import known_labels, picked_of
from netc.layers.context import Context, dims
from netc.layers.detection.boxes import numbers_of
from netc.layers.loss import alike, labels_of, normalization_of
from netc.layers.shape import axis_of, merged, reshape
from netc.registry import layer


def _total(ctx: Context, each: Value, valid: Value | None) -> Value:
    """The sum of the losses of all labels, divided by what `loss_param` says. `valid` is 1 for a label that counts."""
    p, normalization = ctx.param.loss_param, normalization_of(ctx, "VALID", fixed=True)
    if normalization in ("PRE_FIXED", "NONE"):
        factor = 1 / max(p.pre_fixed_normalizer, 1.0) if normalization == "PRE_FIXED" else 1.0
        value = op.ReduceSum(each, keepdims=0) * np.float32(factor)
        ctx.add_up(total=value)
        return value
    value = loss.normalised(each, valid, 1, normalization)
    if normalization == "VALID" and valid is not None:
        return whole.mean_of(ctx, value, op.ReduceSum(cast(valid, np.int64), keepdims=0))
    return whole.mean_of(ctx, value, whole.size(each, 1 if normalization == "BATCH_SIZE" else None))


@layer(
    "SoftmaxWithLossOHEM", bottoms=(2, 2), tops=(0, 3), loss=True, whole=whole.mean, deployed="Softmax",
    messages=("softmax_param", "loss_param"),
    reads=domain.labels(lambda p: p.softmax_param.axis, lambda p: p.loss_param),
)  # fmt: skip
def softmax_with_loss_ohem(ctx: Context, scores: Value, labels: Value) -> tuple[Value, ...]:
    """SoftmaxWithLoss with a third top: the loss of each label, 0 for an ignored one, in the shape of the labels. No gradient flows to it.

    A second top holds the probabilities.
    """
    axis = axis_of(ctx, ctx.param.softmax_param.axis, scores, "softmax_param", "axis")
    known, valid = known_labels(ctx, labels_of(ctx, scores, labels, axis))
    each = -picked_of(scores, known, axis)
    each = each if valid is None else each * valid
    own = each if each.shape == labels.shape else reshape(each, list(labels.shape))
    return _total(ctx, each, valid), stop(op.Softmax(scores, axis=axis)), stop(own)


@layer("SmoothL1LossOHEM", bottoms=(2, 3), label=False, tops=(0, 2), loss=True, whole=whole.mean, messages=("loss_param",))
def smooth_l1_loss_ohem(ctx: Context, a: Value, b: Value, inside: Value | None = None) -> tuple[Value, ...]:
    """Half of d^2 for a distance d = a - b below 1, d - 1/2 beyond, by default averaged over the rows and their positions.

    A third bottom multiplies the distances, element by element. A second top is the loss of each row and position, (N, 1, H, W); no
    gradient flows to it.
    """
    distance = cast(a, np.float32) - alike(ctx, a, cast(b, np.float32))
    if inside is not None:
        distance = distance * stop(alike(ctx, a, cast(inside, np.float32)))
    cut = op.Clip(distance, -1.0, 1.0)
    losses = cut * (distance - cut * 0.5)
    each = op.ReduceSum(losses, [1], keepdims=0) if a.rank > 1 else losses
    return _total(ctx, each, None), stop(op.ReduceSum(losses, [1], keepdims=1) if a.rank > 1 else losses)


@layer("BoxAnnotatorOHEM", stem="ohem", bottoms=(4, 4), tops=(2, 2), in_place=False)
def box_annotator_ohem(ctx: Context, rois: Value, losses: Value, labels: Value, weights: Value) -> tuple[Value, Value]:
    """The labels and the box weights of the regions with the largest losses, `roi_per_img` of each image (Dai et al. 2016). No gradient.

    The bottoms are regions (R, 5), whose first number is the row of the image, and the loss, the label and the weights of each. The label
    of any other region is `ignore_label`, and its weights are 0. Of equal losses, the first one counts.
    """
    p = ctx.param.box_annotator_ohem_param
    if p.roi_per_img < 1:
        raise ctx.error("`roi_per_img` is missing. Add the number of regions of each image that count.", "box_annotator_ohem_param")
    for k, (value, numbers) in enumerate(((rois, 5), (losses, 1), (labels, 1))):
        if value.shape[:1] != rois.shape[:1] or merged(value.shape[1:]) != numbers:
            text = f"{ctx.layer.bottoms[k]} is {dims(value.shape)}. Expected {dims((rois.shape[0], numbers))}."
            raise ctx.shape_error(text, "bottom", k)
    if weights.rank < 2 or weights.shape[0] != rois.shape[0]:
        raise ctx.shape_error(f"{ctx.layer.bottoms[3]} is {dims(weights.shape)}. Expected a row for each region.", "bottom", 3)
    count = rois.shape[0]
    loss_of = stop(reshape(losses, [count]))
    images, numbers_ = op.Slice(stop(reshape(rois, [count, 5])), [0], [1], [1]), numbers_of(rois)
    mine, others = op.Unsqueeze(loss_of, [1]), op.Unsqueeze(loss_of, [0])
    earlier = op.And(op.Equal(others, mine), op.Less(op.Unsqueeze(numbers_, [0]), op.Unsqueeze(numbers_, [1])))
    above = op.And(op.Or(op.Greater(others, mine), earlier), op.Equal(op.Transpose(images, perm=[1, 0]), images))
    counts = op.Less(op.ReduceSum(cast(above, np.float32), [1], keepdims=0), np.float32(p.roi_per_img))
    chosen = op.Where(counts, stop(cast(reshape(labels, [count]), np.float32)), constant(np.float32(p.ignore_label)))
    shape = [count, *[1] * (weights.rank - 1)]
    return reshape(chosen, shape), stop(cast(weights, np.float32)) * reshape(cast(counts, np.float32), shape)


@layer("LabelSpecificAdd", bottoms=(2, 2), reads=domain.labels(lambda p: 1))
def label_specific_add(ctx: Context, scores: Value, labels: Value) -> Value:
    """Add `bias` to the score of each label's class, if that score is above -bias; only in training (Wang et al. 2018).

    With a `bias` of -0.35 it is the margin of AM-Softmax. The gradient passes through unchanged.
    """
    if not ctx.training:
        return scores
    labels = labels_of(ctx, scores, labels, 1)
    hot = op.OneHot(labels, constant(int(scores.shape[1])), constant(np.array([0, 1], np.float32)), axis=1)
    bias = np.float32(ctx.param.label_specific_add_param.bias)
    return scores + stop(hot * cast(op.Greater(scores, -bias), np.float32) * bias)
