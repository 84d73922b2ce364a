"""Files of every opset: the attributes that became inputs, the ops that changed, and the ops that are newer than opset 21."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from netc.errors import SpecError
from netc.graph.tensor_type import OPSET
from netc.onnx_import import load
from netc.onnx_import.opsets import MOST_NODES
from tests.onnx_import.files import graph, model, normal, run, same, saved

node = helper.make_node
X = {"x": ["N", 4, 6, 6]}
# Forms that only older opsets have: the newest opset with the form, its nodes, and its constants.
OLD: dict[str, tuple[int, list[Any], dict[str, np.ndarray]]] = {
    "BatchNormalization of opset 7": (
        8,
        [node("BatchNormalization", ["x", "g", "b", "m", "v"], ["y"])],
        {"g": normal(4), "b": normal(4, seed=1), "m": normal(4, seed=2), "v": np.ones(4, np.float32)},
    ),
    "Cast": (8, [node("Cast", ["x"], ["y"], to=TensorProto.INT32)], {}),
    "Clip with attributes": (10, [node("Clip", ["x"], ["y"], min=-0.5, max=0.7)], {}),
    "Dropout with a ratio": (11, [node("Dropout", ["x"], ["y"], ratio=0.4)], {}),
    "Flatten": (8, [node("Flatten", ["x"], ["y"], axis=2)], {}),
    "Gemm": (8, [node("Flatten", ["x"], ["f"]), node("Gemm", ["f", "w", "b"], ["y"], transB=1)], {"w": normal(3, 144), "b": normal(3)}),
    "GroupNormalization by groups": (
        20,
        [node("GroupNormalization", ["x", "g", "b"], ["y"], num_groups=2)],
        {"g": normal(2), "b": normal(2, seed=1)},
    ),
    "GroupNormalization": (
        21,
        [node("GroupNormalization", ["x", "g", "b"], ["y"], num_groups=2)],
        {"g": normal(4), "b": normal(4, seed=1)},
    ),
    "MeanVarianceNormalization": (13, [node("MeanVarianceNormalization", ["x"], ["y"])], {}),
    "Pad with attributes": (10, [node("Pad", ["x"], ["y"], pads=[0, 0, 1, 2, 0, 0, 0, 1], mode="reflect")], {}),
    "ReduceSum with attributes": (12, [node("ReduceSum", ["x"], ["y"], axes=[2, 3], keepdims=0)], {}),
    "ReduceMax with attributes": (17, [node("ReduceMax", ["x"], ["y"], axes=[1], keepdims=1)], {}),
    "ReduceL2 with attributes": (17, [node("ReduceL2", ["x"], ["y"], axes=[-1], keepdims=0)], {}),
    "Resize of opset 10": (10, [node("Resize", ["x", "s"], ["y"], mode="nearest")], {"s": np.array([1, 1, 2, 2], np.float32)}),
    "Slice with attributes": (9, [node("Slice", ["x"], ["y"], axes=[2, 3], starts=[1, -3], ends=[5, 100])], {}),
    "Softmax over the rest": (12, [node("Softmax", ["x"], ["y"], axis=1)], {}),
    "LogSoftmax over the rest": (12, [node("LogSoftmax", ["x"], ["y"], axis=2)], {}),
    "Split with attributes": (12, [node("Split", ["x"], ["y", "z"], axis=1, split=[1, 3])], {}),
    "Squeeze with axes": (12, [node("ReduceMean", ["x"], ["m"], axes=[2, 3]), node("Squeeze", ["m"], ["y"], axes=[2, 3])], {}),
    "Unsqueeze with axes": (12, [node("Unsqueeze", ["x"], ["y"], axes=[1, 5])], {}),
    "Upsample": (9, [node("Upsample", ["x", "s"], ["y"], mode="nearest")], {"s": np.array([1, 1, 2, 3], np.float32)}),
    "TopK": (10, [node("TopK", ["x", "k"], ["y", "i"], axis=-1)], {"k": np.array([2])}),
}


def reference(path: Path, feeds: dict[str, np.ndarray]) -> Any:
    """The first output of a file by ONNX's reference implementation. onnxruntime does not run the newest opsets."""
    from onnx.reference import ReferenceEvaluator

    results: Any = ReferenceEvaluator(str(path)).run(None, dict(feeds))
    return results[0]


