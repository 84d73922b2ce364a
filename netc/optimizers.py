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
from typing import Any

from netc import registry
from netc.graph.ir import Value, op
from netc.graph.training_ops import training_op


def optimizer(name: str, **facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function is the solver type, and the training op, `name`.

    `usual` is a typical learning rate, for warnings. `positive` names fields that must be above 0.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        apply = training_op(name)(function if "weight_decay" in signature(function).parameters else _decayed(function))
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


def _adam_step(g: Value, m: Value, v: Value, step: Value, momentum: float, momentum2: float, delta: float) -> tuple[Value, ...]:
    """(step, m, v) of Adam. delta is added to the uncorrected root, as in Caffe's adam_solver.cpp."""
    m = m * momentum + g * (1 - momentum)
    v = v * momentum2 + g * g * (1 - momentum2)
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
    return w - rate * (u + w * weight_decay), m, v
