"""Connectionist temporal classification (Graves et al. 2006), and the edit distance of label sequences.

Scores are (T, N, C). Labels are (N, L), of which the first `length` of each row count; `steps` (N,) is the number of time steps of each
row. A path visits 2 L + 1 states: a blank before, between and after the labels. Logarithms of sums of paths are scaled at each time step,
so that their precision does not depend on T.
"""

import numpy as np

from netc.graph.ir import Value, cast, constant, op, zeros_like
from netc.graph.tensor_type import Dim
from netc.graph.training_ops.define import training_op
from netc.graph.training_ops.loop import Loop, Values, loop_op

NEVER = np.float32(-1e30)  # the logarithm of 0
LEAST = float(NEVER) / 2  # logarithms below it are those of 0


@loop_op("CTC")
def ctc(loop: Loop, scores: Value, labels: Value, length: Value, steps: Value, *, blank: int) -> Values:
    """(-log probability of the labels (N,), alpha (T, N, 2 L + 1)). If no path fits, the former is at least 5e29.

    alpha is the logarithm of the sum over all paths to a state at a time, minus a number for each time and row.
    """
    states, skip = _states(labels, length, blank), _skip(labels, length)

    def step(before: Values, xs: Values) -> tuple[Values, Values]:
        (a,), (emitted, valid) = before, xs
        new = _sum_of(a, _moved(a, 1), _moved(a, 2) + skip) + emitted
        most = op.ReduceMax(new, [1])
        now = op.Where(valid, new - most, a)
        return (now,), (now, op.Where(valid, most, constant(0.0)))

    first = _rows(labels, np.where(np.arange(int(states.shape[1])) == 0, 0, NEVER))
    (last,), (alpha, taken) = loop(step, [first], [_emitted(scores, states), _valid(scores, steps)])
    places = constant(np.arange(int(states.shape[1]))[None])
    behind = op.Unsqueeze(length * 2, [1]) - places  # 0 at the last blank, 1 at the last label
    ends = op.And(op.GreaterOrEqual(behind, constant(0)), op.LessOrEqual(behind, constant(1)))
    total = op.ReduceLogSumExp(op.Where(ends, last, constant(NEVER)), [1], keepdims=0)
    return -(total + op.ReduceSum(taken, [0, 2], keepdims=0)), alpha


@loop_op("CTCGrad")
def ctc_grad(loop: Loop, dloss: Value, scores: Value, labels: Value, length: Value, steps: Value, alpha: Value, *, blank: int) -> Value:
    """The gradient with respect to the scores: softmax(scores) minus the probability that a path emits a label at a time."""
    states, skip = _states(labels, length, blank), _skip(labels, length)
    width = int(states.shape[1])
    skip_from = op.Concat(op.Slice(skip, [2], [width], [1]), _rows(labels, np.full(2, NEVER)), axis=1) if width > 2 else skip + NEVER

    def step(after: Values, xs: Values) -> tuple[Values, Values]:
        (sent,), (emitted, valid) = after, xs
        beta = _sum_of(sent, _moved(sent, -1), _moved(sent, -2) + skip_from)
        beta = beta - op.ReduceMax(beta, [1])
        return (op.Where(valid, beta + emitted, sent),), (beta,)

    at_end = op.Equal(op.Unsqueeze(length * 2, [1]), constant(np.arange(width)[None]))
    valid = _valid(scores, steps)
    first = op.Where(at_end, constant(0.0), constant(NEVER))
    _, (beta,) = loop(step, [first], [_emitted(scores, states), valid], reverse=True)
    share = op.Transpose(op.Softmax(alpha + beta, axis=2), perm=[1, 0, 2])
    hot = op.OneHot(states, constant(int(scores.shape[2])), constant(np.array([0, 1], np.float32)), axis=2)
    emitted = op.Transpose(share @ hot, perm=[1, 0, 2])
    return op.Where(valid, (op.Softmax(scores, axis=2) - emitted) * op.Unsqueeze(dloss, [0, 2]), constant(0.0))


def _sum_of(*logs: Value) -> Value:
    """The logarithm of the sum of numbers with these logarithms."""
    most = op.Max(*logs)
    first, *rest = (op.Exp(v - most) for v in logs)
    for v in rest:
        first = first + v
    return most + op.Log(first)


def _moved(x: Value, by: int) -> Value:
    """x (N, S) moved along the states, forward if `by` is positive. The states that become free have probability 0."""
    width = int(x.shape[1])
    if abs(by) >= width:
        return x * 0.0 + NEVER
    empty = op.Slice(x, [0], [abs(by)], [1]) * 0.0 + NEVER
    if by > 0:
        return op.Concat(empty, op.Slice(x, [0], [width - by], [1]), axis=1)
    return op.Concat(op.Slice(x, [-by], [width], [1]), empty, axis=1)


def _rows(like: Value, row: np.ndarray) -> Value:
    """A constant row for each row of `like` (N, ...)."""
    n: Dim = like.shape[0]
    wanted = [n, len(row)] if isinstance(n, int) else op.Concat(op.Shape(like, start=0, end=1), constant(np.array([len(row)])), axis=0)
    y: Value = op.Expand(constant(row.astype(np.float32)), wanted, shape=(n, len(row)))
    return y


def _interleaved(even: Value, odd: Value) -> Value:
    """(N, 2 L + 1) from odd (N, L): an `even` before, between and after."""
    n, count = odd.shape
    other = zeros_like(odd) + even
    pairs = op.Concat(op.Unsqueeze(other, [2]), op.Unsqueeze(odd, [2]), axis=2)
    return op.Concat(op.Reshape(pairs, [-1, 2 * int(count)], shape=(n, 2 * int(count))), op.Slice(other, [0], [1], [1]), axis=1)