@pytest.mark.parametrize("form", OLD)
def test_old_forms(form: str, tmp_path: Path) -> None:
    newest, nodes, constants = OLD[form]
    oldest = max(7, newest - 2)
    for opset in range(oldest, newest + 1):
        try:
            path = saved(model(nodes, X, ["y"], constants, opset), tmp_path)
            onnx.checker.check_model(str(path))
        except onnx.checker.ValidationError:
            continue  # the form is newer
        same(path, {"x": normal(2, 4, 6, 6)})


@pytest.mark.parametrize("opset", range(7, onnx.defs.onnx_opset_version() + 1))
def test_a_net_of_each_opset(opset: int, tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"]),
        node("Relu", ["n"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["p"], ["a"]),
        node("Flatten", ["a"], ["f"]),
        node("Gemm", ["f", "u", "h"], ["y"]),
    ]
    constants = {"w": normal(5, 4, 3, 3), "g": normal(5), "b": normal(5, seed=1), "m": normal(5, seed=2), "v": np.full(5, 0.7, np.float32)}
    path = saved(model(nodes, X, ["y"], {**constants, "u": normal(5, 2), "h": normal(2)}, opset), tmp_path)
    assert load(path).opset == opset
    feeds = {"x": normal(2, 4, 6, 6)}
    if opset <= OPSET:
        assert set(same(path, feeds)) == {"w", "g", "b", "m", "v", "u", "h"}
        return
    learned: dict[str, Any] = {}
    found = run(graph(load(path), feeds, learned, "N"), feeds, learned)["y"]
    np.testing.assert_allclose(found, reference(path, feeds), rtol=1e-4, atol=1e-5)


ROTATED = {"cos": normal(1, 5, 2), "sin": normal(1, 5, 2, seed=1)}
# Ops that are newer than opset 21, as the first opset that has them, the nodes, and the constants.
NEW: dict[str, tuple[int, list[Any], dict[str, Any], dict[str, np.ndarray]]] = {
    "Attention": (23, [node("Attention", ["q", "k", "v"], ["y"])], {n: ["N", 2, 5, 4] for n in "qkv"}, {}),
    "Attention, causal, three axes": (
        23,
        [node("Attention", ["q", "k", "v"], ["y"], q_num_heads=2, kv_num_heads=2, is_causal=1)],
        {n: ["N", 5, 8] for n in "qkv"},
        {},
    ),
    "Attention with a past and no mask": (
        23,
        [node("Attention", ["q", "k", "v", "", "pk", "pv"], ["y", "k2", "v2"])],
        {**{n: ["N", 2, 5, 4] for n in "qkv"}, "pk": ["N", 2, 3, 4], "pv": ["N", 2, 3, 4]},
        {},
    ),
    "Attention of opset 24": (24, [node("Attention", ["q", "k", "v"], ["y"], scale=0.3)], {n: ["N", 2, 5, 4] for n in "qkv"}, {}),
    "RMSNormalization": (23, [node("RMSNormalization", ["x", "g"], ["y"], epsilon=1e-3)], {"x": ["N", 5, 8]}, {"g": normal(8)}),
    "RotaryEmbedding": (23, [node("RotaryEmbedding", ["x", "cos", "sin"], ["y"])], {"x": [1, 2, 5, 4]}, ROTATED),
    "Swish": (24, [node("Swish", ["x"], ["y"], alpha=1.5)], {"x": ["N", 7]}, {}),
    "Gelu of opset 23": (23, [node("Gelu", ["x"], ["y"], approximate="tanh")], {"x": ["N", 7]}, {}),
}


@pytest.mark.parametrize("form", NEW)
def test_newer_ops_by_their_bodies(form: str, tmp_path: Path) -> None:
    opset, nodes, inputs, constants = NEW[form]
    if opset > onnx.defs.onnx_opset_version():
        pytest.skip(f"onnx {onnx.__version__} has no opset {opset}")
    path = saved(model(nodes, inputs, ["y"], constants, opset), tmp_path)
    feeds = {n: normal(*(2 if d == "N" else d for d in s), seed=k) for k, (n, s) in enumerate(inputs.items())}
    wanted = reference(path, feeds)
    learned: dict[str, Any] = {}
    for batch in (None, "N") if "N" in next(iter(inputs.values())) else (None,):
        learned = {}
        found = run(graph(load(path), feeds, learned, batch), feeds, learned)["y"]
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def refused(made: onnx.ModelProto, folder: Path, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load(saved(made, folder))


def test_opsets_that_onnx_does_not_know(tmp_path: Path) -> None:
    newest = onnx.defs.onnx_opset_version()
    for opset in (1, 6, newest + 1):
        refused(model([node("Relu", ["x"], ["y"])], X, ["y"], opset=opset), tmp_path, f"opset {opset}. Expected one from 7 to {newest}")


@pytest.mark.parametrize("opset", [7, 11, 21, 22])
def test_ops_that_onnx_does_not_know(opset: int, tmp_path: Path) -> None:
    """All are listed, whatever the file's opset: ONNX's converter would stop at the first one."""
    nodes = [node("Foo", ["x"], ["f"]), node("Bar", ["f"], ["b"]), node("Softmax", ["b"], ["y"])]
    file = load(saved(model(nodes, X, ["y"], opset=opset), tmp_path))
    with pytest.raises(SpecError) as caught:
        graph(file, {"x": normal(2, 3)}, {})
    assert [str(d).split(",")[0] for d in caught.value.diagnostics] == ["m.onnx uses the op Foo", "m.onnx uses the op Bar"]


def test_a_setting_that_opset_21_lacks(tmp_path: Path) -> None:
    if onnx.defs.onnx_opset_version() < 25:
        pytest.skip("needs opset 25")
    cast = node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E8M0, round_mode="down")
    refused(
        model([cast, cast_to("z")], X, ["y", "z"], opset=25), tmp_path, r"uses `round_mode` of the op Cast, which opset 21 lacks \(1 node\)"
    )


def cast_to(name: str) -> onnx.NodeProto:
    return node("Cast", ["x"], [name], to=TensorProto.INT32)


def function(name: str, nodes: list[onnx.NodeProto]) -> onnx.FunctionProto:
    return helper.make_function("local", name, ["a"], ["b"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)])


