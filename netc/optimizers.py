"""Optimizers (Caffe's solvers). One function each, which is also the training op of that name:

(parameter, gradient, rate, state...) -> (new parameter, new state...)

The positional arguments after `rate` are the optimizer's states. A state has the parameter's shape and starts at 0. The exception is
`step`, the number of this update, which starts at 1. The keyword arguments are fields of SolverParameter.

The op has one more attribute, `weight_decay`. The gradient that the function gets already includes weight_decay times the parameter, unless
the function takes `weight_decay` itself. `rate` includes the parameter's lr_mult, and `weight_decay` its decay_mult.
"""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from math import prod, sqrt
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc import registry
from netc.graph.ir import Node, Value, op
from netc.graph.training_ops import training_op

SMALLEST = 1e-37  # for divisors; a smaller one is not a normal float32


def _norm(x: Value) -> Value:
    norm: Value = op.Sqrt(op.ReduceSumSquare(x, keepdims=0))
    return norm


NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315  # of the polynomial a x + b x^3 + c x^5, whose iterates bring singular values close to 1
ITERATIONS = 5


def optimizer(
    name: str, multiply_adds: Callable[[Any], int] | None = None, **facts: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function is the solver type, and the training op, `name`.

    `usual` is a typical learning rate, for warnings. `positive` names fields that must be above 0. `defaults` are the values of fields
    that the solver leaves out. `others` is for an optimizer of matrices: the optimizer of all other parameters, and values of its fields
    that replace those of the solver. `multiply_adds` counts those of an update.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        own = function if "weight_decay" in signature(function).parameters else _decayed(function)
        apply = training_op(name, multiply_adds=multiply_adds)(own)
        registry.optimizer(name, **facts)(apply)
        return apply

    return add


def _decayed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` for gradients with L2 decay: g + weight_decay w."""

    @wraps(function)
    def apply(w: Value, g: Value, *rest: Value, weight_decay: float = 0.0, **fields: float) -> Any:
        return function(w, g + w * weight_decay if weight_decay else g, *rest, **fields)

    own = signature(function)
    decay = Parameter("weight_decay", Parameter.KEYWORD_ONLY, default=0.0, annotation=float)
    vars(apply)["__signature__"] = own.replace(parameters=[*own.parameters.values(), decay])
    return apply


@optimizer("SGD", usual=0.01)
def sgd(w: Value, g: Value, rate: Value, history: Value, *, momentum: float) -> tuple[Value, ...]:
    """h = momentum h + rate g; w - h. The learning rate is inside the history, as in Caffe's sgd_solver.cpp."""
    history = history * momentum + rate * g
    return w - history, history


@optimizer("Nesterov", usual=0.01)
def nesterov(w: Value, g: Value, rate: Value, history: Value, *, momentum: float) -> tuple[Value, ...]:
    """h' = momentum h + rate g; w - ((1 + momentum) h' - momentum h), as in Caffe's nesterov_solver.cpp."""
    new = history * momentum + rate * g
    return w - (new * (1 + momentum) - history * momentum), new


@optimizer("AdaGrad", usual=0.01)
def adagrad(w: Value, g: Value, rate: Value, history: Value, *, delta: float) -> tuple[Value, ...]:
    """h = h + g^2; w - rate g / (sqrt(h) + delta) (Duchi et al. 2011)."""
    history = history + g * g
    return w - rate * g / (op.Sqrt(history) + delta), history


@optimizer("RMSProp", usual=0.001)
def rmsprop(w: Value, g: Value, rate: Value, history: Value, *, rms_decay: float, delta: float) -> tuple[Value, ...]:
    """h = rms_decay h + (1 - rms_decay) g^2; w - rate g / (sqrt(h) + delta) (Tieleman and Hinton 2012)."""
    history = history * rms_decay + g * g * (1 - rms_decay)
    return w - rate * g / (op.Sqrt(history) + delta), history


@optimizer("AdaDelta", usual=1.0, positive=("delta",))
def adadelta(w: Value, g: Value, rate: Value, gradients: Value, updates: Value, *, momentum: float, delta: float) -> tuple[Value, ...]:
    """u = g sqrt((updates + delta) / (gradients + delta)) with running means of both squares; w - rate u (Zeiler 2012)."""
    gradients = gradients * momentum + g * g * (1 - momentum)
    u = g * op.Sqrt((updates + delta) / (gradients + delta))
    return w - rate * u, gradients, updates * momentum + u * u * (1 - momentum)


def _moments(g: Value, m: Value, v: Value, momentum: float, momentum2: float) -> tuple[Value, Value]:
    """The running means of the gradient and of its square."""
    return m * momentum + g * (1 - momentum), v * momentum2 + g * g * (1 - momentum2)


def _adam_step(g: Value, m: Value, v: Value, step: Value, momentum: float, momentum2: float, delta: float) -> tuple[Value, ...]:
    """(step, m, v) of Adam. delta is added to the uncorrected root, as in Caffe's adam_solver.cpp."""
    m, v = _moments(g, m, v, momentum, momentum2)
    correction = op.Sqrt(1.0 - op.Pow(momentum2, step)) / (1.0 - op.Pow(momentum, step))
    return correction * m / (op.Sqrt(v) + delta), m, v


@optimizer("Adam", usual=0.001)
def adam(
    w: Value, g: Value, rate: Value, m: Value, v: Value, step: Value, *, momentum: float, momentum2: float, delta: float
) -> tuple[Value, ...]:
    """w - rate sqrt(1 - momentum2^t) / (1 - momentum^t) m / (sqrt(v) + delta) (Kingma and Ba 2015). momentum is beta1."""
    u, m, v = _adam_step(g, m, v, step, momentum, momentum2, delta)
    return w - rate * u, m, v


@optimizer("AdamW", usual=0.001)
def adamw(
    w: Value,
    g: Value,
    rate: Value,
    m: Value,
    v: Value,
    step: Value,
    *,
    momentum: float,
    momentum2: float,
    delta: float,
    weight_decay: float,
) -> tuple[Value, ...]:
    """Adam with decoupled weight decay: w - rate (u + weight_decay w) (Loshchilov and Hutter 2019)."""
    u, m, v = _adam_step(g, m, v, step, momentum, momentum2, delta)
    return w - rate * _with_decay(u, w, weight_decay), m, v


@optimizer("Lion", usual=0.0001, defaults={"momentum": 0.9, "momentum2": 0.99})
def lion(w: Value, g: Value, rate: Value, m: Value, *, momentum: float, momentum2: float, weight_decay: float) -> tuple[Value, ...]:
    """w - rate (sign(momentum m + (1 - momentum) g) + weight_decay w); m = momentum2 m + (1 - momentum2) g (Chen et al. 2023)."""
    u = op.Sign(m * momentum + g * (1 - momentum))
    return w - rate * _with_decay(u, w, weight_decay), m * momentum2 + g * (1 - momentum2)


@optimizer("LAMB", usual=0.002, defaults={"momentum": 0.9, "delta": 1e-6})
def lamb(
    w: Value,
    g: Value,
    rate: Value,
    m: Value,
    v: Value,
    step: Value,
    *,
    momentum: float,
    momentum2: float,
    delta: float,
    weight_decay: float,
) -> tuple[Value, ...]:
    """w - rate |w| / |u| u with u = m' / (sqrt(v') + delta) + weight_decay w (You et al. 2020).

    m' and v' are the moments of Adam without their bias. The norms are those of one parameter; where one is 0, the step is rate u.
    """
    m, v = _moments(g, m, v, momentum, momentum2)
    u = m / (1.0 - op.Pow(momentum, step)) / (op.Sqrt(v / (1.0 - op.Pow(momentum2, step))) + delta)
    u = _with_decay(u, w, weight_decay)
    size, length = _norm(w), _norm(u)
    trust = op.Where(op.Min(size, length) > 0.0, size / op.Max(length, SMALLEST), np.float32(1))
    return w - rate * trust * u, m, v


def _with_decay(u: Value, w: Value, weight_decay: float) -> Value:
    return u + w * weight_decay if weight_decay else u


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """The rows and columns of a parameter as Muon sees it: a kernel of a convolution has one row for each output."""
    kept = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
    return kept[0], prod(kept[1:])


def _muon_cost(node: Node) -> int:
    """The multiply-adds of an update: three products in each iteration, on the shorter side of the matrix."""
    rows, columns = sorted(matrix_shape(tuple(map(int, node.types[0].shape))))
    return ITERATIONS * rows * rows * (2 * columns + rows)


@optimizer(
    "Muon", multiply_adds=_muon_cost, usual=0.001, defaults={"momentum": 0.95, "momentum2": 0.95}, others=("AdamW", {"momentum": 0.9})
)
def muon(w: Value, g: Value, rate: Value, m: Value, *, momentum: float, adjust_lr: int, weight_decay: float) -> tuple[Value, ...]:
    """w - rate (s u + weight_decay w), where u is momentum m + (1 - momentum) g with all singular values close to 1 (Jordan 2024).

    m = momentum m + (1 - momentum) g. s depends on the shape, see `adjust_lr`. Kernels of convolutions are matrices with one row for each
    output. AdamW (beta1 = 0.9, beta2 = momentum2) updates all other parameters: vectors, embeddings, the last layer before a loss, and
    those that `adamw` names.
    """
    rows, columns = matrix_shape(tuple(map(int, w.shape)))
    m = m * momentum + g * (1 - momentum)
    u = op.Reshape(orthogonal(op.Reshape(m * momentum + g * (1 - momentum), [rows, columns])), list(map(int, w.shape)))
    scale = sqrt(max(1, rows / columns)) if adjust_lr == pb.SolverParameter.ORIGINAL else 0.2 * sqrt(max(rows, columns))
    return w - rate * _with_decay(u * scale, w, weight_decay), m


def orthogonal(x: Value) -> Value:
    """The matrix x with all singular values close to 1, by Newton-Schulz iterations (as in torch.optim.Muon, but in float32)."""
    a, b, c = NEWTON_SCHULZ
    tall = int(x.shape[0]) > int(x.shape[1])
    x = op.Transpose(x, perm=[1, 0]) if tall else x
    x = x / op.Max(_norm(x), 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ op.Transpose(x, perm=[1, 0])
        x = x * a + (gram * b + (gram @ gram) * c) @ x
    return op.Transpose(x, perm=[1, 0]) if tall else x
