"""RBM, for machines small enough to sum over all states."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import Net, random
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import Graph
from netc.layers.boltzmann import Machine
from netc.runtime.session import Session
from netc.training.feed import draw
from tests.layers.nets import about, evaluate, forward, gradient, net, states

RNG = np.random.default_rng(0)
VISIBLE, HIDDEN = 5, 3
W, B, C = RNG.normal(size=(HIDDEN, VISIBLE)), RNG.normal(size=VISIBLE), RNG.normal(size=HIDDEN)
GIVEN = {"rbm.weight": W, "rbm.bias": C, "rbm.visible_bias": B}
ALL = np.array(list(itertools.product([0, 1], repeat=VISIBLE)), np.float64)
DATA = ALL[[3, 3, 12, 21, 30, 30, 30, 9]]
P_DATA = np.array([(v == DATA).all(1).mean() for v in ALL])


UPWARDS = {n: GIVEN[n] for n in ("rbm.weight", "rbm.bias")}


def line(fields: str = "", top: str = "[h, loss, error]", bottom: str = "x") -> str:
    return f"RBM: {{name: rbm, bottom: {bottom}, top: {top}, num_output: {HIDDEN}{fields}}}"


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def unnormalised(v: Any, w: Any = W, b: Any = B, c: Any = C) -> Any:
    """Return the log of the sum over h of exp(-E(v, h)), for each v."""
    hs = np.array(list(itertools.product([0, 1], repeat=HIDDEN)), np.float64)
    return np.log(np.exp(v @ b[:, None] + hs @ c + v @ w.T @ hs.T).sum(1))


def log_likelihood(w: Any, b: Any, c: Any, data: Any = DATA) -> Any:
    return (unnormalised(data, w, b, c) - np.log(np.exp(unnormalised(ALL, w, b, c)).sum())).mean()


def moments(p_of_v: Any) -> Any:
    """<v h>, <h> and <v> of p(h | v) p(v)."""
    h = sigmoid(ALL @ W.T + C)
    return (h * p_of_v[:, None]).T @ ALL, p_of_v @ h, p_of_v @ ALL


def after(steps: Any, samples: Any = 200_000, **fields: Any) -> Any:
    """Return the gradients of the loss with respect to the blobs. The data is repeated to get many samples."""
    many = np.repeat(DATA, samples // len(DATA), 0)
    given = "".join(f", {k}: {v}" for k, v in {"cd_steps": steps, **fields}.items())
    return gradient(line(given), "loss", 1, GIVEN, x=many)


@about("RBM")
def test_upwards_it_is_the_mean_of_the_hidden_units() -> None:
    got = forward(line(top="h"), given=UPWARDS, x=DATA.reshape(8, 1, 1, VISIBLE))["h"]
    np.testing.assert_allclose(got, sigmoid(DATA @ W.T + C), rtol=1e-5)
    normal = forward(line(", hidden: GAUSSIAN", "h"), given=UPWARDS, x=DATA)["h"]
    np.testing.assert_allclose(normal, DATA @ W.T + C, rtol=1e-4, atol=1e-5)


def free_energy(v: Any, **kinds: Any) -> Any:
    lowered = net(line(top="h"), inputs={"x": v})
    blobs: list[Any] = [lowered.parameters[k] for k in (0, 2, 1)]
    value = Machine(*blobs, **kinds).free_energy(lowered.versions["x"][0])
    return evaluate(lowered, {"f": value}, {"x": v}, {n: np.asarray(a, np.float32) for n, a in GIVEN.items()})["f"]


def test_free_energy_sums_over_the_hidden_units() -> None:
    for v in ALL[::7]:
        np.testing.assert_allclose(free_energy(v[None]), -unnormalised(v[None])[0], rtol=1e-5)


def test_free_energies_of_normal_units() -> None:
    """The energy of visible units has a quadratic term; hidden units are integrated on a grid."""
    v = RNG.normal(size=(1, VISIBLE))
    x = v @ W.T + C
    expected = ((v - B) ** 2).sum() / 2 - np.log1p(np.exp(x)).sum()
    np.testing.assert_allclose(free_energy(v, gaussian_visible=True), expected, rtol=1e-5)
    h = np.linspace(-30, 30, 60001)
    folded = sum(np.log(np.trapezoid(np.exp(h * xi - h * h / 2), h) / np.sqrt(2 * np.pi)) for xi in x[0])
    np.testing.assert_allclose(free_energy(v, gaussian_hidden=True), -(v @ B).sum() - folded, rtol=1e-5)


def test_one_step_is_contrastive_divergence() -> None:
    """Over very many samples, the gradient is the difference of the moments of the data and of one exact Gibbs step."""
    hs = np.array(list(itertools.product([0, 1], repeat=HIDDEN)), np.float64)
    h_of_v = np.exp(np.log(sigmoid(ALL @ W.T + C)) @ hs.T + np.log(1 - sigmoid(ALL @ W.T + C)) @ (1 - hs).T)
    v_of_h = np.exp(np.log(sigmoid(hs @ W + B)) @ ALL.T + np.log(1 - sigmoid(hs @ W + B)) @ (1 - ALL).T)
    p1 = P_DATA @ h_of_v @ v_of_h
    assert p1.sum() == pytest.approx(1)
    got = after(1)
    for name, data, model in zip(("weight", "bias", "visible_bias"), moments(P_DATA), moments(p1), strict=True):
        np.testing.assert_allclose(got[f"rbm.{name}"], model - data, atol=0.01)


def test_many_steps_are_the_gradient_of_the_likelihood() -> Any:
    """After many steps, the gradient has the direction of the exact gradient. After one step, it still points uphill."""
    p = np.exp(unnormalised(ALL))
    exact = np.concatenate([np.ravel(model - data) for data, model in zip(moments(P_DATA), moments(p / p.sum()), strict=True)])

    def cosine(steps: Any) -> Any:
        got = np.concatenate([after(steps, 40_000)[f"rbm.{n}"].ravel() for n in ("weight", "bias", "visible_bias")])
        return got @ exact / np.linalg.norm(got) / np.linalg.norm(exact)

    assert cosine(30) > 0.999 and 0.9 < cosine(1) < cosine(30)


def test_the_exact_gradient_is_that_of_the_likelihood() -> None:
    """The exact gradient of the test above equals the finite difference of the likelihood."""
    p = np.exp(unnormalised(ALL))
    dw = moments(P_DATA)[0] - moments(p / p.sum())[0]
    move = np.zeros_like(W)
    move[1, 2] = 1e-5
    assert (log_likelihood(W + move, B, C) - log_likelihood(W - move, B, C)) / 2e-5 == pytest.approx(dw[1, 2], rel=1e-4)


def descend(fields: str, steps: int = 300, rate: float = 0.3) -> Any:
    """Return the exact log-likelihoods before and after plain gradient descent on the layer's loss, with persistent chains."""
    many = np.repeat(DATA, 16, 0)
    lowered = net(line(fields), inputs={"x": many})
    by, loss = list(lowered.parameters), lowered.loss
    assert loss is not None
    outputs: Any = {f"d/{p.node.name}": g for p, g in zip(by, grad({loss: 1.0}, by), strict=True)}
    graph = Graph("test", outputs, lowered.graph.updates)
    session, noise = Session(emit(graph)), [n for n in graph.leaves("Input") if n.name.startswith("noise/")]
    held = states(lowered, {"rbm.weight": W * 0.01})
    blobs = [f"rbm.{n}" for n in ("weight", "visible_bias", "bias")]
    start = log_likelihood(*(held[n].astype(np.float64) for n in blobs))
    for k in range(steps):
        feeds = {"batch/x": many.astype(np.float32)} | {n.name: draw(n, 0, k) for n in noise}
        got = session.run(feeds | {f"state/{n}": a for n, a in held.items() if f"state/{n}" in session.inputs})
        for name in blobs:
            held[name] = held[name] - np.float32(rate) * got[f"d/{name}"]
        held |= {n.removeprefix("next/"): a for n, a in got.items() if n.startswith("next/")}
    return start, log_likelihood(*(held[n].astype(np.float64) for n in blobs))


