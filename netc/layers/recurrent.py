"""Layers over time. Blobs are (T, N, ...): time first, then the batch.

A bottom `cont` (T, N) is 0 at the start of a sequence and 1 at its other steps. Steps before a 0 do not affect those after it. Each step
after the end of a sequence is its own sequence, so a column can contain a sequence of any length: 0 1 1 1 0 0.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op, stop, zeros
from netc.graph.tensor_type import Dim
from netc.graph.training_ops import recurrent, recurrent_cells, time
from netc.layers.context import Context, dims, sizes
from netc.layers.dense import affine
from netc.registry import layer


@dataclass(frozen=True)
class Bottoms:
    """The bottoms of a recurrent layer: x (T, N, ...), cont (T, N, 1), a static input (N, ...), the initial states (1, N, H)."""

    x: Value
    cont: Value | None
    static: Value | None
    first: tuple[Value, ...]


def _bottoms(ctx: Context, bottoms: tuple[Value, ...], widths: list[int]) -> Bottoms:
    """Assign the bottoms to their roles, in Caffe's order.

    A cont is a second bottom with two axes; initial states are the last bottoms, one for each of `widths`.
    """
    states = len(widths)
    x, rest = bottoms[0], list(bottoms[1:])
    if x.rank < 2:
        raise ctx.shape_error(f"{ctx.layer.bottoms[0]} is {dims(x.shape)}; it must be time x batch x ...", "bottom")
    cont = cast(rest.pop(0), np.float32) if rest and rest[0].rank == 2 else None
    if cont is not None and cont.shape != x.shape[:2]:
        text = f"{ctx.layer.bottoms[1]} is {dims(cont.shape)}. A cont is time x batch, as {ctx.layer.bottoms[0]} is {dims(x.shape[:2])}."
        raise ctx.shape_error(text, "bottom", 1)
    exposed = states if ctx.param.recurrent_param.expose_hidden and len(rest) >= states else 0
    first = tuple(rest[len(rest) - exposed :])
    static = rest[: len(rest) - exposed]
    if len(static) > 1:
        raise ctx.error(
            f"{len(bottoms)} bottoms; it takes x, cont, a static input, and with expose_hidden {states} first states.", "bottom"
        )
    for name, value, width in zip(ctx.layer.bottoms[len(bottoms) - exposed :], first, widths, strict=False):
        wanted = (1, x.shape[1], width)
        if value.shape != wanted:
            raise ctx.shape_error(f"{name} is {dims(value.shape)}; a first state is {dims(wanted)}.", "bottom")
    if static and static[0].shape[:1] != x.shape[1:2]:
        raise ctx.shape_error(
            f"The static input is {dims(static[0].shape)}; its first axis must be the batch of {dims(x.shape)}.", "bottom"
        )
    return Bottoms(x, None if cont is None else op.Unsqueeze(cont, [2]), static[0] if static else None, first)


class Recurrence:
    """The common parts of RNN, LSTM and GRU: the input's part of the gates, the states, and the tops."""

    def __init__(self, ctx: Context, bottoms: tuple[Value, ...], names: tuple[str, ...]):
        self.ctx, self.names = ctx, names
        self.p = ctx.param.recurrent_param
        if not self.p.num_output:
            raise ctx.error("`num_output` is missing. Add the size of the hidden state, for example `num_output: 128`.", "recurrent_param")
        self.hidden = int(self.p.num_output)
        self.widths = [_projected(ctx), *(self.hidden for _ in names[1:])]
        self.read = _bottoms(ctx, bottoms, self.widths)
        self.cont = self.read.cont
        carries = self.p.carry if self.p.HasField("carry") else self.cont is not None and not self.p.expose_hidden
        if carries and self.p.expose_hidden:
            raise ctx.error("`carry` and `expose_hidden` exclude each other: the first states come from the batch before, or from bottoms.",
                            "recurrent_param", "carry")  # fmt: skip
        n = self.read.x.shape[1]
        self.carried = [ctx.carry(name, (n, width)) for name, width in zip(names, self.widths, strict=True)] if carries else []

    def gates(self, count: int) -> Value:
        """wx x + b (+ ws s): (T, N, count H). The weights are created in Caffe's order."""
        x, size = self.read.x, count * self.hidden
        w = self.weight("weight_x", size, prod(sizes(x.shape[2:])))
        b = self.ctx.weight("bias", (size,), self.p.bias_filler)
        y = _applied(x, w, None if self.p.layer_norm else b)
        if self.p.layer_norm:
            y = recurrent_cells.normalized(y, self.gain("x", size)) + b
        if self.read.static is None:
            return y
        s = self.read.static
        w = self.weight("weight_static", size, prod(sizes(s.shape[1:])))
        flat = s if s.rank == 2 else op.Reshape(s, [0, int(w.shape[1])], shape=(s.shape[0], int(w.shape[1])))
        return y + op.Unsqueeze(op.Gemm(flat, w, transB=1), [0])

    def weight(self, name: str, rows: int, columns: int) -> Value:
        """A matrix, initialised by weight_filler."""
        return self.ctx.weight(name, (rows, columns), self.p.weight_filler)

    def first(self) -> list[Value]:
        """The states before the first time step: from bottoms, from the previous batch, or zero."""
        n = self.read.x.shape[1]
        if self.read.first:
            return [op.Reshape(s, [-1, int(s.shape[2])], shape=(n, int(s.shape[2]))) for s in self.read.first]
        return list(self.carried) or [_zero_state(self.read.x, width) for width in self.widths]

    @property
    def is_plain(self) -> bool:
        """Whether it has neither normalization nor a projection."""
        return not (self.p.layer_norm or self.p.proj_size)

    def gain(self, name: str, size: int) -> Value | None:
        """A learned gain of a normalization, which starts at 1; None without layer_norm."""
        return self.ctx.weight(f"gain_{name}", (size,), pb.FillerParameter(type="constant", value=1)) if self.p.layer_norm else None

    def cell(self, kind: str, xw: Value, *weights: Value | None) -> tuple[Value, ...]:
        """The output at all times, and the last states, of a layer with normalization or projection."""
        found = recurrent_cells.cell(xw, self.cont, *self.first(), *weights, kind=kind)
        return found[0], *found[len(self.names) :]

    def tops(self, y: Value, *last: Value) -> tuple[Value, ...]:
        """The output and, with expose_hidden, the last states. Carried states are updated."""
        for state, value in zip(self.carried, last, strict=False):
            self.ctx.update(state, value)
        return (y, *(op.Unsqueeze(v, [0]) for v in last)) if self.p.expose_hidden else (y,)


