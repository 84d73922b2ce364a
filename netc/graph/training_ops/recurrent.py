"""Recurrent layers over time, and the gradients with respect to their gates.

xw (T, N, gates H) is the input's part of the gates, including the bias. wh is (gates H, H); h and c are the (N, H) before the first time
step. The optional cont (T, N, 1) is 0 at the start of a sequence: earlier steps then count as zero. With `keep`, the ops also return the
values that their gradient needs. The CPU runs one Scan forward and one backward. All products that no step depends on are computed for all
time steps at once.
"""

from netc.graph import multiply_adds
from netc.graph.ir import Value, constant, op, zeros
from netc.graph.tensor_type import Shape
from netc.graph.training_ops.loop import Loop, Values, loop_op


def _split(x: Value, count: int) -> Values:
    """Equal parts along the last axis."""
    return op.Split(x, num_outputs=count, axis=x.rank - 1, outputs=count) if count > 1 else (x,)


def _xs(*xs: Value | None) -> list[Value]:
    return [x for x in xs if x is not None]


def _cut(h: Value, rest: Values) -> Value:
    """h, or zero if the cont in `rest` is 0."""
    return h * rest[0] if rest else h


def nothing(shape: Shape, rows: Value) -> Value:
    """Zeros. A size that is a name is the number of rows N of `rows` (T, N, ...)."""
    if all(isinstance(d, int) for d in shape):
        return zeros(shape)
    sizes = (op.Shape(rows, start=1, end=2) if isinstance(d, str) else constant([d]) for d in shape)
    return op.Expand(constant(0.0), op.Concat(*sizes, axis=0), shape=shape)


@loop_op("RNN", multiply_adds=multiply_adds.recurrent)
def rnn(loop: Loop, xw: Value, wh: Value, h: Value, cont: Value | None = None) -> Values:
    """(y, last h): h = tanh(xw + wh h)."""

    def step(states: Values, xs: Values) -> tuple[Values, Values]:
        x, *rest = xs
        new = op.Tanh(op.Gemm(_cut(states[0], tuple(rest)), wh, x, transB=1))
        return (new,), (new,)

    last, results = loop(step, [h], _xs(xw, cont))
    return results[0], last[0]


@loop_op("LSTM", multiply_adds=multiply_adds.recurrent)
def lstm(loop: Loop, xw: Value, wh: Value, h: Value, c: Value, cont: Value | None = None, *, keep: int) -> Values:
    """(y, last h, last c):

    gates i, f, o, g; c = f c + i g; h = o tanh(c). With `keep`, also the sigmoids, g, the previous c, and tanh(c).
    """
    hidden = int(wh.shape[1])

    def step(states: Values, xs: Values) -> tuple[Values, Values]:
        x, *rest = xs
        h, c = (_cut(s, tuple(rest)) for s in states)
        gates, inputs = op.Split(op.Gemm(h, wh, x, transB=1), [3 * hidden, hidden], axis=1, outputs=2)
        s, g = op.Sigmoid(gates), op.Tanh(inputs)
        i, f, o = _split(s, 3)
        new = f * c + i * g
        t = op.Tanh(new)
        y = o * t
        return (y, new), (y, s, g, c, t) if keep else (y,)

    last, results = loop(step, [h, c], _xs(xw, cont))
    return results[0], *last, *results[1:]


@loop_op("GRU", multiply_adds=multiply_adds.recurrent)
def gru(loop: Loop, xw: Value, wh: Value, bh: Value, h: Value, cont: Value | None = None, *, keep: int) -> Values:
    """(y, last h): gates r, z, n; n = tanh(xn + r (wn h + bh)); h = (1 - z) n + z h. With `keep`, also the sigmoids, n, wn h + bh."""
    hidden = int(wh.shape[1])
    bias = op.Concat(zeros([2 * hidden]), bh, axis=0)

    def step(states: Values, xs: Values) -> tuple[Values, Values]:
        x, *rest = xs
        h = _cut(states[0], tuple(rest))
        gates, inputs = op.Split(op.Gemm(h, wh, bias, transB=1), [2 * hidden, hidden], axis=1, outputs=2)
        x_gates, x_inputs = op.Split(x, [2 * hidden, hidden], axis=1, outputs=2)
        s = op.Sigmoid(x_gates + gates)
        r, z = _split(s, 2)
        n = op.Tanh(x_inputs + r * inputs)
        y = n + z * (h - n)
        return (y,), (y, s, n, inputs) if keep else (y,)

    last, results = loop(step, [h], _xs(xw, cont))
    return results[0], *last, *results[1:]


def before(y: Value, h: Value, cont: Value | None) -> Value:
    """The h before each time step."""
    steps = int(y.shape[0])
    first = op.Unsqueeze(h, [0])
    before = op.Concat(first, op.Slice(y, [0], [steps - 1], [0]), axis=0) if steps > 1 else first
    return before if cont is None else before * cont


