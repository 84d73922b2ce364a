"""Downloading: a model streams into a temporary folder, is verified on the way, and is renamed into place."""

import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc.errors import ZooError
from netc.snapshot import sync_directory
from netc.zoo.card import human_size
from netc.zoo.folder import external_data, verify_folder
from netc.zoo.index import find, read_manifest
from netc.zoo.location import chunks, default_location
from netc.zoo.names import MANIFEST


@dataclass(frozen=True)
class Downloaded:
    """Where a model lies now. `new` is False where it was there already, byte for byte."""

    name: str
    version: str
    path: Path
    new: bool


def download(spec: str, source: str | Path | None = None, to: str | Path = ".") -> Downloaded:
    """Copies 'name' or 'name@version' from the zoo `source` to `to`/name/version.

    `source` is a directory or an http(s) address; None is NETC_ZOO, else ./model_zoo. ZooError if the model is not
    there, is not what its manifest states or is hostile; then nothing is left behind.
    """
    location = default_location() if source is None else source
    entry = find(location, spec)
    manifest, data = read_manifest(location, entry)
    target = Path(to) / entry.name / entry.version
    if _already(target, data):
        return Downloaded(entry.name, entry.version, target, False)
    temporary = Path(to) / f".download-{entry.name}-{secrets.token_hex(4)}"
    try:
        temporary.mkdir(parents=True)
        _check_space(temporary, manifest)
        _fetch(location, manifest, temporary)
        (temporary / MANIFEST).write_bytes(data)
        sync_directory(temporary)
        target.parent.mkdir(exist_ok=True)
        os.rename(temporary, target)
        sync_directory(target.parent)
    except OSError as error:
        if target.exists() and _already(target, data):  # another process was faster
            return Downloaded(entry.name, entry.version, target, False)
        raise ZooError(f"{error.filename2 or error.filename or target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Downloaded(entry.name, entry.version, target, True)


def _already(target: Path, manifest: bytes) -> bool:
    """Whether `target` holds this very model. ZooError if it holds anything else."""
    if not os.path.lexists(target):
        return False
    wrong = verify_folder(target) if target.is_dir() else [f"{target}: is not a folder"]
    if not wrong and (target / MANIFEST).read_bytes() != manifest:
        wrong = [f"{target}: holds another model of the same name and version"]
    if wrong:
        raise ZooError("\n".join([*wrong, f"{target}: is in the way; remove it, or download to another folder"]))
    return True


def _check_space(folder: Path, manifest: dict[str, Any]) -> None:
    wanted, free = sum(file["size"] for file in manifest["files"]), shutil.disk_usage(folder).free
    if wanted > free:
        raise ZooError(f"{folder.parent}: {human_size(free)} are free; the model has {human_size(wanted)}")


def _fetch(location: str | Path, manifest: dict[str, Any], folder: Path) -> None:
    names = [file["name"] for file in manifest["files"]]
    base = f"{manifest['name']}/{manifest['version']}"
    with _progress(f"{manifest['name']} {manifest['version']}", sum(f["size"] for f in manifest["files"])) as advance:
        for file in manifest["files"]:
            _fetch_file(location, f"{base}/{file['name']}", file, folder / file["name"], advance)
    wrong = [text for name in names if name.endswith(".onnx") for text in external_data(folder / name, names)]
    if wrong:
        # The folder is about to go, so the sentence names the source.
        raise ZooError("\n".join(text.replace(str(folder), f"{location}/{base}", 1) for text in wrong))


def _fetch_file(location: str | Path, path: str, file: dict[str, Any], target: Path, advance: Callable[[int], None]) -> None:
    digest, size = hashlib.sha256(), 0
    with closing(chunks(location, path, file["size"])) as pieces, open(target, "xb") as out:
        for piece in pieces:
            out.write(piece)
            digest.update(piece)
            size += len(piece)
            advance(len(piece))
        out.flush()
        os.fsync(out.fileno())
    if size < file["size"]:
        raise ZooError(f"{location}/{path}: ends after {size} bytes; the manifest states {file['size']}")
    if digest.hexdigest() != file["sha256"]:
        raise ZooError(f"{location}/{path}: its sha256 is not the one that the manifest states")


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error while a terminal watches; silent otherwise."""
    if not sys.stderr.isatty():
        yield lambda size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda size: bar.advance(task, size)