def _projected(ctx: Context) -> int:
    """The size of the output: proj_size, or that of the hidden state."""
    p = ctx.param.recurrent_param
    if p.proj_size and ctx.layer.type != "LSTM":
        raise ctx.error(f"`proj_size` is for LSTM; {ctx.layer.type} has no projection.", "recurrent_param", "proj_size")
    if p.proj_size >= p.num_output:
        raise ctx.error(
            f"`proj_size` is {p.proj_size}, which must be smaller than `num_output`, {p.num_output}.", "recurrent_param", "proj_size"
        )
    return int(p.proj_size or p.num_output)


def _applied(x: Value, w: Value, b: Value | None) -> Value:
    """w x + b over the last axes of x (T, N, ...)."""
    steps, n, inputs = *x.shape[:2], int(w.shape[1])
    return affine(x if x.rank == 3 else op.Reshape(x, [0, 0, inputs], shape=(steps, n, inputs)), w, b)


def _zero_state(x: Value, hidden: int) -> Value:
    """Zeros (N, H) for the batch of x, which may be symbolic."""
    n: Dim = x.shape[1]
    if isinstance(n, int):
        return zeros((n, hidden))
    shape = op.Concat(op.Shape(x, start=1, end=2), constant(np.array([hidden])), axis=0)
    return op.Expand(constant(0.0), shape, shape=(n, hidden))


