"""Zoos that mean harm. Each is whole but for the one thing that its case is about, and each is refused."""

import json
import os
import socket
import urllib.request
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper, parser

from netc import zoo
from netc.errors import ZooError
from netc.zoo import location
from tests.zoo.toy import Quiet, hostile, onnx_bytes, reseal, row, serving

GOOD = {"labels.txt": b"a\n"}


def refused(source: str | Path, to: Path, said: str) -> None:
    """Downloading fails with a sentence that matches `said` and leaves nothing behind, inside `to` or beside it."""
    before = {p for p in to.parent.rglob("*") if to not in p.parents and p != to}
    with pytest.raises(ZooError, match=said):
        zoo.download("toy", source, to)
    assert not to.exists() or list(to.iterdir()) == []
    assert {p for p in to.parent.rglob("*") if to not in p.parents and p != to} == before


def test_the_helper_makes_a_zoo_that_is_good_otherwise(tmp_path: Path) -> None:
    assert zoo.download("toy", hostile(tmp_path / "zoo", GOOD), tmp_path / "to").new


@pytest.mark.parametrize(
    "name",
    ["../evil", "..", "/etc/passwd", "a/../../evil", "a\\..\\evil", ".bashrc", "C:evil", "a\0b", "a\nb", "LABELS.TXT"]
    + ["manifest.json", "", "x" * 300, "\u202egnp.sh", 7, None, ["a"]],
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
        ({"name": "other"}, "is of other@1.0.0"),
        ({"version": "1.0.1"}, "is of toy@1.0.1"),
        ({"format": 2}, "newer netc"),
        ({"format": True}, "format"),
        ({"files": "all"}, "files"),
        ({"files": [row("a", b""), row("a", b"")]}, "lists 'a' twice"),
        ({"files": [row("a", b"") | {"size": -1}]}, "files"),
        ({"files": [row("a", b"") | {"size": 1e9}]}, "files"),
        ({"files": [row("a", b"") | {"size": 1 << 60}]}, "files"),
        ({"files": [row("a", b"") | {"size": 1 << 49}]}, "are free"),
        ({"files": [row("a", b"") | {"sha256": "A" * 64}]}, "files"),
        ({"files": [row(f"f{i}", b"") for i in range(1001)]}, "files"),
        ({"metrics": {"loss": float("nan")}}, "metrics"),
        ({"description": "\x1b]0;owned\x07"}, "control characters"),
        ({"licence": "\ud800"}, "control characters"),
        ({"inputs": [{"name": "x", "dtype": "f", "shape": [-1]}]}, "inputs"),
        ({"description": "x" * (1 << 20)}, "longer than the 1048576 bytes"),
    ],
)
def test_manifests(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    refused(hostile(tmp_path / "zoo", GOOD, **change), tmp_path / "to", said)


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "9" * 10_000, '{"format": ' + "9" * 5000 + "}", "\xff", "", "<html>"])
def test_manifests_and_indexes_that_are_no_json_objects(tmp_path: Path, text: str) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    (folder / "toy/1.0.0/manifest.json").write_text(text, "latin-1")
    reseal(folder)
    refused(folder, tmp_path / "to", "manifest.json: (is not JSON|wanted a JSON object)")
    (folder / "index.json").write_text(text, "latin-1")
    refused(folder, tmp_path / "to", "index.json: (is not JSON|wanted a JSON object)")


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


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: socket.socket(socket.AF_UNIX).bind(str(p))])
@pytest.mark.filterwarnings("ignore:unclosed")
def test_files_that_are_not_plain(tmp_path: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    monkeypatch.chdir(folder / "toy/1.0.0")  # the address of a socket must be short
    Path("labels.txt").unlink()
    make(Path("labels.txt"))
    refused(folder, tmp_path / "to", "labels.txt: (is not a plain file|No such device)")


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
    refused(folder, tmp_path / "to", "model.onnx: takes data from .* not one of the model's files")


def test_external_data_inside_the_folder_is_well(tmp_path: Path) -> None:
    files = GOOD | {"model.onnx": onnx_bytes("weights.bin"), "weights.bin": b"\0" * 12}
    assert zoo.download("toy", hostile(tmp_path / "zoo", files), tmp_path / "to").new


def test_damaged_graph(tmp_path: Path) -> None:
    refused(hostile(tmp_path / "zoo", {"model.onnx": b"\xff" * 50}), tmp_path / "to", "model.onnx: is not an ONNX model")


class Evil(Quiet):
    """Serves a good zoo, except for the path in `evil`, where `act` does its harm."""

    def __init__(self, *args: Any, evil: str, act: Callable[[BaseHTTPRequestHandler], None], **kwargs: Any):
        self.evil, self.act = evil, act
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        if not self.path.endswith(self.evil):
            return super().do_GET()
        try:
            self.act(self)
        except OSError:
            self.close_connection = True


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * (1 << 16))


def redirect(target: str, handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", target)
    handler.end_headers()


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"a")


def broken_chunks(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"zz\r\nnonsense")


def failing(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(500)


def not_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\x01\x02" * 10)


def silent(handler: BaseHTTPRequestHandler) -> None:
    handler.rfile.read(1)  # nothing comes until the client goes


@pytest.mark.parametrize("path", ["index.json", "manifest.json", "labels.txt"])
@pytest.mark.parametrize(
    "act, said",
    [
        (endless, "is longer than"),
        (partial(redirect, "file:///etc/passwd"), "file:///etc/passwd"),
        (partial(redirect, "ftp://127.0.0.1/x"), "ftp://127.0.0.1/x.*refused"),
        (partial(redirect, "data:text/plain,a"), "data:text/plain"),
        (partial(redirect, "/labels.txt"), "infinite loop|404"),
        (cut_short, "is not JSON|its sha256|ends after"),
        (broken_chunks, "nonsense"),
        (failing, "answers 500"),
        (not_http, "nonsense"),
        (silent, "timed out"),
    ],
)
def test_servers(
    tmp_path: Path, path: str, act: Callable[[BaseHTTPRequestHandler], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location, "PATIENCE", 0.2)
    folder = hostile(tmp_path / "zoo", GOOD)
    with serving(partial(Evil, directory=str(folder), evil=path, act=act)) as address:
        refused(address, tmp_path / "to", said)


def test_redirects_within_the_web_are_followed(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    with serving(partial(Quiet, directory=str(folder))) as good:
        act = partial(redirect, f"{good}/toy/1.0.0/labels.txt")
        with serving(partial(Evil, directory=str(folder), evil="labels.txt", act=act)) as address:
            assert zoo.download("toy", address, tmp_path / "to").new


def test_no_redirect_from_https_to_http() -> None:
    request = urllib.request.Request("https://example.org/zoo/index.json")
    with open(os.devnull, "rb") as body, pytest.raises(ZooError, match="redirects to 'http://example.org/x'"):
        location._Redirects().redirect_request(request, body, 302, "", {}, "http://example.org/x")  # type: ignore[arg-type]
