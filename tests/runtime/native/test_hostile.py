"""Malformed calls of every kernel give an error that names the op and the input, and never end the process."""

import json
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper

from netc.errors import RunError
from netc.runtime import native
from netc.runtime.backends import with_library
from netc.runtime.session import Session
from tests.conftest import ROOT
from tests.runtime.native.conftest import OPS, needs_kernels

FREE = {"Gelu"}  # ops of one tensor of any shape
Outcomes = list[tuple[str, str, str, str | None]]
pytestmark = needs_kernels


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """(op, change, name that the error must have, error) of every case."""
    command = [sys.executable, "-m", "tests.runtime.native.hostile"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    *lines, last = done.stdout.splitlines()
    assert done.returncode == 0, f"after {last}: {done.stderr[-2000:]}"
    return [(*json.loads(case), json.loads(error)) for case, _, error in (line.partition("\t") for line in (*lines, last))]


@pytest.mark.parametrize("op", sorted(OPS))
def test_a_wrong_shape_or_type_is_an_error_that_names_op_and_input(outcomes: Outcomes, op: str) -> None:
    errors = [(change, wrong, error) for name, change, wrong, error in outcomes if name == op and wrong]
    assert len(errors) >= (3 if op in FREE else 10)
    silent = [change for change, wrong, error in errors if error is None or op not in error or wrong not in error]
    assert not silent


@pytest.mark.parametrize("op", sorted(OPS))
def test_the_kernel_itself_says_which_shape_it_expected(outcomes: Outcomes, op: str) -> None:
    found = [error or "" for name, change, wrong, error in outcomes if name == op and wrong and "of shape" in change]
    assert bool(found) != (op in FREE)
    assert all(f"{op}: input " in error and " has shape (" in error and "; expected " in error for error in found)


def test_every_op_of_the_library_is_tried_in_many_ways(outcomes: Outcomes) -> None:
    assert {op for op, *_ in outcomes} == OPS and len(outcomes) > 2500


@pytest.mark.parametrize(("op", "change", "said"), [
    ("SGD", "input g of shape (150, 1)", "SGD: input g has shape (150, 1); expected (150, 133) to match w"),
    ("Adam", "input step of shape (0,)", "Adam: input step has shape (0); expected one number"),
    ("NhwcConv", "input w of shape (50, 19, 5, 5)", "NhwcConv: input w has shape (50, 19, 5, 5); expected (M, C = 20, KH, KW) to match x"),
    ("NhwcConv", "strides: [0, 1]", "attribute strides has 0; expected numbers from 1 to 16777216"),
    ("NhwcConv", "pads: [-1, 0, 0, 0]", "attribute pads has -1"),
    ("NhwcConv", "no relu", "attribute relu: "),
    ("NhwcConvFilterGrad", "kernel_shape: [0, 5]", "attribute kernel_shape has 0"),
    ("NhwcConvInputGrad", "spatial: [4611686018427387905, 9]", "attribute spatial has 4611686018427387905"),
    ("NhwcMaxPool", "pads: [257, 0, 0, 0]", "attribute pads leaves a window outside of the image"),
    ("NhwcMaxPoolGrad", "kernel_shape: [257, 257]", "does not fit into padded images"),
    ("NhwcLRN", "size: 0", "attribute size is 0; expected a number from 1 to 16777216"),
    ("NhwcBatchNorm", "input mean of shape (1,)", "NhwcBatchNorm: input mean has shape (1); expected (C = 20) to match x"),
    ("LSTM", "output 4 left out", "outputs sigmoids, g, c_before and tanh_c must all be there or all be left out"),
    ("LSTM", "input xw of shape (5, 0, 8)", "LSTM: input xw has shape (5, 0, 8); expected (T, N, 4*H) without a size of 0"),
    ("GRUGrad", "input dy of shape (0,)", "GRUGrad: input dy has shape (0); expected (T, N, H) without a size of 0"),
    ("Recursive", "input child full of -1", "input child names a node that is not below its level"),
    ("RecursiveGrad", "input width full of 1099511627776", "input width does not add up to the inner nodes of input child"),
])  # fmt: skip
def test_the_error_says_what_came_and_what_was_expected(outcomes: Outcomes, op: str, change: str, said: str) -> None:
    errors = [error for name, made, _, error in outcomes if (name, made) == (op, change)]
    assert errors, "no such case"
    assert all(error and said in error for error in errors), errors


def test_a_gradient_of_one_number_for_many_weights_is_an_error() -> None:
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "wgrh"]
    node = helper.make_node("SGD", [*"wgrh"], ["new", "kept"], domain="netc.training", momentum=0.9, weight_decay=0.0)
    graph = helper.make_graph([node], "sgd", inputs, [helper.make_tensor_value_info("new", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("netc.training", 1)], ir_version=10)
    w, one = np.zeros(1 << 26, np.float32), np.zeros(1, np.float32)
    with pytest.raises(RunError, match=r"SGD: input g has shape \(1\); expected \(67108864\) to match w"):
        Session(model, with_library(native.library())).run({"w": w, "g": one, "r": one, "h": w})
