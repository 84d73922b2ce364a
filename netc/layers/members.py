"""Ensembles that share their layers (TabM, Gorishniy, Kotelnikov and Babenko 2025): Members, MemberHead, MemberLoss.

A row (N, W) becomes (N, k, W), one copy for each of k members, times a learned vector of each. The layers between work on the last axis and
are shared. Each member has an output of its own; training minimizes the mean of their losses, and a prediction is the mean of theirs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from netc import netc_pb2 as pb
from netc.data import TopSpec
from netc.graph.ir import Value, cast, constant, op, stop
from netc.graph.tensor_type import Dim
from netc.graph.training_ops.activation import softplus
from netc.layers import domain, regression_loss, whole
from netc.layers.context import Context, dims, sizes
from netc.layers.link import IDENTITY, LOG, LOGIT, SOFTMAX, Link
from netc.layers.shape import merged, reshape
from netc.layers.weights import mean_of_rows
from netc.net.model import Layer
from netc.registry import layer

LABEL = "label"
SETTINGS = ("tweedie_loss_param", "quantile_param", "huber_loss_param")  # messages with the fields of one loss each
Units = tuple[np.ndarray | float, np.ndarray | float]  # a label is shift + scale times what the loss sees
P = pb.MemberLossParameter


def _plain(top: TopSpec) -> Units:
    return 0.0, 1.0


def _standardized(top: TopSpec) -> Units:
    """Labels in standard deviations from their mean."""
    std = np.asarray(top.std, np.float32)
    return (np.asarray(top.mean, np.float32), np.where(std > 0, std, np.float32(1))) if top.mean else (0.0, 1.0)


def _by_mean(top: TopSpec) -> Units:
    """Positive labels divided by their mean."""
    mean = np.asarray(top.mean, np.float32)
    return 0.0, np.where(mean > 0, mean, np.float32(1)) if top.mean else 1.0


@dataclass(frozen=True)
class Loss:
    """A loss of members: how scores become predictions, the loss of each output, the labels that it accepts, and their units.

    `settings` is the message with its own fields.
    """

    link: Link
    each: regression_loss.Each
    labels: domain.Reads | None = None
    units: Callable[[TopSpec], Units] = _plain
    settings: str = ""


def _cross_entropy(param: pb.LayerParameter, scores: Value, hot: Value) -> Value:
    """-log softmax(scores) where `hot` is 1, which is the class of the label; 0 for the other classes."""
    return -(hot * op.LogSoftmax(scores, axis=-1))


def _binary_cross_entropy(param: pb.LayerParameter, scores: Value, targets: Value) -> Value:
    return softplus(scores) - scores * targets


LOSSES = {
    P.SOFTMAX: Loss(SOFTMAX, _cross_entropy, domain.labels(lambda p: 2)),
    P.SIGMOID: Loss(LOGIT, _binary_cross_entropy, domain.numbers(1, 0, 1)),
    P.SQUARED: Loss(IDENTITY, regression_loss.squared, None, _standardized),
    P.POISSON: Loss(LOG, regression_loss.poisson, regression_loss.COUNTS, _by_mean),
    P.GAMMA: Loss(LOG, regression_loss.gamma, regression_loss.AMOUNTS, _by_mean),
    P.TWEEDIE: Loss(LOG, regression_loss.tweedie, regression_loss.COUNTS, _by_mean, "tweedie_loss_param"),
    P.QUANTILE: Loss(IDENTITY, regression_loss.quantile, None, _standardized, "quantile_param"),
    P.HUBER: Loss(IDENTITY, regression_loss.huber, None, _standardized, "huber_loss_param"),
}


def _usual(top: TopSpec) -> "P.Loss":
    """The default loss for labels: several labels are whole numbers, or numbers with names."""
    if np.dtype(top.dtype).kind == "f":
        return P.SIGMOID if top.classes and top.shape else P.SQUARED
    return P.SIGMOID if prod(map(int, top.shape)) > 1 else P.SOFTMAX


def _described(ctx: Context) -> tuple[Loss, TopSpec]:
    """The loss of a layer, and the description of its labels. An error if neither the net file nor the data source decides it."""
    name = ctx.param.bottom[1] if len(ctx.param.bottom) > 1 else LABEL
    top, p = ctx.described.get(name), ctx.param.member_loss_param
    if top is None and not p.HasField("loss"):
        raise ctx.error(f"No data source describes {name!r}, so `loss` has no default. Add it, for example `loss: SQUARED`.", "type")
    chosen = p.loss if p.HasField("loss") or top is None else _usual(top)
    loss = LOSSES[chosen]
    for message in SETTINGS:
        if ctx.param.HasField(message) and message != loss.settings:
            field = getattr(ctx.param, message).ListFields()[0][0].name
            raise ctx.error(f"`{field}` has no effect on the loss {P.Loss.Name(chosen)}.", message, field)
    return loss, top or TopSpec("float32", ())


def _accepted(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> domain.Domain | None:
    """The labels that the loss of a layer accepts."""
    p, labels = layer.param.member_loss_param, bottoms[1]
    chosen = p.loss if p.HasField("loss") else _usual(TopSpec(str(labels.dtype), labels.shape[1:]))
    reads = LOSSES[chosen].labels
    return None if reads is None else reads.domain(layer, bottoms, blobs)


@layer("Members")
def members(ctx: Context, x: Value) -> Value:
    """Copies each row for k members of an ensemble, times a learned vector of each: (N, W) becomes (N, k, W) (TabM, Gorishniy et al. 2025).

    The vectors start as random signs, so that the members differ. The layers that follow work on the last axis, for example `InnerProduct:
    {axis: 2}`, and are shared. MemberHead and MemberLoss end the net.
    """
    p = ctx.param.members_param
    if x.rank != 2:
        raise ctx.shape_error(f"{ctx.layer.bottoms[0]} is {dims(x.shape)}. Expected rows (N, W), for example after Flatten.", "bottom")
    if not p.k:
        raise ctx.error("`k` is 0. Expected 1 member or more.", "members_param", "k")
    filler = p.weight_filler if p.HasField("weight_filler") else pb.FillerParameter(type="signs")
    return op.Unsqueeze(x, [1]) * ctx.weight("weight", (p.k, *sizes(x.shape[1:])), filler)


@layer("MemberHead", stem="head", single=True, in_place=False)
def member_head(ctx: Context, x: Value) -> Value:
    """A fully connected layer for each member, with weights of its own: (N, k, W) becomes (N, k, num_output).

    The weights have the shape (k num_output, W), one block of rows for each member. By default, num_output is what the label needs.
    """
    p = ctx.param.member_head_param
    if x.rank != 3:
        raise ctx.shape_error(f"{ctx.layer.bottoms[0]} is {dims(x.shape)}. Expected (N, k, W), from the layers after Members.", "bottom")
    k, width = sizes(x.shape[1:])
    outputs = p.num_output or _needed(ctx, p.label or LABEL)
    filler = p.weight_filler if p.HasField("weight_filler") else pb.FillerParameter(type="xavier")
    weight = op.Reshape(ctx.weight("weight", (k * outputs, width), filler), [k, outputs, width])
    y = op.MatMul(op.Transpose(x, perm=[1, 0, 2]), op.Transpose(weight, perm=[0, 2, 1]))
    return op.Transpose(y, perm=[1, 0, 2]) + ctx.weight("bias", (k, outputs), p.bias_filler)


def _needed(ctx: Context, label: str) -> int:
    """The number of outputs that labels need: their classes, or the numbers of each row."""
    top = ctx.described.get(label)
    needed = 0 if top is None else top.classes if _usual(top) == P.SOFTMAX else prod(map(int, top.shape))
    if not needed:
        why = f"No data source describes {label!r}." if top is None else f"The number of classes of {label!r} is unknown."
        raise ctx.error(f"`num_output` is missing. {why} Add the number of outputs, for example `num_output: 3`.", "member_head_param")
    return needed


@layer(
    "MemberLoss", bottoms=(2, 3), tops=(0, 2), loss=True, whole=whole.mean, deployed="MemberMean",
    messages=("member_loss_param", *SETTINGS), reads=(domain.Reads(1, _accepted), domain.WEIGHTS),
)  # fmt: skip
def member_loss(ctx: Context, scores: Value, labels: Value, weight: Value | None = None) -> tuple[Value, ...]:
    """The loss of an ensemble with scores (N, k, outputs): in training, the mean of the members' losses, averaged over the rows.

    In testing, it is the loss of the averaged prediction: the mean of the members' probabilities, expected values or numbers. A second top
    holds this prediction (N, outputs) in the units of the label, for metrics. The deployed net gives the same. Numbers are standardized for
    the loss if the data source states their mean and deviation, and divided by their mean for POISSON, GAMMA and TWEEDIE. The losses of
    several outputs are added. A third bottom holds weights of the rows.
    """
    loss, top = _described(ctx)
    if scores.rank != 3:
        raise ctx.shape_error(f"{ctx.layer.bottoms[0]} is {dims(scores.shape)}. Expected (N, k, outputs), from MemberHead.", "bottom")
    targets, pooled = _targets(ctx, loss, top, scores, labels), loss.link.pool(scores)
    if ctx.training:
        by_member = op.ReduceSum(loss.each(ctx.param, scores, op.Unsqueeze(targets, [1])), [2], keepdims=0)
        each = op.ReduceMean(by_member, [1], keepdims=0)
    else:
        each = op.ReduceSum(loss.each(ctx.param, pooled, targets), [1], keepdims=0)
    return mean_of_rows(ctx, each, weight), stop(_prediction(loss, top, scores))


@layer("MemberMean", stem="prediction", messages=("member_loss_param", *SETTINGS), in_place=False)
def member_mean(ctx: Context, scores: Value) -> Value:
    """The averaged prediction of an ensemble with scores (N, k, outputs): the second top of MemberLoss, and its place in a deployed net."""
    loss, top = _described(ctx)
    return _prediction(loss, top, scores)


def _prediction(loss: Loss, top: TopSpec, scores: Value) -> Value:
    """The mean of the members' predictions (N, outputs), in the units of the label."""
    shift, scale = loss.units(top)
    predicted = op.ReduceMean(loss.link.predict(scores), [1], keepdims=0)
    predicted = predicted if np.all(scale == 1) else predicted * constant(scale)
    return predicted if not np.any(shift) else predicted + constant(shift)


