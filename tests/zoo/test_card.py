"""The model card: complete, harmless, and its program runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from netc import zoo
from netc.zoo.card import model_card
from netc.zoo.programs import TYPES, programs
from tests.node import NODE
from tests.zoo.programs import program, run_javascript, run_python
from tests.zoo.toy import contents, onnx_bytes, stated


def test_the_card_says_what_matters(toy_zoo: Path) -> None:
    card = (toy_zoo / "toy/1.0.0/README.md").read_text()
    for text in (
        "# toy 1.0.0",
        "Adds three numbers.",
        "| accuracy | 0.9912 |",
        "netc zoo download toy@1.0.0",
        "| inputs | x | float32 | N x 3 |",
        f"| model.onnx | model | {len(onnx_bytes())} B |",
        "netc train nets/toy.yaml",
        "CC0-1.0",
        "## Licence\n\nApache-2.0",
    ):
        assert text in card, text


def test_the_python_on_the_card_runs(toy_zoo: Path, tmp_path: Path) -> None:
    assert run_python(toy_zoo / "toy/1.0.0") == "y (1, 3)\n"
    inputs = np.arange(6, dtype=np.float32).reshape(2, 3)
    for outputs, right in ((inputs + [1, 2, 3], True), (inputs, False)):
        vectors = zoo.npz({"input.x": inputs, "output.y": outputs.astype(np.float32)})
        path = zoo.publish(tmp_path / "zoo", "toy", contents() | {"test_vectors.npz": vectors}, stated()).path
        assert run_python(path) == f"y (2, 3) {right}\n"


@pytest.mark.skipif(NODE is None, reason="no node here")
def test_the_javascript_on_the_card_runs(toy_zoo: Path, tmp_path: Path) -> None:
    said = run_javascript(toy_zoo / "toy/1.0.0", tmp_path)
    if said is None:
        pytest.skip("no onnxruntime-node here (npm install onnxruntime-node): its syntax alone was checked")
    assert said == "y [ 1, 3 ]\n"


def test_the_c_sharp_on_the_card(toy_zoo: Path) -> None:
    """It is not compiled here; its names, types and shapes are those of the model."""
    text = program(toy_zoo / "toy/1.0.0", "csharp")
    assert 'NamedOnnxValue.CreateFromTensor("x", new DenseTensor<float>(new int[] { 1, 3 })), // N x 3' in text
    assert 'outputs.First(o => o.Name == "y").AsTensor<float>()' in text
    for opening, closing in ("()", "[]", "{}"):
        assert text.count(opening) == text.count(closing)


def test_types_that_a_language_lacks(tmp_path: Path) -> None:
    ports: list[dict[str, Any]] = [{"name": "x", "dtype": "bfloat16", "shape": ["N", 3]}, {"name": "i", "dtype": "int64", "shape": []}]
    for place in ("inputs", "outputs"):
        card = model_card(zoo.show(zoo.publish(tmp_path / place, "toy", contents(), stated(**{place: ports})).path.parents[1], "toy"))
        assert "```" not in card and "| bfloat16 |" in card
    (_, _, text), *_ = programs(ports[1:], ports[1:], False)[1:]
    assert 'new ort.Tensor("int64", new BigInt64Array(1), [])' in text


def test_a_name_cannot_leave_its_quotes(tmp_path: Path) -> None:
    name = """x": __import__("os").abort(), 'y\\'"""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N"]) for n in (name, "y"))
    graph = helper.make_graph([helper.make_node("Identity", [name], ["y"])], "named", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
    ports = {place: [{"name": n, "dtype": "float32", "shape": ["N"]}] for place, n in (("inputs", name), ("outputs", "y"))}
    path = zoo.publish(tmp_path / "zoo", "named", {"model.onnx": model}, stated(**ports)).path
    assert run_python(path) == "y (1,)\n"
    if NODE:
        assert run_javascript(path, tmp_path) in ("y [ 1 ]\n", None)
    (*_, (_, _, text)) = programs([{"name": "a`b", "dtype": "float32", "shape": ["N"]}], [], False)
    assert "`" not in text and "a\\u0060b" in text


@pytest.mark.parametrize("dtype", sorted(TYPES))
def test_the_programs_run_whatever_the_types(tmp_path: Path, dtype: str) -> None:
    """An input of each type, an output of it first, and one of float32: the programs take and show both."""
    code = TensorProto.STRING if dtype == "string" else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    x, y = (helper.make_tensor_value_info(name, code, ["N", 2]) for name in "xy")
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 2])
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Cast", ["same" if dtype == "string" else "x"], ["z"], to=1)]
    nodes = [*([helper.make_node("Equal", ["x", "x"], ["same"])] if dtype == "string" else []), *nodes]
    graph = helper.make_graph(nodes, "typed", [x], [y, z])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
    shape = {"shape": ["N", 2]}
    said = {"inputs": [{"name": "x", "dtype": dtype, **shape}]}
    said["outputs"] = [{"name": "y", "dtype": dtype, **shape}, {"name": "z", "dtype": "float32", **shape}]
    path = zoo.publish(tmp_path / "zoo", "typed", {"model.onnx": model}, stated(**said)).path
    assert run_python(path) == "y (1, 2)\nz (1, 2)\n"
    text = program(path, "csharp")
    kind = TYPES[dtype][1]
    assert f"DenseTensor<{kind}>" in text and f'"y").AsTensor<{kind}>()' in text and '"z").AsTensor<float>()' in text
    if NODE and dtype in ("float16", "int64", "bool", "string"):
        assert run_javascript(path, tmp_path) in ("y [ 1, 2 ]\nz [ 1, 2 ]\n", None)


