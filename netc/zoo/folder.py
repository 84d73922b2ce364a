"""One model's folder: whether it is, byte for byte, what its manifest states, and harmless to load."""

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, Message

from netc.errors import ZooError
from netc.zoo.index import checked_manifest
from netc.zoo.location import chunks
from netc.zoo.manifest import MOST_BYTES
from netc.zoo.names import MANIFEST


def verify_folder(folder: Path) -> list[str]:
    """What is wrong with the model in `folder`, which is named after its version, in a folder of its name."""
    absolute = folder.absolute()
    try:
        data = b"".join(chunks(folder, MANIFEST, MOST_BYTES))
        manifest = checked_manifest(data, str(folder / MANIFEST), absolute.parent.name, absolute.name)
    except ZooError as error:
        return str(error).splitlines()
    names = {file["name"] for file in manifest["files"]}
    found = [f"{p}: is not in the manifest" for p in sorted(folder.iterdir()) if p.name not in names | {MANIFEST}]
    for file in manifest["files"]:
        found += _verify_file(folder, file) or (external_data(folder / file["name"], names) if file["name"].endswith(".onnx") else [])
    return found


def external_data(path: Path, names: Collection[str]) -> list[str]:
    """What is wrong with an ONNX file: damage, or a tensor whose data is not in one of the `names` beside it."""
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        return [f"{path}: is not an ONNX model"]
    found = set()
    for tensor in _tensors(model):
        for entry in tensor.external_data:
            if entry.key == "location" and entry.value not in names:
                found.add(f"{path}: takes data from {entry.value[:100]!r}, which is not one of the model's files")
    return sorted(found)


def _tensors(message: Message) -> Iterator[Any]:
    """Every TensorProto anywhere inside a message: initializers, attributes, subgraphs, functions."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if isinstance(value, Message) else value:
                yield from _tensors(part)


def _verify_file(folder: Path, file: dict[str, Any]) -> list[str]:
    digest, size = hashlib.sha256(), 0
    try:
        for piece in chunks(folder, file["name"], file["size"]):
            digest.update(piece)
            size += len(piece)
    except ZooError as error:
        return [str(error)]
    if size != file["size"]:
        return [f"{folder / file['name']}: has {size} bytes; the manifest states {file['size']}"]
    if digest.hexdigest() != file["sha256"]:
        return [f"{folder / file['name']}: its sha256 is not the one that the manifest states"]
    return []
