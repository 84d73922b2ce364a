"""The description of a published model: licences, use and limits from the net file, its inputs, and its parent."""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from netc import zoo
from netc.compiler.compilation import Compilation
from netc.compiler.metadata import channel_facts
from netc.compiler.preparation import kept_words, meaning
from netc.compiler.program import Program
from netc.compiler.raw_columns import TABLE, columns_of, table_of, task_of
from netc.errors import RunError, SpecError, ZooError
from netc.files import replace_file
from netc.graph.contract import NEXT, STATE
from netc.graph.multiply_adds import size
from netc.graph.tensor_type import OPSET, dtype_name
from netc.net.model import Layer
from netc.spec.private_paths import plain_path
from netc.training.evaluate import Scores, singles
from netc.version import VERSION
from netc.zoo.raw_rows import table_manifest

PARENT = "parent.json"  # in the folder of a run, so that a resumed run knows its parent
DESCRIPTIVE = ("description", "licence", "dataset_licence", "intended_use", "limits")  # fields of a net that do not affect training
LICENCES = "an SPDX name such as Apache-2.0, or `unknown`"


def missing_licences(compilation: Compilation) -> list[str]:
    """List the fields that a net file needs before its model can be published.

    The compiler reports all other errors of the net.
    """
    net, path = compilation.job.train.message, compilation.job.train.path
    missing = [] if net.licence else [f"{path}: publishing needs the licence of the model; add `licence:` with {LICENCES}"]
    try:
        source = next((layer.source for layer in compilation.test_nets[0].sources), None)
    except SpecError:
        return missing
    if source is not None and not (source.licence or net.dataset_licence):
        missing.append(f"{path}: netc does not know the licence of {source.name}; add `dataset_licence:` with {LICENCES}")
    return missing


