"""Reading files: what they hold, and how damaged ones are refused."""

from pathlib import Path

import pytest
from onnx import helper

from netc.errors import SpecError
from netc.onnx_import import load, weights
from tests.onnx_import.files import model, normal, same, saved


def two_layers(folder: Path) -> Path:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("Gemm", ["f", "v", "b"], ["y"], transB=1),
    ]
    arrays = {"w": normal(3, 2, 3, 3), "v": normal(5, 48), "b": normal(5)}
    return saved(model(nodes, {"x": ["batch", 2, 4, 4]}, ["y"], arrays, opset=17), folder)


def test_a_file_is_described(tmp_path: Path) -> None:
    file = load(two_layers(tmp_path))
    assert [(i.name, i.shape) for i in file.inputs] == [("x", ("batch", 2, 4, 4))]
    assert [(t.name, t.op) for t in file.tensors()] == [("x", ""), ("c", "Conv"), ("r", "Relu"), ("f", "Flatten"), ("y", "Gemm")]
    assert file.opset == 17 and len(file.sha256) == 64
    assert [(w.name, w.kind, w.uses) for w in weights(file, ["x"], ["y"])][0] == ("w", "parameter", ("conv (Conv)",))
    assert [w.name for w in weights(file, ["x"], ["y"])] == ["w", "v", "b"] and [w.name for w in weights(file, ["r"], ["y"])] == ["v", "b"]


def test_it_computes_what_the_file_computes(tmp_path: Path) -> None:
    assert set(same(two_layers(tmp_path), {"x": normal(3, 2, 4, 4)})) == {"w", "v", "b"}


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    whole = two_layers(tmp_path).read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], whole[:-3]):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(SpecError, match=r"Cannot read bad\.onnx: "):
            load(tmp_path / "bad.onnx")
    with pytest.raises(SpecError, match=r"Cannot read none\.onnx: No such file or directory\."):
        load(tmp_path / "none.onnx")
