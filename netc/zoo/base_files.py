"""The ONNX files that the Model layers of a net start from, in a published model: their bytes, their licences, where they come from."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from netc import netc_pb2 as pb
from netc.compiler.compilation import Compilation
from netc.errors import SpecError
from netc.files import read_file
from netc.layers.model import FIELD, files_of, own_file
from netc.net.model import Layer
from netc.onnx_import import OnnxFile
from netc.spec.private_paths import plain_path
from netc.zoo.licences import UNKNOWN, objection
from netc.zoo.names import MANIFEST

STEM = "base"  # the files in the bundle are base.onnx, base2.onnx, ...


@dataclass(frozen=True)
class Base:
    """A file that a Model layer starts from. `name` is its name among the published files. `record` is its entry in the manifest."""

    name: str
    content: bytes
    record: Mapping[str, Any]


def bases(layers: Iterable[Layer]) -> dict[str, Base]:
    """The files of the Model layers by the name of the layer. Layers with one file share it."""
    found: dict[str, Base] = {}
    made: dict[str, Base] = {}
    by_name = {layer.name: layer for layer in layers}
    for name, file in files_of(by_name.values()).items():
        if file.sha256 not in made:
            made[file.sha256] = _base(by_name[name], file, f"{STEM}{len(made) + 1 if made else ''}.onnx")
        found[name] = made[file.sha256]
    return found


def _base(layer: Layer, file: OnnxFile, name: str) -> Base:
    content = own_file(file)
    known = _published_record(file)
    record = {
        "file": name,
        "sha256": sha256(content).hexdigest(),
        "licence": licence_of(layer, file),
        "origin": known.get("origin") or plain_path(layer.param.model_param.file),
        "producer": known.get("producer") or file.producer,
    }
    return Base(name, content, {key: value for key, value in record.items() if value})


def contents(found: Mapping[str, Base]) -> dict[str, bytes]:
    """The files to publish, by name."""
    return {base.name: base.content for base in found.values()}


def records(found: Mapping[str, Base]) -> dict[str, Any]:
    """The field of the manifest that describes the files; empty if there are none."""
    return {"base": list({base.name: dict(base.record) for base in found.values()}.values())} if found else {}


def with_bases(net: pb.NetParameter, found: Mapping[str, Base]) -> pb.NetParameter:
    """A copy of a net whose Model layers read the published files."""
    copy = pb.NetParameter()
    copy.CopyFrom(net)
    for layer in copy.layer:
        if layer.HasField(FIELD) and layer.name in found:
            layer.model_param.file = found[layer.name].name
            layer.model_param.sha256 = found[layer.name].record["sha256"]
    return copy


def licence_of(layer: Layer, file: OnnxFile) -> str:
    """The licence of a file: that in the net file, in the file's metadata, or of the published model that it belongs to; "" if unknown."""
    stated = str(layer.param.model_param.licence) or file.licence
    return stated or str(_published_record(file).get("licence", ""))


def _published_record(file: OnnxFile) -> Mapping[str, Any]:
    """What the manifest beside a file tells of it: as the base of a published model, or as the model itself."""
    with suppress(OSError, ValueError):
        manifest = json.loads(read_file(file.path.parent / MANIFEST))
        for record in manifest.get("base", ()):
            if record["file"] == file.path.name:
                return dict(record)
        return {"licence": manifest["licence"], "origin": f"{manifest['name']}@{manifest['version']}"}
    return {}


def licence_errors(compilation: Compilation) -> list[str]:
    """A sentence for each Model layer whose file has no licence, or one that forbids to publish the net."""
    own = compilation.job.train.message.licence or UNKNOWN
    try:
        layers = {layer.name: layer for layer in compilation.train_net.layers}
        files = files_of(layers.values())
    except SpecError:  # the compiler reports it
        return []
    errors = []
    for name, file in files.items():
        base = licence_of(layers[name], file)
        if not base:
            text = f"publishing needs the licence of {file.path.name}; add `licence:` to layer {name!r}"
            errors.append(f"{layers[name].at(FIELD)}: {text} with an SPDX name such as Apache-2.0, or `unknown`")
        elif why := objection(base, own):
            errors.append(f"{layers[name].at(FIELD)}: a net made from {file.path.name} cannot be published: {why}")
    return errors
