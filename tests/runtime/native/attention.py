"""Rows of the kernels of attention: heads of odd sizes, masks, dropout, shared keys, rotation."""

from typing import Any

import numpy as np

from netc.graph.training_ops.attention import attention, attention_grad
from tests.runtime.native.arrays import normal, uniform
from tests.runtime.native.sequences import Row

Sizes = tuple[int, int, int, int, int, int]  # time steps, keys, rows, heads, heads of the keys, head size
SIZES: list[Sizes] = [(7, 7, 2, 2, 2, 4), (1, 1, 3, 1, 1, 5), (33, 33, 2, 4, 2, 32), (5, 40, 3, 3, 1, 10), (26, 9, 1, 2, 2, 70)]


def _attrs(sizes: Sizes, causal: int, dropout: float, rotary: float) -> dict[str, Any]:
    steps, keys, _, heads, kv_heads, _ = sizes
    return {"heads": heads, "kv_heads": kv_heads, "packed": int(steps == keys), "causal": causal, "dropout": dropout, "rotary": rotary}


def _arrays(sizes: Sizes, bias_rows: int, noise: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The inputs q and kv, or both in one; and the bias and the noise, if there are any."""
    steps, keys, n, heads, kv_heads, d = sizes
    packed = [normal(steps, n, (heads + 2 * kv_heads) * d)]
    read = packed if steps == keys else [normal(steps, n, heads * d), normal(keys, n, 2 * kv_heads * d)]
    hidden = np.float32(-1e9) * (uniform(n, 1, bias_rows, keys) < 0.3) if bias_rows else None
    more = [a for a in (hidden, uniform(n, heads, steps, keys) if noise else None) if a is not None]
    return read, more


def attend(sizes: Sizes, bias_rows: int = 0, causal: int = 0, dropout: float = 0.0, rotary: float = 0.0) -> Row:
    """Attention: `bias_rows` rows of a mask, 0 for none."""
    read, more = _arrays(sizes, bias_rows, dropout > 0)

    def call(*values: Any) -> Any:
        q, kv = (values[0], values[0]) if len(read) == 1 else values[:2]
        rest = iter(values[len(read) :])
        bias, noise = next(rest) if bias_rows else None, next(rest) if dropout else None
        return attention(q, kv, bias, noise, **_attrs(sizes, causal, dropout, rotary))

    return call, *read, *more


def attend_grad(sizes: Sizes, weights: bool = False, causal: int = 0, dropout: float = 0.0, rotary: float = 0.0) -> Row:
    """The gradient of attention; with `weights`, also from a gradient with respect to the weights."""
    steps, keys, n, heads, _, d = sizes
    read, more = _arrays(sizes, 0, dropout > 0)
    scores = normal(n, heads, steps, keys) + (np.triu(np.full((steps, keys), -1e9, np.float32), 1) if causal else 0)
    shares = np.exp(scores - scores.max(3, keepdims=True))
    shares = (shares / shares.sum(3, keepdims=True)).astype(np.float32)
    own = [normal(n, heads, steps, keys)] if weights else []

    def call(dy: Any, w: Any, *values: Any) -> Any:
        dw, rest = (values[0], values[1:]) if weights else (None, values)
        q, kv = (rest[0], rest[0]) if len(read) == 1 else rest[:2]
        noise = rest[len(read)] if dropout else None
        return attention_grad(dy, dw, w, q, kv, noise, **_attrs(sizes, causal, dropout, rotary))

    return call, normal(steps, n, heads * d), shares, *own, *read, *more


ATTENTION = [
    *(attend(s) for s in SIZES),
    *(attend(s, s[0], causal=1, rotary=100.0) for s in (SIZES[0], SIZES[2])),
    attend(SIZES[3], 1, dropout=0.3),
    attend(SIZES[2], 1, causal=1, dropout=0.3),
    attend(SIZES[4], 26, rotary=10000.0),
]
ATTENTION_GRAD = [
    *(attend_grad(s) for s in SIZES),
    *(attend_grad(s, True, causal=1, rotary=100.0) for s in (SIZES[0], SIZES[2])),
    attend_grad(SIZES[3], dropout=0.3),
    attend_grad(SIZES[2], True, causal=1, dropout=0.3),
    attend_grad(SIZES[4], True, rotary=10000.0),
]
