"""DetectionEvaluate: the mean average precision of detections. The graph computes it for one batch, a test for the full test set."""

from dataclasses import dataclass

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op, shape_of
from netc.layers.context import Context, dims
from netc.layers.detection.precision import CLOSE, POINTS, VERSIONS, mean_average_precision, version_of
from netc.layers.shape import merged
from netc.registry import layer

DETECTION, OBJECT = 7, 8  # columns of the rows
DOUBLINGS = 20  # of the reach of a running maximum: enough for a million detections
MOST = np.iinfo(np.int64).max  # the end of a slice that goes to the end of an axis


@layer(
    "DetectionEvaluate", stem="detection_eval", bottoms=(2, 2), tops=(1, 2), metric=True, whole=mean_average_precision
)  # fmt: skip
def detection_evaluate(ctx: Context, detections: Value, objects: Value) -> tuple[Value, ...]:
    """The mean average precision of detections 1 x 1 x K x 7, for SSD's label blob 1 x 1 x R x 8 (Everingham et al. 2010).

    In the order of the scores, a detection is right if its overlap with the best object of its class and image is `overlap_threshold` or
    more, and the object is not found yet. Without `evaluate_difficult_gt`, difficult objects and their detections do not count. The mean
    is over the classes with objects. A second top holds the average precision of each class but the background.
    """
    p = ctx.param.detection_evaluate_param
    for bottom, (value, columns) in enumerate(((detections, DETECTION), (objects, OBJECT))):
        if not value.rank or value.shape[-1] != columns:
            text = f"{ctx.layer.bottoms[bottom]} is {dims(value.shape)}. Expected rows of {columns} numbers, 1x1xrowsx{columns}."
            raise ctx.shape_error(text, "bottom", bottom)
    _check(ctx, p)
    rows = _judged(_by_score(_flat(detections, DETECTION, "K")), _flat(objects, OBJECT, "R"), p)
    counted = _objects(_flat(objects, OBJECT, "R"), p)
    ctx.collect(label=rows.label, score=rows.score, right=rows.right, counts=rows.counts)
    ctx.add_up(objects=counted)
    each = _precisions(rows, counted, version_of(ctx.param))
    classes = [k for k in range(p.num_classes) if k != p.background_label_id]
    each, there = (op.Gather(v, constant(np.array(classes)), axis=0) for v in (each, cast(counted > 0, np.float32)))
    return op.ReduceSum(each * there, keepdims=0) / op.Max(op.ReduceSum(there, keepdims=0), 1.0), each


def _check(ctx: Context, p: pb.DetectionEvaluateParameter) -> None:
    """Errors in the fields."""
    path = "detection_evaluate_param"
    if p.num_classes < 2:
        raise ctx.error("`num_classes` is missing. Add the number of classes with the background, for example 21.", path, "num_classes")
    if p.ap_version and p.ap_version not in VERSIONS:
        raise ctx.error(f"`ap_version` is {p.ap_version!r}. Expected {', '.join(VERSIONS)}.", path, "ap_version")
    if not 0 < p.overlap_threshold <= 1:
        raise ctx.error(f"`overlap_threshold` is {p.overlap_threshold:g}. Expected above 0 and at most 1.", path, "overlap_threshold")
    top = ctx.described.get(ctx.layer.bottoms[1])
    if top is not None and top.classes > p.num_classes:
        text = f"`num_classes` is {p.num_classes}, but the labels have {top.classes} classes with the background."
        raise ctx.error(text, path, "num_classes")


@dataclass(frozen=True)
class _Rows:
    """Detections (K,) from the highest score down: label int64, score, and as 0 or 1 whether each is right, and whether it counts."""

    label: Value
    score: Value
    right: Value
    counts: Value


def _flat(x: Value, columns: int, name: str) -> Value:
    count = merged(x.shape[:-1])
    return op.Reshape(x, [-1, columns], shape=(count if isinstance(count, int) else name, columns))


def _column(x: Value, k: int) -> Value:
    return op.Squeeze(op.Gather(x, [k], axis=1), [1])


def _by_score(rows: Value) -> Value:
    """Detections from the highest score down. Those of one score keep their order."""
    return op.Gather(rows, _descending(_column(rows, 2)), axis=0)


def _descending(x: Value, largest: int = 1) -> Value:
    """The order (K,) that sorts numbers (K,) from the largest down, or from the smallest up."""
    _, order = op.TopK(x, op.Shape(x), axis=0, largest=largest, outputs=2, shapes=[x.shape] * 2)
    result: Value = order
    return result


def _judged(rows: Value, objects: Value, p: pb.DetectionEvaluateParameter) -> _Rows:
    """Which detections are right, and which count."""
    label = cast(_column(rows, 1), np.int64)
    overlap = op.Where(_same(rows, objects), _overlaps(rows, objects), constant(-1.0))
    best, which = op.ReduceMax(overlap, [1], keepdims=0), op.ArgMax(overlap, axis=1, keepdims=0)
    hit = op.GreaterOrEqual(best, np.float32(p.overlap_threshold))
    counts = op.And(op.GreaterOrEqual(label, 0), op.Not(op.Equal(label, int(p.background_label_id))))
    if not p.evaluate_difficult_gt:
        difficult = op.Gather(_column(objects, 7), which, axis=0) > 0.0
        counts = op.And(counts, op.Not(op.And(hit, difficult)))
    right = op.And(op.And(hit, counts), _first(which, hit))
    return _Rows(label, _column(rows, 2), cast(right, np.float32), cast(counts, np.float32))


