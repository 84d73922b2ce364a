"""Optimizers against their formulas in NumPy (float64), through the training graph: decay, clipping, multipliers, their order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.compiler.lower import lower
from netc.compiler.step import step_graphs
from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf
from netc.net.resolve import resolve
from netc.runtime.session import Session, States, Stepper
from netc.spec import parse_prototxt
from netc.spec.solver_settings import SolverSettings

registry.load()

NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "t" type: "Input" top: "t" input_param { shape { dim: 4 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" param { lr_mult: 2 decay_mult: 3 }
        inner_product_param { num_output: 2 bias_term: false } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }
"""
RNG = np.random.default_rng(0)
X, T, W = RNG.normal(size=(8, 4, 3)), RNG.normal(size=(8, 4, 2)), RNG.normal(size=(2, 3))
RATE, STEPS = 0.05, 8


def sgd(w: Any, g: Any, lr: Any, s: Any, p: Any) -> Any:
    h = s.get("h", 0) * p.momentum + lr * g
    return w - h, {"h": h}


def nesterov(w: Any, g: Any, lr: Any, s: Any, p: Any) -> Any:
    old = s.get("h", 0)
    h = old * p.momentum + lr * g
    return w - ((1 + p.momentum) * h - p.momentum * old), {"h": h}


def adagrad(w: Any, g: Any, lr: Any, s: Any, p: Any) -> Any:
    h = s.get("h", 0) + g**2
    return w - lr * g / (np.sqrt(h) + p.delta), {"h": h}


def rmsprop(w: Any, g: Any, lr: Any, s: Any, p: Any) -> Any:
    h = p.rms_decay * s.get("h", 0) + (1 - p.rms_decay) * g**2
    return w - lr * g / (np.sqrt(h) + p.delta), {"h": h}


def adadelta(w: Any, g: Any, lr: Any, s: Any, p: Any) -> Any:
    a = p.momentum * s.get("a", 0) + (1 - p.momentum) * g**2
    u = g * np.sqrt((s.get("b", 0) + p.delta) / (a + p.delta))
    return w - lr * u, {"a": a, "b": p.momentum * s.get("b", 0) + (1 - p.momentum) * u**2}


def adam(w: Any, g: Any, lr: Any, s: Any, p: Any, decay: float = 0.0) -> Any:
    m = p.momentum * s.get("m", 0) + (1 - p.momentum) * g
    v = p.momentum2 * s.get("v", 0) + (1 - p.momentum2) * g**2
    t = s.get("t", 0) + 1
    corrected = np.sqrt(1 - p.momentum2**t) / (1 - p.momentum**t) * m / (np.sqrt(v) + p.delta)
    return w - lr * (corrected + decay * w), {"m": m, "v": v, "t": t}


def adamw(w: Any, g: Any, lr: Any, s: Any, p: Any) -> Any:
    return adam(w, g, lr, s, p, decay=3 * p.weight_decay)


def lion(w: Any, g: Any, lr: Any, s: Any, p: Any) -> Any:
    m, beta1, beta2 = s.get("m", 0), p.momentum or 0.9, p.momentum2 if p.HasField("momentum2") else 0.99
    return w - lr * (np.sign(beta1 * m + (1 - beta1) * g) + 3 * p.weight_decay * w), {"m": beta2 * m + (1 - beta2) * g}


def lamb(w: Any, g: Any, lr: Any, s: Any, p: Any) -> Any:
    t, beta1, beta2 = s.get("t", 0) + 1, p.momentum or 0.9, p.momentum2
    m, v = beta1 * s.get("m", 0) + (1 - beta1) * g, beta2 * s.get("v", 0) + (1 - beta2) * g**2
    u = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + 1e-6) + 3 * p.weight_decay * w
    return w - lr * np.linalg.norm(w) / np.linalg.norm(u) * u, {"m": m, "v": v, "t": t}


def others_of_muon(w: Any, g: Any, lr: Any, s: Any, p: Any) -> Any:
    """The only layer is the last one before the loss, so AdamW updates it."""
    return adamw(w, g, lr, s, pb.SolverParameter(momentum=0.9, momentum2=0.95, delta=p.delta, weight_decay=p.weight_decay))


DECOUPLED = ("AdamW", "Lion", "LAMB", "Muon")
ROWS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "SGD": (sgd, {"momentum": 0.9}),
    "Nesterov": (nesterov, {"momentum": 0.9}),
    "AdaGrad": (adagrad, {"delta": 1e-3}),
    "RMSProp": (rmsprop, {"rms_decay": 0.9}),
    "AdaDelta": (adadelta, {"momentum": 0.95, "delta": 1e-6}),
    "Adam": (adam, {"momentum": 0.9, "momentum2": 0.99}),
    "AdamW": (adamw, {"momentum": 0.9, "momentum2": 0.999}),
    "Lion": (lion, {"momentum": 0.8, "momentum2": 0.9}),
    "LAMB": (lamb, {"momentum": 0.8, "momentum2": 0.99}),
    "Muon": (others_of_muon, {}),
}


def by_formula(step: Any, p: pb.SolverParameter) -> np.ndarray:
    """The weights after STEPS / iter_size updates: sum, clip by the norm of the sum, divide, decay, step."""
    w = W.copy()
    state: dict[Any, Any] = {}
    for first in range(0, STEPS, p.iter_size):
        g = sum(((X[k] @ w.T - T[k]).T @ X[k]) / len(X[k]) for k in range(first, first + p.iter_size))
        norm = np.sqrt((g**2).sum())
        if 0 <= p.clip_gradients < norm:
            g = g * p.clip_gradients / norm
        g = g / p.iter_size
        if p.clip_value > 0:
            g = g.clip(-p.clip_value, p.clip_value)
        if p.type not in DECOUPLED:
            g = g + 3 * p.weight_decay * (np.sign(w) if p.regularization_type == "L1" else w)
        w, state = step(w, g, 2 * RATE, state, p)
    return w


