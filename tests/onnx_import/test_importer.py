"""The import as a whole: cuts, inputs, types, and errors that list everything at once."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from netc.errors import ShapeError, SpecError
from netc.graph.ir import Value, constant, leaf
from netc.graph.leaves import StateInfo
from netc.onnx_import import Weight, load, values, weights
from tests.onnx_import.files import graph, model, normal, original, run, saved, states

node = helper.make_node


def chain(folder: Path, **settings: Any) -> Path:
    nodes = [
        node("MatMul", ["x", "w1"], ["/layer1/out"], "first"),
        node("Relu", ["/layer1/out"], ["/relu/out"]),
        node("MatMul", ["/relu/out", "w2"], ["y"], "second"),
    ]
    return saved(model(nodes, {"x": ["N", 4]}, ["y"], {"w1": normal(4, 5), "w2": normal(5, 3)}, **settings), folder)


def given(*shape: int | str, dtype: Any = np.float32) -> Value:
    return leaf("Input", dtype, shape, name="x")


def test_a_cut_at_both_ends(tmp_path: Path) -> None:
    file = load(chain(tmp_path))
    learned: dict[str, Weight] = {}
    (y,) = values(file, {"/layer1/out": given(2, 5)}, ["y"], states(learned))
    assert y.shape == (2, 3) and list(learned) == ["w2"]
    assert [w.name for w in weights(file, ["x"], ["/relu/out"])] == ["w1"]


def test_a_leaf_may_be_a_constant(tmp_path: Path) -> None:
    """A caller freezes a weight by a constant in its place."""
    file, learned = load(chain(tmp_path)), dict[str, Weight]()
    some = states(learned)
    (y,) = values(file, {"x": given("N", 4)}, ["y"], lambda w: some(w) if w.name == "w2" else constant(w.array))
    assert y.shape == ("N", 3) and list(learned) == ["w2"]


def test_names_that_are_not_there_are_listed_with_near_ones(tmp_path: Path) -> None:
    file = load(chain(tmp_path))
    with pytest.raises(SpecError) as e:
        values(file, {"X": given(2, 4)}, ["/relu/Out"], states({}))
    assert str(e.value).splitlines() == [
        "m.onnx has no tensor 'X'. Did you mean 'x'?",
        "m.onnx has no tensor '/relu/Out'. Did you mean '/relu/out'?",
    ]


def test_an_input_that_is_not_given(tmp_path: Path) -> None:
    made = model([node("Add", ["x", "mask"], ["y"])], {"x": ["N", 4], "mask": ["N", 4]}, ["y"])
    with pytest.raises(SpecError, match=r"'y' of m\.onnx also depends on the input 'mask', which is not given\."):
        values(load(saved(made, tmp_path)), {"x": given(2, 4)}, ["y"], states({}))


def test_ops_that_are_unknown_are_listed_with_their_numbers(tmp_path: Path) -> None:
    nodes = [
        node("FusedGelu", ["x"], ["a"], "g1", domain="com.microsoft"),
        node("FusedGelu", ["a"], ["b"], "g2", domain="com.microsoft"),
        node("Frobnicate", ["b"], ["c"], "f"),
        node("RandomNormalLike", ["c"], ["y"], "r"),
    ]
    file = load(saved(model(nodes, {"x": ["N", 4]}, ["y"]), tmp_path))
    with pytest.raises(SpecError) as e:
        values(file, {"x": given(2, 4)}, ["y"], states({}))
    assert str(e.value).splitlines() == [
        "m.onnx uses the op com.microsoft:FusedGelu, which is of another domain than ONNX's own (2 nodes, first 'g1').",
        "m.onnx uses the op Frobnicate, which netc cannot train (1 node, it is 'f').",
        "m.onnx uses the op RandomNormalLike, which netc cannot train (1 node, it is 'r').",
    ]


def test_such_ops_do_no_harm_outside_the_cut(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["r"]), node("ZipMap", ["r"], ["y"], domain="ai.onnx.ml")]
    (r,) = values(load(saved(model(nodes, {"x": ["N", 4]}, ["y"]), tmp_path)), {"x": given(2, 4)}, ["r"], states({}))
    assert r.shape == (2, 4)


def test_shapes_that_do_not_fit(tmp_path: Path) -> None:
    file = load(chain(tmp_path))
    with pytest.raises(ShapeError, match=r"The node 'first' \(MatMul\): MatMul\(float32\[2, 7\], float32\[4, 5\]\): "):
        values(file, {"x": given(2, 7)}, ["y"], states({}))
    with pytest.raises(ShapeError, match=r"'x' of m\.onnx is Nx4, got 2x2x4\."):
        values(file, {"x": given(2, 2, 4)}, ["y"], states({}))


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"perm": [0, 0]}, "Transpose"),
        ({"perm": "no"}, "The attribute `perm` is of another type than ONNX defines"),
        ({"perm": [7, 1]}, "Transpose"),
    ],
)
def test_attributes_that_make_no_sense(attrs: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = load(saved(model([node("Transpose", ["x"], ["y"], **attrs)], {"x": ["N", 4]}, ["y"]), tmp_path))
    with pytest.raises(SpecError, match=message):
        values(file, {"x": given(2, 4)}, ["y"], states({}))


def test_missing_attributes_and_inputs(tmp_path: Path) -> None:
    for broken, message in (
        (node("Concat", ["x", "x"], ["y"]), "The attribute `axis` is missing"),
        (node("MatMul", ["x"], ["y"]), r"It has 1 inputs\. Expected 2 to 2\."),
    ):
        file = load(saved(model([broken], {"x": ["N", 4]}, ["y"]), tmp_path))
        with pytest.raises(SpecError, match=message):
            values(file, {"x": given(2, 4)}, ["y"], states({}))


@pytest.mark.parametrize(
    ("dtype", "kind", "tolerance"),
    [(np.float16, TensorProto.FLOAT16, 5e-3), (np.float64, TensorProto.DOUBLE, 1e-5), (ml_dtypes.bfloat16, TensorProto.BFLOAT16, 5e-2)],
)
def test_floats_of_every_width_are_trained_in_float32(dtype: Any, kind: int, tolerance: float, tmp_path: Path) -> None:
    constants = {
        "w": normal(4, 5).astype(dtype),
        "b": normal(5).astype(dtype),
        "huge": np.array(np.finfo(np.float64).max if dtype == np.float64 else -6e4, dtype),
    }
    nodes = [
        node("MatMul", ["x", "w"], ["p"]),
        node("Cast", ["p"], ["c"], to=TensorProto.FLOAT),
        node("Cast", ["c"], ["d"], to=kind),
        node("Add", ["d", "b"], ["s"]),
        node("Clip", ["s", "", "huge"], ["y"]) if dtype == np.float64 else node("Identity", ["s"], ["y"]),
    ]
    path = saved(model(nodes, {"x": ["N", 4]}, ["y"], constants, dtypes={"x": kind}), tmp_path)
    learned: dict[str, Weight] = {}
    feeds = {"x": normal(2, 4)}
    file = load(path)
    assert file.inputs[0].dtype == np.float32 and file.outputs[0].dtype == np.float32
    found = run(graph(file, feeds, learned, "N"), feeds, learned)["y"]
    assert found.dtype == np.float32 and {w.array.dtype for w in learned.values()} == {np.dtype(np.float32)}
    wanted = feeds["x"].astype(np.float64) @ constants["w"].astype(np.float64) + constants["b"].astype(np.float64)
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)
    if dtype == np.float16:
        np.testing.assert_allclose(found, original(path, {"x": feeds["x"].astype(dtype)})["y"], rtol=0.02, atol=0.02)


def test_inputs_take_the_type_that_the_file_declares(tmp_path: Path) -> None:
    made = model([node("Gather", ["w", "x"], ["y"])], {"x": ["N", 4]}, ["y"], {"w": normal(7, 3)}, dtypes={"x": TensorProto.INT64})
    (y,) = values(load(saved(made, tmp_path)), {"x": given("N", 4)}, ["y"], states({}))
    assert y.shape == ("N", 4, 3) and y.node.operands[1].dtype == np.int64


def test_initializers_that_are_inputs_too(tmp_path: Path) -> None:
    """As files before IR version 4 have them."""
    made = model([node("MatMul", ["x", "w"], ["y"])], {"x": ["N", 4], "w": [4, 3]}, ["y"], {"w": normal(4, 3)}, opset=8)
    made.ir_version = 3
    file = load(saved(made, tmp_path))
    assert [i.name for i in file.inputs] == ["x"] and [w.name for w in weights(file, ["x"], ["y"])] == ["w"]


def normed(folder: Path) -> Path:
    constants = {"g": normal(3), "b": normal(3, seed=1), "m": normal(3, seed=2), "v": np.array([0.5, 1, 2], np.float32)}
    return saved(
        model([node("BatchNormalization", ["x", "g", "b", "m", "v"], ["y"], momentum=0.8)], {"x": ["N", 3, 4]}, ["y"], constants), folder
    )


@pytest.mark.parametrize("trained", [False, True])
def test_moments_of_the_batch_only_if_they_are_trained(trained: bool, tmp_path: Path) -> None:
    file, learned, updates = load(normed(tmp_path)), dict[str, Weight](), dict[str, Value]()
    x = given(6, 3, 4)
    (y,) = values(
        file,
        {"x": x},
        ["y"],
        states(learned),
        training=True,
        train_batch_norm=trained,
        update=lambda s, v: updates.update({s.node.name: v}),
    )
    assert set(learned) == {"g", "b", "m", "v"} and set(updates) == ({"m", "v"} if trained else set())
    if not trained:
        assert y.node.op == "BatchNormalization"
        return
    from netc.graph.ir import Graph

    feeds = {"x": normal(6, 3, 4)}
    found = run(Graph("g", {"out/y": y, **{f"out/{n}": v for n, v in updates.items()}}), feeds, learned)
    rows = feeds["x"].transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_allclose(found["m"], 0.8 * learned["m"].array + 0.2 * rows.mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["v"], 0.8 * learned["v"].array + 0.2 * rows.var(1, ddof=1), rtol=1e-5)
    wanted = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + 1e-5)
    wanted = wanted * learned["g"].array[:, None] + learned["b"].array[:, None]
    np.testing.assert_allclose(found["y"].transpose(1, 0, 2).reshape(3, -1), wanted, rtol=1e-4, atol=1e-5)


def test_frozen_moments_stay(tmp_path: Path) -> None:
    def frozen(weight: Weight) -> Value:
        info = StateInfo(weight.name, weight.kind, lambda: weight.array, frozen=True)
        return leaf("State", np.float32, weight.array.shape, info=info)

    updates: list[Value] = []
    (y,) = values(
        load(normed(tmp_path)),
        {"x": given(6, 3, 4)},
        ["y"],
        frozen,
        training=True,
        train_batch_norm=True,
        update=lambda s, v: updates.append(s),
    )
    assert y.node.op == "BatchNormalization" and not updates


def test_nodes_are_named_in_the_graph(tmp_path: Path) -> None:
    (y,) = values(load(chain(tmp_path)), {"x": given(2, 4)}, ["y"], states({}))
    assert y.node.origin.node == "second"


def test_large_constants_of_nodes_are_read(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(normal(64, 64))
    made = model([node("Constant", [], ["w"], value=tensor), node("MatMul", ["x", "w"], ["y"])], {"x": ["N", 64]}, ["y"], opset=11)
    np.testing.assert_array_equal(load(saved(made, tmp_path)).array("w"), normal(64, 64))
