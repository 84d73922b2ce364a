"""ONNX's LSTM, GRU and RNN as netc's training ops, or step by step where those lack something."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from netc.errors import ShapeError, SpecError
from netc.graph.ir import Value, cast, constant, op
from netc.graph.training_ops import recurrent, time
from netc.graph.training_ops.shape import split
from netc.onnx_import.control_flow import MOST_STEPS
from netc.onnx_import.steps import DEFAULTS, STEPS, Cell, activations
from netc.onnx_import.table import Call, Result, becomes

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
# The gates in the order of netc's training ops: LSTM i, f, o, g from ONNX's i, o, f, c; GRU r, z, n from z, r, h.
ORDER = {"LSTM": (0, 2, 1, 3), "GRU": (1, 0, 2), "RNN": (0,)}
REVERSED = -(2**31)


@dataclass(frozen=True, eq=False)
class Direction:
    """The weights of one direction.

    w (gates H, inputs), r (gates H, H), the biases of both (gates H), the peepholes (3 H), and the first states (N, H).
    """

    w: Value
    r: Value
    wb: Value
    rb: Value
    peepholes: Value | None
    states: tuple[Value, ...]
    back: bool


@becomes("LSTM", "GRU", "RNN")
def recurrent_op(call: Call) -> Result:
    """y (T, directions, N, H), and the last states (directions, N, H)."""
    x = op.Transpose(call.x, perm=[1, 0, 2]) if call.attrs.get("layout") else call.x
    lengths = _lengths(call, x)
    functions = call.attrs.get("activations")
    results = []
    for k, direction in enumerate(_directions(call, x)):
        count = len(DEFAULTS[call.node.op])
        chosen = functions[k * count : (k + 1) * count] if functions else list(DEFAULTS[call.node.op])
        plain = tuple(f.capitalize() for f in chosen) == DEFAULTS[call.node.op]
        own = plain and lengths is None and direction.peepholes is None and _is_default(call)
        results.append(_as_training_op(call, x, direction) if own else _step_by_step(call, x, direction, lengths, k))
    ys, *lasts = zip(*results, strict=True)
    turned = bool(call.attrs.get("layout"))
    y = op.Concat(*(op.Unsqueeze(y, [1]) for y in ys), axis=1) if len(ys) > 1 else op.Unsqueeze(ys[0], [1])
    y = op.Transpose(y, perm=[2, 0, 1, 3]) if turned else y
    axis = 1 if turned else 0
    return (y, *(op.Concat(*(op.Unsqueeze(v, [axis]) for v in last), axis=axis) for last in lasts))


def _is_default(call: Call) -> bool:
    """Whether netc's training op computes it."""
    a = call.attrs
    return not a.get("clip") and not a.get("input_forget") and (call.node.op != "GRU" or bool(a.get("linear_before_reset")))


def _lengths(call: Call, x: Value) -> Value | None:
    """The lengths of the sequences (N); None if all have the full length."""
    known = call.known(4)
    full = known is not None and known.dtype != object and bool((known == x.shape[0]).all())
    return None if full else call.get(4)


def _directions(call: Call, x: Value) -> Iterator[Direction]:
    """The weights and first states of each direction."""
    kind = call.node.op
    names = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
    backs = names.get(call.attrs.get("direction", "forward"))
    w, r = call.need(1), call.need(2)
    gates, hidden = int(r.shape[1]), int(r.shape[2])
    if backs is None or gates != GATES[kind] * hidden or w.shape[0] != len(backs):
        raise ShapeError(f"Its weights are {_dims(w)} and {_dims(r)}, for the direction {call.attrs.get('direction', 'forward')!r}.")
    bias = call.get(3) if call.get(3) is not None else constant(np.zeros((len(backs), 2 * gates), np.float32))
    peepholes = call.get(7) if kind == "LSTM" else None
    firsts = [_first(call, x, k, len(backs), hidden) for k in ((5, 6) if kind == "LSTM" else (5,))]
    for k, back in enumerate(backs):
        wb, rb = op.Split(_part(bias, k), [gates, gates], axis=0, outputs=2)
        own = None if peepholes is None else _part(peepholes, k)
        yield Direction(_part(w, k), _part(r, k), wb, rb, own, tuple(_part(f, k) for f in firsts), back)


def _dims(v: Value) -> str:
    return "x".join(map(str, v.shape))


def _part(v: Value | None, k: int) -> Value:
    assert v is not None
    if not isinstance(count := v.shape[0], int):
        raise ShapeError(f"Its first axis must have a slice for each direction, got {_dims(v)}.")
    part: Value = op.Squeeze(v if count == 1 else split(v, [1] * count, 0)[k], [0])
    return part