def stated(program: Program, model: Any, scores: Scores, command: str, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The fields of a manifest that come from a run. `inputs` are those of the test vectors."""
    net, layer = program.job.train.message, next(iter(program.test_net.sources), None)
    source = layer.source if layer else None
    licence = (source.licence if source else "") or net.dataset_licence
    optional = {"intended_use": net.intended_use, "limits": net.limits, "preprocessing": list(_preprocessing(program, inputs))}
    return {
        "description": net.description or f"{program.job.name}, trained by netc" + (f" on {source.name}" if source else ""),
        "net_sha256": program.job.sha256,
        "dataset": {"name": plain_path(source.name), "sha256": source.sha256 or "unknown", "licence": licence} if source else None,
        "seed": program.seed,
        "metrics": singles(scores),
        "parameters": sum(int(size(p.shape)) for p in program.deploy[0].parameters),
        "opset": OPSET,
        "licence": net.licence,
        "command": command,
        "netc": VERSION,
        "inputs": [_port(v) for v in model.graph.input],
        "outputs": [_port(v) for v in model.graph.output],
        **{name: value for name, value in optional.items() if value},
        **table_manifest(json.loads(next((p.value for p in model.metadata_props if p.key == "netc"), "{}"))),
    }


def _port(value: Any) -> dict[str, Any]:
    import onnx

    tensor = value.type.tensor_type
    return {
        "name": value.name,
        "dtype": dtype_name(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)),
        "shape": [d.dim_param or d.dim_value for d in tensor.shape.dim],
    }


def _preprocessing(program: Program, inputs: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Yield notes on the inputs and the classes of the model. `inputs` are those of its test vectors."""
    for layer in program.test_net.sources:
        fed = [top for top in layer.tops if top in inputs]
        if layer.type == TABLE:
            yield from _raw_rows(program)
        if layer.source is None or not fed or layer.type == TABLE:
            continue
        yield _values(layer, layer.source.tokens, inputs[fed[0]])
        if channel_facts(layer.source):
            yield f"`{fed[0]}`: blue comes before red."
        if layer.source.columns:
            yield f"`{fed[0]}`: the columns of a table in this order: {', '.join(layer.source.columns)}."
        if layer.source.tops[0].batch_axis == 1:
            yield f"`{fed[0]}`: the first axis is time, the second axis is the batch."
        yield from (f"`{top}`: {meaning(layer, layer.tops.index(top)) or 'values as in the data set'}." for top in fed[1:])
    carried = [n.name for n in program.deploy[0].graph.leaves("State") if n.state.kind == "carry"]
    if carried:
        names = ", ".join(f"`{STATE(name)}`" for name in carried)
        yield f"{names}: zeros at the start of a sequence, later the output `{NEXT.text}` of the previous run."
    yield from (f"The model {diagnostic.text.rstrip('.')}." for diagnostic in program.pinned)
    boxes = [layer.tops[0] for layer in program.compilation.nets.deployed.layers if layer.type == "DetectionOutput"]
    yield from (_boxes(top, program) for top in boxes)
    if kept_words(program.classes) and not boxes:
        yield "The scores of the classes are in the order of the lines in labels.txt."


def _boxes(top: str, program: Program) -> str:
    """Describe an output of boxes."""
    named = ", ".join(f"{k} {name}" for k, name in enumerate(program.classes))
    classes = f" The classes are {named}: the lines in labels.txt." if named else ""
    return f"`{top}`: a row for each object: image, class, score, xmin, ymin, xmax, ymax. Corners are parts of the input image.{classes}"


def _raw_rows(program: Program) -> Iterator[str]:
    """Yield notes on the columns of a table as inputs."""
    layer = table_of(program.test_net)
    if layer is None:
        return
    yield 'The model takes raw rows: each input has a column, one value for each row. A gap is NaN in a number and "" in a text.'
    if any(column.dtype == "int64" for column in columns_of(program.test_net, layer)):
        yield "A date is in seconds since 1970 (UTC); the least int64 is a gap."
    yield "Values that the training rows did not have are read as rare ones."
    if task_of(layer) == "classes":
        chosen = "the second class if its score is at least 0.5" if len(program.classes) == 2 else "that with the highest score"
        yield f"The text output is the class of each row: {chosen}."


def _values(layer: Layer, tokens: str, array: np.ndarray) -> str:
    """Describe the first input: token ids, or raw values and the preprocessing inside the model."""
    top, param = layer.tops[0], layer.param.transform_param
    if tokens or array.dtype.kind == "i":
        return f"`{top}`: indices of {tokens or 'words'} in the vocabulary, starting at 0."
    mean = [f"{v:g}" for v in param.mean_value] or (["the mean image"] if param.mean_file else [])
    done = [f"subtracts {', '.join(mean)}"] if mean else []
    done += [f"multiplies by {param.scale:.9g}"] if param.HasField("scale") else []
    done += [f"divides by {', '.join(f'{v:g}' for v in param.std_value)}"] if param.std_value else []
    itself = f"; the model itself {', then '.join(done)}" if done else ""
    return f"`{top}`: values as in the data set{itself}. In the test vectors they range from {array.min():g} to {array.max():g}."


def remember_parent(folder: Path, weights: Sequence[str]) -> None:
    """Record in the folder of a run which published model its weights came from, if any."""
    parent = parent_of(weights)
    try:
        if parent is not None:
            replace_file(folder / PARENT, json.dumps(parent).encode())
    except OSError as error:
        raise RunError(f"Cannot write {folder / PARENT}: {error.strerror or error}") from error


def remembered_parent(folder: Path) -> dict[str, Any] | None:
    """The parent that `remember_parent` recorded."""
    path = folder / PARENT
    return zoo.parse_json(path.read_bytes(), str(path)) if path.exists() else None


def parent_of(weights: Sequence[str]) -> dict[str, Any] | None:
    """The intact published model that one of the files belongs to; None if there is none."""
    for path in (Path(name).absolute() for text in weights for name in text.split(",")):
        manifest = path.parent / "manifest.json"
        if not manifest.is_file():
            continue
        try:
            parsed = zoo.checked_manifest(manifest.read_bytes(), str(manifest), path.parent.parent.name, path.parent.name)
        except (ZooError, OSError):
            continue
        if any(f["name"] == path.name and f["sha256"] == sha256(path.read_bytes()).hexdigest() for f in parsed["files"]):
            return {"name": parsed["name"], "version": parsed["version"], "manifest_sha256": sha256(manifest.read_bytes()).hexdigest()}
    return None
