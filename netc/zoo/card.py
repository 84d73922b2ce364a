"""The model card: the README.md of a published model, generated from its manifest."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from netc.zoo.names import CARD
from netc.zoo.programs import programs, shape_text

NOT_STATED = "Not stated."
MOST_COLUMNS = 200


def model_card(manifest: Mapping[str, Any]) -> str:
    """The card in Markdown: description, metrics, use and limits, data, licence, download, programs to run it, training."""
    sections = [
        f"# {manifest['name']} {manifest['version']}",
        _text(manifest["description"]),
        *_metrics(manifest),
        "## Intended use",
        _text(manifest.get("intended_use", NOT_STATED)),
        "## Limits",
        _text(manifest.get("limits", NOT_STATED)),
        "## Licence",
        f"{_text(manifest['licence'])} (of the weights)",
        *_bases(manifest),
        *_data(manifest),
        "## Download",
        f"    netc zoo download {manifest['name']}@{manifest['version']}",
        *_run(manifest),
        "## Files",
        _files(manifest),
        *_check(manifest),
        "## Training",
        _training(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def human_size(size: int) -> str:
    """Format a number of bytes: 1.7 MB."""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.1f} TB"


def _text(text: str) -> str:
    """Escape text so that a browser cannot read it as HTML."""
    return html.escape(text.strip(), quote=False)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = [head, ("---",) * len(head), *(tuple(_cell(c) for c in row) for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _cell(text: str) -> str:
    return _text(" ".join(text.split())).replace("|", "\\|").replace("`", "\\`")


def _metrics(manifest: Mapping[str, Any]) -> list[str]:
    picture = ["![Loss and metrics during training](curves.png)"] if _has(manifest, "curves.png") else []
    if not manifest["metrics"]:
        return picture
    rows = [(name, f"{value:.6g}") for name, value in manifest["metrics"].items()]
    return ["## Results", _table(("metric", "value"), rows), *picture]


def _bases(manifest: Mapping[str, Any]) -> list[str]:
    """The models that the training started from, with their licences, which hold for what is made from them."""
    if not manifest.get("base"):
        return []
    fields = ("file", "origin", "producer", "licence", "sha256")
    rows = [tuple(base.get(field, NOT_STATED) for field in fields) for base in manifest["base"]]
    return ["## Base model", "The training started from this model. Its licence holds too.", _table(fields, rows)]


def _data(manifest: Mapping[str, Any]) -> list[str]:
    data = manifest["dataset"]
    if not data:
        return []
    rows = [("data set", data["name"]), ("licence", data["licence"]), ("sha256", data["sha256"])]
    return ["## Data", _table(("field", "value"), rows)]


def _run(manifest: Mapping[str, Any]) -> list[str]:
    if not _has(manifest, "model.onnx"):
        return []
    ports = _table(
        ("", "name", "type", "shape"),
        [(kind, port["name"], port["dtype"], shape_text(port["shape"])) for kind in ("inputs", "outputs") for port in manifest[kind]],
    )
    facts = "\n".join(f"- {_text(' '.join(fact.split()))}" for fact in manifest.get("preprocessing", ()))
    parts = [*_columns(manifest), "## Run", ports, *([facts] if facts else []), "Run these programs in the folder of the model:"]
    about = {column["name"]: {key: column[key] for key in ("example", "values")} for column in manifest.get("columns", ())}
    inputs = [{**port, **about.get(port["name"], {})} for port in manifest["inputs"]]
    for title, language, program in programs(inputs, manifest["outputs"], _has(manifest, "test_vectors.npz")):
        parts += [f"### {title}", f"```{language}\n{program}```"]
    return parts


def _columns(manifest: Mapping[str, Any]) -> list[str]:
    """The columns that the model takes, with the values of the training rows."""
    columns = manifest.get("columns", [])
    if not columns:
        return []
    rows = [(c["name"], c["type"], c["values"], "some" if c["gaps"] else "none", _shown(c["example"])) for c in columns[:MOST_COLUMNS]]
    rest = len(columns) - MOST_COLUMNS
    table = _table(("column", "type", "values in the training rows", "gaps", "example"), rows)
    return ["## Columns", table, *([f"{rest:,} more columns are in manifest.json."] if rest > 0 else [])]


def _shown(example: Any) -> str:
    return "missing" if example is None else f"{example:.10g}" if isinstance(example, float) else str(example)


def _check(manifest: Mapping[str, Any]) -> list[str]:
    if not manifest.get("tolerance"):
        return []
    rows = [(name, f"{t['relative']:g}", f"{t['absolute']:g}") for name, t in manifest["tolerance"].items()]
    text = "This command runs the model on the published inputs and three steps of its training, and compares the results:"
    command = f"    netc zoo verify --run {manifest['name']}@{manifest['version']}"
    return ["## Check", text, command, _table(("vectors", "relative", "absolute tolerance"), rows)]


def _has(manifest: Mapping[str, Any], name: str) -> bool:
    return any(file["name"] == name for file in manifest["files"])


def _files(manifest: Mapping[str, Any]) -> str:
    rows = [(f["name"], f["role"], human_size(f["size"])) for f in manifest["files"] if f["name"] != CARD]
    return _table(("file", "role", "size"), rows)


def _training(manifest: Mapping[str, Any]) -> str:
    parent = manifest["parent"]
    rows = [("command", manifest["command"]), ("netc", manifest["netc"]), ("seed", str(manifest["seed"]))]
    if parent:
        rows += [("fine-tuned from", f"{parent['name']}@{parent['version']}")]
    if "parameters" in manifest:
        rows += [("parameters", f"{manifest['parameters']:,}")]
    rows += [("sha256 of the net", manifest["net_sha256"]), ("ONNX opset", str(manifest["opset"]))]
    return _table(("field", "value"), rows)
