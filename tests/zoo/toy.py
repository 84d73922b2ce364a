"""A tiny model to publish, a server for a zoo, and a zoo whose owner means harm."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from netc import zoo
from netc.errors import ZooError


def onnx_bytes(external: str | None = None) -> bytes:
    """y = x + w on (N, 3); `external` is where the weight claims to lie."""
    w = helper.make_tensor("w", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    if external is not None:
        w.ClearField("float_data")
        w.data_location = TensorProto.EXTERNAL
        w.external_data.add(key="location", value=external)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "toy", ports[:1], ports[1:], [w])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return model.SerializeToString()


def stated(**changes: Any) -> dict[str, Any]:
    """What a run states about its model."""
    return {
        "description": "Adds three numbers.",
        "net_sha256": "a" * 64,
        "dataset": {"name": "none", "sha256": "unknown", "licence": "CC0-1.0"},
        "seed": 0,
        "metrics": {"accuracy": 0.9912},
        "opset": 21,
        "licence": "Apache-2.0",
        "inputs": [{"name": "x", "dtype": "float32", "shape": ["N", 3]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": ["N", 3]}],
        "command": "netc train nets/toy.yaml",
    } | changes


def contents(labels: bytes = b"a\nb\nc\n") -> dict[str, bytes | Path]:
    """The files of the tiny model by name."""
    return {"model.onnx": onnx_bytes(), "labels.txt": labels}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving(handler: Callable[..., Any]) -> Iterator[str]:
    """The address of a server on the loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refused(source: str | Path, to: Path, said: str, kept: bool = False) -> None:
    """Downloading fails with a sentence that matches `said` and leaves nothing behind, inside `to` or beside it.

    With `kept`, what came before a connection broke may be left to go on from.
    """
    before = {p for p in to.parent.rglob("*") if to not in p.parents and p != to}
    with pytest.raises(ZooError, match=said):
        zoo.download("toy", source, to)
    assert not to.exists() or all(kept and p.name.startswith(".download-toy-1.0.0-") for p in to.iterdir())
    assert {p for p in to.parent.rglob("*") if to not in p.parents and p != to} == before


def row(name: str, data: bytes) -> dict[str, Any]:
    """A true row of a manifest."""
    return {"name": name, "role": "other", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def hostile(folder: Path, files: dict[str, bytes], entry: dict[str, Any] | None = None, /, **changes: Any) -> Path:
    """A zoo at `folder` with toy 1.0.0, whose manifest (`changes`) and index (`entry`) say whatever they like."""
    model = folder / "toy/1.0.0"
    model.mkdir(parents=True)
    for name, data in files.items():
        (model / name).write_bytes(data)
    rows = [row(name, data) for name, data in files.items()]
    known = {"format": 1, "name": "toy", "version": "1.0.0", "created": "2026-01-01", "files": rows}
    data = json.dumps(known | stated(parent=None, netc="1.0") | changes).encode()
    (model / "manifest.json").write_bytes(data)
    reseal(folder, **(entry or {}))
    return folder


def reseal(folder: Path, **entry: Any) -> None:
    """Makes the index fit whatever lies as the manifest of toy 1.0.0, except for what `entry` says."""
    digest = hashlib.sha256((folder / "toy/1.0.0/manifest.json").read_bytes()).hexdigest()
    told = {key: value for key, value in stated().items() if key in ("description", "licence", "metrics")}
    told |= {"name": "toy", "version": "1.0.0", "created": "2026-01-01", "size": 1}
    told |= {"manifest_sha256": digest, "signed": False, "aliases": []}
    (folder / "index.json").write_text(json.dumps({"format": 1, "models": [told | entry]}))