@layer("RNN", messages=("recurrent_param",), bottoms=(1, 4), tops=(1, 2), in_place=False)
def rnn(ctx: Context, *bottoms: Value) -> tuple[Value, ...]:
    """h = tanh(Wx x + Wh h + b), y = tanh(Wo h + bo) (Elman 1990, in Caffe's form).

    Bottoms: x, cont, a static input. With expose_hidden, the initial h is a further bottom and the last h is a second top.
    """
    layer = Recurrence(ctx, bottoms, ("h",))
    xw = layer.gates(1)
    wh = layer.weight("weight_h", layer.hidden, layer.hidden)
    wo, bo = layer.weight("weight_o", layer.hidden, layer.hidden), ctx.weight("bias_o", (layer.hidden,), layer.p.bias_filler)
    h, last = (layer.cell("RNN", xw, wh, layer.gain("h", layer.hidden)) if not layer.is_plain
               else recurrent.rnn(xw, wh, *layer.first(), *_given(layer.cont)))  # fmt: skip
    return layer.tops(op.Tanh(_applied(h, wo, bo)), last)


@layer("LSTM", messages=("recurrent_param",), bottoms=(1, 5), tops=(1, 3), in_place=False)
def lstm(ctx: Context, *bottoms: Value) -> tuple[Value, ...]:
    """c = f c + i g, h = o tanh(c), with sigmoid gates i, f, o and g by tanh (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    Bottoms: x, cont, a static input. With expose_hidden, the initial h and c are further bottoms and the last h and c are further tops.
    With proj_size, h = Wr (o tanh(c)), as in torch. With layer_norm, Wx x, Wh h and the c in the tanh are normalized.
    """
    layer = Recurrence(ctx, bottoms, ("h", "c"))
    xw = layer.gates(4)
    wh = layer.weight("weight_h", 4 * layer.hidden, layer.widths[0])
    if not layer.is_plain:
        gain, gain_c = layer.gain("h", 4 * layer.hidden), layer.gain("c", layer.hidden)
        bias_c = ctx.weight("bias_c", (layer.hidden,), layer.p.bias_filler) if layer.p.layer_norm else None
        project = layer.weight("weight_r", layer.widths[0], layer.hidden) if layer.p.proj_size else None
        return layer.tops(*layer.cell("LSTM", xw, wh, gain, gain_c, bias_c, project))
    y, h, c, *_ = recurrent.lstm(xw, wh, *layer.first(), *_given(layer.cont), keep=int(ctx.training))
    return layer.tops(y, h, c)


@layer("LSTMUnit", bottoms=(3, 3), tops=(2, 2), in_place=False)
def lstm_unit(ctx: Context, before: Value, gates: Value, cont: Value) -> tuple[Value, ...]:
    """One step of an LSTM: c = cont f c_prev + i g, h = o tanh(c).

    Bottoms: c_prev (1, N, H), the gates i, f, o, g (1, N, 4 H) before their sigmoid and tanh, and cont (1, N). Tops: c and h. No
    gradient flows to cont.
    """
    if before.rank != 3 or gates.shape != (*before.shape[:2], 4 * sizes(before.shape[2:])[0]) or cont.shape != before.shape[:2]:
        shapes = ", ".join(f"{n} is {dims(v.shape)}" for n, v in zip(ctx.layer.bottoms, (before, gates, cont), strict=True))
        raise ctx.shape_error(f"{shapes}; it takes c_prev 1 x N x H, gates 1 x N x 4 H and cont 1 x N.", "bottom")
    hidden = int(before.shape[2])
    sigmoids, inputs = op.Split(gates, [3 * hidden, hidden], axis=2, outputs=2)
    i, f, o = op.Split(op.Sigmoid(sigmoids), num_outputs=3, axis=2, outputs=3)
    new = f * op.Unsqueeze(stop(cast(cont, np.float32)), [2]) * before + i * op.Tanh(inputs)
    return new, o * op.Tanh(new)


