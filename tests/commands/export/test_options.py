"""Options of `netc convert` to ONNX: sizes, opsets, half precision, comparison with OpenCV; and whole folders."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import netc.caffe as caffe
from netc.commands.export import pairs
from netc.commands.export.opset import at_opset
from netc.runtime.session import Session
from tests.small_nets import netc

NET = """\
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1"
        convolution_param { num_output: 4 kernel_size: 3 bias_term: false weight_filler { type: "msra" } } }
layer { name: "bn" type: "BatchNorm" bottom: "c1" top: "c1" }
layer { name: "sc" type: "Scale" bottom: "c1" top: "c1" scale_param { bias_term: true } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "n1" type: "LRN" bottom: "c1" top: "n1" lrn_param { local_size: 3 alpha: 0.1 } }
layer { name: "p1" type: "Pooling" bottom: "n1" top: "p1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "score" type: "Convolution" bottom: "p1" top: "score"
        convolution_param { num_output: 5 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "drop" type: "Dropout" bottom: "score" top: "score" }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a net and weights of it."""
    path = tmp_path_factory.mktemp("net")
    (path / "deploy.prototxt").write_text(NET)
    net = caffe.Net(str(path / "deploy.prototxt"), caffe.TEST)
    net.params["bn"][0].data[...], net.params["bn"][1].data[...], net.params["bn"][2].data[...] = 0.1, 2.0, 1.0
    net.save(str(path / "w.caffemodel"))
    return path


def converted(folder: Path, output: Path, *options: str) -> onnx.ModelProto:
    result = netc("convert", folder / "deploy.prototxt", folder / "w.caffemodel", "-o", output, *options)
    assert result.exit_code == 0, result.output
    return onnx.load(output)


def shapes(model: onnx.ModelProto) -> list[list[str | int]]:
    return [[d.dim_param or d.dim_value for d in p.type.tensor_type.shape.dim] for p in (*model.graph.input, *model.graph.output)]


def run(model: onnx.ModelProto, size: tuple[int, ...] = (1, 3, 16, 16)) -> np.ndarray:
    data = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    return Session(model).run({"data": data})["prob"]


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        (["--input-size", "20x24"], [["N", 3, 20, 24], ["N", 5, 7, 9]]),
        (["--input-size", "20"], [["N", 3, 20, 20], ["N", 5, 7, 7]]),
        (["--input-size", "3,20,24"], [["N", 3, 20, 24], ["N", 5, 7, 9]]),
        (["--input-size", "data=2x3x20x24"], [[2, 3, 20, 24], [2, 5, 7, 9]]),
        ([], [["N", 3, "H", "W"], ["N", 5, "H2", "W3"]]),
    ],
)
def test_input_sizes(folder: Path, tmp_path: Path, size: list[str], wanted: list[list[str | int]]) -> None:
    model = converted(folder, tmp_path / "n.onnx", *size)
    assert [s[:2] for s in shapes(model)] == [s[:2] for s in wanted]
    assert not size or shapes(model) == wanted
    assert run(model, (2, 3, 20, 24)).shape == (2, 5, 7, 9) if size != ["--input-size", "20"] else True


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ("dta=20", "The net has no input 'dta'. Did you mean 'data'?"),
        ("axb", "Expected NxCxHxW, CxHxW, HxW, or NAME=SIZES with numbers from 1 on, got 'axb'."),
        ("0x3", "with numbers from 1 on"),
        ("1x1x3x20x20", "The inputs are data 1x3x16x16."),
        ("2x2", "Layer 'c1'"),
    ],
)
def test_wrong_input_sizes(folder: Path, tmp_path: Path, size: str, text: str) -> None:
    result = netc("convert", folder / "deploy.prototxt", folder / "w.caffemodel", "-o", tmp_path / "n.onnx", "--input-size", size)
    assert result.exit_code == 2 and text in result.stderr and not (tmp_path / "n.onnx").exists()


@pytest.mark.parametrize("opset", range(11, 22))
@pytest.mark.parametrize("half", [False, True])
def test_every_opset(folder: Path, tmp_path: Path, opset: int, half: bool) -> None:
    model = converted(folder, tmp_path / "n.onnx", "--opset", str(opset), *["--half"] * half)
    onnx.checker.check_model(model, full_check=True)
    assert [e.version for e in model.opset_import] == [opset]
    np.testing.assert_allclose(run(model), run(converted(folder, tmp_path / "m.onnx")), atol=1e-2 if half else 1e-5)


@pytest.mark.parametrize("opset", [8, 99])
def test_an_opset_that_cannot_be_written(folder: Path, tmp_path: Path, opset: int) -> None:
    result = netc("convert", folder / "deploy.prototxt", folder / "w.caffemodel", "-o", tmp_path / "n.onnx", "--opset", opset)
    assert result.exit_code == 2 and f"--opset {opset}: opsets 11 to" in result.stderr


def test_an_op_that_an_opset_lacks(tmp_path: Path) -> None:
    head = NET.splitlines()[0]
    (tmp_path / "n.prototxt").write_text(f'{head}\nlayer {{ name: "g" type: "GELU" bottom: "data" top: "g" }}\n')
    result = netc("convert", tmp_path / "n.prototxt", "-o", tmp_path / "n.onnx", "--opset", 12)
    assert result.exit_code == 2 and "Gelu exists since opset 20 (in g)" in result.stderr
    assert netc("convert", tmp_path / "n.prototxt", "-o", tmp_path / "n.onnx", "--opset", 21).exit_code == 0


def test_half_precision(folder: Path, tmp_path: Path) -> None:
    result = netc("convert", folder / "deploy.prototxt", folder / "w.caffemodel", "-o", tmp_path / "n.onnx", "--half")
    assert "float32 for LRN (n1)" in result.stdout and "float16: on a random input, prob differs by at most" in result.stdout
    model = onnx.load(tmp_path / "n.onnx")
    assert {t.data_type for t in model.graph.initializer if t.name.startswith("state/")} == {onnx.TensorProto.FLOAT16}
    assert {p.type.tensor_type.elem_type for p in (*model.graph.input, *model.graph.output)} == {onnx.TensorProto.FLOAT}
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(run(model), run(converted(folder, tmp_path / "m.onnx")), atol=1e-2)


def test_weights_that_half_precision_cannot_hold(folder: Path, tmp_path: Path) -> None:
    net = caffe.Net(str(folder / "deploy.prototxt"), str(folder / "w.caffemodel"), caffe.TEST)
    net.params["score"][0].data[0] = 1e6
    net.save(str(tmp_path / "w.caffemodel"))
    result = netc("convert", folder / "deploy.prototxt", tmp_path / "w.caffemodel", "-o", tmp_path / "n.onnx", "--half")
    assert result.exit_code == 2 and "state/score.weight contains 1e+06" in result.stderr


def test_simplified_or_plain(folder: Path, tmp_path: Path) -> None:
    simple, plain = converted(folder, tmp_path / "a.onnx"), converted(folder, tmp_path / "b.onnx", "--plain")
    assert len(simple.graph.node) == 6 < len(plain.graph.node)
    np.testing.assert_allclose(run(simple), run(plain), atol=1e-5)
    result = netc("convert", folder / "deploy.prototxt", folder / "w.caffemodel", "-o", tmp_path / "n.onnx", "--json")
    assert json.loads(result.stdout)["folded"] == {"BatchNorm": 1, "Dropout": 1, "Scale": 1}


def test_comparison_with_opencv(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = "convert", folder / "deploy.prototxt", folder / "w.caffemodel", "-o", tmp_path / "n.onnx", "--compare", "opencv", "--json"
    monkeypatch.setitem(sys.modules, "cv2", None)
    result = netc(*arguments)
    assert result.exit_code == 2 and "OpenCV is not installed" in result.stderr
    monkeypatch.undo()
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    assert json.loads(netc(*arguments).stdout)["opencv"]["prob"]["absolute"] < 1e-5


# -- folders


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("base_lr: 1" if "solver" in name else "" if path.suffix == ".caffemodel" else NET)


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        (["a.prototxt", "b.prototxt", "a.caffemodel", "b.caffemodel"], ["a a", "b b"]),
        (["deploy.prototxt", "solver.prototxt", "x.caffemodel"], ["deploy x"]),
        (["deploy.prototxt", "train_val.prototxt", "x.caffemodel"], ["deploy x", "train_val left out"]),
        (["train_val.prototxt", "x.caffemodel"], ["train_val x"]),
        (["lenet.prototxt", "lenet_train_test.prototxt", "lenet_iter_500.caffemodel", "lenet_iter_10000.caffemodel"],
         ["lenet lenet_iter_10000", "lenet_train_test left out"]),
        (["m_deploy.prototxt", "m_train.pt", "k/x.caffemodel"], ["m_deploy x", "m_train left out"]),
        (["a.prototxt", "b.prototxt", "x.caffemodel"], ["None x", "a", "b"]),
        (["deploy.prototxt", "a.caffemodel", "b.caffemodel"], ["deploy a", "deploy b"]),
        (["x.caffemodel"], ["None x"]),
        (["one/deploy.prototxt", "one/w.caffemodel", "two/deploy.prototxt", "two/w.caffemodel", ".git/a.prototxt"], ["deploy w"] * 2),
    ],
)  # fmt: skip
def test_what_is_paired(tmp_path: Path, files: list[str], wanted: list[str]) -> None:
    touch(tmp_path, *files)
    found = []
    for m in pairs.models(tmp_path):
        parts = [m.net.stem if m.net else "None", m.weights.stem if m.weights else "", "left out" if m.left_out else ""]
        found.append(" ".join(filter(None, parts)))
    assert sorted(found) == sorted(wanted)


def test_a_folder(folder: Path, tmp_path: Path) -> None:
    for name in ("good", "bad"):
        shutil.copytree(folder, tmp_path / name)
    (tmp_path / "bad" / "deploy.prototxt").write_text(NET.replace('"LRN"', '"Foo"'))
    (tmp_path / "bad" / "w.caffemodel").write_bytes(b"")
    result = netc("convert", tmp_path, "-o", tmp_path / "out", "--json", "--opset", 13)
    assert result.exit_code == 1, result.output
    rows = {Path(row["net"]).parent.name: row for row in json.loads(result.stdout)["models"]}
    assert rows["good"]["outcome"] == "converted" and rows["good"]["facts"]["opset"] == 13
    assert (tmp_path / "out" / "good" / "w.onnx").is_file() and not (tmp_path / "out" / "bad" / "w.onnx").exists()
    assert rows["bad"]["outcome"] == "refused" and "There is no layer type 'Foo'" in rows["bad"]["errors"][0]
    again = netc("convert", tmp_path / "good", "-o", tmp_path / "out" / "good")
    assert again.exit_code == 2 and "already there" in again.stdout
    assert netc("convert", tmp_path / "good", "-o", tmp_path / "out" / "good", "--force").exit_code == 0


def test_a_list(folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "models.txt"
    listed.write_text(f"# net and weights\n{folder}/deploy.prototxt {folder}/w.caffemodel\nnone.prototxt w.caffemodel\n")
    result = netc("convert", listed, "-o", tmp_path / "out")
    assert result.exit_code == 1 and "models.txt:3: There is no file none.prototxt, w.caffemodel." in result.stdout
    assert (tmp_path / "out" / "w.onnx").is_file()


def test_a_folder_without_models(tmp_path: Path) -> None:
    result = netc("convert", tmp_path)
    assert result.exit_code == 2 and "There is no Caffe model in it" in result.stderr


def test_forms_of_older_opsets() -> None:
    """Split into equal parts, the Shape of some axes, sums over given axes and Softmax along a middle axis."""
    names = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in (("x", [2, 6, 3]), ("y", [2, 3, 3]), ("s", [2, 1, 3]))]
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b"], name="split", axis=1, num_outputs=2),
        helper.make_node("Softmax", ["a"], ["y"], name="soft", axis=1),
        helper.make_node("ReduceSum", ["x", "axes"], ["s"], name="sum"),
        helper.make_node("Shape", ["x"], ["z"], name="shape", start=1),
    ]
    output = helper.make_tensor_value_info("z", onnx.TensorProto.INT64, [2])
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    graph = helper.make_graph(nodes, "g", names[:1], [*names[1:], output], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    data = {"x": np.random.default_rng(0).standard_normal((2, 6, 3)).astype(np.float32)}
    wanted = Session(model).run(data)
    for opset in (11, 13, 15, 18):
        found = Session(at_opset(model, opset)).run(data)
        for name, array in wanted.items():
            np.testing.assert_allclose(found[name], array, rtol=1e-6, err_msg=f"{name} in opset {opset}")
