"""Which prior box predicts which labelled box, and which priors count: MatchBBox and MineHardExamples of SSD (Liu et al. 2016).

The labelled boxes of a batch are rows of one array, so the work grows with their number, not with the largest number of an image.
"""

from dataclasses import dataclass
from math import inf

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, full, op, stop, zeros_like
from netc.graph.tensor_type import Dim
from netc.graph.training_ops.loop import Values, repeat
from netc.layers.detection.boxes import Corners, Priors, corners, numbers_of, overlaps

Parameter = pb.MultiBoxLossParameter
LEAST = 1e-6  # smaller overlaps match nothing
UNMATCHED, IGNORED = -1.0, -2.0  # instead of the row of a labelled box
LATE = 2.0**24  # a row number above all others


@dataclass(frozen=True)
class Labelled:
    """The labelled boxes (M, 4) of a batch, their labels (M,), and the rows of their images (M,).

    The row of a box that does not count is the number of images.
    """

    item: Value
    label: Value
    boxes: Value

    @classmethod
    def of(cls, rows: Value, images: Value, p: Parameter) -> "Labelled":
        """The rows (M, 8): item, label, instance, xmin, ymin, xmax, ymax, difficult. `images` is their number."""
        item, label, _, boxes, difficult = op.Split(stop(rows), [1, 1, 1, 4, 1], axis=1, outputs=5)
        item, label, difficult = (op.Squeeze(v, [1]) for v in (item, label, difficult))
        known = op.And(op.GreaterOrEqual(item, 0.0), op.Less(item, cast(images, np.float32)))
        labelled = op.And(op.GreaterOrEqual(label, 0.0), op.Less(label, float(p.num_classes)))
        counts = op.And(op.And(known, labelled), op.Not(op.Equal(label, float(p.background_label_id))))
        if not p.use_difficult_gt:
            counts = op.And(counts, op.Equal(difficult, 0.0))
        whole = cast(op.Where(counts, label, constant(0.0)), np.int64)
        return cls(op.Where(counts, cast(item, np.int64), images), whole, boxes)


@dataclass(frozen=True)
class Matches:
    """For each image and prior, (N, P): the `row` of the labelled box that it predicts, and its largest `overlap` with any.

    `labelled` (N, 1) says which images have labelled boxes.
    """

    row: Value
    overlap: Value
    labelled: Value

    @property
    def found(self) -> Value:
        """Whether a prior predicts a box."""
        return op.GreaterOrEqual(self.row, 0.0)


def match(priors: Priors, truth: Labelled, predicted: Value, p: Parameter) -> Matches:
    """Match the priors, or the boxes that the net predicts (N, P, 4), with the labelled boxes."""
    none = zeros_like(op.ReduceMax(stop(predicted), [2], keepdims=0))
    sides = corners(priors.boxes if p.use_prior_for_matching else priors.decode(stop(predicted)))
    compared = tuple(op.Unsqueeze(v, [0]) if v.rank == 1 else op.Gather(_one_more(v), truth.item, axis=0) for v in sides)
    xmin, ymin, xmax, ymax = compared
    overlap = overlaps(_columns(truth.boxes), (xmin, ymin, xmax, ymax))
    if p.ignore_cross_boundary_bbox:
        overlap = op.Where(_beyond((xmin, ymin, xmax, ymax)), constant(0.0), overlap)
    overlap = op.Where(overlap > LEAST, overlap, constant(0.0))
    best = op.ScatterND(_one_more(none), op.Unsqueeze(truth.item, [1]), overlap, reduction="max")
    row = _but_last(_partners(overlap, truth.item, _rows(overlap, truth.item, best, none, p)), none)
    if p.ignore_cross_boundary_bbox:
        row = op.Where(_beyond(sides), constant(IGNORED), row)
    images = numbers_of(none)
    labelled = op.Equal(op.Unsqueeze(images, [1]), op.Unsqueeze(cast(truth.item, np.float32), [0]))
    return Matches(row, _but_last(best, none), op.ReduceMax(cast(labelled, np.float32), [1]) > 0.0)


