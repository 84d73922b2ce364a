"""Ops that become others: each computes what the file computes, with a batch in numbers and with a symbolic one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from netc.errors import ShapeError
from netc.onnx_import import load
from netc.onnx_import.table import BECOMES
from tests.onnx_import.files import graph, model, normal, same, saved

X = {"x": ["N", 3, 4, 5]}
FEEDS = {"x": normal(2, 3, 4, 5)}


def node(op: str, *inputs: str, outputs: tuple[str, ...] = ("y",), **attrs: Any) -> Any:
    return helper.make_node(op, list(inputs), list(outputs), **attrs)


def shape_of_x(*tail: int) -> list[Any]:
    """Nodes that compute `s`, the number of rows of x followed by `tail`."""
    return [
        node("Shape", "x", outputs=("all",)),
        node("Gather", "all", "zero", outputs=("rows",)),
        node("Concat", "rows", "tail", outputs=("s",), axis=0),
    ]


TAIL = {"zero": np.array([0]), "tail": np.array([12, 5])}
ONE = numpy_helper.from_array(np.array([2.5], np.float32))
TURNED = {"w": normal(3, 2, 3, 4)}
# Each case: its nodes, its constants, and the op that it is a case of.
CASES: dict[str, tuple[str, list[Any], dict[str, np.ndarray]]] = {
    "identity": ("Identity", [node("Identity", "x")], {}),
    "dropout": ("Dropout", [node("Dropout", "x", "r")], {"r": np.array(0.5, np.float32)}),
    "dropout with its mask": (
        "Dropout",
        [node("Dropout", "x", "r", outputs=("d", "m")), node("Where", "m", "d", "z")],
        {"r": np.array(0.5, np.float32), "z": np.array(0, np.float32)},
    ),
    "flatten": ("Flatten", [node("Flatten", "x")], {}),
    "flatten after two axes": ("Flatten", [node("Flatten", "x", axis=2)], {}),
    "flatten everything": ("Flatten", [node("Flatten", "x", axis=0)], {}),
    "flatten from the end": ("Flatten", [node("Flatten", "x", axis=-1)], {}),
    "part of the shape": ("Shape", [node("Shape", "x", start=-2)], {}),
    "whole shape": ("Shape", [node("Shape", "x")], {}),
    "size": ("Size", [node("Size", "x")], {}),
    "cast": ("Cast", [node("Cast", "x", to=TensorProto.INT64)], {}),
    "cast like": ("CastLike", [node("CastLike", "x", "i")], {"i": np.array(1)}),
    "clip": ("Clip", [node("Clip", "x", "low", "high")], {"low": np.array(-0.5, np.float32), "high": np.array(0.5, np.float32)}),
    "clip below": ("Clip", [node("Clip", "x", "low")], {"low": np.array(-0.5, np.float32)}),
    "clip above": ("Clip", [node("Clip", "x", "", "high")], {"high": np.array(0.5, np.float32)}),
    "no clip": ("Clip", [node("Clip", "x")], {}),
    "constant of shape": ("ConstantOfShape", [*shape_of_x(), node("ConstantOfShape", "s", outputs=("y",), value=ONE)], TAIL),
    "expand": ("Expand", [*shape_of_x(), node("Expand", "row", "s")], {**TAIL, "row": normal(1, 12, 1)}),
    "expand to fewer axes": ("Expand", [node("Expand", "x", "s")], {"s": np.array([4, 1])}),
    "reshape by the shape": ("Reshape", [*shape_of_x(), node("Reshape", "x", "s")], TAIL),
    "reshape, copied": ("Reshape", [node("Reshape", "x", "s")], {"s": np.array([0, -1, 2])}),
    "reshape, the rest first": ("Reshape", [node("Reshape", "x", "s")], {"s": np.array([-1, 6, 10])}),
    "reshape, a whole batch": ("Reshape", [node("Reshape", "x", "s")], {"s": np.array([-1])}),
    "squeeze all": ("Squeeze", [node("ReduceMean", "x", "a", outputs=("m",)), node("Squeeze", "m")], {"a": np.array([2, 3])}),
    "squeeze": ("Squeeze", [node("ReduceMean", "x", "a", outputs=("m",)), node("Squeeze", "m", "a")], {"a": np.array([2, 3])}),
    "concat": ("Concat", [node("Concat", "x", "x", axis=-1)], {}),
    "sum": ("Sum", [node("Sum", "x", "b", "x")], {"b": normal(3, 1, 1)}),
    "sum of one": ("Sum", [node("Sum", "x")], {}),
    "mean": ("Mean", [node("Mean", "x", "b", "x")], {"b": normal(3, 1, 1)}),
    "convolution, same upper": ("Conv", [node("Conv", "x", "w", auto_pad="SAME_UPPER", strides=[2, 1])], {"w": normal(2, 3, 4, 2)}),
    "convolution, same lower": ("Conv", [node("Conv", "x", "w", auto_pad="SAME_LOWER", strides=[1, 2])], {"w": normal(2, 3, 2, 4)}),
    "convolution, valid": ("Conv", [node("Conv", "x", "w", auto_pad="VALID")], {"w": normal(2, 3, 2, 2)}),
    "max pooling": ("MaxPool", [node("MaxPool", "x", kernel_shape=[2, 3], auto_pad="SAME_LOWER")], {}),
    "average pooling": ("AveragePool", [node("AveragePool", "x", kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER")], {}),
    "Lp pooling": ("LpPool", [node("LpPool", "x", kernel_shape=[2, 2], auto_pad="VALID")], {}),
    "transposed, same upper": ("ConvTranspose", [node("ConvTranspose", "x", "w", auto_pad="SAME_UPPER", strides=[2, 3])], TURNED),
    "transposed, same lower": ("ConvTranspose", [node("ConvTranspose", "x", "w", auto_pad="SAME_LOWER", strides=[2, 2])], TURNED),
    "transposed, valid": ("ConvTranspose", [node("ConvTranspose", "x", "w", auto_pad="VALID")], TURNED),
    "transposed to a shape": ("ConvTranspose", [node("ConvTranspose", "x", "w", output_shape=[8, 10], strides=[2, 2])], TURNED),
    "transposed to an odd shape": ("ConvTranspose", [node("ConvTranspose", "x", "w", output_shape=[7, 10], strides=[2, 2])], TURNED),
    "transposed, with more at the end": (
        "ConvTranspose",
        [node("ConvTranspose", "x", "w", output_shape=[8, 10], strides=[2, 2], output_padding=[1, 1])],
        TURNED,
    ),
    "batch norm of the batch": (
        "BatchNormalization",
        [node("BatchNormalization", "x", "g", "b", "m", "v", outputs=("y", "m2", "v2"), training_mode=1, momentum=0.7)],
        {"g": normal(3), "b": normal(3, seed=1), "m": normal(3, seed=2), "v": np.array([0.5, 1, 2], np.float32)},
    ),
    "batch norm": (
        "BatchNormalization",
        [node("BatchNormalization", "x", "g", "b", "m", "v", epsilon=1e-3)],
        {"g": normal(3), "b": normal(3, seed=1), "m": normal(3, seed=2), "v": np.array([0.5, 1, 2], np.float32)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_computes_what_the_file_computes(case: str, tmp_path: Path) -> None:
    _, nodes, constants = CASES[case]
    ends = [o for o in nodes[-1].output if o in ("y", "m2", "v2")]
    same(saved(model(nodes, X, ends, constants), tmp_path), FEEDS, symbolic=case != "batch norm of the batch")


def test_every_op_has_a_case() -> None:
    elsewhere = {"If", "Loop", "Scan", "LSTM", "GRU", "RNN", "QuantizeLinear", "DequantizeLinear"}
    assert {op for op, _, _ in CASES.values()} | elsewhere == set(BECOMES)


@pytest.mark.parametrize("target", [[1, 60], [1, -1], [1, 3, -1, 2], [0, 12, 5], [1, 5, 4, 3]])
def test_a_batch_of_one_in_the_file_serves_any_batch(target: list[int], tmp_path: Path) -> None:
    path = saved(
        model([node("Relu", "x", outputs=("r",)), node("Reshape", "r", "s")], {"x": [1, 3, 4, 5]}, ["y"], {"s": np.array(target)}), tmp_path
    )
    file, x = load(path), normal(2, 3, 4, 5)
    for batch in (None, "N"):
        made = graph(file, {"x": x}, {}, batch)
        assert made.outputs["out/y"].shape == (batch or 2, *np.zeros((1, 3, 4, 5)).reshape([1 if d == 0 else d for d in target]).shape[1:])


def test_a_batch_that_moves_to_another_axis_stays_pinned(tmp_path: Path) -> None:
    nodes = [node("Transpose", "x", outputs=("t",), perm=[1, 0, 2, 3]), node("Reshape", "t", "s")]
    file = load(saved(model(nodes, {"x": [1, 3, 4, 5]}, ["y"], {"s": np.array([3, 20])}), tmp_path))
    with pytest.raises(ShapeError, match=r"The node 'y' \(Reshape\): A tensor of 3x2x4x5 cannot be reshaped to \[3, 20\]\. .*batch of 1"):
        graph(file, {"x": normal(2, 3, 4, 5)}, {})


def test_a_class_token_is_repeated_for_each_row(tmp_path: Path) -> None:
    path = saved(model([node("Concat", "token", "x", axis=1)], {"x": ["N", 4, 5]}, ["y"], {"token": normal(1, 1, 5)}), tmp_path)
    for batch in (None, "N"):
        assert graph(load(path), {"x": normal(2, 4, 5)}, {}, batch).outputs["out/y"].shape == (batch or 2, 5, 5)


def test_reshape_to_an_empty_tensor(tmp_path: Path) -> None:
    path = saved(model([node("Reshape", "x", "s", allowzero=1)], {"x": [0, 3]}, ["y"], {"s": np.array([3, 0])}), tmp_path)
    same(path, {"x": np.zeros((0, 3), np.float32)}, symbolic=False)
