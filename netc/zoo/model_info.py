"""The manifest of a published model: licences, use and limits from the net file, its inputs, and its parent model."""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from netc import zoo
from netc.compiler.compilation import Compilation
from netc.compiler.preparation import kept_words, meaning
from netc.compiler.program import Program
from netc.errors import RunError, SpecError, ZooError
from netc.files import replace_file
from netc.graph.contract import NEXT, STATE
from netc.graph.multiply_adds import size
from netc.graph.tensor_type import OPSET
from netc.net.model import Layer
from netc.spec.private_paths import plain_path
from netc.training.evaluate import Scores, singles
from netc.version import VERSION

PARENT = "parent.json"  # in the folder of a run, for a run that is resumed
SAID = ("description", "licence", "dataset_licence", "intended_use", "limits")  # fields of a net that do not affect a run
LICENCES = "an SPDX name such as Apache-2.0, or `unknown`"


def silence(made: Compilation) -> list[str]:
    """A sentence for each statement that a net file needs before its model can be published, and lacks.

    Other errors of the net are left to the compiler, which lists all of them.
    """
    said, path = made.job.train.message, made.job.train.path
    found = [] if said.licence else [f"{path}: does not say under which licence its model is published; add `licence:` with {LICENCES}"]
    try:
        source = next((layer.source for layer in made.test_nets[0].sources), None)
    except SpecError:
        return found
    if source is not None and not (source.licence or said.dataset_licence):
        found.append(f"{path}: {source.name} has no licence that netc knows; add `dataset_licence:` with {LICENCES}")
    return found


def stated(program: Program, model: Any, scores: Scores, command: str, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The fields of a manifest that come from a run. `inputs` are those of the test vectors."""
    said, layer = program.job.train.message, next(iter(program.test_net.sources), None)
    source = layer.source if layer else None
    licence = (source.licence if source else "") or said.dataset_licence
    optional = {"intended_use": said.intended_use, "limits": said.limits, "preprocessing": list(_preprocessing(program, inputs))}
    return {
        "description": said.description or f"{program.job.name}, trained by netc" + (f" on {source.name}" if source else ""),
        "net_sha256": program.job.sha256,
        "dataset": {"name": plain_path(source.name), "sha256": source.sha256 or "unknown", "licence": licence} if source else None,
        "seed": program.seed,
        "metrics": singles(scores),
        "parameters": sum(int(size(p.shape)) for p in program.deploy[0].parameters),
        "opset": OPSET,
        "licence": said.licence,
        "command": command,
        "netc": VERSION,
        "inputs": [_port(v) for v in model.graph.input],
        "outputs": [_port(v) for v in model.graph.output],
        **{name: value for name, value in optional.items() if value},
    }


def _port(value: Any) -> dict[str, Any]:
    import onnx

    tensor = value.type.tensor_type
    return {
        "name": value.name,
        "dtype": onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name,
        "shape": [d.dim_param or d.dim_value for d in tensor.shape.dim],
    }


def _preprocessing(program: Program, inputs: Mapping[str, np.ndarray]) -> Iterator[str]:
    """What users of the model must know about its inputs and classes. `inputs` are those of the test vectors."""
    for layer in program.test_net.sources:
        fed = [top for top in layer.tops if top in inputs]
        if layer.source is None or not fed:
            continue
        yield _values(layer, layer.source.tokens, inputs[fed[0]])
        if layer.source.columns:
            yield f"`{fed[0]}`: the columns {', '.join(layer.source.columns)} of a table, in this order."
        if layer.source.tops[0].batch_axis == 1:
            yield f"`{fed[0]}`: the first axis is time, the second the batch."
        yield from (f"`{top}`: {meaning(layer, layer.tops.index(top)) or 'values as the data set has them'}." for top in fed[1:])
    carried = [n.name for n in program.deploy[0].graph.leaves("State") if n.state.kind == "carry"]
    if carried:
        names = ", ".join(f"`{STATE(name)}`" for name in carried)
        yield f"{names}: zeros where a sequence begins, later what the run before gave as `{NEXT.text}`."
    yield from (f"The model {diagnostic.text}." for diagnostic in program.pinned)
    if kept_words(program.classes):
        yield "Scores of classes are in the order of the lines of labels.txt."


def _values(layer: Layer, tokens: str, array: np.ndarray) -> str:
    """A sentence about the first input: word numbers, or raw values and what the model does to them."""
    top, param = layer.tops[0], layer.param.transform_param
    if tokens or array.dtype.kind == "i":
        return f"`{top}`: numbers of {tokens or 'words'}, counted from 0 in the order of the vocabulary."
    mean = [f"{v:g}" for v in param.mean_value] or (["the mean image"] if param.mean_file else [])
    done = [f"subtracts {', '.join(mean)}"] if mean else []
    done += [f"multiplies by {param.scale:.9g}"] if param.HasField("scale") else []
    done += [f"divides by {', '.join(f'{v:g}' for v in param.std_value)}"] if param.std_value else []
    itself = f"; the model itself {', then '.join(done)}" if done else ""
    return f"`{top}`: values as the data set has them{itself}. In the test vectors they run from {array.min():g} to {array.max():g}."


def remember_parent(folder: Path, weights: Sequence[str]) -> None:
    """Note in the folder of a run which published model its weights came from, if any."""
    found = parent_of(weights)
    try:
        if found is not None:
            replace_file(folder / PARENT, json.dumps(found).encode())
    except OSError as error:
        raise RunError(f"Cannot write {folder / PARENT}: {error.strerror or error}") from error


def remembered_parent(folder: Path) -> dict[str, Any] | None:
    """Return what `remember_parent` noted."""
    path = folder / PARENT
    return zoo.parse_json(path.read_bytes(), str(path)) if path.exists() else None


def parent_of(weights: Sequence[str]) -> dict[str, Any] | None:
    """The published model, intact as its manifest states, that contains one of the files; None if none does."""
    for path in (Path(name).absolute() for text in weights for name in text.split(",")):
        manifest = path.parent / "manifest.json"
        if not manifest.is_file():
            continue
        try:
            said = zoo.checked_manifest(manifest.read_bytes(), str(manifest), path.parent.parent.name, path.parent.name)
        except (ZooError, OSError):
            continue
        if any(f["name"] == path.name and f["sha256"] == sha256(path.read_bytes()).hexdigest() for f in said["files"]):
            return {"name": said["name"], "version": said["version"], "manifest_sha256": sha256(manifest.read_bytes()).hexdigest()}
    return None
