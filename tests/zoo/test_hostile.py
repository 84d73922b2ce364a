"""Zoos that mean harm. Each is whole but for the one thing that its case is about, and each is refused."""

import io
import json
import os
import pickle
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper, parser

from netc import zoo
from netc.zoo import arrays
from netc.zoo.manifest import FIELDS, OPTIONAL, problems
from tests.small_nets import netc
from tests.zoo.toy import hostile, onnx_bytes, refused, reseal, row, stated

GOOD = {"labels.txt": b"a\n"}


def test_the_helper_makes_a_zoo_that_is_good_otherwise(tmp_path: Path) -> None:
    assert zoo.download("toy", hostile(tmp_path / "zoo", GOOD), tmp_path / "to").new


@pytest.mark.parametrize(
    "name",
    ["../evil", "..", "/etc/passwd", "a/../../evil", "a\\..\\evil", ".bashrc", "C:evil", "a\0b", "a\nb", "LABELS.TXT"]
    + ["manifest.json", "", "x" * 300, "\u202egnp.sh", 7, None, ["a"]]
    + ["con", "nul.txt", "com1.npz", "l\u0430bels.txt", "layers.py", "kernels.so", "weights.pkl", "page.html", "readme.md"]
    + ["a..b", "a.", "manifest.json.minisig", "\u200ba", "file:///etc/passwd", "~root", "-rf", "$HOME", "%2e%2e", "a b"],
)
def test_names_of_files(tmp_path: Path, name: Any) -> None:
    bad = row("a", b"evil") | {"name": name}
    refused(hostile(tmp_path / "zoo", GOOD, files=[row("labels.txt", b"a\n"), bad]), tmp_path / "to", "manifest.json")


@pytest.mark.parametrize("change", [{"name": "../toy"}, {"name": "/toy"}, {"version": "../1"}, {"version": "1.0.0/.."}])
def test_index_that_points_elsewhere(tmp_path: Path, change: dict[str, str]) -> None:
    refused(hostile(tmp_path / "zoo", GOOD, change), tmp_path / "to", "index.json: model 0: (name|version)")


