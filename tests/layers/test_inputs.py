"""Layers that bring data into the net."""

from pathlib import Path

import numpy as np

from netc import data
from netc.compiler.lower import lower
from netc.graph.ir import Graph
from netc.net.model import TEST
from netc.net.resolve import resolve
from netc.net.variants import deployed
from netc.spec import parse_yaml
from netc.training.feed import Feeder
from tests.layers.nets import about, evaluate, forward, net


@about("Input")
def test_one_shape_for_all_tops() -> None:
    lowered = lower(resolve(parse_yaml("layers: [Input: {top: [a, b], shape: [{dim: [2, 3]}]}, Eltwise: {bottom: [a, b], top: y}]")))
    assert {n: v[-1].shape for n, v in lowered.versions.items()} == {"a": (2, 3), "b": (2, 3), "y": (2, 3)}


def test_the_batch_can_be_another_or_symbolic() -> None:
    resolved = resolve(parse_yaml("layers: [Input: {top: x, shape: [{dim: [2, 3]}]}, ReLU]"))
    for batch, shape in ((None, (2, 3)), (7, (7, 3)), ("N", ("N", 3))):
        assert lower(resolved, batch).versions["x"][-1].shape == shape


@about("DummyData")
def test_dummy_data() -> None:
    lowered = net(
        "DummyData: {top: [a, b], shape: [{dim: [2, 3]}, {dim: [2]}], data_filler: [{type: constant, value: 2}, {type: uniform}]}"
    )
    feeds = Feeder(lowered.net, Graph("", {n: v[-1] for n, v in lowered.versions.items()}), 0, ".")
    first, second = feeds(0), feeds(1)
    np.testing.assert_array_equal(first["batch/a"], np.full((2, 3), 2))
    assert first["batch/b"].shape == (2,) and (first["batch/b"] != second["batch/b"]).all()  # random fillers draw new values in each step


@about("Data")
def test_a_deployed_net_transforms_as_testing_does(tmp_path: Path) -> None:
    """The deployed net, fed with raw pixels, computes the same blob as a test, where the source transforms the row."""
    raw = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 4)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", data=raw, label=np.arange(6))
    text = f"layers: [Data: {{source: '{tmp_path}/a.npz', batch_size: 6, scale: 0.01, mean_value: [10, 20, 30]}}, TanH]"
    resolved = resolve(parse_yaml(text), TEST)
    tested, alone = lower(resolved), lower(deployed(resolved))
    fed = Feeder(resolved, tested.graph, 0, ".")(0)
    np.testing.assert_allclose(fed["batch/data"], (raw - np.array([10, 20, 30]).reshape(3, 1, 1)) * 0.01, rtol=1e-5)
    there = evaluate(tested, {"y": tested.versions["data"][-1]}, {"data": fed["batch/data"]}, {})["y"]
    np.testing.assert_allclose(evaluate(alone, {"y": alone.versions["data"][-1]}, {"data": raw}, {})["y"], there, rtol=1e-5, atol=1e-6)


@about("Parameter")
def test_a_learned_blob_starts_at_0() -> None:
    got = forward("Parameter: {name: p, top: w, shape: {dim: [2, 3]}}")
    np.testing.assert_array_equal(got["w"], np.zeros((2, 3)))
    given = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(forward("Parameter: {name: p, top: w, shape: {dim: [2, 3]}}", given={"p.value": given})["w"], given)


@about("TreeData")
def test_a_net_for_trees_has_axes_that_change(tmp_path: Path) -> None:
    """Neither its batches nor its deployed net have a batch axis. The numbers of nodes, leaves and inner nodes differ each time."""
    (tmp_path / "t.txt").write_text("(1 (0 a) (1 b))\n(0 a)\n")
    text = """
      layers: [TreeData: {source: t.txt, batch_size: 2, vocabulary_size: 4, max_height: 3}, Embed: {num_output: 2, input_dim: 4},
        RecursiveNet: {bottom: [embed1, child, width]}, InnerProduct: {num_output: 2}, SoftmaxWithLoss]
    """
    found = resolve(parse_yaml(text, path=str(tmp_path / "n.yaml")), TEST, tables=data.Tables(tmp_path))
    shapes = {n: v[-1].shape for n, v in lower(found, "N").versions.items()}
    assert shapes["word"] == ("leaves",) and shapes["child"] == ("inner", 2) and shapes["width"] == (3,)
    assert shapes["ip1"] == ("nodes", 2) and shapes["label"] == ("nodes",)
    free = lower(deployed(found))
    assert {n.name: n.types[0].shape for n in free.graph.leaves("Input")} == {
        "batch/word": ("leaves",), "batch/child": ("inner", 2), "batch/width": (3,),
    }  # fmt: skip
    assert {n: v.shape for n, v in free.graph.outputs.items()} == {"out/prob": ("nodes", 2)}
