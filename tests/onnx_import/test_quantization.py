"""Quantized files: weights in floats that learn, and ranges in place of rounding."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from netc.errors import SpecError
from netc.onnx_import import load
from tests.onnx_import.files import graph, model, normal, original, run, saved

node = helper.make_node


def pair(name: str, result: str, scale: str = "s", zero: str = "z") -> list[onnx.NodeProto]:
    """Quantize and dequantize a tensor."""
    return [node("QuantizeLinear", [name, scale, zero], [f"{name}_q"]), node("DequantizeLinear", [f"{name}_q", scale, zero], [result])]


def quantized(folder: Path) -> Path:
    """A convolution with weights and bias in integers, by axis, and activations that the range cuts off below zero."""
    nodes = [
        *pair("x", "xd"),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        node("DequantizeLinear", ["b", "bs"], ["bd"], axis=0),
        node("Conv", ["xd", "wd", "bd"], ["c"]),
        *pair("c", "cd", "cs", "cz"),
    ]
    rng = np.random.default_rng(0)
    constants: dict[str, np.ndarray] = {
        "s": np.array(0.02, np.float32), "z": np.array(128, np.uint8), "cs": np.array(0.03, np.float32), "cz": np.array(0, np.uint8),
        "w": rng.integers(-100, 100, (4, 3, 2, 2)).astype(np.int8), "ws": np.array([0.01, 0.02, 0.005, 0.01], np.float32),
        "wz": np.zeros(4, np.int8), "b": rng.integers(-500, 500, 4).astype(np.int32), "bs": np.full(4, 0.001, np.float32),
    }  # fmt: skip
    return saved(model(nodes, {"x": ["N", 3, 5, 5]}, ["cd"], constants, opset=17), folder)


def test_weights_learn_and_activations_keep_their_range(tmp_path: Path) -> None:
    path, feeds, learned = quantized(tmp_path), {"x": normal(2, 3, 5, 5)}, dict[str, Any]()
    found = run(graph(load(path), feeds, learned, "N"), feeds, learned)["cd"]
    assert set(learned) == {"wd", "bd"} and learned["wd"].array.shape == (4, 3, 2, 2)
    assert found.min() == 0  # the zero point of 0 is a ReLU
    wanted = original(path, feeds)["cd"]
    assert np.abs(found - wanted).max() <= 0.15  # the rounding of the file
    np.testing.assert_allclose(np.abs(found - wanted).mean(), 0.008, atol=0.004)


def test_integers_that_move_between_the_pair(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("Transpose", ["q"], ["t"], perm=[0, 2, 3, 1]),
        node("Concat", ["t", "t"], ["tt"], axis=3),
        node("DequantizeLinear", ["tt", "s", "z"], ["y"]),
    ]
    constants: dict[str, np.ndarray] = {"s": np.array(0.01, np.float32), "z": np.array(0, np.int8)}
    path, feeds = saved(model(nodes, {"x": ["N", 3, 4, 4]}, ["y"], constants, opset=17), tmp_path), {"x": normal(2, 3, 4, 4)}
    found = run(graph(load(path), feeds, {}), feeds, {})["y"]
    np.testing.assert_allclose(found, original(path, feeds)["y"], atol=0.006)
    assert found.max() == pytest.approx(1.27) and found.min() == pytest.approx(-1.28)


def test_a_range_along_an_axis(tmp_path: Path) -> None:
    constants: dict[str, np.ndarray] = {"s": np.array([0.01, 0.02, 0.001], np.float32), "z": np.array([0, 10, -5], np.int8)}
    path, feeds = saved(model(pair("x", "y"), {"x": ["N", 3, 4]}, ["y"], constants), tmp_path), {"x": normal(2, 3, 4)}
    np.testing.assert_allclose(run(graph(load(path), feeds, {}, "N"), feeds, {})["y"], original(path, feeds)["y"], atol=0.011)


def test_integers_of_the_input_become_floats(tmp_path: Path) -> None:
    nodes = [node("DequantizeLinear", ["x", "s", "z"], ["y"])]
    constants: dict[str, np.ndarray] = {"s": np.array(0.1, np.float32), "z": np.array(7, np.uint8)}
    path = saved(model(nodes, {"x": ["N", 3]}, ["y"], constants, dtypes={"x": TensorProto.UINT8}), tmp_path)
    feeds = {"x": np.arange(6, dtype=np.uint8).reshape(2, 3)}
    np.testing.assert_allclose(run(graph(load(path), feeds, {}), feeds, {})["y"], original(path, feeds)["y"], rtol=1e-6)


Q = node("QuantizeLinear", ["x", "s", "z"], ["q"])
OUT = node("DequantizeLinear", ["a", "s", "z"], ["y"])
# Files that are refused: their nodes, and the sentence.
REFUSED: dict[str, tuple[list[onnx.NodeProto], str]] = {
    "another scale": ([Q, node("DequantizeLinear", ["q", "s2", "z"], ["y"])], "It has another scale or zero point than the"),
    "sums of integers": ([Q, node("Add", ["q", "q"], ["a"]), OUT], "It computes with quantized integers"),
    "a convolution of integers": ([Q, node("ConvInteger", ["q", "w"], ["y"])], r"the op ConvInteger, which netc cannot train \(1 node"),
    "a scale that is computed": ([node("ReduceMax", ["x"], ["m"], keepdims=0), *pair("x", "y", "m")], "Its scale or zero point is comp"),
    "floats of 8 bits": ([node("QuantizeLinear", ["x", "s", "z8"], ["q"]), node("Identity", ["q"], ["y"])], "quantizes to float8_e4m3fn"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, tmp_path: Path) -> None:
    import ml_dtypes

    nodes, message = REFUSED[case]
    constants: dict[str, np.ndarray] = {
        "s": np.array(0.1, np.float32), "s2": np.array(0.2, np.float32), "z": np.array(0, np.uint8), "w": np.zeros((2, 3, 1, 1), np.uint8),
        "z8": np.array(0, ml_dtypes.float8_e4m3fn),
    }  # fmt: skip
    with pytest.raises(SpecError, match=message):
        graph(load(saved(model(nodes, {"x": [2, 3, 4, 4]}, ["y"], constants), tmp_path)), {"x": normal(2, 3, 4, 4)}, {})
