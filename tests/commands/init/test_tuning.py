"""`netc init --model`: a net that goes on from an ONNX file, cut before its classifier."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from netc import load
from netc.commands.init.cut import normalizes, proposed
from netc.onnx_import import load as opened
from tests.commands.init.test_starters import folder_of_images
from tests.onnx_files import built, classifier, save, text_classifier
from tests.small_nets import netc, write_arrays

IMAGE: dict[str, tuple[int, list[int | str]]] = {"x": (TensorProto.FLOAT, ["N", 3, 16, 16])}
FILTERS = {"w": np.ones((4, 3, 3, 3), np.float32), "v": np.ones((5, 4, 1, 1), np.float32), "u": np.ones((4, 5), np.float32)}


def node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], name=f"/{output}/{op}", **attributes)


CONV = node("Conv", "x w", "c", pads=[1] * 4)
POOL = node("GlobalAveragePool", "c", "p")
# Nodes, the output with its shape, the cut, the classifier.
CUTS: dict[str, tuple[list[onnx.NodeProto], str, list[int | str], str, str]] = {
    "Gemm": ([CONV, POOL, node("Flatten", "p", "f"), node("Gemm", "f u", "y")], "y", ["N", 5], "f", "/y/Gemm"),
    "behind it a Softmax": (
        [CONV, POOL, node("Flatten", "p", "f"), node("Gemm", "f u", "g"), node("Softmax", "g", "y")], "y", ["N", 5], "f", "/g/Gemm"),
    "MatMul with a bias": (
        [CONV, POOL, node("Flatten", "p", "f"), node("MatMul", "f u", "m"), node("Add", "m h", "y")], "y", ["N", 5], "f", "/m/MatMul"),
    "Conv, then a pooling": (
        [CONV, node("Conv", "c v", "s"), node("Relu", "s", "r"), node("GlobalAveragePool", "r", "y")], "y", ["N", 5, 1, 1], "c", "/s/Conv"),
    "no classifier": ([CONV, node("Tanh", "c", "t"), node("MaxPool", "t", "y", kernel_shape=[2, 2])], "y", ["N", 4, 15, 15], "y", ""),
    "a residual": ([CONV, node("Tanh", "c", "t"), node("Add", "c t", "y")], "y", ["N", 4, 16, 16], "y", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CUTS)
def test_the_cut_is_before_the_classifier(tmp_path: Path, case: str) -> None:
    nodes, output, shape, cut, left_out = CUTS[case]
    used = {name for one in nodes for name in one.input}
    arrays = {n: a for n, a in (FILTERS | {"h": np.ones(5, np.float32)}).items() if n in used}
    file = opened(Path(save(tmp_path / "a.onnx", built(nodes, IMAGE, {output: shape}, arrays))))
    found = proposed(file)
    assert (found.tensor.name, found.classifier) == (cut, left_out)
    assert cut not in [other.name for other in found.others]


@pytest.mark.parametrize("first, expected", [("Div", True), ("Sub", True), ("Conv", False)])
def test_a_file_may_scale_its_input_itself(tmp_path: Path, first: str, expected: bool) -> None:
    start = [] if first == "Conv" else [node(first, "x k", "s")]
    conv = CONV if first == "Conv" else node("Conv", "s w", "c", pads=[1] * 4)
    arrays = {"w": FILTERS["w"]} | ({} if first == "Conv" else {"k": np.full((1, 3, 1, 1), 2, np.float32)})
    file = opened(Path(save(tmp_path / "a.onnx", built([*start, conv], IMAGE, {"c": ["N", 4, 16, 16]}, arrays))))
    assert normalizes(file, "x") == expected


def written(tmp_path: Path, model: onnx.ModelProto, data: Path) -> tuple[str, str]:
    """What `netc init` writes, and what it prints."""
    save(tmp_path / "base.onnx", model)
    result = netc("init", tmp_path / "my.yaml", "--model", tmp_path / "base.onnx", "--data", data)
    assert result.exit_code == 0, result.output
    return (tmp_path / "my.yaml").read_text(), result.output


def test_images_get_the_size_and_the_preprocessing_of_the_file(tmp_path: Path) -> None:
    text, printed = written(tmp_path, classifier(channels=3, size=24), folder_of_images(tmp_path / "photos"))
    program = load(str(tmp_path / "my.yaml"))
    layers = {x.name: x.param for x in program.train_net.layers}
    transform = layers["data"].transform_param
    assert (transform.resize_height, transform.resize_width, transform.mirror) == (24, 24, True)
    assert list(transform.mean_value) == pytest.approx([123.675, 116.28, 103.53]) and len(transform.std_value) == 3
    assert layers["body"].model_param.output == ["flat"] and layers["body"].model_param.file == "base.onnx"
    assert "does not tell its preprocessing; ImageNet's mean and deviation in RGB are assumed." in text and "assumed" in printed
    assert program.states["body.features.0.weight"].state.lr_mult == pytest.approx(0.1)
    result = netc("train", tmp_path / "my.yaml", "--runs", tmp_path / "runs", "--set", "solver.max_epoch=1", "--zoo", tmp_path / "zoo")
    assert result.exit_code == 0, result.output


def test_the_metadata_may_tell_the_preprocessing(tmp_path: Path) -> None:
    told = {"mean": "[0.5, 0.5, 0.5]", "std": "(0.25, 0.25, 0.25)"}
    written(tmp_path, classifier(channels=3, size=24, metadata=told), folder_of_images(tmp_path / "photos"))
    transform = load(str(tmp_path / "my.yaml")).train_net.layers[0].param.transform_param
    assert list(transform.mean_value) == [127.5] * 3 and list(transform.std_value) == [63.75] * 3


def test_grey_arrays_for_a_file_of_three_channels(tmp_path: Path) -> None:
    text, _ = written(tmp_path, classifier(channels=3), write_arrays(tmp_path))
    assert "- Tile: {name: rgb, axis: 1, tiles: 3}" in text or "tiles: 3" in text
    assert load(str(tmp_path / "my.yaml")).train.loss is not None


def test_a_licence_in_the_file_is_not_repeated(tmp_path: Path) -> None:
    text, _ = written(tmp_path, classifier(metadata={"license": "MIT"}), write_arrays(tmp_path))
    assert "licence: unknown,\n" not in text.split("Model:")[1].split("InnerProduct")[0]


@pytest.mark.parametrize("model, said", [
    (classifier(size=14), "base.onnx takes image (float32 batch x 1 x 14 x 14), but the rows of"),
    (text_classifier(), "base.onnx has 2 inputs: input_ids (int64 batch x sequence)"),
])  # fmt: skip
def test_data_that_do_not_fit(tmp_path: Path, model: onnx.ModelProto, said: str) -> None:
    save(tmp_path / "base.onnx", model)
    result = netc("init", tmp_path / "my.yaml", "--model", tmp_path / "base.onnx", "--data", write_arrays(tmp_path))
    assert result.exit_code == 2 and said in result.output and not (tmp_path / "my.yaml").exists()


@pytest.mark.parametrize("name, said", [("none.onnx", "There is no file"), ("small.npz", "It is no ONNX file")])
def test_files_that_are_none(tmp_path: Path, name: str, said: str) -> None:
    write_arrays(tmp_path)
    result = netc("init", tmp_path / "my.yaml", "--model", tmp_path / name, "--data", tmp_path / "small.npz")
    assert result.exit_code == 2 and said in result.output and not (tmp_path / "my.yaml").exists()


def test_tables_have_no_place_for_a_model(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,kind\n" + "".join(f"{k},{k % 3},{'xy'[k % 2]}\n" for k in range(40)))
    save(tmp_path / "base.onnx", classifier())
    result = netc("init", tmp_path / "my.yaml", "--model", tmp_path / "base.onnx", "--data", tmp_path / "t.csv", "--label", "kind")
    assert result.exit_code == 2 and "needs images, arrays or rows of numbers with a label" in result.output