def _rows(overlap: Value, item: Value, best: Value, none: Value, p: Parameter) -> Value:
    """(N + 1, P): the first labelled box with the largest overlap, if that is large enough."""
    nothing = _one_more(none + UNMATCHED)
    if p.match_type == Parameter.BIPARTITE:
        return nothing
    enough = op.And(op.GreaterOrEqual(overlap, np.float32(p.overlap_threshold)), overlap > 0.0)
    mine = op.And(enough, op.Equal(overlap, op.Gather(best, item, axis=0)))
    numbers = op.Where(mine, op.Unsqueeze(numbers_of(item), [1]), constant(LATE))
    first = op.ScatterND(nothing * 0.0 + LATE, op.Unsqueeze(item, [1]), numbers, reduction="min")
    return op.Where(first < LATE, first, constant(UNMATCHED))


def _partners(overlap: Value, item: Value, row: Value) -> Value:
    """`row` with one prior for each labelled box. The pair with the largest overlap goes first, then that of all others, and so on.

    Each box asks for the prior with the largest overlap. Of several that ask for one prior, the one with the largest overlap gets it, or
    the first of these. The others ask for their next one. As both sides judge a pair by the same number, this gives the same pairs.
    """
    numbers = numbers_of(item)
    earlier = op.Less(op.Unsqueeze(numbers, [0]), op.Unsqueeze(numbers, [1]))
    one_image = op.Equal(op.Unsqueeze(item, [0]), op.Unsqueeze(item, [1]))

    def asks(left: Value) -> tuple[Value, Value]:
        prior = op.ArgMax(left, axis=1)
        return prior, op.GatherElements(left, prior, axis=1)

    def step(states: Values) -> tuple[Value, Values]:
        prior, value = asks(states[0])
        others = op.Transpose(value, perm=[1, 0])
        ahead = op.Or(others > value, op.And(op.Equal(others, value), earlier))
        rivals = op.And(op.Equal(prior, op.Transpose(prior, perm=[1, 0])), op.And(one_image, value > 0.0))
        lost = op.ReduceMax(cast(op.And(rivals, ahead), np.float32), [1])
        left = op.ScatterElements(states[0], prior, value * (1.0 - lost), axis=1)
        return op.ReduceMax(lost, keepdims=0) > 0.0, (left,)

    boxes = op.Squeeze(op.Shape(overlap, start=0, end=1))
    prior, value = asks(repeat(step, [overlap], boxes * boxes)[0])  # a box loses to each other one at most once
    beyond = op.Shape(row, start=0, end=1) - 1
    image = op.Where(value > 0.0, op.Unsqueeze(item, [1]), beyond)
    given = op.ScatterND(row, op.Concat(image, prior, axis=1), numbers)
    return given


def hardest(loss: Value, eligible: Value, count: Value) -> Value:
    """Whether a prior is among the `count` (N, 1) eligible ones of its image with the largest loss. Arrays are (N, P)."""
    priors = int(loss.shape[1])
    order = op.TopK(op.Where(eligible, loss, constant(np.float32(-inf))), [priors], outputs=2)[1]
    none = zeros_like(loss)
    first = cast(op.Less(none + np.arange(priors, dtype=np.float32), count), np.float32)
    chosen = op.ScatterElements(none, order, first, axis=1)
    return op.And(eligible, chosen > 0.0)


def _columns(boxes: Value) -> Corners:
    """The coordinates (M, 1) of boxes (M, 4)."""
    xmin, ymin, xmax, ymax = op.Split(boxes, num_outputs=4, axis=1, outputs=4)
    return xmin, ymin, xmax, ymax


def _beyond(sides: Corners) -> Value:
    """Whether a box reaches beyond the image."""
    lowest, highest = op.Min(*sides), op.Max(*sides)
    return op.Or(lowest < 0.0, highest > 1.0)


def _one_more(x: Value) -> Value:
    """(N, P) with a row more, for what belongs to no image."""
    n, count = x.shape
    more: Dim = n + 1 if isinstance(n, int) else f"{n}_and_one"
    return op.Concat(x, full((1, count), 0), axis=0, shape=(more, count))


def _but_last(x: Value, like: Value) -> Value:
    """Without the row that `_one_more` added: in the shape of `like`."""
    return op.Slice(x, [0], [-1], [0], shape=like.shape)