def _same(rows: Value, objects: Value) -> Value:
    """(K, R): whether a detection and an object have the same image and label."""
    pairs = [op.Equal(op.Unsqueeze(_column(rows, k), [1]), op.Unsqueeze(_column(objects, k), [0])) for k in (0, 1)]
    there = op.Unsqueeze(op.GreaterOrEqual(_column(objects, 0), 0.0), [0])
    return op.And(op.And(pairs[0], pairs[1]), there)


def _overlaps(rows: Value, objects: Value) -> Value:
    """(K, R): intersection over union of detections and objects."""
    a = [op.Unsqueeze(_column(rows, k), [1]) for k in range(3, 7)]
    b = [op.Unsqueeze(_column(objects, k), [0]) for k in range(3, 7)]
    width, height = (op.Max(op.Min(a[k + 2], b[k + 2]) - op.Max(a[k], b[k]), 0.0) for k in (0, 1))
    both = width * height
    union = _area(a) + _area(b) - both
    return op.Where(union > 0.0, both / op.Where(union > 0.0, union, constant(1.0)), constant(0.0))


def _area(sides: list[Value]) -> Value:
    return op.Max(sides[2] - sides[0], 0.0) * op.Max(sides[3] - sides[1], 0.0)


def _first(which: Value, hit: Value) -> Value:
    """(K,) bool: whether a detection is the first hit of its object. Of sorted pairs (object, place), it is the first of its object."""
    count, place = op.Shape(which), op.CumSum(op.Expand(constant(np.int64(1)), shape_of(which), shape=which.shape), constant(0))
    group = op.Where(hit, which, constant(np.int64(-1)))
    order = _descending(group * count + place, largest=0)
    ordered = op.Gather(group, order, axis=0)
    before = op.Concat(constant(np.array([-2])), op.Slice(ordered, [0], [-1], [0], shape=("M",)), axis=0, shape=which.shape)
    starts = cast(op.Not(op.Equal(ordered, before)), np.float32)
    return op.Gather(starts, _descending(order, largest=0), axis=0) > 0.0


def _objects(objects: Value, p: pb.DetectionEvaluateParameter) -> Value:
    """The number of objects that count of each class, int64 (classes,)."""
    counts = op.GreaterOrEqual(_column(objects, 0), 0.0)
    if not p.evaluate_difficult_gt:
        counts = op.And(counts, op.Equal(_column(objects, 7), 0.0))
    hot = _hot(cast(_column(objects, 1), np.int64), p.num_classes)
    return cast(op.ReduceSum(hot * op.Unsqueeze(cast(counts, np.float32), [0]), [1], keepdims=0), np.int64)


def _hot(label: Value, classes: int) -> Value:
    """(classes, rows) float32: 1 for the label of a row."""
    numbers = constant(np.arange(classes, dtype=np.int64)[:, None])
    return cast(op.Equal(op.Unsqueeze(label, [0]), numbers), np.float32)


def _precisions(rows: _Rows, counted: Value, version: str) -> Value:
    """The average precision of each class (classes,), 0 for one without objects."""
    (classes,) = counted.shape
    own = _hot(rows.label, int(classes)) * op.Unsqueeze(rows.counts, [0])
    right = own * op.Unsqueeze(rows.right, [0])
    hits, objects = op.CumSum(right, constant(1)), op.Max(op.Unsqueeze(cast(counted, np.float32), [1]), 1.0)
    precision = hits / op.Max(op.CumSum(own, constant(1)), 1.0)
    if version == "11point":
        points = constant((np.arange(POINTS) / (POINTS - 1)).astype(np.float32)[None, :, None] - CLOSE)
        reached = op.GreaterOrEqual(op.Unsqueeze(hits / objects, [1]), points)
        best = op.ReduceMax(op.Where(reached, op.Unsqueeze(precision, [1]), constant(0.0)), [2], keepdims=0)
        return op.ReduceMean(best, [1], keepdims=0)
    if version == "MaxIntegral":
        precision = _best_from_here(precision)
    return op.ReduceSum(right * precision / objects, [1], keepdims=0)


def _best_from_here(x: Value) -> Value:
    """(classes, K): the maximum of a row from each place to its end. Each step doubles the reach."""
    count = op.Shape(x, start=1, end=2)
    for k in range(DOUBLINGS):
        reach = op.Min(constant(np.array([2**k])), count)
        longer = op.Pad(x, op.Concat(constant(np.zeros(3, np.int64)), reach, axis=0), constant(0.0), shape=(x.shape[0], "L"))
        x = op.Max(x, op.Slice(longer, reach, [MOST], [1], shape=x.shape))
    return x