@pytest.mark.parametrize(
    "change, said",
    [
        ({"name": "other"}, "belongs to other@1.0.0"),
        ({"version": "1.0.1"}, "belongs to toy@1.0.1"),
        ({"format": 2}, "update netc"),
        ({"format": True}, "format"),
        ({"files": "all"}, "files"),
        ({"files": [row("a", b""), row("a", b"")]}, "lists 'a' twice"),
        ({"files": [row("a", b"") | {"size": -1}]}, "files"),
        ({"files": [row("a", b"") | {"size": 1e9}]}, "files"),
        ({"files": [row("a", b"") | {"size": 1 << 60}]}, "files"),
        ({"files": [row("a", b"") | {"size": 1 << 49}]}, "not enough disk space"),
        ({"files": [row("a", b"") | {"sha256": "A" * 64}]}, "files"),
        ({"files": [row(f"f{i}", b"") for i in range(1001)]}, "files"),
        ({"files": [row("README.md", b""), row("readme.md", b"")]}, "files"),
        ({"metrics": {"loss": float("nan")}}, "is not JSON: NaN"),
        ({"metrics": {"loss": float("inf")}}, "is not JSON: Infinity"),
        ({"metrics": {"loss": 10**400}}, "metrics"),
        ({"metrics": {"a\x1b[2J": 1}}, "control characters"),
        ({"description": "\x1b]0;owned\x07"}, "control characters"),
        ({"description": "safe\u202eelif"}, "control characters"),
        ({"description": "a\U000e0041b"}, "control characters"),
        ({"command": "netc\x9b2J"}, "control characters"),
        ({"inputs": [{"name": "x```\n<script>", "dtype": "float32", "shape": [1]}]}, "inputs"),
        ({"inputs": [{"name": "x", "dtype": "float32, __import__('os')", "shape": [1]}]}, "inputs"),
        ({"inputs": [{"name": "x", "dtype": "float32", "shape": [1] * 99}]}, "inputs"),
        ({"inputs": [{"name": "x", "dtype": "float32", "shape": [10**30]}]}, "inputs"),
        ({"parent": {"name": "../x", "version": "1.0.0"}}, "parent"),
        ({"tolerance": {"test_vectors.npz": {"relative": 10**9, "absolute": 0}}}, "tolerance"),
        ({"licence": "\ud800"}, "control characters"),
        ({"inputs": [{"name": "x", "dtype": "f", "shape": [-1]}]}, "inputs"),
        ({"description": "x" * (1 << 23)}, "longer than the limit of 8388608 bytes"),
        ({"columns": [{"name": "x", "type": "number", "dtype": "float32", "values": "1", "gaps": 1, "example": 0}]}, "columns"),
        ({"columns": [{"name": "x", "type": "number", "dtype": "float32", "values": "1", "gaps": True, "example": [0]}]}, "columns"),
    ],
)
def test_manifests(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    refused(hostile(tmp_path / "zoo", GOOD, **change), tmp_path / "to", said)


@pytest.mark.parametrize(
    "value", [None, True, 7, -1, 1.5, "", "x\n", [], [[]], [None], {}, {"a": {}}, "1" * 10_000], ids=lambda v: repr(v)[:12]
)
@pytest.mark.parametrize("field", [*FIELDS, *OPTIONAL])
def test_fields_of_every_type(field: str, value: Any) -> None:
    """A wrong value is told with its field, and a right one passes; nothing else is raised."""
    good = {"format": 1, "name": "toy", "version": "1.0.0", "created": "2026-01-01", "files": [], "parent": None, "netc": "1"}
    assert problems(good | stated()) == []
    found = problems(good | stated() | {field: value})
    assert all(text.startswith((field, "its format")) for text in found)
    if value in ("", [[]], [None]) or (value == -1 and field != "seed"):
        assert found


@pytest.mark.parametrize(
    "text",
    ['{"format": 1, "format": 1}', '{"format": NaN}', '{"format": -Infinity}', '{"a":' * 5000 + "1" + "}" * 5000, '{"a": "\\ud800"}'],
    ids=["a key twice", "NaN", "infinity", "deep", "a lone surrogate"],
)
def test_json_that_python_would_take(tmp_path: Path, text: str) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    (folder / "index.json").write_text(text)
    refused(folder, tmp_path / "to", "index.json: (is not JSON|contains control)")


def test_huge_json(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    (folder / "index.json").write_text(" " * ((1 << 24) + 1))
    refused(folder, tmp_path / "to", "index.json: is longer than")


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "9" * 10_000, '{"format": ' + "9" * 5000 + "}", "\xff", "", "<html>"])
def test_manifests_and_indexes_that_are_no_json_objects(tmp_path: Path, text: str) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    (folder / "toy/1.0.0/manifest.json").write_text(text, "latin-1")
    reseal(folder)
    refused(folder, tmp_path / "to", "manifest.json: (is not JSON|expected a JSON object)")
    (folder / "index.json").write_text(text, "latin-1")
    refused(folder, tmp_path / "to", "index.json: (is not JSON|expected a JSON object)")


@pytest.mark.parametrize(
    "change", [{"aliases": ["../x"]}, {"aliases": ["latest"]}, {"aliases": "stable"}, {"signed": 1}, {"aliases": ["a", "a"]}]
)
def test_aliases_that_are_none(tmp_path: Path, change: dict[str, Any]) -> None:
    refused(hostile(tmp_path / "zoo", GOOD, change), tmp_path / "to", "aliases|signed|one alias belongs to two versions")


@pytest.mark.parametrize("text", ['{"format": 1, "aliases": {"../x": "1.0.0"}}', '{"format": 1, "aliases": {"x": "../1"}}', "[]", "{}"])
def test_a_file_of_aliases_that_is_none(tmp_path: Path, text: str) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    (folder / "toy/aliases.json").write_text(text)
    assert "aliases.json" in zoo.reindex(folder)[0]


def test_index_lists_a_version_twice(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(index | {"models": index["models"] * 2}))
    refused(folder, tmp_path / "to", "twice")


@pytest.mark.parametrize("data", [b"b\n", b"a", b"", b"a\n" * 100_000])
def test_files_that_are_not_what_was_stated(tmp_path: Path, data: bytes) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    (folder / "toy/1.0.0/labels.txt").write_bytes(data)
    refused(folder, tmp_path / "to", "labels.txt: (its sha256|ends after|is longer)")


