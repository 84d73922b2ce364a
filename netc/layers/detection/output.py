"""DetectionOutput: boxes with labels and scores from the predictions of SSD."""

from math import inf

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op, stop, zeros_like
from netc.graph.tensor_type import Dim
from netc.layers.context import Context
from netc.layers.detection.boxes import Priors, halves, numbers_of, per_prior
from netc.layers.shape import reshape
from netc.registry import layer

FIELD = "detection_output_param"


@layer("DetectionOutput", stem="boxes", bottoms=(3, 4), in_place=False)
def detection_output(ctx: Context, loc: Value, conf: Value, priors: Value, image: Value | None = None) -> Value:
    """Boxes that SSD finds: (1, 1, boxes, 7) with row of the image, label, score, xmin, ymin, xmax, ymax (Liu et al. 2016).

    Bottoms are the predicted boxes (N, priors x 4), the probabilities of the classes (N, priors x classes), and the priors from PriorBox.
    Boxes are in the order of images, then labels, then scores. Coordinates are shares of the image, and may lie outside it. The number of
    boxes is known only in the run. If there is none, each image has a row of -1 after its number. Non-maximum suppression is ONNX's
    NonMaxSuppression. No gradient.
    """
    p = _checked(ctx)
    prior = Priors.of(ctx, priors, p.code_type, p.variance_encoded_in_target)
    classes, images = int(p.num_classes), conf.shape[0]
    labels = np.asarray([c for c in range(classes) if c != p.background_label_id])
    boxes = per_prior(ctx, stop(loc), prior.count, 1 if p.share_location else classes, 4, 0)
    boxes = op.Transpose(boxes, perm=[0, 2, 1, 3])  # (N, classes, priors, 4)
    boxes = prior.decode(boxes if p.share_location else op.Gather(boxes, constant(labels), axis=1))
    scores = reshape(per_prior(ctx, stop(conf), prior.count, 1, classes, 1), [images, prior.count, classes])
    scores = op.Gather(op.Transpose(scores, perm=[0, 2, 1]), constant(labels), axis=1)  # (N, labels, priors)
    places = _suppressed(ctx, boxes, scores, p)  # (boxes, 3): image, label, prior
    if p.keep_top_k > 0:
        places = _best(ctx, places, scores, p.keep_top_k)
    return _rows(ctx, places, boxes, scores, labels, p)


def _suppressed(ctx: Context, boxes: Value, scores: Value, p: pb.DetectionOutputParameter) -> Value:
    """The boxes that stay within each class, (boxes, 3): image, label, prior. They are in this order, and by score within a class."""
    images, labels, count = scores.shape
    least = np.float32(p.confidence_threshold) if p.HasField("confidence_threshold") else -np.finfo(np.float32).max
    if 0 <= p.nms_param.top_k < int(count) and p.nms_param.HasField("top_k"):
        scores = _highest(scores, p.nms_param.top_k)
    low, high = halves(boxes)
    valid = op.ReduceMin(high - low, [-1], keepdims=1) > 0.0
    # ONNX exchanges the sides of a box that is inside out. In Caffe it has no area.
    area = op.Where(valid, boxes, op.Concat(low, low, axis=-1))
    limits = [constant(np.int64(count)), constant(np.float32(min(p.nms_param.nms_threshold, 1))), constant(np.float32(least))]
    shape = (f"{ctx.layer.name}.found", 3)
    if p.share_location:
        found: Value = op.NonMaxSuppression(op.Squeeze(area, [1]), scores, *limits, shape=shape)
        return found
    each: Dim = images * int(labels) if isinstance(images, int) else f"{images}x{labels}"
    area, alone = (
        op.Reshape(area, [-1, int(count), 4], shape=(each, count, 4)),
        op.Reshape(scores, [-1, 1, int(count)], shape=(each, 1, count)),
    )
    place, _, prior = op.Split(op.NonMaxSuppression(area, alone, *limits, shape=shape), [1, 1, 1], axis=1, outputs=3)
    return op.Concat(op.Div(place, constant(int(labels))), op.Mod(place, constant(int(labels))), prior, axis=1)


