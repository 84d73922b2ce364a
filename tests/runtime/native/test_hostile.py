"""Kernels given inputs, outputs and attributes that do not fit: an error that says so, never a signal."""

import json
import re
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
from tests.runtime.native.conftest import needs_kernels

pytestmark = needs_kernels


@pytest.fixture(scope="module")
def outcomes() -> list[tuple[str, str, str | None]]:
    """(op, what was changed, the error if there was one) of every case."""
    done = subprocess.run([sys.executable, "-m", "tests.runtime.native.hostile"], cwd=ROOT, capture_output=True, text=True, timeout=500)
    *lines, last = done.stdout.splitlines()
    assert done.returncode == 0, f"after {last}: {done.stderr[-2000:]}"
    return [(*json.loads(case), json.loads(said)) for case, _, said in (line.partition("\t") for line in (*lines, last))]


def test_no_case_ends_the_process(outcomes):
    assert {op for op, _, _ in outcomes} == native.KERNELS and len(outcomes) > 1500


def test_each_kernel_names_itself_and_the_shape(outcomes):
    for op in native.KERNELS:
        said = [text for name, what, text in outcomes if name == op and "of shape" in what and text]
        assert any(re.search(rf"{op}: input \d has shape \(", text) for text in said), op


@pytest.mark.parametrize(("op", "what"), [
    ("SGD", "input 1 of shape (150, 1)"), ("Adam", "input 3 of shape (0,)"),
    ("NhwcConv", "strides: [0, 1]"), ("NhwcConv", "pads: [-1, 0, 0, 0]"),
    ("NhwcConvFilterGrad", "kernel_shape: [0, 5]"), ("NhwcConvInputGrad", "spatial: [4611686018427387905, 9]"),
    ("NhwcMaxPool", "pads: [257, 0, 0, 0]"), ("NhwcMaxPoolGrad", "kernel_shape: [257, 257]"), ("NhwcLRN", "size: 0"),
    ("LSTM", "output 4 left out"), ("LSTM", "input 0 of shape (5, 0, 8)"), ("GRUGrad", "input 0 of shape (0,)"),
    ("Recursive", "input 1 full of -1"), ("RecursiveGrad", "input 3 full of 1099511627776"), ("NhwcBatchNorm", "input 1 of shape (1,)"),
])  # fmt: skip
def test_what_would_be_read_from_elsewhere_is_an_error(outcomes, op, what):
    said = {text for name, change, text in outcomes if (name, change) == (op, what)}
    assert said and None not in said, f"{op}: {what}: {said or 'no such case'}"
    assert all(op in text for text in said)


def test_a_gradient_of_one_number_for_many_weights_is_an_error():
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "wgrh"]
    node = helper.make_node("SGD", [*"wgrh"], ["new", "kept"], domain="netc.training", momentum=0.9, weight_decay=0.0)
    graph = helper.make_graph([node], "sgd", inputs, [helper.make_tensor_value_info("new", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("netc.training", 1)], ir_version=10)
    w, one = np.zeros(1 << 26, np.float32), np.zeros(1, np.float32)
    with pytest.raises(RunError, match=r"SGD: input 1 has shape \(1\), not \(67108864\)"):
        Session(model, with_library(native.library())).run({"w": w, "g": one, "r": one, "h": w})