def _with_last(dy: Value, dh: Value | None) -> Value:
    """dy with the gradient with respect to the last h added at the last time step."""
    if dh is None:
        return dy
    steps, last = int(dy.shape[0]), op.Unsqueeze(dh, [0])
    return op.Concat(nothing((steps - 1, *dh.shape), dy), last, axis=0) + dy if steps > 1 else dy + last


def _next(cont: Value | None) -> Value | None:
    """The cont of the next time step for each step; 0 after the last step, whose gradient is in dy."""
    if cont is None:
        return None
    steps, last = int(cont.shape[0]), nothing((1, *cont.shape[1:]), cont)
    return op.Concat(op.Slice(cont, [1], [steps], [0]), last, axis=0) if steps > 1 else last


def _back(dy: Value, dg: Value, wh: Value, rest: Values) -> Value:
    """dy plus the gradient from the next time step, through its gates."""
    return dy + rest[0] * (dg @ wh) if rest else op.Gemm(dg, wh, dy)


@loop_op("RNNGrad", multiply_adds=multiply_adds.recurrent_gradient)
def rnn_grad(loop: Loop, dy: Value, dh: Value | None, y: Value, wh: Value, cont: Value | None = None) -> Value:
    """The gradient with respect to xw, from those with respect to y and the last h."""

    def step(states: Values, xs: Values) -> tuple[Values, Values]:
        dy, slope, *rest = xs
        dg = _back(dy, states[0], wh, tuple(rest)) * slope
        return (dg,), (dg,)

    _, (dg,) = loop(step, [nothing(dy.shape[1:], dy)], _xs(_with_last(dy, dh), 1.0 - y * y, _next(cont)), reverse=True)
    return dg


@loop_op("LSTMGrad", multiply_adds=multiply_adds.recurrent_gradient)
def lstm_grad(loop: Loop, dy: Value, dh: Value | None, dc: Value | None, wh: Value, cont: Value | None, *kept: Value) -> Values:
    """The gradients with respect to xw and c, from those with respect to y and the last h and c.

    `kept` are the outputs that `keep` adds.
    """
    s, g, c, t = kept
    i, f, o = _split(s, 3)
    slope = s - s * s
    mi, mf, mo = _split(slope, 3)
    factors = op.Concat(g * mi, c * mf, t * mo, i * (1.0 - g * g), axis=2)
    through, forget = o * (1.0 - t * t), f if cont is None else f * cont

    def step(states: Values, xs: Values) -> tuple[Values, Values]:
        (dg, dc), (dy, factors, through, forget, *rest) = states, xs
        dh = _back(dy, dg, wh, tuple(rest))
        dc = dc + dh * through
        dg = op.Concat(dc, dc, dh, dc, axis=1) * factors
        return (dg, dc * forget), (dg,)

    start = [nothing((dy.shape[1], wh.shape[0]), dy), nothing(dy.shape[1:], dy) if dc is None else dc]
    (_, dc0), (dg,) = loop(step, start, _xs(_with_last(dy, dh), factors, through, forget, _next(cont)), reverse=True)
    return dg, dc0


@loop_op("GRUGrad", multiply_adds=multiply_adds.recurrent_gradient)
def gru_grad(loop: Loop, dy: Value, dh: Value | None, wh: Value, h: Value, cont: Value | None, *kept: Value) -> Values:
    """The gradients with respect to xw, to wh h + (0, 0, bh), and to h along the path that avoids wh.

    They are computed from the gradients with respect to y and the last h. `kept` is y and the outputs that `keep` adds.
    """
    y, s, n, inputs = kept
    r, z = _split(s, 2)
    mr, mz = _split(s - s * s, 2)
    direct = (1.0 - z) * (1.0 - n * n)
    factors = op.Concat(direct * (inputs * mr), (before(y, h, cont) - n) * mz, direct * r, axis=2)
    carried = z if cont is None else z * cont

    def step(states: Values, xs: Values) -> tuple[Values, Values]:
        (dg, dhz), (dy, factors, carried, *rest) = states, xs
        dh = _back(dy, dg, wh, tuple(rest)) + dhz
        dg = op.Concat(dh, dh, dh, axis=1) * factors
        return (dg, dh * carried), (dg, dh)

    start = [nothing((h.shape[0], wh.shape[0]), dy), nothing(h.shape, dy)]
    (_, dhz), (dg, dhs) = loop(step, start, _xs(_with_last(dy, dh), factors, carried, _next(cont)), reverse=True)
    hidden = int(h.shape[1])
    dgates, _ = op.Split(dg, [2 * hidden, hidden], axis=2, outputs=2)
    return op.Concat(dgates, dhs * direct, axis=2), dg, dhz