@pytest.mark.parametrize("part", ["toy/1.0.0/labels.txt", "toy/1.0.0/manifest.json", "toy/1.0.0", "toy", "index.json"])
def test_links(tmp_path: Path, part: str) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    (folder / part).rename(tmp_path / "elsewhere")
    (folder / part).symlink_to(tmp_path / "elsewhere")
    refused(folder, tmp_path / "to", "is a link")
    assert zoo.verify(folder)


@pytest.mark.parametrize("part", ["toy/1.0.0/labels.txt", "toy/1.0.0/manifest.json", "index.json"])
def test_hard_links(tmp_path: Path, part: str) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    os.link(folder / part, tmp_path / "elsewhere")
    refused(folder, tmp_path / "to", "has a hard link")
    assert zoo.verify(folder)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: socket.socket(socket.AF_UNIX).bind(str(p))])
@pytest.mark.filterwarnings("ignore:unclosed")
def test_files_that_are_not_plain(tmp_path: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    monkeypatch.chdir(folder / "toy/1.0.0")  # the address of a socket must be short
    Path("labels.txt").unlink()
    make(Path("labels.txt"))
    refused(folder, tmp_path / "to", "labels.txt: (is not a regular file|No such device)")


def in_subgraph(where: str) -> bytes:
    """A model whose external tensor hides in the branch of an If."""
    hidden = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    hidden.ClearField("float_data")
    hidden.data_location = TensorProto.EXTERNAL
    hidden.external_data.add(key="location", value=where)
    model = parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]> g (bool c) => (float[1] y)'
        "{ y = If (c) <then_branch = t () => (float[1] a) { a = Constant <value = float[1] {1}> () },"
        " else_branch = e () => (float[1] b) { b = Constant <value = float[1] {1}> () }> }"
    )
    model.graph.node[0].attribute[1].g.node[0].attribute[0].t.CopyFrom(hidden)
    return model.SerializeToString()


@pytest.mark.parametrize("make", [onnx_bytes, in_subgraph])
@pytest.mark.parametrize("where", ["/etc/passwd", "../../../secret", "unlisted.bin", "", "./labels.txt", "labels.txt/../../x"])
def test_external_data_outside_the_folder(tmp_path: Path, make: Callable[[str], bytes], where: str) -> None:
    folder = hostile(tmp_path / "zoo", GOOD | {"model.onnx": make(where)})
    refused(folder, tmp_path / "to", "model.onnx: reads data from .* not a file of the model")


def test_external_data_inside_the_folder_is_well(tmp_path: Path) -> None:
    files = GOOD | {"model.onnx": onnx_bytes("weights.bin"), "weights.bin": b"\0" * 12}
    assert zoo.download("toy", hostile(tmp_path / "zoo", files), tmp_path / "to").new


def calls(domain: str, nested: bool) -> bytes:
    """A model with an op of `domain`, in a branch of an If if `nested`."""
    op = f"{domain}.EPContext (v)"
    branches = ", ".join(f"{name}_branch = {name} () => (float[1] a) {{ a = {op} }}" for name in ("then", "else"))
    text = f'<ir_version: 10, opset_import: ["": 21, "{domain}": 1]> g (bool c, float[1] v) => (float[1] y)'
    text += f"{{ y = If (c) <{branches}> }}" if nested else f"{{ y = {op} }}"
    return parser.parse_model(text).SerializeToString()


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("domain", ["com.microsoft", "evil.ops", "netc.training"])
def test_ops_that_need_a_library(tmp_path: Path, domain: str, nested: bool) -> None:
    folder = hostile(tmp_path / "zoo", GOOD | {"model.onnx": calls(domain, nested)})
    refused(folder, tmp_path / "to", f"model.onnx: has an op {domain}.EPContext, which needs an external library")
    assert "which needs an external library" in zoo.verify(folder)[0]


def test_a_model_is_verified_before_it_runs(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "zoo", GOOD | {"model.onnx": calls("evil.ops", False)})
    result = netc("predict", "toy", folder / "toy/1.0.0/labels.txt", "--from", folder)
    assert result.exit_code == 1 and "which needs an external library" in result.stderr


