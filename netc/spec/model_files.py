"""The ONNX files that Model layers name: paths relative to the net file, addresses, and models of a zoo."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, NetcError, SpecError, Suggestion, near
from netc.files import CHUNK, cache_folder, open_plain, replacing
from netc.spec import paths
from netc.spec.document import Document

SUFFIX, LARGEST = ".onnx", 1 << 31  # bytes, protobuf's limit
SHA256 = re.compile(r"[0-9a-fA-F]{64}")
ZOO = "netc.zoo.base_model"  # imported only for a name of a model in a zoo


def locate(document: Document, index: int) -> Path:
    """The path of the file that the Model layer number `index` of a net names. It is downloaded into the cache if it is elsewhere.

    SpecError if it is not there, or if its hash differs from the one that an address needs.
    """
    param: pb.ModelParameter = document.message.layer[index].model_param
    folder = Path(document.path).parent
    if param.sha256 and not SHA256.fullmatch(param.sha256):
        raise _wrong("sha256", f"`sha256` must be 64 hexadecimal digits, got {len(param.sha256)} characters.")
    if not param.file:
        raise _wrong("file", "`file` is missing. Add the path of an ONNX file, an address, or the name of a model in the zoo.")
    if paths.published(document.path) and ("layer", index, "model_param", "file") not in document.overrides:
        return _within(folder, param.file)
    return find(param.file, folder, param.sha256.lower())


def find(text: str, folder: Path, sha256: str = "") -> Path:
    """The path of a file relative to `folder`, of one at an address with the hash `sha256`, or of a model of the zoo. Else SpecError."""
    if "://" in text:
        return _fetched(text, sha256)
    path = folder / Path(text).expanduser()
    if path.is_file():
        return path
    if path.is_dir() and (path / "model.onnx").is_file():
        return path / "model.onnx"
    if path.is_dir() or text.lower().endswith(SUFFIX) or len(Path(text).parts) > 1:
        return _missing(folder, text)
    return _of_zoo(text)


def _wrong(field: str, text: str, suggestion: Suggestion | None = None) -> SpecError:
    return SpecError(Diagnostic(None, text, suggestion, field))


def model_files(document: Document) -> Iterator[Path]:
    """The files of the Model layers of a net. A file that cannot be found is left out."""
    for index, layer in enumerate(document.message.layer):
        if layer.type == "Model" and layer.model_param.file:
            with suppress(SpecError):
                yield locate(document, index)


def digest(path: Path) -> str:
    """The SHA-256 of a file. A file that has not changed is read once."""
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _digest(path: Path, changed: int, size: int) -> str:
    found = hashlib.sha256()
    with open_plain(path) as file:
        while piece := file.read(CHUNK):
            found.update(piece)
    return found.hexdigest()


def _within(folder: Path, text: str) -> Path:
    """A file of a published net, which lies beside it."""
    if "://" in text or not paths.inside(folder.resolve(), text) or not (folder / text).is_file():
        raise _wrong("file", f"A net of a zoo has the file of its Model layer beside it. {text!r} is not there.")
    return folder / text


def _missing(folder: Path, text: str) -> Path:
    target = folder / Path(text).expanduser()
    there = sorted(p.name for p in target.parent.glob(f"*{SUFFIX}"))[:100] if target.parent.is_dir() else []
    where = "" if folder == Path(".") else f" in {folder}"
    kind = f"{text!r} is a folder without model.onnx." if target.is_dir() else f"There is no file {text!r}{where}."
    raise _wrong("file", kind, near(target.name, there) if there else None)


def _of_zoo(text: str) -> Path:
    """The file of a model in the zoo."""
    try:
        return cast(Path, import_module(ZOO).base_model(text))
    except NetcError as e:
        raise _wrong("file", f"There is no file {text!r}, and no model of that name in the zoo: {e}") from e


def _fetched(address: str, sha256: str) -> Path:
    """The file at an address, in the cache under its hash."""
    if not address.lower().startswith(("http://", "https://")):
        raise _wrong("file", f"Expected an address with http:// or https://, got {address!r}.")
    if not sha256:
        raise _wrong("sha256", "`sha256` is missing. A file at an address needs the SHA-256 of its content, so that it cannot change.")
    path = cache_folder() / "onnx" / f"{sha256}{SUFFIX}"
    if path.is_file() and digest(path) == sha256:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            found = _copied(address, file)
            if found != sha256:
                raise _wrong("sha256", f"The file at {address} has the SHA-256 {found}. Expected {sha256}.")
    except OSError as e:
        raise _wrong("file", f"Cannot write {e.filename or path}: {e.strerror or e}.") from e
    return path


def _copied(address: str, file: Any) -> str:
    """Copy the file at an address, and return its hash."""
    from netc.remote.http import pieces_of

    location, _, name = address.rpartition("/")
    received, found = 0, hashlib.sha256()
    try:
        for piece in pieces_of(location, name):
            received += len(piece)
            if received > LARGEST:
                raise _wrong("file", f"The file at {address} is larger than 2 GB.")
            found.update(piece)
            file.write(piece)
    except NetcError as e:
        raise e if isinstance(e, SpecError) else _wrong("file", f"Cannot download {address}: {e}") from e
    return found.hexdigest()
