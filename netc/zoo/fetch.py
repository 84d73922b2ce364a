"""Download models: the files go into a temporary folder, are verified, and the folder is renamed into place.

After a broken connection the partial files are kept, and the next attempt resumes. The hash in the manifest verifies the result.
"""

import hashlib
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc import terminal
from netc.errors import CutError, UntrustedError, ZooError
from netc.files import CHUNK, cache_folder, locked, open_unlinked, replace_file, sync
from netc.zoo import newest
from netc.zoo.card import human_size
from netc.zoo.folder import graph_errors, verify_folder
from netc.zoo.index import Entry, find, read_manifest
from netc.zoo.location import chunks, default_location, is_url, read
from netc.zoo.minisign import MOST_BYTES, PublicKey, check, trusted_keys
from netc.zoo.names import MANIFEST, SIGNATURE

PARTIAL, FORGOTTEN = ".download-", 7 * 86400.0  # prefix of a partial download, and how many seconds it is kept
TRIES, PAUSE = 5, 0.5  # consecutive connections that receive less than a CHUNK, and seconds to wait after the first


@dataclass(frozen=True)
class Downloaded:
    """The folder of a downloaded model. `new` is False if an identical copy was there already."""

    name: str
    version: str
    path: Path
    new: bool


def download(spec: str, source: str | Path | None = None, to: str | Path = ".", keys: Sequence[PublicKey] = ()) -> Downloaded:
    """Copy a model from the zoo `source` to `to`/name/version. `index.chosen` explains `spec`.

    `source` is a directory or an address; None means NETC_ZOO, else ./model_zoo. With `keys`, one of them must have signed the
    model. ZooError if the model is missing, differs from its manifest or is unsafe. Nothing remains then, except the partial files
    of a broken connection.
    """
    location = default_location() if source is None else source
    entry = find(location, spec)
    if keys and is_url(location):
        newest.check(str(location), spec, entry.version)
    manifest, data = read_manifest(location, entry)
    signature = _signature(location, entry, data, keys)
    target = Path(to) / entry.name / entry.version
    if _already(target, data, keys):
        return Downloaded(entry.name, entry.version, target, False)
    partial = Path(to) / f"{PARTIAL}{entry.name}-{entry.version}-{entry.manifest_sha256[:12]}"
    try:
        Path(to).mkdir(parents=True, exist_ok=True)
        _remove_old(Path(to), partial)
        with locked(partial.with_name(f"{partial.name}.lock"), keep=False) as alone:
            if _already(target, data, keys):  # another process downloaded it first
                return Downloaded(entry.name, entry.version, target, False)
            if not alone:  # two processes must not resume the same files
                partial = partial.with_name(f"{partial.name}-{secrets.token_hex(8)}")
            with _kept_if_cut(partial):
                _check_space(partial, manifest)
                _fetch(location, manifest, partial)
                for name, content in ((MANIFEST, data), (SIGNATURE, signature)):
                    if content is not None:
                        replace_file(partial / name, content)
                sync(partial)
                target.parent.mkdir(exist_ok=True)
                os.rename(partial, target)
                sync(target.parent)
            if keys and is_url(location):
                newest.remember(str(location), entry.name, entry.version)
    except OSError as error:
        raise ZooError(f"{error.filename2 or error.filename or target}: {error.strerror or error}") from error
    return Downloaded(entry.name, entry.version, target, True)


def model_folder(spec: str, source: str | Path | None = None, keys: Sequence[PublicKey] | None = None) -> Path:
    """The folder of a complete model: in a local zoo, else in the cache.

    `source` is as in `download`. One of `keys` must have signed the model; None means the keys of NETC_ZOO_KEY. Else ZooError.
    """
    location = default_location() if source is None else source
    keys = trusted_keys() if keys is None else keys
    if is_url(location):  # two zoos may have different models of one name
        return download(spec, location, cache_folder() / "models" / hashlib.sha256(str(location).encode()).hexdigest()[:16], keys).path
    entry = find(location, spec)
    return checked_folder(Path(location) / entry.name / entry.version, keys)


def checked_folder(folder: Path, keys: Sequence[PublicKey] = ()) -> Path:
    """Verify the folder of a published model. ZooError if it is damaged, unsafe, or lacks a signature by one of `keys`, if given."""
    if wrong := verify_folder(folder, keys):
        raise ZooError("\n".join(wrong))
    return folder