def _targets(ctx: Context, loss: Loss, top: TopSpec, scores: Value, labels: Value) -> Value:
    """The labels in the units of the loss, (N, outputs) or (N, 1), without a gradient: classes as vectors of 0 and 1."""
    (name, of), outputs = ctx.layer.bottoms[:2], scores.shape[2]
    asks = merged(labels.shape[1:])
    if loss.link is SOFTMAX:
        if top.classes > int(outputs):
            raise ctx.shape_error(_misfit(name, scores, f"{of} has {top.classes} classes", top.classes), "bottom")
        if asks != 1:
            raise ctx.shape_error(f"{of} is {dims(labels.shape)}. Expected one label a row.", "bottom", 1)
        flat = cast(labels if labels.rank == 1 else reshape(labels, [labels.shape[0]]), np.int64)
        return op.OneHot(flat, constant(outputs), constant(np.array([0, 1], np.float32)), axis=1)
    wanted = asks * max(1, len(ctx.param.quantile_param.quantile)) if isinstance(asks, int) else asks
    if wanted != outputs or (asks != 1 and len(ctx.param.quantile_param.quantile) > 1):
        raise ctx.shape_error(_misfit(name, scores, f"{of} is {dims(labels.shape)}", wanted), "bottom")
    flat = cast(labels if labels.rank == 2 else reshape(labels, [labels.shape[0], asks]), np.float32)
    shift, scale = loss.units(top)
    flat = flat - constant(shift) if np.any(shift) else flat
    return stop(flat if np.all(scale == 1) else flat / constant(scale))


def _misfit(name: str, scores: Value, labels: str, needed: Dim) -> str:
    held = f"{labels}, but {name} {dims(scores.shape)} has {scores.shape[2]} outputs for each member"
    return f"{held}. The layer that writes {name!r} needs a `num_output` of {needed}."
