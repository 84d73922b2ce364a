"""Gradients against differences: one random direction, in float32, central."""

from collections.abc import Callable

import numpy as np

from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, leaf, op
from netc.runtime.session import Session


def check_gradient(f: Callable[..., Value], *at: np.ndarray, provider: str = "cpu", step: float = 1e-2, tolerance: float = 2e-2) -> None:
    """d sum(f(x) r) along a random direction equals its central difference; `r` is random, integer arrays stay fixed."""
    rng = np.random.default_rng(1)
    inputs = [leaf("Input", a.dtype, a.shape, name=f"x{i}") for i, a in enumerate(at)]
    moving = [i for i, a in enumerate(at) if a.dtype.kind == "f"]
    towards = {i: np.asarray(rng.normal(size=at[i].shape), np.float32) for i in moving}
    y = f(*inputs)
    weights = rng.normal(size=tuple(map(int, y.shape))).astype(np.float32)
    loss = op.ReduceSum(y * weights, keepdims=0)
    gradients = grad({loss: 1.0}, [inputs[i] for i in moving])
    outputs = {"loss": loss, **{f"d{i}": g for i, g in zip(moving, gradients, strict=True) if g is not None}}
    session = Session(emit(Graph("check", outputs), provider))

    def run(step: float) -> dict[str, np.ndarray]:
        moved = {f"x{i}": np.asarray(a + np.float32(step) * towards[i] if i in towards else a) for i, a in enumerate(at)}
        return session.run({name: a for name, a in moved.items() if name in session.inputs})

    here = run(0)
    exact = sum((here[f"d{i}"].astype(np.float64) * towards[i]).sum() for i in moving if f"d{i}" in here)
    near = (float(run(step)["loss"]) - float(run(-step)["loss"])) / (2 * step)
    assert abs(exact - near) <= tolerance * max(1.0, abs(exact), abs(near)), f"gradient {exact:.6g}, difference {near:.6g}"