@pytest.mark.parametrize("fields", ["", ", cd_steps: 3", ", persistent: true"])
def test_the_exact_likelihood_rises(fields: Any) -> None:
    start, end = descend(fields)
    assert start == pytest.approx(-VISIBLE * np.log(2), abs=0.1) and end > start + 0.8
    assert end < -1.56  # the entropy of the data is the bound


def test_chains_go_on_where_they_were() -> None:
    lowered = net(line(", persistent: true"), inputs={"x": DATA})
    (chain,) = (n for n in lowered.graph.leaves("State") if n.state.kind == "carry")
    start = chain.state.start()
    assert chain.name == "rbm.chain.train" and set(np.unique(start)) == {0, 1}
    given = {**GIVEN, "rbm.chain.train": ALL[:8]}
    moved = forward(line(", persistent: true"), given=given, x=DATA)
    other = forward(line(", persistent: true"), given=given, x=1 - DATA)
    np.testing.assert_array_equal(moved["next/rbm.chain.train"], other["next/rbm.chain.train"])  # they do not start at the data
    h = random.uniform(0, "rbm.hidden1", (8, HIDDEN)) < sigmoid(ALL[:8] @ W.T + C)
    v = random.uniform(0, "rbm.visible1", (8, VISIBLE)) < sigmoid(h @ W + B)
    np.testing.assert_array_equal(moved["next/rbm.chain.train"], v)
    np.testing.assert_allclose(moved["loss"], (unnormalised(v) - unnormalised(DATA)).mean(), rtol=1e-4)
    assert not any(n.startswith("next/") for n in forward(line(", persistent: true"), "TEST", GIVEN, x=DATA))


