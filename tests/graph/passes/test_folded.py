"""Simplified graphs compute what the graphs before did: constants, BatchNorm, Scale and Bias in the weights before them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import registry
from netc.compiler.compilation import Compilation
from netc.compiler.program import Program
from netc.graph.emit import emit
from netc.graph.ir import Graph, constant, leaf, op
from netc.graph.passes import folded
from netc.graph.passes.fold_constants import COMPUTED, fold_constants
from netc.graph.passes.fold_scales import fold_scales
from netc.runtime.session import Session
from netc.spec.job import load_job

HEAD = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 9 dim: 9 } } }\n'
CONV = "convolution_param { num_output: 6 kernel_size: 3 %s }"
AFTER = """
layer { name: "bn" type: "BatchNorm" bottom: "c" top: "c" }
layer { name: "sc" type: "Scale" bottom: "c" top: "c" scale_param { bias_term: true } }
layer { name: "bi" type: "Bias" bottom: "c" top: "c" }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
"""
LAYERS = {
    "Convolution": CONV % "",
    "Convolution without bias": CONV % "bias_term: false",
    "Convolution in groups": CONV % "group: 2",
    "Deconvolution": CONV % "stride: 2",
    "InnerProduct": "inner_product_param { num_output: 6 }",
    "InnerProduct transposed": "inner_product_param { num_output: 6 transpose: true bias_term: false }",
}
SHARED = """
layer { name: "c" type: "Convolution" bottom: "data" top: "c" param { name: "w" } %s }
layer { name: "bn" type: "BatchNorm" bottom: "c" top: "c" }
layer { name: "d" type: "Convolution" bottom: "c" top: "d" param { name: "w" } %s }
layer { name: "sc" type: "Scale" bottom: "d" top: "d" }
"""
SAME = "convolution_param { num_output: 4 kernel_size: 3 pad: 1 bias_term: false }"
READ_TWICE = """
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "bn" type: "BatchNorm" bottom: "c" top: "bn" }
layer { name: "sum" type: "Eltwise" bottom: "c" bottom: "bn" top: "sum" }
"""
OVER_PIXELS = """
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "sc" type: "Scale" bottom: "c" top: "c" scale_param { axis: 2 num_axes: 2 } }
"""


def graphs(folder: Path, text: str) -> tuple[Graph, Graph]:
    """The deployed graph with random weights, and its simplified form."""
    registry.load()
    (folder / "n.prototxt").write_text(HEAD + text)
    made = Program(Compilation.of(load_job(str(folder / "n.prototxt"))))
    random = np.random.default_rng(0)
    states = {n.name: n for n in made.deploy[0].graph.leaves("State")}
    weights = {n: np.abs(random.standard_normal(tuple(map(int, s.types[0].shape)))).astype(np.float32) + 0.1 for n, s in states.items()}
    return made.deploy_graph(weights)[0], made.deploy_graph(weights, change=folded)[0]


def values(graph: Graph) -> dict[str, np.ndarray]:
    data = np.random.default_rng(1).standard_normal((2, 4, 9, 9)).astype(np.float32)
    return Session(emit(graph)).run({"data": data})


def ops(graph: Graph) -> list[str]:
    return [n.op for n in graph.nodes if n.domain != "netc"]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_takes_in_what_follows(tmp_path: Path, name: str) -> None:
    text = f'layer {{ name: "c" type: "{name.split()[0]}" bottom: "data" top: "c" {LAYERS[name]} }}'
    plain, simple = graphs(tmp_path, text + AFTER)
    assert not {"Mul", "Add", "Sub", "Div", "Sqrt", "Where"}.intersection(ops(simple)) and len(ops(simple)) < len(ops(plain))
    for blob, wanted in values(plain).items():
        np.testing.assert_allclose(values(simple)[blob], wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize(("text", "kept"), [(SHARED % (SAME, SAME), set()), (READ_TWICE, {"Sub", "Div"}), (OVER_PIXELS, {"Mul"})])
def test_what_stays(tmp_path: Path, text: str, kept: set[str]) -> None:
    plain, simple = graphs(tmp_path, text)
    assert kept <= set(ops(simple))
    for blob, wanted in values(plain).items():
        np.testing.assert_allclose(values(simple)[blob], wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def test_a_division_by_zero_stays(tmp_path: Path) -> None:
    x = leaf("Input", np.float32, (1, 2, 3, 3), name="x")
    y = op.Conv(x, constant(np.ones((2, 2, 1, 1), np.float32))) / constant(np.array([[[1]], [[0]]], np.float32))
    assert "Div" in ops(fold_scales(Graph("g", {"y": y})))


A, B = np.array([[1.0, -2.0], [3.0, 0.5]], np.float32), np.array([[2.0, 4.0], [-1.0, 8.0]], np.float32)
CALLS: dict[str, tuple[tuple[np.ndarray, ...], dict[str, Any]]] = {
    "Abs": ((A,), {}), "Add": ((A, B), {}), "Concat": ((A, B), {"axis": 1}), "Div": ((A, B), {}), "Equal": ((A, A), {}), "Exp": ((A,), {}),
    "Expand": ((A[:1], np.array([2, 2])), {}), "Identity": ((A,), {}), "Max": ((A, B), {}), "Min": ((A, B), {}), "Mul": ((A, B), {}),
    "Neg": ((A,), {}), "Reciprocal": ((B,), {}), "Reshape": ((A, np.array([0, -1, 1])), {}), "Sqrt": ((np.abs(A),), {}),
    "Squeeze": ((A[:1], np.array([0])), {}), "Sub": ((A, B), {}), "Transpose": ((A,), {"perm": [1, 0]}),
    "Unsqueeze": ((A, np.array([1])), {}),
    "Where": ((A > 0, A, B), {}),
}  # fmt: skip


def test_every_op_has_a_call() -> None:
    assert CALLS.keys() == COMPUTED.keys()


@pytest.mark.parametrize("name", CALLS)
def test_constants_are_computed_as_onnxruntime_does(name: str) -> None:
    arrays, attrs = CALLS[name]
    graph = Graph("g", {"y": getattr(op, name)(*map(constant, arrays), **attrs)})
    simple = fold_constants(graph)
    assert ops(simple) == []
    np.testing.assert_allclose(Session(emit(simple)).run({})["y"], Session(emit(graph)).run({})["y"], rtol=1e-6)
