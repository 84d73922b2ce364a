"""Files that are made to do harm: each is refused, or imported without large arrays, in a short time."""

import resource
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from netc.errors import NetcError, SpecError
from netc.onnx_import import load
from tests.onnx_import.files import graph, model, normal, saved

node = helper.make_node
HUGE = 10**9
SECONDS, MEGABYTES = 30, 700  # on a machine that does other work as well


def added(name: str) -> list[onnx.NodeProto]:
    """Add the sum of a tensor to x."""
    return [node("ReduceSum", [name], ["t"], keepdims=0), node("Add", ["x", "t"], ["y"])]


C: dict[str, np.ndarray] = {
    "huge": np.array(HUGE), "zero": np.array(0), "one": np.array(1), "shape": np.array([HUGE, HUGE]),
    "many": np.array([2**20, 2**9]), "v": normal(1, 1), "pads": np.array([0, HUGE, 0, HUGE]), "sizes": np.array([1, 1, 2**15, 2**15]),
    "image": normal(1, 1, 2, 2), "w": normal(64, 64) / np.float32(8), "step": np.array(1e-9, np.float32), "f0": np.array(0, np.float32),
    "f1": np.array(1, np.float32),
}  # fmt: skip
# Each file: the nodes between the constants above, the input x (2, 3), and the output y.
FILES: dict[str, list[onnx.NodeProto]] = {
    "a constant of a huge shape": [node("ConstantOfShape", ["shape"], ["c"]), *added("c")],
    "an expansion": [node("Expand", ["v", "shape"], ["c"]), *added("c")],
    "a repetition": [node("Tile", ["v", "many"], ["c"]), *added("c")],
    "a range": [node("Range", ["zero", "huge", "one"], ["r"]), node("Cast", ["r"], ["c"], to=1), *added("c")],
    "a range of small steps": [node("Range", ["f0", "f1", "step"], ["c"]), *added("c")],
    "a padding": [node("Pad", ["v", "pads"], ["c"]), *added("c")],
    "a larger image": [node("Resize", ["image", "", "", "sizes"], ["c"], mode="cubic"), *added("c")],
    "one after the other": [*(node("Concat", [f"c{k}" if k else "w"] * 2, [f"c{k + 1}"], axis=0) for k in range(24)), *added("c24")],
    "many arrays": [
        *(node("Tile", ["w", "four"], [f"c{k}"]) for k in range(3000)),
        node("Concat", [f"c{k}" for k in range(3000)], ["c"], axis=0),
        *added("c"),
    ],
    "many products": [*(node("MatMul", [f"c{k}" if k else "w", "w"], [f"c{k + 1}"]) for k in range(2000)), *added("c2000")],
    "a random constant": [node("RandomNormal", [], ["c"], shape=[HUGE, 2]), *added("c")],
    "a unit matrix": [node("ConstantOfShape", ["many"], ["e"]), node("EyeLike", ["e"], ["c"]), *added("c")],
}


@pytest.mark.parametrize("case", FILES)
def test_constants_stay_small(case: str, tmp_path: Path) -> None:
    path = saved(model(FILES[case], {"x": ["N", 3]}, ["y"], {**C, "four": np.array([4, 4])}), tmp_path)
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(NetcError):  # some are refused, with a sentence
        graph(load(path), {"x": normal(2, 3)}, {})
    assert time.monotonic() - start < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES


def test_a_tensor_of_a_huge_shape_without_data(tmp_path: Path) -> None:
    for dims in ([HUGE, HUGE], [2**40], [-1], [2**16, 2**14], [7, 7]):
        made = model([node("MatMul", ["x", "w"], ["y"])], {"x": ["N", 3]}, ["y"])
        made.graph.initializer.append(TensorProto(name="w", dims=dims, data_type=TensorProto.FLOAT))
        with pytest.raises(SpecError, match=r"Cannot read m\.onnx: The tensor 'w' has "):
            load(saved(made, tmp_path))


def test_data_that_do_not_fit(tmp_path: Path) -> None:
    made = model([node("MatMul", ["x", "w"], ["y"])], {"x": ["N", 3]}, ["y"])
    made.graph.initializer.append(TensorProto(name="w", dims=[3, 3], data_type=TensorProto.FLOAT, float_data=[1.0, 2.0]))
    with pytest.raises(SpecError, match=r"The data of the tensor 'w' do not fit its shape \[3, 3\]"):
        load(saved(made, tmp_path))