@layer("GRU", messages=("recurrent_param",), bottoms=(1, 4), tops=(1, 2), in_place=False)
def gru(ctx: Context, *bottoms: Value) -> tuple[Value, ...]:
    """h = (1 - z) n + z h, n = tanh(Wn x + r (Un h + bn)), with sigmoid gates r and z (Cho et al. 2014, reset after the product).

    Bottoms: x, cont, a static input. With expose_hidden, the initial h is a further bottom and the last h is a second top.
    """
    layer = Recurrence(ctx, bottoms, ("h",))
    xw = layer.gates(3)
    wh = layer.weight("weight_h", 3 * layer.hidden, layer.hidden)
    bh = ctx.weight("bias_h", (layer.hidden,), layer.p.bias_filler)
    if not layer.is_plain:
        return layer.tops(*layer.cell("GRU", xw, wh, bh, layer.gain("h", 3 * layer.hidden)))
    y, h, *_ = recurrent.gru(xw, wh, bh, *layer.first(), *_given(layer.cont), keep=int(ctx.training))
    return layer.tops(y, h)


@layer("Reverse", bottoms=(1, 2), in_place=False)
def reverse(ctx: Context, x: Value, cont: Value | None = None) -> Value:
    """Reverses each sequence of x (T, N, ...) in its own place.

    For a bidirectional net, use Reverse, a recurrent layer, Reverse and Concat.
    """
    cont = _cont(ctx, x, cont)
    sizes(x.shape[:1])
    return time.reverse(x, *_given(cont))


@layer("LastStep", stem="last", bottoms=(1, 2), in_place=False)
def last_step(ctx: Context, x: Value, cont: Value | None = None) -> Value:
    """The last time step of each sequence: (N, ...) from x (T, N, ...).

    A column that holds several sequences gives the last step of the first.
    """
    cont = _cont(ctx, x, cont)
    if cont is None:
        return op.Squeeze(op.Slice(x, [-1], [2**31], [0], shape=(1, *x.shape[1:])), [0])
    sizes(x.shape[:1])
    return op.ReduceSum(x * _beside(time.last_of_first(cont), x), [0], keepdims=0)


@layer("MeanStep", stem="mean", bottoms=(1, 2), in_place=False)
def mean_step(ctx: Context, x: Value, cont: Value | None = None) -> Value:
    """The mean over the time steps of each sequence, without its padding: (N, ...) from x (T, N, ...).

    A column that holds several sequences gives the mean of the first.
    """
    cont = _cont(ctx, x, cont)
    if cont is None:
        return op.ReduceMean(x, [0], keepdims=0)
    inside = _beside(time.first_sequence(cont), x)
    return op.ReduceSum(x * inside, [0], keepdims=0) / op.ReduceSum(inside, [0], keepdims=0)


def _beside(weights: Value, x: Value) -> Value:
    """Weights (T, N) with as many axes as x (T, N, ...)."""
    return op.Unsqueeze(weights, list(range(2, x.rank))) if x.rank > 2 else weights


def _cont(ctx: Context, x: Value, cont: Value | None) -> Value | None:
    if x.rank < 2 or (cont is not None and cont.shape != x.shape[:2]):
        shapes = " and ".join(f"{n} {dims(v.shape)}" for n, v in zip(ctx.layer.bottoms, (x, cont), strict=False) if v is not None)
        raise ctx.shape_error(f"{shapes}; it takes time x batch x ..., and a cont time x batch.", "bottom")
    return None if cont is None else cast(cont, np.float32)


def _given(*values: Value | None) -> tuple[Value, ...]:
    return tuple(v for v in values if v is not None)