@contextmanager
def _kept_if_cut(partial: Path) -> Iterator[None]:
    """A folder to download into. An error removes it, but an interrupted connection keeps it."""
    partial.mkdir(exist_ok=True)
    status = os.lstat(partial)
    if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
        raise ZooError(f"{partial}: is not a partial download of yours; remove it")
    try:
        yield
    except CutError as error:
        raise CutError(f"{error}; the partial download is kept, and the same command resumes it") from error
    except KeyboardInterrupt:
        raise
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _remove_old(to: Path, partial: Path) -> None:
    """Remove old partial downloads."""
    for left in to.glob(f"{PARTIAL}*"):
        if left == partial or left.is_symlink() or not left.is_dir():
            continue
        if time.time() - max(os.lstat(path).st_mtime for path in (left, *left.iterdir())) > FORGOTTEN:
            shutil.rmtree(left, ignore_errors=True)


def _signature(location: str | Path, entry: Entry, data: bytes, keys: Sequence[PublicKey]) -> bytes | None:
    """The signature of a manifest; None if there is none and none is required."""
    path = f"{entry.name}/{entry.version}/{SIGNATURE}"
    if not entry.signed and keys:
        raise UntrustedError(f"{location}/{entry.name}/{entry.version}: is not signed, but a signature is required")
    if not entry.signed:
        return None
    signature = read(location, path, MOST_BYTES)
    if keys:
        check(signature, data, list(keys), f"{location}/{path}")
    return signature


def _already(target: Path, manifest: bytes, keys: Sequence[PublicKey]) -> bool:
    """Whether `target` contains this model. ZooError if it contains anything else."""
    if not os.path.lexists(target):
        return False
    wrong = verify_folder(target, keys) if target.is_dir() else [f"{target}: is not a folder"]
    if not wrong and (target / MANIFEST).read_bytes() != manifest:
        wrong = [f"{target}: contains a different model with the same name and version"]
    if wrong:
        raise ZooError("\n".join([*wrong, f"{target}: exists already; remove it, or download to another folder"]))
    return True


def _check_space(folder: Path, manifest: dict[str, Any]) -> None:
    here = sum(p.lstat().st_size for p in folder.iterdir())
    wanted, free = sum(file["size"] for file in manifest["files"]) - here, shutil.disk_usage(folder).free
    if wanted > free:
        raise ZooError(f"{folder.parent}: not enough disk space: {human_size(free)} free, the model needs {human_size(wanted)}")


def _fetch(location: str | Path, manifest: dict[str, Any], folder: Path) -> None:
    names = [file["name"] for file in manifest["files"]]
    base = f"{manifest['name']}/{manifest['version']}"
    for stranger in folder.iterdir():
        if stranger.name not in names or not stranger.is_file() or stranger.is_symlink():
            raise ZooError(f"{stranger}: is not part of a partial download; remove it")
    with _progress(f"{manifest['name']} {manifest['version']}", sum(f["size"] for f in manifest["files"])) as advance:
        for file in manifest["files"]:
            _fetch_file(location, f"{base}/{file['name']}", file, folder / file["name"], advance)
    wrong = [text for name in names if name.endswith(".onnx") for text in graph_errors(folder / name, names)]
    if wrong:
        # The folder is about to be removed, so the message names the source.
        raise ZooError("\n".join(text.replace(str(folder), f"{location}/{base}", 1) for text in wrong))


def _fetch_file(location: str | Path, path: str, file: dict[str, Any], target: Path, advance: Callable[[int], None]) -> None:
    """Download one file. Resume an earlier attempt; if the result is wrong, start over."""
    left = target.stat().st_size if target.exists() else 0
    if left > file["size"]:
        target.unlink()
    if _received(location, path, file, target, advance) != file["sha256"]:
        target.unlink()
        if not left or _received(location, path, file, target, lambda size: None) != file["sha256"]:
            raise ZooError(f"{location}/{path}: its sha256 differs from the manifest")


def _received(location: str | Path, path: str, file: dict[str, Any], target: Path, advance: Callable[[int], None]) -> str:
    """Download the rest of a file, with new connections after broken ones. Returns the sha256 of the file."""
    digest, tries = hashlib.sha256(), 0
    with open_unlinked(target, os.O_RDWR | os.O_CREAT) as out:
        while piece := out.read(CHUNK):
            digest.update(piece)
            advance(len(piece))
        while (size := out.tell()) < file["size"]:
            try:
                with closing(chunks(location, path, file["size"], size)) as pieces:
                    for piece in pieces:
                        out.write(piece)
                        digest.update(piece)
                        advance(len(piece))
                if out.tell() < file["size"]:
                    raise ZooError(f"{location}/{path}: ends after {out.tell()} bytes; the size in the manifest is {file['size']}")
            except CutError:
                tries = 0 if out.tell() - size >= CHUNK else tries + 1
                if tries >= TRIES:
                    raise
                time.sleep(PAUSE * 2**tries)
            finally:
                out.flush()
                os.fsync(out.fileno())
    return digest.hexdigest()


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr if it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda size: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=terminal.console(sys.stderr)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda size: bar.advance(task, size)
