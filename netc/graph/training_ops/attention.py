"""Attention of several heads, and its gradient (Vaswani et al. 2017).

q is (T, N, heads D), and kv is (S, N, 2 kv_heads D): keys, then values. If they are `packed`, q and kv are the same value, which holds all
three: (T, N, (heads + 2 kv_heads) D). The optional bias (N, 1, T or 1, S) is added to the scores. With `dropout`, noise (N, heads, T, S) is
uniform in [0, 1). `rotary` is the base of the rotary angles, 0 for none. T, S and N may be symbolic.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.graph import multiply_adds
from netc.graph.ir import Value, constant, op
from netc.graph.training_ops.activation import dropped
from netc.graph.training_ops.define import training_op

HIDDEN = np.finfo(np.float32).min  # the score of a later step, which `causal` hides
MASKED = np.float32(-1e9)  # what a mask adds to scores


@dataclass(frozen=True)
class Heads:
    """The attributes that the op and its gradient share."""

    heads: int
    kv_heads: int
    packed: int
    causal: int
    dropout: float
    rotary: float

    @property
    def shared(self) -> int:
        """How many heads read the same keys."""
        return self.heads // self.kv_heads

    def parts(self, q: Value, kv: Value) -> tuple[Value, ...]:
        """Queries, keys and values."""
        if not self.packed:
            return (q, *op.Split(kv, num_outputs=2, axis=2, outputs=2))
        size = int(q.shape[2]) // (self.heads + 2 * self.kv_heads)
        return op.Split(q, [self.heads * size, self.kv_heads * size, self.kv_heads * size], axis=2, outputs=3)


def _apart(x: Value, heads: int) -> Value:
    """(T, N, heads D) as (T, N, heads, D)."""
    return op.Reshape(x, [0, 0, heads, -1], shape=(*x.shape[:2], heads, int(x.shape[2]) // heads))


def _joined(x: Value) -> Value:
    """(N, heads, T, D) as (T, N, heads D)."""
    n, heads, steps, size = x.shape
    return op.Reshape(op.Transpose(x, perm=[2, 0, 1, 3]), [0, 0, -1], shape=(steps, n, int(heads) * int(size)))


def _repeated(x: Value, times: int) -> Value:
    """(S, N, K, D) with each of the K heads `times` times."""
    if times == 1:
        return x
    steps, n, heads, size = x.shape
    copies = op.Tile(op.Unsqueeze(x, [3]), [1, 1, 1, times, 1], shape=(steps, n, heads, times, size))
    return op.Reshape(copies, [0, 0, int(heads) * times, int(size)], shape=(steps, n, int(heads) * times, size))


def steps_of(x: Value) -> Value:
    """The numbers of the time steps of x as floats, (T,)."""
    steps = x.shape[0]
    if isinstance(steps, int):
        return constant(np.arange(steps, dtype=np.float32))
    ones = op.Expand(constant(np.float32(1)), op.Shape(x, start=0, end=1), shape=(steps,))
    return op.CumSum(ones, constant(np.int64(0)), exclusive=1)  # Range takes numbers that WebGPU cannot compute


def rotated(x: Value, base: float, back: bool = False) -> Value:
    """x (T, N, heads, D) with the pairs (x[i], x[i + D / 2]) rotated by t base^(-2 i / D), or back (Su et al. 2021)."""
    half = int(x.shape[3]) // 2
    rates = (1 / np.float64(base) ** (np.arange(half) / half)).astype(np.float32)
    angles = op.Unsqueeze(steps_of(x), [1, 2, 3]) * constant(rates if not back else -rates)
    cos, sin = op.Cos(angles), op.Sin(angles)
    a, b = op.Split(x, num_outputs=2, axis=3, outputs=2)
    return op.Concat(a * cos - b * sin, b * cos + a * sin, axis=3)


def _prepared(by: Heads, q: Value, kv: Value) -> tuple[Value, ...]:
    """Queries and keys after rotation, and values: (T, N, heads, D) each."""
    q, k, v = by.parts(q, kv)
    q, k, v = _apart(q, by.heads), _apart(k, by.kv_heads), _apart(v, by.kv_heads)
    if by.rotary:
        q, k = rotated(q, by.rotary), rotated(k, by.rotary)
    return q, _repeated(k, by.shared), _repeated(v, by.shared)


def _hidden(scores: Value) -> Value:
    """(T, S): the lowest number where the key is later than the query, else 0."""
    steps, keys = scores.shape[2:]
    if isinstance(steps, int) and isinstance(keys, int):
        return constant(np.triu(np.full((steps, keys), HIDDEN, np.float32), 1))
    return op.Trilu(op.Expand(constant(HIDDEN), op.Shape(scores, start=2, end=4), shape=(steps, keys)), constant(np.int64(1)), upper=1)


@training_op("Attention", multiply_adds=multiply_adds.attention)
def attention(
    q: Value, kv: Value, bias: Value | None, noise: Value | None, *, heads: int, kv_heads: int, packed: int, causal: int,
    dropout: float, rotary: float,
) -> tuple[Value, ...]:  # fmt: skip
    """(y (T, N, heads D), weights (N, heads, T, S)): weights = softmax(q k' / sqrt(D) + bias), y = weights v."""
    by = Heads(heads, kv_heads, packed, causal, dropout, rotary)
    q, k, v = _prepared(by, q, kv)
    scale = np.float32(int(q.shape[3]) ** -0.5)
    scores = op.Transpose(q * scale, perm=[1, 2, 0, 3]) @ op.Transpose(k, perm=[1, 2, 3, 0])
    scores = scores if bias is None else scores + bias
    scores = scores + _hidden(scores) if causal else scores
    weights = op.Softmax(scores, axis=3)
    kept = weights if noise is None else dropped(weights, noise, dropout)
    return _joined(kept @ op.Transpose(v, perm=[1, 2, 0, 3])), weights


@training_op("AttentionGrad", multiply_adds=multiply_adds.attention_gradient)
def attention_grad(
    dy: Value, dweights: Value | None, weights: Value, q: Value, kv: Value, noise: Value | None, *, heads: int, kv_heads: int,
    packed: int, causal: int, dropout: float, rotary: float,
) -> Any:  # fmt: skip
    """The gradients with respect to q and kv; if they are packed, one gradient. The weights are an output of the op."""
    by = Heads(heads, kv_heads, packed, causal, dropout, rotary)
    q, k, v = _prepared(by, q, kv)
    scale = np.float32(int(q.shape[3]) ** -0.5)
    by_head = op.Transpose(_apart(dy, heads), perm=[1, 2, 0, 3])
    through = by_head @ op.Transpose(v, perm=[1, 2, 3, 0])
    kept = weights if noise is None else dropped(weights, noise, dropout)
    through = through if noise is None else dropped(through, noise, dropout)
    through = through if dweights is None else through + dweights
    dscores = (through - op.ReduceSum(through * weights, [3])) * weights * scale
    dq = op.Transpose(dscores @ op.Transpose(k, perm=[1, 2, 0, 3]), perm=[2, 0, 1, 3])
    dk = op.Transpose(op.Transpose(dscores, perm=[0, 1, 3, 2]) @ op.Transpose(q, perm=[1, 2, 0, 3]), perm=[2, 0, 1, 3])
    dv = op.Transpose(op.Transpose(kept, perm=[0, 1, 3, 2]) @ by_head, perm=[2, 0, 1, 3])
    dk, dv = _summed(dk, by.shared), _summed(dv, by.shared)
    if rotary:
        dq, dk = rotated(dq, rotary, back=True), rotated(dk, rotary, back=True)
    dq, dk, dv = (op.Reshape(d, [0, 0, -1], shape=(*d.shape[:2], int(d.shape[2]) * int(d.shape[3]))) for d in (dq, dk, dv))
    return op.Concat(dq, dk, dv, axis=2) if packed else (dq, op.Concat(dk, dv, axis=2))


def _summed(d: Value, times: int) -> Value:
    """The reverse of `_repeated`: sums over the copies."""
    if times == 1:
        return d
    steps, n, heads, size = d.shape
    apart = op.Reshape(d, [0, 0, -1, times, int(size)], shape=(steps, n, int(heads) // times, times, size))
    return op.ReduceSum(apart, [3], keepdims=0)
