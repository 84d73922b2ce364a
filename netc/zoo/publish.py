"""Publish a model as a folder of a zoo. A published folder never changes.

Publishing holds a lock. Files are written to a staging folder, flushed, and renamed into place; the index is updated last.
"""

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from netc.errors import ZooError
from netc.files import CHUNK, STALE, locked, sweep, sync
from netc.zoo.amend import sign_folder
from netc.zoo.card import model_card
from netc.zoo.folder import graph_errors
from netc.zoo.index import checked_manifest, reindex, versions_on_disk
from netc.zoo.manifest import FORMAT, ROLES, parse_json, problems
from netc.zoo.names import CARD, LOCK, MANIFEST, is_file_name, is_model_name, is_version, version_key

FIRST = "1.0.0"
STAGING = ".publish-"


@dataclass(frozen=True)
class Published:
    """The published version. `new` is False if the newest version was identical already."""

    name: str
    version: str
    path: Path
    new: bool
    warnings: tuple[str, ...] = ()  # damaged versions of the zoo, which its index lacks


def publish(
    zoo: str | Path,
    name: str,
    files: Mapping[str, bytes | Path],
    manifest: Mapping[str, Any],
    version: str | None = None,
    key: str | Path | None = None,
) -> Published:
    """Add `files` (name: content or path) and the card as the next patch version, or as `version`.

    `manifest` has the fields of `manifest.FIELDS` that publishing does not set, and any of `manifest.OPTIONAL`; `parent` is optional.
    `key` is a file with the secret key that signs the manifest, see `minisign`. Nothing is added if net, seed and files equal those
    of the newest version. ZooError if anything is invalid or cannot be written.
    """
    zoo = Path(zoo)
    _check_names(name, files, version)
    try:
        zoo.mkdir(parents=True, exist_ok=True)
        with locked(zoo / LOCK) as alone:
            _remove_old(zoo, 0 if alone else STALE)
            return _publish(zoo, name, files, manifest, version, key)
    except OSError as error:
        where = error.filename2 or error.filename or zoo
        raise ZooError(f"{name} cannot be published: {where}: {error.strerror or error}") from error


def _remove_old(zoo: Path, age: float) -> None:
    """Remove staging folders of killed processes that are older than `age` seconds."""
    for leftover in zoo.glob(f"{STAGING}*"):
        if leftover.is_dir() and not leftover.is_symlink() and time.time() - leftover.stat().st_mtime >= age:
            shutil.rmtree(leftover, ignore_errors=True)
    for folder in zoo.glob("*/*"):
        if is_version(folder.name):
            sweep(folder, STALE)


def next_version(versions: list[str]) -> str:
    """The highest of `versions` plus one patch; 1.0.0 if there is none."""
    if not versions:
        return FIRST
    major, minor, patch = max(map(version_key, versions))
    return f"{major}.{minor}.{patch + 1}"


def _check_names(name: str, files: Mapping[str, bytes | Path], version: str | None) -> None:
    wrong = [] if is_model_name(name) else [f"the name of a model must have characters of [a-z0-9._-]; got {name!r}"]
    rule = "the name of a file must have characters of [a-z0-9._-], and programs, pages and pickles are not allowed"
    wrong += [f"{rule}; got {n!r}" for n in files if not is_file_name(n) or n == CARD]
    if wrong:
        raise ZooError("\n".join(wrong))
    if version is not None:
        version_key(version)


def _publish(
    zoo: Path, name: str, files: Mapping[str, bytes | Path], manifest: Mapping[str, Any], version: str | None, key: str | Path | None
) -> Published:
    versions = versions_on_disk(zoo, name)
    if version in versions:
        raise ZooError(f"{zoo / name / str(version)}: is published already; a published version cannot change")
    reindex(zoo)
    staging = zoo / f"{STAGING}{secrets.token_hex(8)}"
    try:
        staging.mkdir()
        draft = _complete(manifest, name, version or next_version(versions))
        draft["files"] = [_store(content, staging / file) for file, content in sorted(files.items())]
        _check(draft, staging)
        if version is None and versions and _identity(draft) == _published_identity(zoo, name, versions[-1]):
            sign_folder(zoo / name / versions[-1], key)
            return Published(name, versions[-1], zoo / name / versions[-1], False, tuple(reindex(zoo)))
        draft["files"].append(_store(model_card(draft).encode(), staging / CARD))
        _store(_encoded(draft), staging / MANIFEST)
        sign_folder(staging, key)
        sync(staging)
        target = zoo / name / draft["version"]
        target.parent.mkdir(exist_ok=True)
        os.replace(staging, target)
        sync(target.parent)
        return Published(name, draft["version"], target, True, tuple(reindex(zoo)))
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _complete(manifest: Mapping[str, Any], name: str, version: str) -> dict[str, Any]:
    """The manifest with the fields that publishing sets, without its files."""
    known = {
        "format": FORMAT,
        "name": name,
        "version": version,
        "created": datetime.now(UTC).date().isoformat(),
    }
    rest = {key: value for key, value in manifest.items() if key not in known}
    return {**known, "parent": None, "netc": _netc_version(), **rest}


def _netc_version() -> str:
    try:
        return installed_version("netc")
    except PackageNotFoundError:
        return "unknown"


def _check(draft: Mapping[str, Any], staging: Path) -> None:
    wrong = [f"manifest: {text}" for text in problems(draft)]
    names = [entry["name"] for entry in draft["files"]]
    wrong += [text for name in names if name.endswith(".onnx") for text in graph_errors(staging / name, names)]
    if wrong:
        raise ZooError("\n".join(f"{draft['name']} cannot be published: {text}" for text in wrong))
    parse_json(_encoded(draft), "manifest")


def _encoded(manifest: Mapping[str, Any]) -> bytes:
    try:
        return (json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ZooError(f"{manifest['name']} cannot be published: manifest: {error}") from error


def _store(content: bytes | Path, target: Path) -> dict[str, Any]:
    """Copy `content` to `target` and flush it to disk. Returns its entry in the manifest."""
    digest, size = hashlib.sha256(), 0
    with open(target, "xb") as file:
        for piece in _pieces(content):
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
    role = ROLES.get(target.name, "other")
    return {"name": target.name, "role": role, "size": size, "sha256": digest.hexdigest()}


def _pieces(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with open(content, "rb") as file:
        while piece := file.read(CHUNK):
            yield piece


def _identity(manifest: Mapping[str, Any]) -> tuple[Any, ...]:
    """The fields that identify a model across versions. The card is excluded, because it contains the version."""
    files = sorted((f["name"], f["sha256"]) for f in manifest["files"] if f["name"] != CARD)
    return manifest["net_sha256"], manifest["seed"], files


def _published_identity(zoo: Path, name: str, version: str) -> tuple[Any, ...] | None:
    path = zoo / name / version / MANIFEST
    try:
        return _identity(checked_manifest(path.read_bytes(), str(path), name, version))
    except (ZooError, OSError):
        return None  # a damaged version is never identical
