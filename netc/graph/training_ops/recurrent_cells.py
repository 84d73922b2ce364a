"""Recurrent layers with layer normalization (Ba et al. 2016) and projection, and their gradients.

Inputs are those of `recurrent`. A cell is a function (states, x, cont, weights) -> new states; the first state is the output. Its gradient
goes back in time with the gradient of one step, which automatic differentiation gives. So a cell needs no gradient of its own.
"""

from collections.abc import Callable, Sequence

import numpy as np

from netc.graph import multiply_adds
from netc.graph.autodiff import grad
from netc.graph.ir import Value, op, zeros
from netc.graph.training_ops.loop import Loop, Values, loop_op
from netc.graph.training_ops.recurrent import before

EPSILON = np.float32(1e-5)
Weights = Sequence[Value | None]
Cell = Callable[[Values, Value, Value | None, Weights], Values]


def normalized(x: Value, gain: Value | None) -> Value:
    """x with mean 0 and variance 1 along its last axis, times the gain; x itself without a gain."""
    if gain is None:
        return x
    centred = x - op.ReduceMean(x, [x.rank - 1])
    return centred / op.Sqrt(op.ReduceMean(centred * centred, [x.rank - 1]) + EPSILON) * gain


def _lstm(states: Values, x: Value, cont: Value | None, weights: Weights) -> Values:
    h, c = (s if cont is None else s * cont for s in states)
    wh, gain, gain_c, bias_c, project = weights
    assert wh is not None
    hidden = int(c.shape[1])
    sigmoids, inputs = op.Split(x + normalized(op.Gemm(h, wh, transB=1), gain), [3 * hidden, hidden], axis=1, outputs=2)
    i, f, o = op.Split(op.Sigmoid(sigmoids), num_outputs=3, axis=1, outputs=3)
    c = f * c + i * op.Tanh(inputs)
    y = o * op.Tanh(c if bias_c is None else normalized(c, gain_c) + bias_c)
    return (y if project is None else op.Gemm(y, project, transB=1)), c


def _gru(states: Values, x: Value, cont: Value | None, weights: Weights) -> Values:
    h = states[0] if cont is None else states[0] * cont
    wh, bias, gain = weights
    assert wh is not None and bias is not None
    hidden = int(h.shape[1])
    gates, inputs = op.Split(normalized(op.Gemm(h, wh, transB=1), gain), [2 * hidden, hidden], axis=1, outputs=2)
    x_gates, x_inputs = op.Split(x, [2 * hidden, hidden], axis=1, outputs=2)
    r, z = op.Split(op.Sigmoid(x_gates + gates), num_outputs=2, axis=1, outputs=2)
    n = op.Tanh(x_inputs + r * (inputs + bias))
    return (n + z * (h - n),)


def _rnn(states: Values, x: Value, cont: Value | None, weights: Weights) -> Values:
    h = states[0] if cont is None else states[0] * cont
    wh, gain = weights
    assert wh is not None
    return (op.Tanh(x + normalized(op.Gemm(h, wh, transB=1), gain)),)


CELLS: dict[str, tuple[Cell, int]] = {"LSTM": (_lstm, 2), "GRU": (_gru, 1), "RNN": (_rnn, 1)}  # and the number of states


@loop_op("Cell", multiply_adds=multiply_adds.recurrent)
def cell(loop: Loop, xw: Value, cont: Value | None, *others: Value | None, kind: str) -> Values:
    """(y, the other states at all times, the last states). `others` are the states before the first time step, and the weights."""
    step, count = CELLS[kind]
    states, weights = _parts(others, count)

    def forward(states: Values, xs: Values) -> tuple[Values, Values]:
        new = step(states, xs[0], xs[1] if cont is not None else None, weights)
        return new, new

    last, results = loop(forward, states, [xw] if cont is None else [xw, cont])
    return *results, *last


@loop_op("CellGrad", multiply_adds=multiply_adds.recurrent_gradient)
def cell_grad(loop: Loop, dy: Value, xw: Value, cont: Value | None, *others: Value | None, kind: str, given: int) -> Values:
    """The gradients with respect to xw, the first states and the weights.

    `others` are those of Cell, the states at all times, and the gradients with respect to the last `given` states, None for zero.
    """
    step, count = CELLS[kind]
    used = others[: len(others) - count - given]
    states, weights = _parts(used, count)
    at = [v for v in others[len(used) : len(used) + count] if v is not None]
    dlast = others[len(used) + count :]
    learned = [w for w in weights if w is not None]
    steps = [before(s, first, None) for s, first in zip(at, states, strict=True)]

    def back(after: Values, xs: Values) -> tuple[Values, Values]:
        dstates, dweights = after[:count], after[count:]
        now, (x, dy, *marks) = xs[:count], xs[count:]
        new = step(now, x, marks[0] if marks else None, weights)
        ends: dict[Value, Value | float] = {value: d for value, d in zip(new, (dstates[0] + dy, *dstates[1:]), strict=True)}
        found = grad(ends, [*now, x, *learned])
        known = [zeros(v.shape) if d is None else d for v, d in zip((*now, x, *learned), found, strict=True)]
        summed = tuple(a + b for a, b in zip(dweights, known[count + 1 :], strict=True))
        return (*known[:count], *summed), (known[count],)

    seeds = [zeros(s.shape) if d is None else d for s, d in zip(states, dlast or [None] * count, strict=True)]
    start = [*seeds, *(zeros(w.shape) for w in learned)]
    sums, (dx,) = loop(back, start, [*steps, xw, dy, *([] if cont is None else [cont])], reverse=True)
    return dx, *sums


def _parts(others: Sequence[Value | None], count: int) -> tuple[list[Value], Weights]:
    """The first states, and the weights."""
    states = [v for v in others[:count] if v is not None]
    return states, others[count:]
