"""On paper: every op of every net in nets/, with its types, has a CUDA kernel in onnxruntime's own list."""

import csv
import re
from collections.abc import Iterator
from functools import cache

import onnx
import pytest
from onnx import helper

from netc import api
from netc.autodiff import grad
from netc.emit import emit
from netc.ir import Graph
from netc.net import TRAIN
from netc.passes import simplify
from netc.tensor_type import OPSET
from tests.conftest import REFERENCE, ROOT
from tests.layers.nets import net as lowered_net
from tests.layers.test_gradients import ROWS

KERNELS = REFERENCE / "onnxruntime" / "kernels.tsv"
MODELS = ("train", "gradient", "update", "test", "watch", "model")

pytestmark = pytest.mark.skipif(not KERNELS.is_file(), reason=f"no list of onnxruntime's kernels in {KERNELS}")


@cache
def kernels() -> dict[str, list[tuple[str, dict[str, set[str]]]]]:
    """CUDA's kernels of ONNX's ops: versions, and the types of each type variable."""
    found: dict[str, list[tuple[str, dict[str, set[str]]]]] = {}
    with KERNELS.open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if (row["provider"], row["domain"]) == ("CUDAExecutionProvider", "ai.onnx"):
                types = [part.strip().split(" = ") for part in row["types"].split("<br/>") if " = " in part]
                found.setdefault(row["op"], []).append((row["opset"], {name: set(kinds.split(", ")) for name, kinds in types}))
    return found


def covers(versions: str, since: int) -> bool:
    """Whether a kernel serves an op of version `since`: `N+` and `N` that one alone, `[a, b]` those between."""
    if closed := re.fullmatch(r"\[(\d+), (\d+)\]", versions):
        return int(closed[1]) <= since <= int(closed[2])
    return int(versions.rstrip("+")) == since


def typed(node: onnx.NodeProto, types: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    """(type variable, parameter, type) of each tensor of a node."""
    schema = onnx.defs.get_schema(node.op_type, OPSET)
    for names, formal in ((node.input, schema.inputs), (node.output, schema.outputs)):
        for k, name in enumerate(names):
            if name:
                parameter = formal[min(k, len(formal) - 1)]
                kind = helper.tensor_dtype_to_np_dtype(types[name]).name
                yield parameter.type_str, parameter.name, {"float32": "float", "float64": "double"}.get(kind, kind)


def without_kernel(model: onnx.ModelProto) -> list[str]:
    """Each node that no CUDA kernel serves, as `name: op(type)`."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {t.name: t.data_type for t in graph.initializer}
    types |= {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info, *graph.output)}
    missing = []
    for node in graph.node:
        since = onnx.defs.get_schema(node.op_type, OPSET).since_version
        used = list(typed(node, types))
        fits = [
            all(kind in limits.get(variable, limits.get(parameter, {kind})) for variable, parameter, kind in used)
            for versions, limits in kernels().get(node.op_type, [])
            if covers(versions, since)
        ]
        if node.op_type != "Constant" and not any(fits):
            missing.append(f"{node.name}: {node.op_type}({', '.join(sorted({kind for *_, kind in used}))})")
    return missing


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "net", sorted(p.name for p in (ROOT / "nets").iterdir() if p.suffix in (".yaml", ".prototxt") and p.name != "lenet.prototxt")
)
def test_every_op_has_a_cuda_kernel(net, model):
    program = api.load(str(ROOT / "nets" / net))
    graph = simplify(program.deploy[0].graph) if model == "model" else program.graph(model)
    stages = [stage.graph("train") for stage in program.stages[:-1]] if model == "train" else []
    assert [fault for g in (graph, *stages) for fault in without_kernel(emit(g, "cuda", functions=False))] == []


@pytest.mark.parametrize("kind", sorted(ROWS))
def test_every_layer_and_its_gradient_has_cuda_kernels(kind):
    for layers, inputs in ROWS[kind]:
        lowered = lowered_net(layers, TRAIN, inputs)
        outputs = {n: lowered.versions[n][-1] for n in lowered.net.outputs if n not in inputs}
        by = [lowered.versions[n][0] for n in inputs] + list(lowered.parameters)
        found = grad({y: 1.0 for y in outputs.values()}, by)
        graph = Graph("layer", outputs | {f"d{k}": g for k, g in enumerate(found) if g is not None}, lowered.graph.updates)
        assert without_kernel(emit(simplify(graph), "cuda", functions=False)) == []


def test_an_op_without_a_kernel_is_found():
    x = helper.make_tensor_value_info("x", onnx.TensorProto.INT16, [3])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.INT16, [3])
    graph = helper.make_graph([helper.make_node("ReduceSum", ["x"], ["y"], name="sum")], "g", [x], [y], [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    assert without_kernel(model) == ["sum: ReduceSum(int16)"]
    assert covers("[11, 21]", 11) and covers("13+", 13) and not covers("22+", 21) and not covers("13+", 14)
