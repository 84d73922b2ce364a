"""Layers that select rows or elements, and layers that reduce axes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.compiler.program import program
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.net.model import TRAIN
from netc.runtime.session import Session, States, Stepper
from netc.spec.job import load_job
from tests.layers.nets import about, evaluate, forward, gradient, net, states

X = np.arange(24.0).reshape(4, 3, 2)


@about("BatchReindex")
def test_rows_by_number() -> None:
    got = forward("BatchReindex: {bottom: [x, i], name: y}", x=X, i=[3, 0, 0])["y"]
    np.testing.assert_array_equal(got, X[[3, 0, 0]])
    d = gradient("BatchReindex: {bottom: [x, i], name: y}", "y", np.ones((3, 3, 2)), x=X, i=[3, 0, 0])
    np.testing.assert_array_equal(d["x"][:, 0, 0], [2, 0, 0, 1])  # a row that is selected twice gets both gradients
    assert "i" not in d


@about("Filter")
@pytest.mark.parametrize("selector", [[1, 0, 0, 7], [0, 0, 0, 0], [1, 1, -1, 1]])
def test_filter(selector: list[int]) -> None:
    rows = np.array(selector) != 0
    got = forward("Filter: {bottom: [x, l, s], top: [a, b]}", x=X, l=[0, 1, 2, 3], s=selector)
    np.testing.assert_array_equal(got["a"], X[rows])
    np.testing.assert_array_equal(got["b"], np.arange(4)[rows])


FILTERED = """
name: filtered
layers:
  - Input: {top: [x, label, s], shape: [{dim: [6, 3]}, {dim: 6}, {dim: 6}]}
  - Filter: {name: f, bottom: [x, label, s], top: [fx, fl]}
  - InnerProduct: {name: ip, bottom: fx, num_output: 4}
  - ReLU: {bottom: ip, top: ip}
  - InnerProduct: {name: out, bottom: ip, num_output: 3}
  - LOSS: {bottom: [out, fl]}
