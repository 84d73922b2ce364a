"""Snapshots on disk: each is one .safetensors file, with a checksum in its metadata.

A file gets its name only when it is complete and flushed to disk. So if a run is killed while it writes, the previous snapshot stays
intact.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netc.errors import RunError, SnapshotError
from netc.files import open_plain, replace_file

KEY = "netc"
ROWS = "rows"  # metadata key for the columns and classes of the training rows
NAME = re.compile(r"iter_(\d{8,})\.safetensors")


@dataclass(frozen=True)
class Snapshot:
    """The states of a run by name, and the metadata that was written with them."""

    states: dict[str, np.ndarray]
    metadata: dict[str, Any]
    path: Path


def file_name(iteration: int) -> str:
    """The name of the snapshot after `iteration` steps."""
    return f"iter_{iteration:08d}.safetensors"


def write(path: str | Path, states: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> Path:
    """Write `states` and `metadata`, which must be valid JSON, atomically. RunError if the file cannot be written."""
    from safetensors.numpy import save

    path = Path(path)
    # safetensors copies an array's buffer in memory order, so a transposed view would be scrambled.
    arrays = {name: np.asarray(states[name], order="C") for name in sorted(states)}
    said = json.loads(json.dumps(metadata))  # as a reader will see it
    said["sha256"] = _digest(arrays, said)
    try:
        replace_file(path, save(arrays, {KEY: json.dumps(said)}))
    except OSError as error:
        raise RunError(f"Cannot write {path}: {error.strerror or error}") from error
    return path


def weights_bytes(states: Mapping[str, np.ndarray], rows: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of a plain .safetensors file, equal for equal arrays. `rows` describes the training rows of the states."""
    from safetensors.numpy import save

    said = {ROWS: json.dumps(rows, sort_keys=True)} if rows else None
    return save({name: np.asarray(states[name], order="C") for name in sorted(states)}, said)


def read(path: str | Path) -> Snapshot:
    """Read the snapshot at `path`. SnapshotError if it is missing, damaged or was not written by netc."""
    path = Path(path)
    states, texts = _load(path)
    if KEY not in texts:
        raise SnapshotError(f"{path}: The file has weights, but no state of a training run. netc cannot resume from it.")
    try:
        metadata = dict(json.loads(texts[KEY]))
    except (ValueError, TypeError, RecursionError) as error:
        raise SnapshotError(f"{path}: The metadata of the snapshot is invalid: {error}") from error
    if metadata.pop("sha256", None) != _digest(states, metadata):
        raise SnapshotError(f"{path}: The snapshot is damaged. Its content does not match its checksum.")
    return Snapshot(states, metadata, path)


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays of any .safetensors file, and verify netc's checksum if there is one."""
    states, texts = _load(Path(path))
    return read(path).states if KEY in texts else states


def read_rows(path: str | Path) -> dict[str, Any]:
    """The description of the training rows in a .safetensors file; empty if there is none."""
    texts = _load(Path(path))[1]
    try:
        said = json.loads(texts[KEY]).get(ROWS, {}) if KEY in texts else json.loads(texts.get(ROWS, "{}"))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise SnapshotError(f"{path}: The metadata of the snapshot is invalid: {error}") from error
    if not isinstance(said, dict):
        raise SnapshotError(f"{path}: The metadata of the snapshot is invalid: `rows` is {said!r:.40}")
    return said


def newest(directory: str | Path, check: Callable[[Snapshot], object] = lambda found: None) -> tuple[Snapshot | None, dict[Path, str]]:
    """The valid snapshot with the highest iteration, or None; and newer ones with the reason why each was skipped.

    `check` raises SnapshotError to reject a snapshot that is intact.
    """
    skipped: dict[Path, str] = {}
    for path in _by_iteration(Path(directory)):
        try:
            found = read(path)
            check(found)
            return found, skipped
        except SnapshotError as error:
            skipped[path] = str(error)
    return None, skipped


def set_aside(path: Path) -> Path:
    """Rename a damaged snapshot, so that no run reads it and its name is free. Returns its new path."""
    aside = path.with_name(f"{path.name}.damaged")
    try:
        os.replace(path, aside)
    except OSError as error:
        raise RunError(f"Cannot rename {path}: {error.strerror or error}") from error
    return aside


def prune(directory: str | Path, keep: int, also: Collection[Path] = ()) -> list[Path]:
    """Remove all snapshots except those of the `keep` highest iterations and those in `also`. Returns the removed files."""
    if keep < 1:
        raise ValueError(f"keep is {keep}; at least the newest snapshot must be kept")
    kept = {Path(p).absolute() for p in also}
    removed = [p for p in _by_iteration(Path(directory))[keep:] if p.absolute() not in kept]
    for path in removed:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"Cannot remove {path}: {error.strerror or error}") from error
    return removed


def _load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with open_plain(path):  # gives an immediate error for anything except a regular file
            pass
        with safe_open(path, "np") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise SnapshotError(f"{path}: There is no such file.") from None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SnapshotError(f"Cannot read {path} as safetensors: {error}") from error


def _digest(states: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(states):
        array = states[name]
        digest.update(f"\n{name} {array.dtype.name} {array.shape}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _children(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SnapshotError(f"Cannot list {directory}: {error.strerror or error}") from error


def _by_iteration(directory: Path) -> list[Path]:
    found = [(int(m[1]), p) for p in _children(directory) if (m := NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found, reverse=True)]
