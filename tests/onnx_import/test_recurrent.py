"""LSTM, GRU and RNN in all their forms, against onnxruntime."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from netc.errors import ShapeError, SpecError
from netc.onnx_import import load
from netc.onnx_import.steps import FUNCTIONS
from tests.onnx_import.files import graph, model, normal, same, saved

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
T, N, C, H = 5, 3, 2, 4


def recurrent(
    folder: Path, kind: str, *, lens: bool = False, first: int = 0, peepholes: bool = False, bias: bool = True, **attrs: Any
) -> Path:
    """A file of one op. `first` is the number of rows of its first states; 0 omits them."""
    d = 2 if attrs.get("direction") == "bidirectional" else 1
    turned = attrs.get("layout", 0)
    gates = GATES[kind] * H
    constants = {"w": normal(d, gates, C), "r": normal(d, gates, H) * np.float32(0.5)}
    inputs = ["x", "w", "r", "", "", "", "", ""]
    if bias:
        constants["b"] = normal(d, 2 * gates)
        inputs[3] = "b"
    if lens:
        constants["lens"] = np.array([5, 2, 4], np.int32)
        inputs[4] = "lens"
    for k, name in enumerate(("h0", "c0") if kind == "LSTM" else ("h0",)):
        if first:
            constants[name] = normal(*((first, d, H) if turned else (d, first, H)), seed=k)
            inputs[5 + k] = name
    if peepholes:
        constants["p"] = normal(d, 3 * H)
        inputs[7] = "p"
    outputs = ["y", "h", "c"][: 3 if kind == "LSTM" else 2]
    node = helper.make_node(kind, inputs[: 8 if kind == "LSTM" else 6], outputs, hidden_size=H, **attrs)
    return saved(model([node], {"x": ["N", T, C] if turned else [T, "N", C]}, outputs, constants, opset=14), folder)


X = {"x": normal(T, N, C)}


@pytest.mark.parametrize(("kind", "direction", "first"), [*product(GATES, ("forward", "reverse", "bidirectional"), (0, N))])
def test_directions_and_first_states(kind: str, direction: str, first: int, tmp_path: Path) -> None:
    attrs: dict[str, Any] = {"linear_before_reset": 1} if kind == "GRU" else {}
    path = recurrent(tmp_path, kind, direction=direction, first=first, **attrs)
    learned = same(path, X, symbolic=False)
    assert set(learned) == {"w", "r", "b"}
    made = graph(load(path), X, {})
    assert {n.op for n in made.nodes if n.domain} >= {kind}


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize(
    "form",
    [{"lens": True}, {"lens": True, "direction": "reverse"}, {"lens": True, "direction": "bidirectional", "first": N}, {"bias": False},
     {"clip": 0.3}, {"direction": "bidirectional", "clip": 0.3}],
)  # fmt: skip
def test_lengths_clip_and_no_bias(kind: str, form: dict[str, Any], tmp_path: Path) -> None:
    same(recurrent(tmp_path, kind, **form), X, symbolic=False)


@pytest.mark.parametrize("reset", [0, 1])
def test_gru_resets_before_or_after_the_product(reset: int, tmp_path: Path) -> None:
    same(recurrent(tmp_path, "GRU", linear_before_reset=reset, direction="bidirectional"), X, symbolic=False)


def test_peepholes_and_coupled_gates(tmp_path: Path) -> None:
    learned = same(recurrent(tmp_path, "LSTM", peepholes=True, direction="bidirectional"), X, symbolic=False)
    assert set(learned) == {"w", "r", "b", "p"}
    same(recurrent(tmp_path, "LSTM", input_forget=1), X, symbolic=False)


# The functions that onnxruntime has.
NAMES = ["Affine", "Elu", "HardSigmoid", "LeakyRelu", "Relu", "ScaledTanh", "Sigmoid", "Softplus", "Softsign", "Tanh", "ThresholdedRelu"]


@pytest.mark.parametrize("name", NAMES)
def test_activations(name: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"activation_alpha": [0.3], "activation_beta": [0.4]} if FUNCTIONS[name.lower()][1] is not None else {}
    same(recurrent(tmp_path, "RNN", activations=[name], **settings), X, symbolic=False)


def test_settings_of_several_activations(tmp_path: Path) -> None:
    """Each activation takes the next of the settings that it has."""
    names = ["HardSigmoid", "Tanh", "LeakyRelu"]
    path = recurrent(tmp_path, "LSTM", activations=names, activation_alpha=[0.3, 0.1], activation_beta=[0.4])
    same(path, X, symbolic=False)


def test_the_batch_first(tmp_path: Path) -> None:
    for kind in GATES:
        file = load(recurrent(tmp_path, kind, layout=1, first=N))
        made = graph(file, {"x": normal(N, T, C)}, {})
        assert [v.shape for v in made.outputs.values()] == [(N, T, 1, H), *[(N, 1, H)] * (2 if kind == "LSTM" else 1)]


def test_first_states_of_one_row_serve_all_rows(tmp_path: Path) -> None:
    made = graph(load(recurrent(tmp_path, "LSTM", first=1)), X, {})
    assert made.outputs["out/y"].shape == (T, 1, N, H)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"The node 'y' \(RNN\): It uses the activation 'Cube', which netc does not know"):
        graph(load(recurrent(tmp_path, "RNN", activations=["Cube"])), X, {})
    with pytest.raises(ShapeError, match="Its first state is 1x2x4, for 3 rows"):
        graph(load(recurrent(tmp_path, "GRU", first=2)), X, {})


def test_a_symbolic_batch(tmp_path: Path) -> None:
    """The batch is the second axis. Step by step, the number of steps must be known."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node("GRU", ["t", "w", "r"], ["y", "h"], hidden_size=H),
    ]
    path = saved(model(nodes, {"x": ["N", T, C]}, ["y", "h"], {"w": normal(1, 3 * H, C), "r": normal(1, 3 * H, H)}, opset=14), tmp_path)
    same(path, {"x": normal(N, T, C)})
    nodes = [helper.make_node("LSTM", ["t", "w", "r"], ["y", "h", "c"], hidden_size=H), nodes[0]]
    path = saved(model(nodes, {"x": ["N", T, C]}, ["y", "c"], {"w": normal(1, 4 * H, C), "r": normal(1, 4 * H, H)}, opset=14), tmp_path)
    same(path, {"x": normal(N, T, C)})
