"""One time step of ONNX's recurrent ops in all their forms, by the formulas of ONNX's specification."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.errors import SpecError
from netc.graph.ir import Value, op

DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}

Function = Callable[[Value], Value]
# Each function with its defaults of alpha and beta; None if it has no such setting.
FUNCTIONS: dict[str, tuple[Callable[..., Value], float | None, float | None]] = {
    "affine": (lambda x, a, b: x * np.float32(a) + np.float32(b), 1.0, 0.0),
    "elu": (lambda x, a: op.Elu(x, alpha=a), 1.0, None),
    "hardsigmoid": (lambda x, a, b: op.HardSigmoid(x, alpha=a, beta=b), 0.2, 0.5),
    "leakyrelu": (lambda x, a: op.LeakyRelu(x, alpha=a), 0.01, None),
    "relu": (lambda x: op.Relu(x), None, None),
    "scaledtanh": (lambda x, a, b: op.Tanh(x * np.float32(b)) * np.float32(a), 1.0, 1.0),
    "sigmoid": (lambda x: op.Sigmoid(x), None, None),
    "softplus": (lambda x: op.Softplus(x), None, None),
    "softsign": (lambda x: op.Softsign(x), None, None),
    "tanh": (lambda x: op.Tanh(x), None, None),
    "thresholdedrelu": (lambda x, a: op.ThresholdedRelu(x, alpha=a), 1.0, None),
}


@dataclass(frozen=True, eq=False)
class Cell:
    """What all steps share: the weights of the states, their bias, peepholes, the functions, and the attributes of the op."""

    r: Value
    rb: Value
    peepholes: Value | None
    functions: tuple[Function, ...]
    attrs: Mapping[str, Any]

    def clipped(self, x: Value) -> Value:
        """The input of a function, within the attribute `clip`."""
        limit = self.attrs.get("clip")
        return op.Clip(x, np.float32(-limit), np.float32(limit)) if limit else x


def activations(kind: str, attrs: Mapping[str, Any], direction: int) -> tuple[Function, ...]:
    """The functions of a direction, with their settings. SpecError if netc does not know one."""
    count = len(DEFAULTS[kind])
    names = attrs.get("activations") or list(DEFAULTS[kind]) * 2
    unknown = [n for n in names if n.lower() not in FUNCTIONS]
    if unknown:
        raise SpecError(f"It uses the activation {unknown[0]!r}, which netc does not know.")
    alphas, betas = iter(attrs.get("activation_alpha", ())), iter(attrs.get("activation_beta", ()))
    functions = [_function(name.lower(), alphas, betas) for name in names]
    return tuple(functions[direction * count : (direction + 1) * count])


def _function(name: str, alphas: Iterator[float], betas: Iterator[float]) -> Function:
    """A function with the next settings of the lists, or its defaults if the lists have ended."""
    make, alpha, beta = FUNCTIONS[name]
    settings = [next(given, default) for given, default in ((alphas, alpha), (betas, beta)) if default is not None]
    return lambda x: make(x, *settings)


def _gates(x: Value, count: int) -> Sequence[Value]:
    hidden = int(x.shape[1]) // count
    parts: Sequence[Value] = op.Split(x, [hidden] * count, axis=1, outputs=count)
    return parts


def _rnn(cell: Cell, x: Value, states: tuple[Value, ...]) -> tuple[Value, ...]:
    (f,) = cell.functions
    return (f(cell.clipped(x + op.Gemm(states[0], cell.r, cell.rb, transB=1))),)


def _lstm(cell: Cell, x: Value, states: tuple[Value, ...]) -> tuple[Value, ...]:
    """i, o, f and c: the order of ONNX's blocks."""
    h, c = states
    f_gate, f_cell, f_out = cell.functions
    i, o, f, new = _gates(x + op.Gemm(h, cell.r, cell.rb, transB=1), 4)
    pi, po, pf = (None,) * 3 if cell.peepholes is None else _thirds(cell.peepholes)
    i = f_gate(cell.clipped(i if pi is None else i + pi * c))
    f = 1.0 - i if cell.attrs.get("input_forget") else f_gate(cell.clipped(f if pf is None else f + pf * c))
    c = f * c + i * f_cell(cell.clipped(new))
    o = f_gate(cell.clipped(o if po is None else o + po * c))
    return o * f_out(c), c  # onnxruntime clips the gates, and not the cell


def _thirds(v: Value) -> Sequence[Value]:
    hidden = int(v.shape[0]) // 3
    parts: Sequence[Value] = op.Split(v, [hidden] * 3, axis=0, outputs=3)
    return parts


def _gru(cell: Cell, x: Value, states: tuple[Value, ...]) -> tuple[Value, ...]:
    """z, r and h: the order of ONNX's blocks."""
    (h,) = states
    f_gate, f_new = cell.functions
    hidden = int(h.shape[1])
    xz, xr, xh = _gates(x, 3)
    both, r_new = op.Split(cell.r, [2 * hidden, hidden], axis=0, outputs=2)
    b_both, b_new = op.Split(cell.rb, [2 * hidden, hidden], axis=0, outputs=2)
    hz, hr = _gates(op.Gemm(h, both, b_both, transB=1), 2)
    z, r = f_gate(cell.clipped(xz + hz)), f_gate(cell.clipped(xr + hr))
    late = cell.attrs.get("linear_before_reset")
    inner = op.Gemm(h if late else r * h, r_new, b_new, transB=1)
    new = f_new(cell.clipped(xh + (r * inner if late else inner)))
    return ((1.0 - z) * new + z * h,)


Step = Callable[[Cell, Value, tuple[Value, ...]], tuple[Value, ...]]
STEPS: dict[str, Step] = {"GRU": _gru, "LSTM": _lstm, "RNN": _rnn}