def test_a_declared_input_of_a_huge_shape(tmp_path: Path) -> None:
    file = load(saved(model([node("Relu", ["x"], ["y"])], {"x": [HUGE, HUGE]}, ["y"]), tmp_path))
    assert file.inputs[0].shape == (HUGE, HUGE)


def test_graphs_inside_graphs_without_end(tmp_path: Path) -> None:
    def within(field: int, content: bytes) -> bytes:
        """A field of a message, as bytes."""
        length, size = len(content), b""
        while length > 127:
            length, size = length >> 7, size + bytes([length & 127 | 128])
        return bytes([field << 3 | 2]) + size + bytes([length]) + content

    inner = b""
    for _ in range(5000):
        inner = within(1, within(5, within(6, inner)))  # a node of a graph, its attribute, the graph in it
    (tmp_path / "m.onnx").write_bytes(bytes([8, 8]) + within(7, inner))
    with pytest.raises(SpecError, match=r"Cannot read m\.onnx: It is no ONNX file, or it is cut short"):
        load(tmp_path / "m.onnx")


def test_a_cycle(tmp_path: Path) -> None:
    nodes = [node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"]), node("Relu", ["b"], ["y"])]
    with pytest.raises(SpecError, match=r"The node '[ab]' \((Neg|Add)\) depends on its own output"):
        load(saved(model(nodes, {"x": ["N", 3]}, ["y"]), tmp_path))


def test_names_that_make_no_sense(tmp_path: Path) -> None:
    for nodes, message in (
        ([node("Relu", ["z"], ["y"])], r"'y' \(Relu\) reads 'z', which nothing computes\."),
        ([node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])], "The tensor 'y' is computed twice"),
        ([node("Relu", ["x"], ["z"])], "Nothing computes the output 'y'"),
    ):
        for opset in (11, 21):  # ONNX 1.20 ends the process when it converts a graph with such names
            with pytest.raises(SpecError, match=message):
                load(saved(model(nodes, {"x": ["N", 3]}, ["y"], opset=opset), tmp_path))


def test_nodes_in_any_order(tmp_path: Path) -> None:
    path = saved(model([node("Neg", ["a"], ["y"]), node("Relu", ["x"], ["a"])], {"x": ["N", 3]}, ["y"]), tmp_path)
    assert [n.op for n in load(path).nodes] == ["Relu", "Neg"]


def test_a_long_file_takes_little_time(tmp_path: Path) -> None:
    nodes = [node("Relu" if k % 2 else "Neg", [f"h{k}" if k else "x"], [f"h{k + 1}"]) for k in range(5000)]
    start = time.monotonic()
    graph(load(saved(model(nodes, {"x": ["N", 3]}, ["h5000"], opset=11), tmp_path)), {"x": normal(2, 3)}, {}, "N")
    assert time.monotonic() - start < SECONDS


def test_random_damage_ends_in_a_sentence(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], strides=[2, 2]),
        node("Reshape", ["c", "s"], ["r"]),
        node("Gather", ["r", "i"], ["g"], axis=1),
        node("Softmax", ["g"], ["y"]),
    ]
    made = model(nodes, {"x": ["N", 3, 9, 9]}, ["y"], {"w": normal(2, 3, 3, 3), "s": np.array([0, -1]), "i": np.array([1, 3])}, opset=11)
    whole = made.SerializeToString()
    rng = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole)
        for at in rng.integers(0, len(content), rng.integers(1, 6)):
            content[at] = rng.integers(256)
        (tmp_path / "m.onnx").write_bytes(bytes(content))
        try:
            file = load(tmp_path / "m.onnx")
            graph(file, {file.inputs[0].name: normal(2, 3, 9, 9)} if file.inputs else {}, {})
        except NetcError:
            continue


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no endless file")
def test_a_device_is_no_file() -> None:
    with pytest.raises(SpecError, match="Cannot read zero: it is a device, not a file"):
        load(Path("/dev/zero"))
