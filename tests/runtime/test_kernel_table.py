"""On paper: every op of every net in nets/, with its types, has a CUDA kernel in onnxruntime's own list."""

import numpy as np
import onnx
import pytest
from onnx import helper

from netc import api
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf, op
from netc.graph.passes import simplify
from netc.graph.tensor_type import OPSET
from netc.net.model import TRAIN
from netc.runtime.kernel_table import CPU, CUDA, WEBGPU, type_name
from netc.runtime.session import Session
from tests.conftest import NETS, ROOT, needs_reference
from tests.kernel_table import lists
from tests.layers.nets import net as lowered_net
from tests.layers.test_gradients import ROWS

MODELS = ("train", "gradient", "update", "test", "watch", "model")


def without_kernel(model: onnx.ModelProto) -> list[str]:
    """Each node that no CUDA kernel serves, as `name: op`."""
    return [f"{node.name}: {node.op_type}" for node in CUDA.lacking(model)]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("net", [*(f"{name}.yaml" for name in NETS), *sorted(p.name for p in (ROOT / "nets").glob("*solver.prototxt"))])
def test_every_op_has_a_cuda_kernel(net: str, model: str) -> None:
    program = api.load(str(ROOT / "nets" / net))
    graph = simplify(program.deploy[0].graph) if model == "model" else program.graph(model)
    stages = [stage.graph("train") for stage in program.stages[:-1]] if model == "train" else []
    assert [diagnostic for g in (graph, *stages) for diagnostic in without_kernel(emit(g, "cuda", functions=False))] == []


@pytest.mark.parametrize("kind", sorted(ROWS))
def test_every_layer_and_its_gradient_has_cuda_kernels(kind: str) -> None:
    for layers, inputs in ROWS[kind]:
        lowered = lowered_net(layers, TRAIN, inputs)
        outputs = {n: lowered.versions[n][-1] for n in lowered.net.outputs if n not in inputs}
        by = [lowered.versions[n][0] for n in inputs] + list(lowered.parameters)
        found = grad({y: 1.0 for y in outputs.values()}, by)
        graph = Graph("layer", outputs | {f"d{k}": g for k, g in enumerate(found) if g is not None}, lowered.graph.updates)
        assert without_kernel(emit(simplify(graph), "cuda", functions=False)) == []


def test_an_op_without_a_kernel_is_found() -> None:
    x = helper.make_tensor_value_info("x", onnx.TensorProto.INT16, [3])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.INT16, [3])
    graph = helper.make_graph([helper.make_node("ReduceSum", ["x"], ["y"], name="sum")], "g", [x], [y], [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    assert without_kernel(model) == ["sum: ReduceSum"]
    assert CUDA.serves("Conv", [("T", "X", "float")]) and not CUDA.serves("Conv", [("T", "X", "int8")])
    assert not WEBGPU.serves("Sum", [("T", "data_0", "float")]) and CPU.serves("Sum", [("T", "data_0", "float")])


def test_an_op_without_a_kernel_becomes_the_ops_of_its_function() -> None:
    """onnxruntime's CPU has no kernel for HardSwish, but runs it."""
    assert "HardSwish" not in CPU.ops and CPU.serves("HardSwish", ())
    x = leaf("Input", np.float32, (3,), name="x")
    y = Session(emit(Graph("g", {"y": op.HardSwish(x)}))).run({"x": np.array([-4, 1, 4], np.float32)})["y"]
    np.testing.assert_allclose(y, [0, 4 / 6, 4], rtol=1e-6)
    assert not CUDA.serves("Unique", ())


def test_texts_stay_on_the_cpu() -> None:
    """onnxruntime runs them there, whatever the provider, so no provider lacks their ops."""
    assert type_name(np.dtype(object)) == "string"
    for table in (CPU, CUDA, WEBGPU):
        assert table.serves("StringSplit", [("T1", "X", "string")]) and table.serves("Gather", [("T", "data", "string")])
        assert not table.serves("Add", [("T", "A", "string")])


def test_the_table_of_webgpu_knows_types_and_newer_kernels() -> None:
    assert {"Max", "Min", "PRelu", "Split", "ScatterND"} <= set(WEBGPU.ops) and "OneHot" not in WEBGPU.ops
    assert WEBGPU.serves("Max", [("T", "data_0", "float")]) and not WEBGPU.serves("Add", [("T", "A", "int64")])


@needs_reference
def test_the_table_is_that_of_onnxruntimes_lists() -> None:
    assert lists() == {table.name: table.ops for table in (CPU, CUDA)}