def with_functions(name: str, functions: list[onnx.FunctionProto]) -> onnx.ModelProto:
    made = model([node(name, ["x"], ["y"], domain="local")], X, ["y"], opset=17)
    made.functions.extend(functions)
    return made


def test_local_functions_are_inlined(tmp_path: Path) -> None:
    inner = function("Inner", [node("Relu", ["a"], ["t"]), node("Neg", ["t"], ["b"])])
    outer = function("Outer", [node("Inner", ["a"], ["t"], domain="local"), node("Inner", ["t"], ["b"], domain="local")])
    path = saved(with_functions("Outer", [inner, outer]), tmp_path)
    assert [n.op for n in load(path).nodes] == ["Relu", "Neg", "Relu", "Neg"]
    same(path, {"x": normal(2, 4, 6, 6)})


def test_functions_that_grow_without_bound_are_refused(tmp_path: Path) -> None:
    def twice(k: int) -> onnx.FunctionProto:
        name = f"F{k - 1}" if k else "Relu"
        domain = "local" if k else ""
        return function(f"F{k}", [node(name, ["a"], ["t"], domain=domain), node(name, ["t"], ["b"], domain=domain)])

    refused(with_functions("F40", [twice(k) for k in range(41)]), tmp_path, f"more than {MOST_NODES:,} nodes")
    loop = function("F", [node("F", ["a"], ["b"], domain="local")])
    refused(with_functions("F", [loop]), tmp_path, "The local function 'F' of the file calls itself")


def test_nodes_of_other_domains_outside_the_cut(tmp_path: Path) -> None:
    nodes = [
        node("Scaler", ["x"], ["s"], domain="ai.onnx.ml", offset=[0.0], scale=[1.0]),
        node("Squeeze", ["s"], ["q"], axes=[1]),
        node("Relu", ["q"], ["r"]),
        node("ZipMap", ["r"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[0]),
    ]
    file = load(saved(model(nodes, {"x": ["N", 1, 3]}, ["y"], opset=11), tmp_path))
    assert [t.name for t in file.tensors()][:2] == ["x", "s"] and {t.op for t in file.tensors()} >= {"Scaler", "ZipMap", "Squeeze"}
