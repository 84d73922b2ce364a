"""The loss of rows that mixup or cutmix has mixed: share * loss(first label) + (1 - share) * loss(second label)."""

from collections.abc import Callable

import numpy as np

from netc.graph.ir import Value, op
from netc.layers.context import Context

Layer = Callable[..., Value | tuple[Value, ...]]


def mixed_loss(ctx: Context, loss: Layer, scores: Value, labels: Value, partner: Value, share: Value) -> tuple[Value, ...]:
    """The tops of a loss that takes weights of rows: each row counts once for each of its labels, with its share as the weight.

    So weights of classes, smoothed and ignored labels mean the same as without mixing. `labels` and `partner` are (N,) or (N, 1), `share`
    is (N,).
    """
    value, *others = _tuple(loss(ctx, _twice(scores, scores), _twice(labels, partner), _twice(share, np.float32(1) - share)))
    firsts = [
        op.Split(x, outputs=2, axis=0, num_outputs=2, shapes=(_half(x, scores), _half(x, scores)))[0] if x.rank else x for x in others
    ]
    return value, *firsts


def _tuple(tops: Value | tuple[Value, ...]) -> tuple[Value, ...]:
    return tops if isinstance(tops, tuple) else (tops,)


def _twice(a: Value, b: Value) -> Value:
    """Two blobs of the same shape, one after the other."""
    rows = a.shape[0]
    return op.Concat(a, b, axis=0, shape=(f"2{rows}" if isinstance(rows, str) else 2 * rows, *a.shape[1:]))


def _half(x: Value, scores: Value) -> tuple[int | str, ...]:
    return scores.shape[0], *x.shape[1:]