def test_what_is_stated_and_what_is_not(tmp_path: Path) -> None:
    said = {"intended_use": "Adding.", "limits": "Three numbers.", "preprocessing": ["`x`: as it is."], "parameters": 3000}
    tolerance = {"tolerance": {"test_vectors.npz": {"relative": 0.001, "absolute": 0.0001}}}
    card = (zoo.publish(tmp_path, "toy", contents(), stated(**said, **tolerance)).path / "README.md").read_text()
    for text in (
        "## Intended use\n\nAdding.",
        "## Limits\n\nThree numbers.",
        "- `x`: as it is.",
        "| 3,000 |",
        "| 0.001 | 0.0001 |",
    ):
        assert text in card
    card = (zoo.publish(tmp_path, "bare", contents(), stated(dataset=None)).path / "README.md").read_text()
    assert card.count("Not stated.") == 2 and "## Data" not in card and "## Check" not in card


def test_no_html_and_no_broken_tables(tmp_path: Path) -> None:
    said = stated(description="<script>alert(1)</script> & more", command="netc train a|b\nrm", metrics={})
    said["parent"] = {"name": "lenet", "version": "1.0.0"}
    path = zoo.publish(tmp_path, "toy", {**contents(), "curves.png": b"png"}, said).path
    card = (path / "README.md").read_text()
    assert "<script>" not in card and "&lt;script&gt;" in card
    assert "| command | netc train a\\|b rm |" in card
    assert "lenet@1.0.0" in card and "](curves.png)" in card


def test_a_model_without_a_graph_has_no_program(tmp_path: Path) -> None:
    card = (zoo.publish(tmp_path, "toy", {"labels.txt": b"a"}, stated()).path / "README.md").read_text()
    assert "```" not in card


def test_sizes_as_people_read_them() -> None:
    sizes = [0, 999, 1000, 1_720_000, 999_949_999, 999_950_000, 5 * 10**12]
    assert [zoo.human_size(n) for n in sizes] == ["0 B", "999 B", "1.0 kB", "1.7 MB", "999.9 MB", "1.0 GB", "5.0 TB"]