def test_reconstruction_error_and_means_in_place_of_samples() -> None:
    got = forward(line(", sample_visible: false"), given=GIVEN, x=DATA)
    mean = sigmoid(sigmoid(DATA @ W.T + C) @ W + B)
    np.testing.assert_allclose(got["error"], ((DATA - mean) ** 2).sum(1).mean(), rtol=1e-5)
    h = random.uniform(0, "rbm.hidden1", (8, HIDDEN)) < sigmoid(DATA @ W.T + C)
    v = sigmoid(h @ W + B)
    np.testing.assert_allclose(got["loss"], (unnormalised(v) - unnormalised(DATA)).mean(), rtol=1e-4, atol=1e-5)


def test_no_gradient_flows_through_the_samples() -> None:
    """Nor through the means in their place: the gradient is that of two free energies at fixed states."""
    got = gradient(line(", sample_visible: false"), "loss", 1, GIVEN, x=DATA)
    h = random.uniform(0, "rbm.hidden1", (8, HIDDEN)) < sigmoid(DATA @ W.T + C)
    v = sigmoid(h @ W + B)
    np.testing.assert_allclose(got["rbm.weight"], (sigmoid(v @ W.T + C).T @ v - sigmoid(DATA @ W.T + C).T @ DATA) / 8, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got["rbm.visible_bias"], (v - DATA).mean(0), rtol=1e-4, atol=1e-6)


def test_the_data_can_be_drawn() -> None:
    gray = np.full((8, VISIBLE), 0.3)
    got = forward(line(", binarize: true"), given=GIVEN, x=gray)
    v = random.uniform(0, "rbm.input", gray.shape) < 0.3
    np.testing.assert_allclose(got["error"], ((v - sigmoid(sigmoid(v @ W.T + C) @ W + B)) ** 2).sum(1).mean(), rtol=1e-5)
    np.testing.assert_allclose(got["h"], sigmoid(gray @ W.T + C), rtol=1e-5)  # but the values passed up are not binary


def test_sparsity_pulls_mean_activations_to_the_target() -> None:
    mean = sigmoid(DATA @ W.T + C).mean(0)
    plain, sparse = (forward(line(f), given=GIVEN, x=DATA)["loss"] for f in ("", ", sparsity_target: 0.1, sparsity_weight: 2"))
    np.testing.assert_allclose(sparse - plain, 2 * ((mean - 0.1) ** 2).sum(), rtol=1e-3)


def test_its_loss_leads_to_its_own_parameters_alone() -> None:
    layers = f"InnerProduct: {{name: below, bottom: x, num_output: {VISIBLE}}}\n" + line(bottom="below")
    got = gradient(layers, "loss", 1, x=DATA)
    assert {n for n in got if n.startswith(("below", "rbm"))} == {"rbm.weight", "rbm.bias", "rbm.visible_bias"}
    through = gradient(layers, "h", 1, x=DATA)
    assert {"below.weight", "rbm.weight", "rbm.bias"} <= through.keys()


def test_chains_are_no_blobs_of_the_layer(tmp_path: Path) -> None:
    """pycaffe shows the layer's three blobs only; the chains move with each forward pass nevertheless."""
    path = tmp_path / "net.yaml"
    feed = f"  - Input: {{top: x, shape: [{{dim: [8, {VISIBLE}]}}]}}\n"
    path.write_text(f"layers:\n{feed}  - {line(', persistent: true, weight_filler: xavier')}\n")
    made = Net(str(path))
    assert [blob.shape for blob in made.params["rbm"]] == [(HIDDEN, VISIBLE), (HIDDEN,), (VISIBLE,)]
    first, second = (float(made.forward(x=DATA)["loss"]) for _ in range(2))
    assert first != second
    made.backward()
    assert all(np.abs(blob.diff).sum() > 0 for blob in made.params["rbm"])
