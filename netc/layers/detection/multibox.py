"""MultiBoxLoss: the loss of SSD (Liu et al. 2016)."""

from collections.abc import Sequence

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op, stop
from netc.graph.training_ops.activation import softplus
from netc.layers import domain, whole
from netc.layers.context import Context, dims
from netc.layers.detection.boxes import Priors, per_prior
from netc.layers.detection.matching import Labelled, Matches, Parameter, hardest, match
from netc.layers.loss import normalization_of
from netc.layers.shape import reshape
from netc.net.model import Layer
from netc.registry import layer

FIELD = "multibox_loss_param"
LARGEST = -float(np.log(np.finfo(np.float32).tiny))  # the loss of a class, when priors are compared


def _labels(rows: Value) -> Value:
    """The labels of labelled boxes (..., 8), and 1 for rows that do not count."""
    item, label = (op.Slice(rows, [k], [k + 1], [rows.rank - 1]) for k in (0, 1))
    return op.Where(op.Less(cast(item, np.float32), 0.0), constant(1.0), cast(label, np.float32))


def _known_labels(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> domain.Domain | None:
    """The classes without the background."""
    p, rows = layer.param.multibox_loss_param, bottoms[3]
    if rows.shape[-1:] != (8,) or not p.num_classes:
        return None
    why = f"`num_classes` is {p.num_classes}, with class {p.background_label_id} as the background"
    return domain.Domain(0 if p.background_label_id else 1, p.num_classes - 1, why=why)


@layer(
    "MultiBoxLoss", bottoms=(4, 4), tops=(0, 1), loss=True, whole=whole.mean, messages=(FIELD, "loss_param"),
    reads=domain.Reads(3, _known_labels, _labels),
)  # fmt: skip
def multibox_loss(ctx: Context, loc: Value, conf: Value, priors: Value, label: Value) -> Value:
    """The loss of boxes and classes that are predicted for prior boxes (Liu et al. 2016).

    Bottoms are the predicted boxes (N, priors x 4), the scores of the classes (N, priors x classes), the priors from PriorBox, and the
    labelled boxes (1, 1, M, 8) of the batch: row of the image, label, number of the object, xmin, ymin, xmax, ymax, difficult. Rows with
    the image -1 do not count. By default the loss is divided by the number of priors that predict a box. No gradient flows to priors
    and labels.
    """
    p = _checked(ctx)
    prior = Priors.of(ctx, priors, p.code_type, p.encode_variance_in_target)
    boxes = per_prior(ctx, loc, prior.count, 1 if p.share_location else p.num_classes, 4, 0)
    scores = reshape(per_prior(ctx, conf, prior.count, 1, p.num_classes, 1), [conf.shape[0], prior.count, p.num_classes])
    truth = Labelled.of(_label_rows(ctx, label), whole.size(conf, 1), p)
    matches = match(prior, truth, op.Squeeze(boxes, [2]) if p.share_location else op.ReduceMean(boxes, [2], keepdims=0), p)
    own = op.Where(matches.found, op.Gather(truth.label, _known(matches), axis=0), constant(int(p.background_label_id)))
    distance = _distance(prior, truth, matches, boxes, own, p)
    if p.map_object_to_agnostic:
        own = op.Where(matches.found, constant(int(p.background_label_id) + 1), own)
    surprise = _class_loss(scores, own, matches, p)
    used, counted = _chosen(matches, stop(surprise), stop(distance), p)
    of_boxes = op.ReduceSum(op.Where(used, distance, constant(0.0)), keepdims=0)
    of_classes = op.ReduceSum(op.Where(counted, surprise, constant(0.0)), keepdims=0)
    wanted = [*ctx.param.propagate_down, True, True][:2] if len(ctx.param.propagate_down) > 1 else [True, True]
    parts = [part for part, is_wanted in zip((of_boxes * p.loc_weight, of_classes), wanted, strict=True) if is_wanted]
    total = parts[0] + parts[1] if len(parts) > 1 else parts[0] if parts else constant(0.0)
    return _normalized(ctx, total, used)


def _normalized(ctx: Context, total: Value, used: Value) -> Value:
    """The loss divided by what `normalization` counts. Unlike a mean, it is not 0 for a batch that has nothing to count."""
    normalization = normalization_of(ctx, "VALID")
    if normalization == "NONE":
        ctx.add_up(total=total)
        return total
    count = op.ReduceSum(cast(used, np.float32), keepdims=0)
    if normalization != "VALID":
        count = cast(whole.size(used, 1 if normalization == "BATCH_SIZE" else None), np.float32)
    ctx.add_up(total=total, count=count)
    return total / op.Max(count, 1.0)


def _distance(prior: Priors, truth: Labelled, matches: Matches, boxes: Value, own: Value, p: Parameter) -> Value:
    """The loss (N, P) of the predicted boxes (N, P, classes, 4); meaningless where a prior predicts none."""
    if p.share_location:
        predicted = op.Squeeze(boxes, [2])
    else:
        place = op.Expand(op.Unsqueeze(own, [2, 3]), op.Concat(op.Shape(own), constant([1, 4]), axis=0), shape=(*own.shape, 1, 4))
        predicted = op.Squeeze(op.GatherElements(boxes, place, axis=2), [2])
    found = op.Unsqueeze(matches.found, [2])
    wanted = op.Where(found, op.Gather(truth.boxes, _known(matches), axis=0), prior.boxes)  # finite where there is nothing to predict
    difference = predicted - stop(prior.encode(wanted))
    if p.encode_variance_in_target:
        difference = difference / prior.variances
    if p.bp_inside:
        sides = prior.boxes if p.use_prior_for_matching else prior.decode(stop(predicted))
        difference = op.Where(op.And(op.GreaterOrEqual(sides, 0.0), op.LessOrEqual(sides, 1.0)), difference, constant(0.0))
    difference = op.Where(found, difference, constant(0.0))
    if p.loc_loss_type == Parameter.L2:
        return op.ReduceSum(difference * difference * 0.5, [2], keepdims=0)
    cut = op.Clip(difference, -1.0, 1.0)
    return op.ReduceSum(cut * (difference - cut * 0.5), [2], keepdims=0)


def _class_loss(scores: Value, own: Value, matches: Matches, p: Parameter) -> Value:
    """The loss (N, P) of the scores (N, P, classes), for the labels `own` (N, P)."""
    if p.conf_loss_type == Parameter.SOFTMAX:
        return -op.Squeeze(op.GatherElements(op.LogSoftmax(scores, axis=2), op.Unsqueeze(own, [2]), axis=2), [2])
    hot = op.OneHot(own, constant(int(p.num_classes)), constant(np.array([0, 1], np.float32)), axis=2)
    if p.mining_type == Parameter.NONE:  # then priors that predict no box belong to no class
        hot = op.Where(op.Unsqueeze(matches.found, [2]), hot, constant(0.0))
    return op.ReduceSum(softplus(scores) - scores * hot, [2], keepdims=0)


def _chosen(matches: Matches, surprise: Value, distance: Value, p: Parameter) -> tuple[Value, Value]:
    """Which priors count in the loss of boxes, and which in the loss of classes, (N, P) each."""
    found, background = matches.found, op.Equal(matches.row, -1.0)
    if p.mining_type == Parameter.NONE:
        return found, op.Or(found, op.Not(found))
    hardness = op.Min(surprise, LARGEST) if p.conf_loss_type == Parameter.SOFTMAX else surprise
    if p.mining_type == Parameter.MAX_NEGATIVE:
        eligible = op.And(background, op.Less(matches.overlap, np.float32(p.neg_overlap)))
        count = op.Floor(op.ReduceSum(cast(found, np.float32), [1]) * np.float32(p.neg_pos_ratio))
        return found, op.Or(found, hardest(hardness, eligible, count))
    everywhere = op.And(matches.labelled, op.Or(found, op.Not(found)))
    hard = hardest(hardness + op.Where(found, distance, constant(0.0)), everywhere, constant(float(p.sample_size)))
    return op.And(found, hard), op.And(hard, op.Or(found, background))


def _known(matches: Matches) -> Value:
    """The row of the labelled box of each prior, 0 where there is none."""
    return cast(op.Max(matches.row, 0.0), np.int64)


def _label_rows(ctx: Context, label: Value) -> Value:
    """The labelled boxes as (M, 8)."""
    if not label.rank or label.shape[-1] != 8 or sum(isinstance(d, str) for d in label.shape) > 1:
        text = f"{ctx.layer.bottoms[3]} is {dims(label.shape)}. Expected 1 x 1 x boxes x 8, as AnnotatedData makes it."
        raise ctx.shape_error(text, "bottom", 3)
    known = [d for d in label.shape[:-1] if isinstance(d, int)]
    rows = int(np.prod(known)) if len(known) == label.rank - 1 else f"{ctx.layer.name}.boxes"
    return op.Reshape(cast(label, np.float32), [-1, 8], shape=(rows, 8))


def _checked(ctx: Context) -> pb.MultiBoxLossParameter:
    """The layer's fields. An error for those that do not fit together."""
    p = pb.MultiBoxLossParameter()
    p.CopyFrom(ctx.param.multibox_loss_param)
    mined = p.mining_type != Parameter.NONE
    if p.HasField("do_neg_mining") and p.do_neg_mining != mined:
        if p.HasField("mining_type"):
            name = Parameter.MiningType.Name(p.mining_type)
            raise ctx.error(f"`do_neg_mining` {str(p.do_neg_mining).lower()} contradicts `mining_type` {name}.", FIELD, "do_neg_mining")
        p.mining_type, mined = Parameter.NONE, False
    logistic, background = p.conf_loss_type == Parameter.LOGISTIC, p.background_label_id
    for wrong, text, field in (
        (not p.num_classes, "`num_classes` is missing. Add the number of classes, with the background.", "num_classes"),
        (p.num_classes and background >= p.num_classes,
         f"`background_label_id` is {background}, but there are {p.num_classes} classes.", "background_label_id"),
        (logistic and background, "With `conf_loss_type: LOGISTIC`, `background_label_id` must be 0.", "background_label_id"),
        (p.map_object_to_agnostic and p.num_classes != 2, "With `map_object_to_agnostic`, `num_classes` must be 2.", "num_classes"),
        (mined and not p.share_location, "Without `share_location`, `mining_type` must be NONE.", "mining_type"),
        (not p.share_location and not p.use_prior_for_matching,
         "Without `share_location`, `use_prior_for_matching` must be true.", "use_prior_for_matching"),
        (p.mining_type == Parameter.HARD_EXAMPLE and p.sample_size < 1,
         f"`sample_size` is {p.sample_size}. Expected 1 or more.", "sample_size"),
        (mined and p.HasField("nms_param") and p.nms_param.nms_threshold > 0,
         "netc has no non-maximum suppression in the loss. Remove `nms_param`, or set its `nms_threshold` to 0.", "nms_param"),
    ):  # fmt: skip
        if wrong:
            raise ctx.error(text, FIELD, field)
    return p