def _first(call: Call, x: Value, k: int, directions: int, hidden: int) -> Value:
    """The first states (directions, N, H). Those of a file for one row serve all rows."""
    n, given = x.shape[1], call.get(k)
    given = op.Transpose(given, perm=[1, 0, 2]) if given is not None and call.attrs.get("layout") else given
    if given is not None and given.shape[1] == n:
        return given
    start = constant(np.zeros((1, 1, 1), np.float32)) if given is None else given
    if start.shape[1] != 1:
        raise ShapeError(f"Its first state is {_dims(start)}, for {n} rows.")
    shape = (directions, n, hidden)
    if isinstance(n, int):
        return op.Expand(start, constant(np.array(shape)), shape=shape)
    sizes = constant(np.array([directions])), op.Shape(x, start=1, end=2), constant(np.array([hidden]))
    return op.Expand(start, op.Concat(*sizes, axis=0), shape=shape)


def _as_training_op(call: Call, x: Value, d: Direction) -> tuple[Value, ...]:
    """y (T, N, H) and the last states, from the training op of netc's own layers."""
    kind, hidden = call.node.op, int(d.r.shape[1])
    xs = _reversed(x) if d.back else x
    w, r = _ordered(d.w, kind, hidden), _ordered(d.r, kind, hidden)
    wb, rb = _ordered(d.wb, kind, hidden), _ordered(d.rb, kind, hidden)
    keep = int(call.run.training)
    flat = op.MatMul(xs, op.Transpose(w, perm=[1, 0]))
    if kind == "GRU":
        gates, new = op.Split(rb, [2 * hidden, hidden], axis=0, outputs=2)
        bias = wb + op.Concat(gates, constant(np.zeros(hidden, np.float32)), axis=0)
        y, h, *_ = recurrent.gru(flat + bias, r, new, *d.states, keep=keep)
        last: tuple[Value, ...] = (h,)
    elif kind == "LSTM":
        y, h, c, *_ = recurrent.lstm(flat + (wb + rb), r, *d.states, keep=keep)
        last = (h, c)
    else:
        y, h = recurrent.rnn(flat + (wb + rb), r, *d.states)
        last = (h,)
    return (_reversed(y) if d.back else y, *last)


def _ordered(v: Value, kind: str, hidden: int) -> Value:
    """The blocks of the gates in the order of netc's training op."""
    order = ORDER[kind]
    if order == tuple(range(len(order))):
        return v
    parts = op.Split(v, [hidden] * len(order), axis=0, outputs=len(order))
    blocks: Value = op.Concat(*(parts[k] for k in order), axis=0)
    return blocks


def _reversed(x: Value) -> Value:
    if isinstance(x.shape[0], int):
        return time.reverse(x)
    turned: Value = op.Slice(x, [-1], [REVERSED], [0], [-1], shape=x.shape)
    return turned


def _step_by_step(call: Call, x: Value, d: Direction, lengths: Value | None, k: int) -> tuple[Value, ...]:
    """y (T, N, H) and the last states, one step after the other. Steps after the end of a sequence keep its states, and give zeros."""
    steps, kind = x.shape[0], call.node.op
    if isinstance(steps, str):
        raise ShapeError("Its number of steps is a size that is known only in a run.")
    if steps > MOST_STEPS:
        raise SpecError(f"It takes more than {MOST_STEPS:,} steps, the most that netc unrolls.")
    call.run.count(steps * len(DEFAULTS[kind]) * 8)
    cell = Cell(d.r, d.rb, d.peepholes, activations(kind, call.attrs, k), call.attrs)
    inputs = [op.Squeeze(p, [0]) for p in split(op.MatMul(x, op.Transpose(d.w, perm=[1, 0])) + d.wb, [1] * steps, 0)]
    states, ys = d.states, list[Value]()
    for t in range(steps - 1, -1, -1) if d.back else range(steps):
        new = STEPS[kind](cell, inputs[t], states)
        y = new[0]
        if lengths is not None:
            inside = op.Unsqueeze(cast(op.Less(constant(np.array(t, lengths.dtype)), lengths), np.float32), [1])
            new = tuple(before + inside * (after - before) for after, before in zip(new, states, strict=True))
            y = y * inside
        states = new
        ys.append(op.Unsqueeze(y, [0]))
    return (op.Concat(*(ys[::-1] if d.back else ys), axis=0), *states)