def _states(labels: Value, length: Value, blank: int) -> Value:
    """The class of each state, (N, 2 L + 1): the blank where a row has no more labels."""
    inside = op.Less(constant(np.arange(int(labels.shape[1]))[None]), op.Unsqueeze(length, [1]))
    return _interleaved(constant(blank), op.Where(inside, labels, constant(blank)))


def _skip(labels: Value, length: Value) -> Value:
    """(N, 2 L + 1): 0 for a state that a path may reach without the blank before it, after another label; else NEVER."""
    count = int(labels.shape[1])
    first = op.Slice(labels, [0], [1], [1])
    before = op.Concat(first, op.Slice(labels, [0], [count - 1], [1]), axis=1) if count > 1 else first
    return _interleaved(constant(NEVER), op.Where(op.Equal(labels, before), constant(NEVER), constant(0.0)))


def _emitted(scores: Value, states: Value) -> Value:
    """The log-probability of each state's class at each time, (T, N, S)."""
    steps, n, width = scores.shape[0], *states.shape
    shape: list[int] | Value
    if all(isinstance(d, int) for d in (steps, n)):
        shape = [int(steps), int(n), int(width)]
    else:
        shape = op.Concat(op.Shape(scores, start=0, end=2), constant(np.array([int(width)])), axis=0)
    return op.GatherElements(op.LogSoftmax(scores, axis=2), op.Expand(op.Unsqueeze(states, [0]), shape, shape=(steps, n, width)), axis=2)


def _valid(scores: Value, steps: Value) -> Value:
    """Whether a time belongs to a row, (T, N, 1)."""
    if isinstance(scores.shape[0], int):
        times = constant(np.arange(int(scores.shape[0]))[:, None])
    else:
        count = op.Squeeze(op.Shape(scores, start=0, end=1), [0])
        times = op.Unsqueeze(op.Range(constant(0), count, constant(1), shape=scores.shape[:1]), [1])
    return op.Unsqueeze(op.Less(times, op.Unsqueeze(steps, [0])), [2])


@training_op("CTCDecode")
def ctc_decode(scores: Value, steps: Value | None = None, *, blank: int) -> Values:
    """(labels (N, T), how many there are (N,)): the best class at each time, without repeats and blanks, then -1."""
    best = op.ArgMax(scores, axis=2, keepdims=0)
    n: Dim = scores.shape[1]
    none = op.Slice(best, [0], [1], [0]) * 0 - 1
    before = op.Slice(op.Concat(none, best, axis=0, shape=("T1", n)), [0], [-1], [0], shape=best.shape)
    kept = op.And(op.Not(op.Equal(best, before)), op.Not(op.Equal(best, constant(blank))))
    if steps is not None:
        kept = op.And(kept, op.Squeeze(_valid(scores, steps), [2]))
    number = op.CumSum(cast(kept, np.int64), constant(0))
    place = op.Where(kept, number, constant(0))  # from 1 on: 0 takes the others
    empty = op.Concat(none, best * 0 - 1, axis=0, shape=("T1", n))
    labels = op.Slice(op.ScatterElements(empty, place, best, axis=0), [1], [2**31 - 1], [0], shape=best.shape)
    return op.Transpose(labels, perm=[1, 0]), op.ReduceSum(cast(kept, np.int64), [0], keepdims=0)


@loop_op("EditDistance")
def edit_distance(loop: Loop, a: Value, b: Value, a_length: Value, b_length: Value) -> Value:
    """(N,) float32: the least number of insertions, deletions and changes that make a (N, T) into b (N, L) (Levenshtein 1966).

    It computes the table of distances of all beginnings by diagonals, because each depends on the two before it only.
    """
    rows, columns = int(a.shape[1]), int(b.shape[1])
    k, j = np.arange(rows + columns + 1)[:, None], np.arange(columns + 1)[None]
    i = k - j
    far = np.float32(rows + columns + 1)
    edge = np.where((i >= 0) & (i <= rows) & ((i == 0) | (j == 0)), k, far).astype(np.float32)
    inner = np.where((i > 0) & (i <= rows) & (j > 0), 0, far).astype(np.float32)
    from_a = op.Transpose(op.Gather(a, constant(np.clip(i - 1, 0, rows - 1)), axis=1), perm=[1, 0, 2])
    to_b = op.Concat(op.Slice(b, [0], [1], [1]), b, axis=1)
    change = cast(op.Not(op.Equal(from_a, op.Unsqueeze(to_b, [0]))), np.float32)

    def step(before: Values, xs: Values) -> tuple[Values, Values]:
        (one, two), (change, edge, inner) = before, xs
        shifted, crossed = (op.Concat(op.Slice(v, [0], [1], [1]) * 0.0 + far, op.Slice(v, [0], [columns], [1]), axis=1) for v in (one, two))
        new = op.Min(op.Min(op.Min(one, shifted) + 1.0, crossed + change) + inner, edge)
        return (new, one), (new,)

    start = _rows(b, np.full(columns + 1, far))
    _, (table,) = loop(step, [start, start], [change, constant(edge[:, None]), constant(inner[:, None])])
    diagonal = op.Unsqueeze(op.Equal(op.Unsqueeze(a_length + b_length, [0]), constant(k)), [2])
    column = op.Unsqueeze(op.Equal(op.Unsqueeze(b_length, [1]), constant(j)), [0])
    return op.ReduceSum(op.Where(op.And(diagonal, column), table, constant(0.0)), [0, 2], keepdims=0)