def _highest(scores: Value, count: int) -> Value:
    """The scores (N, labels, priors) with -inf for those that are not among the `count` highest of a label."""
    values, places = op.TopK(scores, [count], axis=2, outputs=2)
    return op.ScatterElements(zeros_like(scores) - np.float32(inf), places, values, axis=2)


def _best(ctx: Context, places: Value, scores: Value, count: int) -> Value:
    """Those of the places that have the `count` highest scores of their image."""
    images, labels, priors = scores.shape
    all_of_image = int(labels) * int(priors)
    if count >= all_of_image:
        return places
    nothing = zeros_like(scores)
    staying = op.ScatterND(nothing - np.float32(inf), places, op.GatherND(scores, places))
    flat, flat_nothing = (reshape(v, [images, all_of_image]) for v in (staying, nothing))
    values, best = op.TopK(flat, [count], axis=1, outputs=2)
    chosen = reshape(op.ScatterElements(flat_nothing, best, zeros_like(values) + 1.0, axis=1), [images, labels, priors])
    return op.Compress(places, op.GatherND(chosen, places) > 0.0, axis=0, shape=(f"{ctx.layer.name}.best", 3))


def _rows(ctx: Context, places: Value, boxes: Value, scores: Value, labels: np.ndarray, p: pb.DetectionOutputParameter) -> Value:
    """The boxes at these places as (1, 1, boxes, 7), or a row for each image if there are none."""
    image, label, prior = op.Split(places, [1, 1, 1], axis=1, outputs=3)
    of_box = op.GatherND(boxes, op.Concat(image, label * 0 if p.share_location else label, prior, axis=1))
    names = cast(op.Gather(constant(labels), op.Squeeze(label, [1]), axis=0), np.float32)
    score = op.GatherND(scores, places)
    columns = [cast(image, np.float32), op.Unsqueeze(names, [1]), op.Unsqueeze(score, [1]), of_box]
    numbers = numbers_of(scores)
    nothing = op.Concat(op.Unsqueeze(numbers, [1]), *[op.Unsqueeze(numbers * 0.0 - 1.0, [1])] * 6, axis=1)
    absent = op.Equal(zeros_like(numbers) + cast(op.Squeeze(op.Shape(places, start=0, end=1), [0]), np.float32), 0.0)
    filler = op.Compress(nothing, absent, axis=0, shape=(f"{ctx.layer.name}.none", 7))
    found = op.Concat(op.Concat(*columns, axis=1), filler, axis=0, shape=(f"{ctx.layer.name}.boxes", 7))
    return op.Unsqueeze(found, [0, 1])


def _checked(ctx: Context) -> pb.DetectionOutputParameter:
    """The layer's fields. An error for those that do not fit together."""
    p = ctx.param.detection_output_param
    threshold, eta = p.nms_param.nms_threshold, p.nms_param.eta
    for wrong, text, field in (
        (not p.num_classes, "`num_classes` is missing. Add the number of classes, with the background.", "num_classes"),
        (p.num_classes == 1 and not p.background_label_id, "`num_classes` is 1, and this class is the background.", "num_classes"),
        (not p.keep_top_k, "`keep_top_k` is 0, so no box would stay. Use -1 for all.", "keep_top_k"),
        (p.nms_param.HasField("top_k") and not p.nms_param.top_k, "`top_k` is 0, so no box would stay. Use -1 for all.", "nms_param"),
        (eta < 1 and threshold > 0.5,
         f"`eta` {eta:g} lowers the threshold {threshold:g} box by box, which ONNX's NonMaxSuppression cannot do. Remove `eta`.",
         "nms_param"),
    ):  # fmt: skip
        if wrong:
            raise ctx.error(text, FIELD, field)
    return p
