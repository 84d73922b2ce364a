"""The model card: the README.md that a published model carries, made from its manifest alone."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from netc.zoo.names import CARD

RUN = """```python
import numpy as np
import onnxruntime as ort

session = ort.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
feeds = {{{feeds}}}
for output, value in zip(session.get_outputs(), session.run(None, feeds)):
    print(output.name, value.shape)
```"""


def model_card(manifest: Mapping[str, Any]) -> str:
    """The Markdown of a model: what it is, metrics, how to get and run it, files, training, licence."""
    sections = [
        f"# {manifest['name']} {manifest['version']}",
        _text(manifest["description"]),
        *_metrics(manifest),
        "## Download",
        f"    netc zoo download {manifest['name']}@{manifest['version']}",
        *_run(manifest),
        "## Files",
        _files(manifest),
        "## Training",
        _training(manifest),
        "## Licence",
        _text(manifest["licence"]),
    ]
    return "\n\n".join(sections) + "\n"


def human_size(size: int) -> str:
    """A number of bytes as people read it: 1.7 MB."""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.1f} TB"


def _text(text: str) -> str:
    """Text that cannot become HTML in a browser."""
    return html.escape(text.strip(), quote=False)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = [head, ("---",) * len(head), *(tuple(_cell(c) for c in row) for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _cell(text: str) -> str:
    return _text(" ".join(text.split())).replace("|", "\\|")


def _metrics(manifest: Mapping[str, Any]) -> list[str]:
    curves = any(f["role"] == "curves" and f["name"] == "curves.png" for f in manifest["files"])
    picture = ["![Loss and metrics over the training](curves.png)"] if curves else []
    if not manifest["metrics"]:
        return picture
    rows = [(name, f"{value:.6g}") for name, value in manifest["metrics"].items()]
    return ["## Results", _table(("metric", "value"), rows), *picture]


def _run(manifest: Mapping[str, Any]) -> list[str]:
    if not any(f["name"] == "model.onnx" for f in manifest["files"]):
        return []
    ports = _table(
        ("", "name", "type", "shape"),
        [
            (kind, port["name"], port["dtype"], " x ".join(map(str, port["shape"])) or "scalar")
            for kind in ("inputs", "outputs")
            for port in manifest[kind]
        ],
    )
    vectors = any(f["name"] == "test_vectors.npz" for f in manifest["files"])
    feeds = ", ".join(f"{port['name']!r}: {_example(port, vectors)}" for port in manifest["inputs"])
    return ["## Run", ports, "In the folder of the model:", RUN.format(feeds=feeds)]


def _example(port: Mapping[str, Any], vectors: bool) -> str:
    """Python for something to feed: rows of the test vectors, or zeros, for which a symbolic dimension such as the batch N is one."""
    if vectors:
        return f"np.load('test_vectors.npz')[{'input.' + port['name']!r}]"
    return f"np.zeros({tuple(n if isinstance(n, int) else 1 for n in port['shape'])}, {port['dtype']!r})"


def _files(manifest: Mapping[str, Any]) -> str:
    rows = [(f["name"], f["role"], human_size(f["size"])) for f in manifest["files"] if f["name"] != CARD]
    return _table(("file", "role", "size"), rows)


def _training(manifest: Mapping[str, Any]) -> str:
    dataset, parent = manifest["dataset"], manifest["parent"]
    rows = [("command", manifest["command"]), ("netc", manifest["netc"]), ("seed", str(manifest["seed"]))]
    if dataset:
        rows += [("data set", dataset["name"]), ("data set's licence", dataset["licence"])]
        rows += [("data set's sha256", dataset["sha256"])]
    if parent:
        rows += [("fine-tuned from", f"{parent['name']}@{parent['version']}")]
    rows += [("net's sha256", manifest["net_sha256"]), ("ONNX opset", str(manifest["opset"]))]
    return _table(("what", "value"), rows)
