"""One model's folder: whether it is, byte for byte, what its manifest states, and harmless to load."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, Message

from netc.errors import UntrustedError, ZooError
from netc.zoo.bounds import excesses
from netc.zoo.index import checked_manifest
from netc.zoo.location import chunks
from netc.zoo.manifest import MOST_BYTES
from netc.zoo.minisign import MOST_BYTES as MOST_SIGNATURE
from netc.zoo.minisign import PublicKey, check
from netc.zoo.names import MANIFEST, SIGNATURE

LARGEST = 1 << 31  # bytes of a message of protobuf
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
RESERVED = ("ai.onnx", "com.microsoft", "com.ms", "org.pytorch")  # with all below them: onnxruntime has ops of its own there


class Untrusted(str):
    """A problem that is no damage: nobody who is trusted has signed."""


def verify_folder(folder: Path, keys: Sequence[PublicKey] = ()) -> list[str]:
    """What is wrong with the model in `folder`, which is named after its version, in a folder of its name.

    With `keys` it must be signed by one of them.
    """
    absolute = folder.absolute()
    try:
        data = b"".join(chunks(folder, MANIFEST, MOST_BYTES))
        manifest = checked_manifest(data, str(folder / MANIFEST), absolute.parent.name, absolute.name)
    except ZooError as error:
        return str(error).splitlines()
    untrusted = _signature_problems(folder, data, keys) if keys else []
    names = {file["name"] for file in manifest["files"]}
    found = [f"{p}: is not in the manifest" for p in sorted(folder.iterdir()) if p.name not in names | {MANIFEST, SIGNATURE}]
    for file in manifest["files"]:
        found += _verify_file(folder, file) or (graph_errors(folder / file["name"], names) if file["name"].endswith(".onnx") else [])
    return found + untrusted


def _signature_problems(folder: Path, manifest: bytes, keys: Sequence[PublicKey]) -> list[str]:
    if not (folder / SIGNATURE).exists():
        return [Untrusted(f"{folder}: is not signed, and only signed models were asked for")]
    try:
        check(b"".join(chunks(folder, SIGNATURE, MOST_SIGNATURE)), manifest, list(keys), str(folder / SIGNATURE))
    except UntrustedError as error:
        return [Untrusted(error)]
    except ZooError as error:
        return [str(error)]
    return []


def graph_errors(path: Path, names: Collection[str]) -> list[str]:
    """What is wrong with an ONNX file: damage, data that is not in one of the `names` beside it, ops that need a library.

    A node is of ONNX's own domains, or the model holds the function that it calls. A function is of no domain in which onnxruntime
    has ops, since it would run its own in the place of the function.
    """
    import onnx

    if path.stat().st_size >= LARGEST:
        return [f"{path}: has 2 GiB or more, which no ONNX model can have"]
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError):
        return [f"{path}: is not an ONNX model"]
    found, functions = set(), {(f.domain, f.name) for f in model.functions}
    for domain, name in functions:
        if not domain or f"{domain}.".startswith(tuple(f"{d}." for d in RESERVED)):
            what = f"{_told(domain)}.{_told(name)}".lstrip(".")
            found.add(f"{path}: has a function {what}, where onnxruntime has ops of its own")
    for part in _parts(model):
        if part.DESCRIPTOR.name == "NodeProto":
            if part.domain not in DOMAINS and (part.domain, part.op_type) not in functions:
                found.add(f"{path}: has an op {_told(part.domain)}.{_told(part.op_type)}, which only a library of somebody's could run")
            continue
        for entry in part.external_data:
            if entry.key == "location" and entry.value not in names:
                found.add(f"{path}: takes data from {entry.value[:100]!r}, which is not one of the model's files")
    found.update(f"{path}: {text}" for text in excesses(model))
    return sorted(found)[:20]


def _told(name: str) -> str:
    return repr(name[:60])[1:-1]


def _parts(message: Message) -> Iterator[Any]:
    """Every TensorProto and NodeProto anywhere inside a message: initializers, attributes, subgraphs, functions."""
    if message.DESCRIPTOR.name in ("TensorProto", "NodeProto"):
        yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if isinstance(value, Message) else value:
                yield from _parts(part)


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
