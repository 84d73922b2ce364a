"""Verify the folder of a model: its files match the manifest byte for byte, and they are safe to load."""

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

LARGEST = 1 << 31  # bytes of a protobuf message
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
RESERVED = ("ai.onnx", "com.microsoft", "com.ms", "org.pytorch")  # and their subdomains: onnxruntime defines ops there


class Untrusted(str):
    """A problem with the signature: there is none by a trusted key. The files may be intact."""


def verify_folder(folder: Path, keys: Sequence[PublicKey] = ()) -> list[str]:
    """List the problems of the model in `folder`, whose path ends in <name>/<version>.

    With `keys`, one of them must have signed it.
    """
    absolute = folder.absolute()
    try:
        data = b"".join(chunks(folder, MANIFEST, MOST_BYTES))
        manifest = checked_manifest(data, str(folder / MANIFEST), absolute.parent.name, absolute.name)
    except ZooError as error:
        return str(error).splitlines()
    untrusted = _signature_problems(folder, data, keys) if keys else []
    names = {file["name"] for file in manifest["files"]}
    problems = [f"{p}: is not in the manifest" for p in sorted(folder.iterdir()) if p.name not in names | {MANIFEST, SIGNATURE}]
    for file in manifest["files"]:
        problems += _verify_file(folder, file) or (graph_errors(folder / file["name"], names) if file["name"].endswith(".onnx") else [])
    return problems + untrusted


def _signature_problems(folder: Path, manifest: bytes, keys: Sequence[PublicKey]) -> list[str]:
    if not (folder / SIGNATURE).exists():
        return [Untrusted(f"{folder}: is not signed, but a signature is required")]
    try:
        check(b"".join(chunks(folder, SIGNATURE, MOST_SIGNATURE)), manifest, list(keys), str(folder / SIGNATURE))
    except UntrustedError as error:
        return [Untrusted(error)]
    except ZooError as error:
        return [str(error)]
    return []


def graph_errors(path: Path, names: Collection[str]) -> list[str]:
    """List the problems of an ONNX file: damage, external data outside the files `names`, ops that need a library.

    Every node must be of an ONNX domain or call a function in the model. The domain of a function must not have ops in onnxruntime,
    because onnxruntime would run its own op instead.
    """
    import onnx

    if path.stat().st_size >= LARGEST:
        return [f"{path}: has 2 GiB or more, but an ONNX model must be smaller"]
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError):
        return [f"{path}: is not an ONNX model"]
    problems, functions = set(), {(f.domain, f.name) for f in model.functions}
    for domain, name in functions:
        if not domain or f"{domain}.".startswith(tuple(f"{d}." for d in RESERVED)):
            what = f"{_printable(domain)}.{_printable(name)}".lstrip(".")
            problems.add(f"{path}: has a function {what} in a domain that onnxruntime reserves")
    for part in _parts(model):
        if part.DESCRIPTOR.name == "NodeProto":
            if part.domain not in DOMAINS and (part.domain, part.op_type) not in functions:
                problems.add(f"{path}: has an op {_printable(part.domain)}.{_printable(part.op_type)}, which needs an external library")
            continue
        for entry in part.external_data:
            if entry.key == "location" and entry.value not in names:
                problems.add(f"{path}: reads data from {entry.value[:100]!r}, which is not a file of the model")
    problems.update(f"{path}: {text}" for text in excesses(model))
    return sorted(problems)[:20]


def _printable(name: str) -> str:
    return repr(name[:60])[1:-1]


def _parts(message: Message) -> Iterator[Any]:
    """Yield every TensorProto and NodeProto in a message: initializers, attributes, subgraphs, functions."""
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
        return [f"{folder / file['name']}: has {size} bytes; the size in the manifest is {file['size']}"]
    if digest.hexdigest() != file["sha256"]:
        return [f"{folder / file['name']}: its sha256 differs from the manifest"]
    return []