def test_a_python_layer_of_a_zoo_does_not_run(tmp_path: Path) -> None:
    net = b"layers: [{Input: {shape: {dim: [1]}}}, {Python: {module: os, layer: abort}}]"
    folder = zoo.download("toy", hostile(tmp_path / "zoo", {"net.yaml": net}), tmp_path / "to").path
    result = netc("check", folder / "net.yaml")
    assert result.exit_code == 2 and "--allow-python" in result.stderr


def npy(header: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


def packed(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


class Owned:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[()]]:
        return os.abort, ()


def overstated() -> bytes:
    """An archive whose directory says that its array is small, though it unpacks to more."""
    data = bytearray(packed(a=npy("{'descr': '<f4', 'fortran_order': False, 'shape': (250000,), }", bytes(1_000_000))))
    size = (1_000_000 + 10 + 62).to_bytes(4, "little")
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = (100).to_bytes(4, "little")
    return bytes(data)


VECTORS = {
    "pickle": (packed(a=npy("{'descr': '|O', 'fortran_order': False, 'shape': (), }", pickle.dumps(Owned()))), "contains Python objects"),
    "objects in a record": (
        packed(a=npy("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }", bytes(8))),
        "contains Python objects",
    ),
    "bare pickle": (packed(**{"output.y": pickle.dumps(Owned())}), "cannot be read"),
    "lies about its shape": (
        packed(a=npy("{'descr': '<f4', 'fortran_order': False, 'shape': (10**12,), }".replace("10**12", "1" * 13))),
        "too short for it",
    ),
    "negative": (packed(a=npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", bytes(8))), "test_vectors.npz"),
    "code": (packed(a=npy("__import__('os').abort()")), "cannot be read"),
    "deep": (packed(a=npy("(" * 9000)), "cannot be read"),
    "large": (packed(a=bytes(3_000_000)), "unpacks to 3000000 bytes"),
    "large together": (packed(a=bytes(1_500_000), b=bytes(1_500_000)), "unpacks to 3000000 bytes"),
    "many": (packed(**{f"a{k}": b"" for k in range(60)}), "in 60 arrays"),
    "lies about its size": (overstated(), "test_vectors.npz"),
    "no zip": (b"PK\x03\x04" + bytes(100), "cannot be read"),
    "nothing": (b"", "cannot be read"),
}


@pytest.mark.parametrize("kind", VECTORS)
def test_vectors_that_mean_harm(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MOST_BYTES", 2_000_000)
    monkeypatch.setattr(arrays, "MOST_ARRAYS", 50)
    data, said = VECTORS[kind]
    folder = hostile(tmp_path / "zoo", {"model.onnx": onnx_bytes(), "test_vectors.npz": data})
    (wrong,) = zoo.verify(folder, "toy", run=True)
    assert "test_vectors.npz: " in wrong and said in wrong


def test_a_training_graph_with_states_that_fill_the_memory(tmp_path: Path) -> None:
    model = helper.make_model(helper.make_graph([], "g", [], []), opset_imports=[helper.make_opsetid("", 21)])
    said = {"states": [{"name": "a", "input": "a", "output": "b", "shape": [1 << 20, 1 << 20]}]}
    helper.set_model_props(model, {"netc": json.dumps(said)})
    vectors = packed(loss=npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", bytes(4)))
    folder = hostile(tmp_path / "zoo", {"train.onnx": model.SerializeToString(), "training_vectors.npz": vectors})
    (wrong,) = zoo.verify(folder, "toy", run=True)
    assert "train.onnx" in wrong


def test_no_listing_drives_a_terminal(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "zoo", GOOD, {"description": "one\nevil@9.9.9  1 B"}, description="one\nevil@9.9.9  1 B")
    said = netc("zoo", "list", "--from", folder).stdout
    assert len(said.splitlines()) == 1 and "\x1b" not in said


def test_damaged_graph(tmp_path: Path) -> None:
    refused(hostile(tmp_path / "zoo", {"model.onnx": b"\xff" * 50}), tmp_path / "to", "model.onnx: is not an ONNX model")