def trained(p: pb.SolverParameter, provider: str = "cpu") -> np.ndarray:
    """The same by netc's training graphs."""
    graphs = step_graphs(lower(resolve(parse_prototxt(NET))), SolverSettings.of(p))
    kinds = ["train"] if p.iter_size == 1 else ["gradient", "update"]
    slots = {n.name: np.zeros(n.types[0].shape, np.float32) for n in getattr(graphs, kinds[-1]).leaves("State")}
    states = States({f"state/{n}": a for n, a in (slots | {"ip.weight": W.astype(np.float32)}).items()})
    states.add({"grad/ip.weight": np.zeros(W.shape, np.float32)})
    steppers = [Stepper(Session(emit(getattr(graphs, kind), provider)), states) for kind in kinds]
    lr = {"lr": np.asarray(RATE, np.float32)}
    for k in range(STEPS):
        steppers[0].run({"batch/x": X[k].astype(np.float32), "batch/t": T[k].astype(np.float32)} | lr)
        if p.iter_size > 1 and (k + 1) % p.iter_size == 0:
            steppers[1].run(lr)
            states.clear("grad/")
    return states.arrays()["state/ip.weight"]


def test_every_optimizer_has_a_row() -> None:
    assert ROWS.keys() == registry.optimizer.keys()


@pytest.mark.parametrize(
    "options",
    [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "clip_gradients": 0.5}, {"weight_decay": 0.1, "clip_value": 0.2}],
    ids=["plain", "decay", "clip", "value"],
)
@pytest.mark.parametrize("name", ROWS)
def test_formula(name: str, options: dict[str, Any]) -> None:
    step, hyper = ROWS[name]
    p = pb.SolverParameter(type=name, base_lr=RATE, **(hyper | options))
    np.testing.assert_allclose(trained(p), by_formula(step, p), rtol=2e-5, atol=2e-6)


def test_l1_decay() -> None:
    p = pb.SolverParameter(type="SGD", base_lr=RATE, weight_decay=0.1, regularization_type="L1")
    np.testing.assert_allclose(trained(p), by_formula(sgd, p), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["Lion", "LAMB"])
def test_the_defaults_are_those_of_the_papers(name: str) -> None:
    p = pb.SolverParameter(type=name, base_lr=RATE)
    np.testing.assert_allclose(trained(p), by_formula(ROWS[name][0], p), rtol=2e-5, atol=2e-6)


def test_a_momentum_of_zero_is_no_default() -> None:
    p = pb.SolverParameter(type="Lion", base_lr=RATE, momentum=0, momentum2=0.5)
    assert SolverSettings.of(p).hyperparameter("momentum") == 0
    assert SolverSettings.of(pb.SolverParameter(type="Adam")).hyperparameter("momentum") == 0  # as in Caffe


def test_values_are_clipped_after_the_norm_and_the_mean() -> None:
    p = pb.SolverParameter(type="SGD", base_lr=RATE, iter_size=4, clip_gradients=2, clip_value=0.1)
    np.testing.assert_allclose(trained(p), by_formula(sgd, p), rtol=2e-5, atol=2e-6)


def test_weights_of_zero_take_a_step_with_lamb() -> None:
    """There is no size to keep, so the rate is the step's own."""
    w, g, m, v = (leaf("Input", np.float32, (3,), name=n) for n in "wgmv")
    lr, step = (leaf("Input", np.float32, (), name=n) for n in ("lr", "step"))
    new = registry.optimizer["LAMB"](w, g, lr, m, v, step, momentum=0.9, momentum2=0.999, delta=1e-6, weight_decay=0.0)[0]
    zero = np.zeros(3, np.float32)
    feeds = {"w": zero, "m": zero, "v": zero, "g": np.array([1, -2, 0], np.float32), "lr": np.float32(0.1), "step": np.float32(1)}
    found = Session(emit(Graph("one", {"new": new}))).run({n: np.asarray(a) for n, a in feeds.items()})["new"]
    np.testing.assert_allclose(found, [-0.1, 0.1, 0], rtol=1e-5)
    still = Session(emit(Graph("one", {"new": new}))).run({n: np.asarray(a) for n, a in (feeds | {"g": zero}).items()})["new"]
    np.testing.assert_array_equal(still, zero)


@pytest.mark.parametrize("clip", [-1.0, 0.5])
def test_sums_over_sub_batches_are_clipped_before_they_are_divided(clip: float) -> None:
    p = pb.SolverParameter(type="Adam", base_lr=RATE, momentum=0.9, iter_size=4, clip_gradients=clip, weight_decay=0.1)
    np.testing.assert_allclose(trained(p), by_formula(adam, p), rtol=2e-5, atol=2e-6)


def test_gradients_of_zero_are_not_clipped_to_nan() -> None:
    p = pb.SolverParameter(type="SGD", base_lr=0.0, clip_gradients=1.0)
    graphs = step_graphs(lower(resolve(parse_prototxt(NET))), SolverSettings.of(p))
    zeros = {"batch/x": np.zeros((4, 3), np.float32), "batch/t": np.zeros((4, 2), np.float32), "lr": np.asarray(RATE, np.float32)}
    start = {"state/ip.weight": W.astype(np.float32), "state/ip.weight.history": np.zeros(W.shape, np.float32)}
    got = Session(emit(graphs.train)).run(zeros | start)
    np.testing.assert_array_equal(got["next/ip.weight"], start["state/ip.weight"])
