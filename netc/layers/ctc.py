"""Sequences of labels without their places in time: speech, lines of text. Scores are (T, N, C), labels (N, L) with padding at the end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netc.graph.ir import Value, cast, constant, op, stop
from netc.graph.training_ops import ctc as ops
from netc.layers import domain, whole
from netc.layers.context import Context, dims, sizes
from netc.net.model import Layer
from netc.registry import layer


@dataclass(frozen=True)
class Fitting(domain.Domain):
    """Labels (N, L) that are classes other than `blank`, and that fit into `steps` time steps: one each, and one between equal labels."""

    blank: int = 0
    steps: int = 0

    def wrong(self, array: np.ndarray) -> np.ndarray:
        """A mask of the labels that are wrong or too many."""
        there = array != self.ignored
        found: np.ndarray = super().wrong(array) | ((array == self.blank) & there)
        if array.ndim == 2 and self.steps:
            again = np.zeros_like(there)
            again[:, 1:] = (array[:, 1:] == array[:, :-1]) & there[:, 1:]
            found |= there & (np.cumsum(there, 1) + np.cumsum(again, 1) > self.steps)
        return found


def _labels(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> domain.Domain | None:
    p, (steps, _, classes) = layer.param.ctc_param, bottoms[0].shape
    if not isinstance(classes, int):
        return None
    why = f"{layer.bottoms[0]} has scores for {classes} classes, of which {p.blank % classes} is the blank"
    fit = steps if isinstance(steps, int) else 0
    if fit:
        why += f", and {fit} time steps: one for each label, and one between equal labels"
    return Fitting(0, classes - 1, ignored=int(p.ignore_label), why=why, blank=p.blank % classes, steps=fit)


@layer(
    "CTCLoss", bottoms=(2, 4), tops=(0, 2), loss=True, whole=whole.mean, deployed="CTCDecode", deployed_reads=(2,),
    messages=("ctc_param",),
    reads=domain.Reads(1, _labels),
)  # fmt: skip
def ctc_loss(ctx: Context, scores: Value, labels: Value, steps: Value | None = None, length: Value | None = None) -> tuple[Value, ...]:
    """-log of the probability of the labels: the sum over all ways to place them in time (Graves et al. 2006). As torch's CTCLoss.

    Scores (T, N, C) are those before a softmax. Labels (N, L) end at the first `ignore_label`. A second top holds the labels of the best
    class at each time (N, T), as CTCDecode. A third bottom holds the number of time steps of each row (N,), or a cont (T, N) for those of
    its first sequence; a fourth the number of labels (N,), instead of the padding.
    """
    p, blank = ctx.param.ctc_param, _blank(ctx, scores)
    labels = _rows(ctx, labels, scores, 1)
    time = _times(ctx, scores, steps, 2)
    count = _length(labels, int(p.ignore_label)) if length is None else _numbers(ctx, length, scores, 3)
    each, _ = ops.ctc(scores, labels, count, time, blank=blank)
    possible = each < -ops.LEAST
    each = op.Where(possible, each, constant(0.0 if p.zero_infinity else np.float32(np.inf)))
    if p.reduction == p.MEAN:
        each = each / op.Max(cast(count, np.float32), 1.0)
    if p.reduction == p.SUM:
        value = op.ReduceSum(each, keepdims=0)
        ctx.add_up(total=value)
    else:
        value = whole.mean_of(ctx, op.ReduceMean(each, keepdims=0), whole.size(each))
    return value, stop(ops.ctc_decode(scores, *([] if steps is None else [time]), blank=blank)[0])


@layer("CTCDecode", stem="decoded", bottoms=(1, 2), tops=(1, 2), messages=("ctc_param",), in_place=False)
def ctc_decode(ctx: Context, scores: Value, steps: Value | None = None) -> tuple[Value, ...]:
    """The labels (N, T) of scores (T, N, C): the best class at each time, without repeats and then without blanks, padded with -1.

    A second top holds the number of labels (N,). A second bottom is the third of CTCLoss.
    """
    blank = _blank(ctx, scores)
    time = [] if steps is None else [_times(ctx, scores, steps, 1)]
    decoded: tuple[Value, ...] = ops.ctc_decode(scores, *time, blank=blank)
    return decoded[: len(ctx.layer.tops)]


@layer(
    "CharacterErrorRate", stem="cer", bottoms=(2, 2), tops=(1, 1), metric=True, lower_is_better=(0,), whole=whole.mean,
)  # fmt: skip
def character_error_rate(ctx: Context, predicted: Value, labels: Value) -> Value:
    """The edit distance of predicted labels (N, T) to the labels (N, L), divided by the number of labels; both sums are over all rows.

    Predictions are those of CTCDecode, or the second top of CTCLoss.
    """
    ignored = int(ctx.param.character_error_rate_param.ignore_label)
    for k, x in enumerate((predicted, labels)):
        if x.rank != 2:
            raise ctx.shape_error(f"{ctx.layer.bottoms[k]} is {dims(x.shape)}. Expected rows x labels.", "bottom", k)
    a, b = cast(predicted, np.int64), cast(labels, np.int64)
    count = _length(b, ignored)
    distance = ops.edit_distance(a, b, _length(a, ignored), count)
    total, number = op.ReduceSum(distance, keepdims=0), cast(op.ReduceSum(count, keepdims=0), np.float32)
    return whole.ratio_of(ctx, total, number)


def _blank(ctx: Context, scores: Value) -> int:
    """The number of the blank."""
    if scores.rank != 3:
        text = f"{ctx.layer.bottoms[0]} is {dims(scores.shape)}. Expected time x rows x classes."
        raise ctx.shape_error(text, "bottom")
    (classes,), blank = sizes(scores.shape[2:]), int(ctx.param.ctc_param.blank)
    if not -classes <= blank < classes:
        raise ctx.error(f"`blank` is {blank}, but {ctx.layer.bottoms[0]} has scores for {classes} classes.", "ctc_param", "blank")
    return blank % classes


def _rows(ctx: Context, labels: Value, scores: Value, bottom: int) -> Value:
    """The labels as int64 (N, L)."""
    if labels.rank != 2 or labels.shape[0] != scores.shape[1]:
        a, b = ctx.layer.bottoms[0], ctx.layer.bottoms[bottom]
        text = f"{b} is {dims(labels.shape)}. For {a}, which is {dims(scores.shape)}, expected {scores.shape[1]} rows of labels."
        raise ctx.shape_error(text, "bottom", bottom)
    return cast(labels, np.int64)


def _numbers(ctx: Context, x: Value, scores: Value, bottom: int) -> Value:
    """One whole number a row, int64 (N,)."""
    if x.shape != scores.shape[1:2]:
        text = f"{ctx.layer.bottoms[bottom]} is {dims(x.shape)}. Expected one number for each of {scores.shape[1]} rows."
        raise ctx.shape_error(text, "bottom", bottom)
    return cast(x, np.int64)


def _times(ctx: Context, scores: Value, steps: Value | None, bottom: int) -> Value:
    """The number of time steps of each row, (N,)."""
    if steps is None:
        n, count = scores.shape[1], constant(sizes(scores.shape[:1])[0])
        everything: Value = op.Expand(count, [n] if isinstance(n, int) else op.Shape(scores, start=1, end=2), shape=(n,))
        return everything
    if steps.rank != 2:
        return _numbers(ctx, steps, scores, bottom)
    if steps.shape != scores.shape[:2]:
        text = f"{ctx.layer.bottoms[bottom]} is {dims(steps.shape)}. A cont is time x rows, which are {dims(scores.shape[:2])}."
        raise ctx.shape_error(text, "bottom", bottom)
    ends = op.CumSum(cast(op.Equal(cast(steps, np.float32), 0.0), np.int64), constant(0))
    return op.ReduceSum(cast(op.LessOrEqual(ends, constant(1)), np.int64), [0], keepdims=0)


def _length(labels: Value, ignored: int) -> Value:
    """The number of labels before the padding, int64 (N,)."""
    padded = op.CumSum(cast(op.Equal(labels, constant(ignored)), np.int64), constant(1))
    return op.ReduceSum(cast(op.Equal(padded, constant(0)), np.int64), [1], keepdims=0)
