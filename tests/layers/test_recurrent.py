"""Layers over time, against formulas, torch's recorded numbers, and each other."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.compiler.lower import lower
from netc.errors import SpecError
from netc.net.model import TEST
from tests.layers.nets import about, check_gradient, evaluate, forward, gradient, net, states
from tests.layers.test_errors import check_error
from tests.layers.torch_values import check_torch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3, 4)).astype(np.float32)
# Columns: one sequence of 6; one of 4 and two steps of padding; two sequences of 2 and 3, then padding.
CONT = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 0, 1], [1, 0, 0]], np.float32)
PARTS = [[(0, 6)], [(0, 4), (4, 5), (5, 6)], [(0, 2), (2, 5), (5, 6)]]
UNIFORM = "weight_filler: {type: uniform, min: -0.5, max: 0.5}, bias_filler: {type: uniform, min: -0.5, max: 0.5}"


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("torch_recurrent.npz")) as file:
        return {name: file[name] for name in file.files}


def turned(kind: str, part: np.ndarray) -> np.ndarray:
    """Reorder torch's rows of gates to netc's order, i f g o for an LSTM."""
    if kind == "GRU":
        return part
    i, f, g, o = np.split(part, 4)
    return np.concatenate([i, f, o, g])


def from_torch(kind: str, of: dict[str, np.ndarray], d: str = "") -> dict[str, np.ndarray]:
    """Convert torch's weights to netc's. torch has two biases per gate."""
    w = {"r.weight_x": turned(kind, of[f"{kind}/{d}weight_ih"]), "r.weight_h": turned(kind, of[f"{kind}/{d}weight_hh"])}
    x, h = of[f"{kind}/{d}bias_ih"], of[f"{kind}/{d}bias_hh"]
    if kind == "LSTM":
        return w | {"r.bias": turned(kind, x if d else x + h)}
    size = len(x) // 3
    own = np.concatenate([np.zeros(2 * size, np.float32), np.ones(size, np.float32)])
    return w | {"r.bias": x if d else x + h * (1 - own), "r.bias_h": h[2 * size :]}


@about("LSTM", "GRU")
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_values_and_gradients_are_torchs(recorded: dict[str, np.ndarray], kind: str) -> None:
    lines, x = f"{kind}: {{name: r, bottom: x, num_output: 8}}", recorded[f"{kind}/x"]
    given = from_torch(kind, recorded)
    np.testing.assert_allclose(forward(lines, given=given, x=x)["r"], recorded[f"{kind}/y"], rtol=1e-4, atol=1e-5)
    got = gradient(lines, "r", recorded[f"{kind}/dy"], given, x=x)
    for name, expected in ({"x": recorded[f"{kind}/dx"]} | from_torch(kind, recorded, "d")).items():
        assert np.abs(got[name] - expected).max() <= 1e-4 * np.abs(expected).max(), name


@about("RNN")
def test_rnn_is_its_formula() -> None:
    names = {"r.weight_x": (2, 4), "r.bias": (2,), "r.weight_h": (2, 2), "r.weight_o": (2, 2), "r.bias_o": (2,)}
    w = {n: RNG.normal(size=shape) for n, shape in names.items()}
    h, expected = np.zeros((3, 2)), []
    for x in X:
        h = np.tanh(x @ w["r.weight_x"].T + h @ w["r.weight_h"].T + w["r.bias"])
        expected.append(np.tanh(h @ w["r.weight_o"].T + w["r.bias_o"]))
    np.testing.assert_allclose(forward("RNN: {name: r, bottom: x, num_output: 2}", given=w, x=X)["r"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_column_of_many_sequences_is_each_alone(kind: str) -> None:
    lines = f"{kind}: {{name: r, bottom: [x, cont], num_output: 5, {UNIFORM}}}"
    whole = forward(lines, x=X, cont=CONT)["r"]
    for column, parts in enumerate(PARTS):
        for first, last in parts:
            x, alone = X[first:last, column : column + 1], np.ones((last - first, 1))
            alone[0] = 0
            np.testing.assert_allclose(
                whole[first:last, column : column + 1], forward(lines, x=x, cont=alone)["r"], rtol=1e-4, atol=1e-5
            )  # fmt: skip


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_two_batches_that_carry_are_one_long(kind: str) -> None:
    def run(x: np.ndarray, **given: Any) -> dict[str, np.ndarray]:
        return forward(f"{kind}: {{name: r, bottom: x, num_output: 5, carry: true, {UNIFORM}}}", given=given, x=x)

    whole, first = run(X), run(X[:4])
    carried = {n.removeprefix("next/"): a for n, a in first.items() if n.startswith("next/")}
    assert carried.keys() == ({"r.h.train", "r.c.train"} if kind == "LSTM" else {"r.h.train"})
    second = run(X[4:], **carried)
    np.testing.assert_allclose(np.concatenate([first["r"], second["r"]]), whole["r"], rtol=1e-4, atol=1e-5)


def test_what_a_batch_leaves_is_cut_by_cont() -> None:
    lines = f"LSTM: {{name: r, bottom: [x, cont], num_output: 5, {UNIFORM}}}"
    kept = {f"r.{n}.train": np.ones((3, 5)) for n in "hc"}
    np.testing.assert_array_equal(forward(lines, given=kept, x=X, cont=CONT)["r"], forward(lines, x=X, cont=CONT)["r"])
    goes_on = np.ones_like(CONT)
    assert np.abs(forward(lines, given=kept, x=X, cont=goes_on)["r"] - forward(lines, x=X, cont=goes_on)["r"]).max() > 0.01


@pytest.mark.parametrize(("fields", "carries"), [("", False), ("carry: true", True), ("bottom: [x, cont]", True),
                                                 ("bottom: [x, cont], carry: false", False)])  # fmt: skip
def test_when_a_layer_carries(fields: str, carries: bool) -> None:
    fields = fields if "bottom" in fields else f"bottom: x, {fields}"
    lowered = net(f"GRU: {{num_output: 2, {fields.rstrip(', ')}}}", inputs={"x": X, "cont": CONT})
    assert bool(lowered.graph.updates) == carries


def test_a_decoder_goes_on_from_its_encoder() -> None:
    """With expose_hidden, the last states of one layer are the initial states of another, and gradients flow through them."""
    lines = f"""LSTM: {{name: encoder, bottom: a, top: [e, h, c], num_output: 5, expose_hidden: true, {UNIFORM}}}
        LSTM: {{name: decoder, bottom: [b, h, c], top: [d, h2, c2], num_output: 5, expose_hidden: true, {UNIFORM}}}"""
    got = forward(lines, a=X[:4], b=X[4:])
    one = {n.replace("encoder", "decoder"): a for n, a in states(net(lines, inputs={"a": X[:4], "b": X[4:]})).items() if "encoder" in n}
    whole = forward(lines.splitlines()[0].replace("bottom: a", "bottom: x"), x=X)["e"]
    assert got["h2"].shape == (1, 3, 5)
    np.testing.assert_allclose(forward(lines, given=one, a=X[:4], b=X[4:])["d"], whole[4:], rtol=1e-4, atol=1e-5)
    assert np.abs(gradient(lines, "d", 1, a=X[:4], b=X[4:])["encoder.weight_h"]).max() > 0


@about("Reverse")
def test_reverse_turns_each_sequence_in_its_place() -> None:
    expected = X.copy()
    for column, parts in enumerate(PARTS):
        for first, last in parts:
            expected[first:last, column] = X[first:last, column][::-1]
    np.testing.assert_array_equal(forward("Reverse: {bottom: [x, cont], top: y}", x=X, cont=CONT)["y"], expected)
    np.testing.assert_array_equal(forward("Reverse: {bottom: x, top: y}", x=X)["y"], X[::-1])
    np.testing.assert_array_equal(forward("Reverse: {bottom: [x, cont], top: y}", x=X[:, :, 0], cont=CONT)["y"], expected[:, :, 0])


@about("LastStep")
def test_last_step_is_that_of_the_first_sequence() -> None:
    expected = np.stack([X[parts[0][1] - 1, column] for column, parts in enumerate(PARTS)])
    np.testing.assert_allclose(forward("LastStep: {bottom: [x, cont], top: y}", x=X, cont=CONT)["y"], expected)
    np.testing.assert_allclose(forward("LastStep: {bottom: [x, cont], top: y}", x=X, cont=np.maximum(CONT, 0 * CONT))["y"], expected)
    np.testing.assert_array_equal(forward("LastStep: {bottom: x, top: y}", x=X)["y"], X[-1])
    one = forward("LastStep: {bottom: [x, cont], top: y}", x=X[:1], cont=CONT[:1])["y"]
    np.testing.assert_array_equal(one, X[0])


@about("MeanStep")
def test_mean_step_is_that_of_the_first_sequence() -> None:
    expected = np.stack([X[: parts[0][1], column].mean(0) for column, parts in enumerate(PARTS)])
    np.testing.assert_allclose(forward("MeanStep: {bottom: [x, cont], top: y}", x=X, cont=CONT)["y"], expected, rtol=1e-5)
    np.testing.assert_allclose(forward("MeanStep: {bottom: x, top: y}", x=X)["y"], X.mean(0), rtol=1e-5)
    one = forward("MeanStep: {bottom: [x, cont], top: y}", x=X[:, :, 0], cont=CONT)["y"]
    np.testing.assert_allclose(one, expected[:, 0], rtol=1e-5)


def test_padding_has_no_say() -> None:
    """In both directions and for the last step, values after the end of a sequence have no effect."""
    lines = f"""Reverse: {{name: back, bottom: [x, cont]}}
        GRU: {{name: one, bottom: [x, cont], num_output: 3, {UNIFORM}}}
        GRU: {{name: two, bottom: [back, cont], num_output: 3, {UNIFORM}}}
        LastStep: {{name: a, bottom: [one, cont]}}
        LastStep: {{name: b, bottom: [two, cont]}}
        Concat: {{bottom: [a, b], top: y}}"""
    cont, other = CONT[:, 1:2], X[:, 1:2].copy()
    other[4:] = 100
    np.testing.assert_array_equal(forward(lines, x=X[:, 1:2], cont=cont)["y"], forward(lines, x=other, cont=cont)["y"])
    np.testing.assert_allclose(forward(lines, x=X[:, 1:2], cont=cont)["y"], forward(lines, x=X[:4, 1:2], cont=cont[:4])["y"], rtol=1e-5)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_any_number_of_times_and_columns(kind: str) -> None:
    """Symbolic time and batch, as in a deployed net, give the same numbers."""
    fixed = net(f"{kind}: {{name: r, bottom: x, num_output: 5, {UNIFORM}}}", TEST, {"x": X})
    layer = fixed.net.layers[0]
    layer.param.input_param.shape[0].dim[:] = X.shape
    free = lower(fixed.net, "T")
    assert free.versions["r"][-1].shape == ("T", 3, 5)
    held = states(fixed)
    got = evaluate(free, {"y": free.versions["r"][-1]}, {"x": X}, held)["y"]
    np.testing.assert_allclose(got, evaluate(fixed, {"y": fixed.versions["r"][-1]}, {"x": X}, held, provider="cuda")["y"], rtol=1e-5)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("LSTM: {bottom: x}", "<text>:7:5: Layer 'lstm1' .LSTM.: `num_output` is missing. Add the size of the h"),
        ("LSTM: {bottom: flat, num_output: 2}", "flat is 6; it must be time x batch x ..."),
        ("GRU: {bottom: [x, short], num_output: 2}", "<text>:7:23: Layer 'gru1' .GRU.: short is 5x3. A cont is time x batch, as x is 6"),
        ("GRU: {bottom: [x, cont, x], num_output: 2}", "its first axis must be the batch of 6x3x4"),
        ("LSTM: {bottom: [x, cont, x, x, x], num_output: 2}", "it takes x, cont, a static input"),
        ("LSTM: {bottom: [x, cont, x, x], top: [y, h, c], num_output: 2, expose_hidden: true}", "a first state is 1x3x2"),
        (
            "LSTM: {bottom: x, top: [y, h, c], num_output: 2, expose_hidden: true, carry: true}",
            "<text>:7:75: Layer 'lstm1' .LSTM.: `carry` and `expose_hidden` exclude each othe",
        ),
        ("Reverse: {bottom: [x, short]}", "x 6x3x4 and short 5x3; it takes time x batch"),
    ],
)
def test_what_is_wrong(lines: str, said: str) -> None:
    with pytest.raises(SpecError, match=said.replace("+", r"\+")):
        net(lines, inputs={"x": X, "cont": CONT, "short": CONT[:5], "flat": X[:, 0, 0]})


@about("LSTMUnit")
def test_steps_of_one_unit_are_an_lstm() -> None:
    """c and h of LSTMUnit, for wx x + wh h + b, equal those of LSTM at each time step."""
    names = {"r.weight_x": (8, 4), "r.bias": (8,), "r.weight_h": (8, 2)}
    w = {n: RNG.normal(size=shape).astype(np.float32) for n, shape in names.items()}
    whole = forward("LSTM: {name: r, bottom: [x, cont], num_output: 2}", given=w, x=X, cont=CONT)["r"]
    c = h = np.zeros((1, 3, 2), np.float32)
    for x, cont, expected in zip(X, CONT, whole, strict=True):
        gates = x @ w["r.weight_x"].T + w["r.bias"] + (cont[:, None] * h[0]) @ w["r.weight_h"].T
        got = forward("LSTMUnit: {bottom: [c_prev, gates, cont], top: [c, h]}", c_prev=c, gates=gates[None], cont=cont[None])
        c, h = got["c"], got["h"]
        np.testing.assert_allclose(h[0], expected, rtol=1e-4, atol=1e-5)


def test_a_unit_says_which_shapes_it_takes() -> None:
    with pytest.raises(SpecError, match="c_prev is 1x3x2, gates is 1x3x6, cont is 1x3; it takes c_prev 1 x N x H, gates 1 x N x 4 H"):
        forward("LSTMUnit: {bottom: [c_prev, gates, cont], top: [c, h]}", c_prev=X[:1, :, :2], gates=np.ones((1, 3, 6)), cont=CONT[:1])


@pytest.mark.parametrize("case, layer", [
    ("projected", "LSTM: {bottom: x, name: y, num_output: 5, proj_size: 2}"),
    ("lstm", "LSTM: {bottom: x, name: y, num_output: 5, layer_norm: true}"),
    ("gru", "GRU: {bottom: x, name: y, num_output: 5, layer_norm: true}"),
])  # fmt: skip
def test_torchs_projection_and_normalization(case: str, layer: str) -> None:
    check_torch(f"recurrent/{case}", layer, tolerance=2e-5)


STEEP = "num_output: 3, layer_norm: true, weight_filler: {type: uniform, min: -1, max: 1}"


@pytest.mark.parametrize("provider", ["cpu", "cuda"])
@pytest.mark.parametrize("layer", [
    f"LSTM: {{bottom: [x, cont], {STEEP}}}",
    f"LSTM: {{bottom: [x, cont, h, c], top: [y, z, w], expose_hidden: true, proj_size: 2, {STEEP}}}",
    f"GRU: {{bottom: [x, cont], {STEEP}}}",
    f"RNN: {{bottom: [x, cont], {STEEP}}}",
])  # fmt: skip
def test_gradients_of_normalization(layer: str, provider: str) -> None:
    """A normalization is steep where its input varies little, so the steps of the differences are small."""
    rng = np.random.default_rng(2)
    inputs: dict[str, Any] = {
        "x": rng.normal(size=(3, 2, 4)),
        "cont": [[0, 0], [1, 1], [1, 0]],
        "h": rng.normal(size=(1, 2, 2)),
        "c": rng.normal(size=(1, 2, 3)),
    }
    given = {n: a for n, a in inputs.items() if re.search(rf"\b{n}\b", layer.partition("top")[0].partition("num")[0])}
    check_gradient(layer, provider, fixed=("cont",), step=1e-3, tolerance=2e-2, **given)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_normalization_with_any_batch(kind: str) -> None:
    fixed = net(f"Permute: {{bottom: x, top: s, order: [1, 0, 2]}}\n{kind}: {{bottom: s, name: y, {STEEP}}}", TEST, {"x": X})
    free = lower(fixed.net, "N")
    held = states(fixed)
    wanted, found = (evaluate(one, {"y": one.versions["y"][-1]}, {"x": X}, held)["y"] for one in (fixed, free))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_gains_start_at_one_and_normalize() -> None:
    """The outputs do not depend on the scale of the weights, which is how a normalization shows itself."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 2, 4)), rng.normal(size=(3, 4))
    layer = "RNN: {bottom: x, name: y, num_output: 3, layer_norm: true}"
    given = {"y.weight_o": np.eye(3)}
    small, large = (forward(layer, given={**given, "y.weight_x": s * w}, x=x)["y"] for s in (1, 100))
    np.testing.assert_allclose(small, large, atol=1e-3)
    assert np.abs(small).max() > 0.3


@pytest.mark.parametrize("layer, at, said", [
    ("GRU: {bottom: t, num_output: 4, proj_size: 2}", "proj_size", "`proj_size` is for LSTM; GRU has no projection."),
    ("LSTM: {bottom: t, num_output: 4, proj_size: 4}", "proj_size", "`proj_size` is 4, which must be smaller than `num_output`, 4."),
    ("LSTM: {bottom: [t, h, h], top: [a, b, c], num_output: 4, proj_size: 2, expose_hidden: true}", "bottom", "h is 1x2x4; a first state"),
])  # fmt: skip
def test_errors_of_projections(layer: str, at: str, said: str) -> None:
    check_error(layer, at, said, {"t": np.ones((3, 2, 5)), "h": np.ones((1, 2, 4))})