solver: {base_lr: 0.1, max_iter: 1}
"""


@pytest.mark.parametrize("loss", ["SoftmaxWithLoss", "HingeLoss"])
def test_training_on_what_was_filtered(tmp_path: Path, loss: str) -> None:
    """A step on six rows, some of which are selected, changes the weights like a step on only the selected rows."""
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(6, 3)).astype(np.float32), rng.integers(0, 3, 6).astype(np.float32)

    def step(text: str, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        (tmp_path / "net.yaml").write_text(text.replace("LOSS", loss))
        made = program(load_job(str(tmp_path / "net.yaml")))
        start = {n: np.linspace(0.1, 1, a.size, dtype=np.float32).reshape(a.shape) for n, a in made.start().items()}
        states = States({f"state/{n}": a for n, a in start.items()})
        stepper = Stepper(Session(made.model("train")), states)
        result = stepper.run({f"batch/{n}": np.asarray(a, np.float32) for n, a in feeds.items()} | {"lr": np.array(0.1, np.float32)})
        return {**states.arrays(), "loss": result["loss"]}

    chosen = np.array([0, 1, 0, 0, 1, 1], bool)
    got = step(FILTERED, {"x": x, "label": label, "s": chosen})
    plain = FILTERED.replace("  - Filter: {name: f, bottom: [x, label, s], top: [fx, fl]}\n", "").replace("fx", "x").replace("fl", "label")
    plain = plain.replace("label, s]", "label]").replace(", {dim: 6}]", "]")
    expected = step(plain.replace("[6, 3]", "[3, 3]").replace("dim: 6", "dim: 3"), {"x": x[chosen], "label": label[chosen]})
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-5, atol=1e-6)
    none = step(FILTERED, {"x": x, "label": label, "s": np.zeros(6)})
    assert float(none["loss"]) == 0 and all(np.isfinite(a).all() for a in none.values())  # without rows, there is nothing to learn


def test_metadata_names_the_size_that_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(FILTERED.replace("LOSS", "SoftmaxWithLoss"))
    made = program(load_job(str(tmp_path / "net.yaml")))
    assert json.loads(made.model("train").metadata_props[0].value)["dynamic"] == ["f.rows"]


@about("Reduction")
@pytest.mark.parametrize("operation, function", [
    ("SUM", lambda x, axes: x.sum(axes)),
    ("ASUM", lambda x, axes: np.abs(x).sum(axes)),
    ("SUMSQ", lambda x, axes: (x * x).sum(axes)),
    ("MEAN", lambda x, axes: x.mean(axes)),
])  # fmt: skip
def test_reduction(operation: str, function: Callable[..., Any]) -> None:
    for axis, axes in ((0, (0, 1, 2)), (1, (1, 2)), (-1, (2,))):
        got = forward(f"Reduction: {{bottom: x, name: y, operation: {operation}, axis: {axis}, coeff: 0.5}}", x=X - 9)["y"]
        np.testing.assert_allclose(got, 0.5 * function(X - 9, axes))


@about("ArgMax")
def test_largest_and_where() -> None:
    x = np.array([[1.0, 5, 3, 5], [4, 4, 0, 1]])
    np.testing.assert_array_equal(forward("ArgMax: {bottom: x, name: y, top_k: 2}", x=x)["y"], [[[3, 1]], [[1, 0]]])
    got = forward("ArgMax: {bottom: x, name: y, top_k: 2, out_max_val: true}", x=x)["y"]
    np.testing.assert_array_equal(got, [[[3, 1], [5, 5]], [[1, 0], [4, 4]]])
    np.testing.assert_array_equal(forward("ArgMax: {bottom: x, name: y, axis: 0}", x=x)["y"], [[1, 0, 0, 0]])
    np.testing.assert_array_equal(forward("ArgMax: {bottom: x, name: y, axis: 0, out_max_val: true}", x=x)["y"], [[4, 5, 3, 5]])


DEEP = """
Convolution: {name: c, bottom: fx, top: c, num_output: 4, kernel_size: 3, weight_filler: xavier}
Pooling: {name: p, bottom: c, kernel_size: 3, stride: 2}
LRN: {bottom: p, top: n, local_size: 3}
Convolution: {name: g, bottom: n, top: g, num_output: 4, kernel_size: 2, group: 2, pad: 1, weight_filler: xavier}
Pooling: {name: q, bottom: g, kernel_size: 2, pool: AVE}
Deconvolution: {name: d, bottom: q, num_output: 2, kernel_size: 2, stride: 2, weight_filler: xavier}
Slice: {bottom: d, top: [a, b]}
MVN: {name: m, bottom: a}
InnerProduct: {name: ip, bottom: m, num_output: 3, weight_filler: xavier}
Silence: {bottom: b}
"""


@pytest.mark.parametrize("provider", ["cpu", "cuda"])
def test_gradients_of_a_deep_net_whose_rows_are_not_counted(provider: str) -> None:
    """They equal those of the net on only the selected rows."""
    x, s = np.random.default_rng(0).normal(size=(5, 3, 9, 9)), np.array([1, 0, 1, 1, 0])
    found = []
    for layers, inputs in (("Filter: {bottom: [x, s], top: fx}" + DEEP, {"x": x, "s": s}), (DEEP, {"fx": x[s == 1]})):
        lowered = net(layers, TRAIN, inputs)
        by = list(lowered.parameters)
        values: Any = {f"d{k}": g for k, g in enumerate(grad({lowered.versions["ip"][-1]: 1.0}, by))}
        held = {n: np.full(a.shape, 0.3) + np.linspace(0, 1, a.size).reshape(a.shape) for n, a in states(lowered).items()}
        found.append(evaluate(lowered, values, inputs, held, provider=provider))
    for name, expected in found[1].items():
        np.testing.assert_allclose(found[0][name], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_dropout_of_rows_whose_number_only_a_run_knows() -> None:
    lowered = net("Filter: {name: f, bottom: [x, s], top: fx}\nDropout: {top: d}", TRAIN, {"x": X, "s": np.ones(4)})
    session = Session(emit(lowered.graph))
    noise = {n: np.full(i.shape, 0.9, np.float32) for n, i in session.inputs.items() if n.startswith("noise/")}
    found = session.run({"batch/x": X.astype(np.float32), "batch/s": np.array([1, 0, 1, 1], np.float32), **noise})["out/d"]
    np.testing.assert_allclose(found, 2 * X[[0, 2, 3]], rtol=1e-6)


def test_a_deployed_net_lets_all_rows_through(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.ones((6, 3), np.float32), label=np.zeros(6, int), s=np.ones(6, np.float32))
    text = FILTERED.replace("LOSS", "SoftmaxWithLoss")
    text = text.replace(
        text[text.index("  - Input") : text.index("  - Filter")], "  - Data: {source: rows.npz, batch_size: 6, top: [x, label, s]}\n"
    )
    (tmp_path / "net.yaml").write_text(text)
    made = program(load_job(str(tmp_path / "net.yaml")))
    model = Session(made.deploy_model(made.start()))
    assert {n: a.shape for n, a in model.run({"x": np.ones((4, 3), np.float32)}).items()} == {"prob": (4, 3)}
