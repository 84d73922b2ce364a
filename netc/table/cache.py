"""Encoded tables, kept in the cache folder, so that the next run maps them into memory instead of reading the table again.

An entry is a folder of arrays and `entry.json`, which is written last. Its name is a hash of all that its content follows from. An entry
that is damaged is made again. Entries that were not used for 30 days are removed, and the oldest ones beyond 20 GB. NETC_CACHE=0 turns the
cache off.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netc.files import cache_folder, locked, scratch
from netc.formats.typed_json import MisfitError, typed
from netc.table.mapped import Mapped, checksum, mapped

FORMAT = 2  # of entries: another number makes all of them again
FACTS = "entry.json"
RAW = "raw_"  # start of the names of arrays that few runs need, and that are checked when they are read
IN_MEMORY = 1 << 26  # bytes up to which arrays are read into memory
MOST_BYTES, MOST_SECONDS = 20 << 30, 30 * 86400.0


@dataclass(frozen=True)
class Facts:
    """What `entry.json` says: what a table source knows of the rows, and the sizes and checksums of the arrays."""

    said: dict[str, Any]
    sizes: dict[str, int] = field(default_factory=dict)
    checksums: dict[str, int] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True)
class Entry:
    """An entry: what it says, and its arrays by name. Large arrays are mapped into memory."""

    said: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray | Mapped]
    checksums: Mapping[str, int] = field(default_factory=dict)

    def is_sound(self, name: str) -> bool:
        """Whether an array whose name starts with `RAW` is as it was written. Other arrays are checked when an entry is opened."""
        array = self.arrays[name]
        return isinstance(array, Mapped) and self.checksums[name] == array.checksum


def folder() -> Path:
    """The folder of all entries."""
    return cache_folder() / "tables"


def key_of(*parts: Any) -> str:
    """The name of the entry that follows from JSON values and bytes."""
    digest = hashlib.sha256(f"{FORMAT}".encode())
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def entry(key: str, make: Callable[[Path], dict[str, Any]]) -> Entry:
    """Return the entry of a key. If there is none, `make(folder)` writes its arrays, as .npy files, and returns what it says.

    One process makes an entry while others wait for it. If the cache folder cannot be written, or with NETC_CACHE=0, the entry is made in a
    temporary folder.
    """
    if os.environ.get("NETC_CACHE") == "0":
        return _unkept(make)
    there = found(key)
    if there is not None:
        return there
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with locked(folder() / f"{key}.lock", keep=False):
            there = found(key)
            return there if there is not None else _made(key, make)
    except OSError as e:
        if e.filename is None or not str(e.filename).startswith(str(folder())):
            raise
        return _unkept(make)


def _unkept(make: Callable[[Path], dict[str, Any]]) -> Entry:
    """An entry in a temporary folder. Arrays that are mapped into memory stay valid when it is removed."""
    with tempfile.TemporaryDirectory(prefix="netc-rows-", ignore_cleanup_errors=True) as place:
        return _written(Path(place), make)


def found(key: str) -> Entry | None:
    """The entry of a key if there is one."""
    return None if os.environ.get("NETC_CACHE") == "0" else _read(folder() / key)


def _made(key: str, make: Callable[[Path], dict[str, Any]]) -> Entry:
    with scratch(folder()) as place:
        shutil.rmtree(folder() / key, ignore_errors=True)  # a damaged one
        made = _written(place, make)
        with suppress(OSError):  # without locks, another process may have made it
            os.rename(place, folder() / key)
    remove_old(key)
    return made


def _written(place: Path, make: Callable[[Path], dict[str, Any]]) -> Entry:
    """Make an entry in a folder, and open it."""
    said = make(place)
    files = {path.name: path for path in place.glob("*.npy")}
    facts = Facts(said, {n: p.stat().st_size for n, p in files.items()}, {n: _checksum(p) for n, p in files.items()})
    (place / FACTS).write_text(json.dumps(asdict(facts)))
    return _entry(place, facts)


def _read(place: Path) -> Entry | None:
    """Open an entry; None if there is none, or if it is damaged or of another version."""
    try:
        facts: Facts = typed(json.loads((place / FACTS).read_bytes()), Facts)
        sound = facts.format == FORMAT and all(
            (place / name).stat().st_size == size and (name.startswith(RAW) or _checksum(place / name) == facts.checksums[name])
            for name, size in facts.sizes.items()
        )
        if not sound:
            return None
        opened = _entry(place, facts)
    except (OSError, ValueError, KeyError, RecursionError, MisfitError):
        return None
    with suppress(OSError):
        os.utime(place / FACTS)  # for `remove_old`
    return opened


def _entry(place: Path, facts: Facts) -> Entry:
    arrays = {name.removesuffix(".npy"): _array(place / name) for name in facts.sizes}
    return Entry(facts.said, arrays, {name.removesuffix(".npy"): value for name, value in facts.checksums.items()})


def _array(path: Path) -> np.ndarray | Mapped:
    if path.stat().st_size > IN_MEMORY or path.name.startswith(RAW):
        return mapped(path)
    array: np.ndarray = np.load(path, allow_pickle=False)
    return array


def _checksum(path: Path) -> int:
    with path.open("rb") as file:
        return checksum(file.fileno())


def remove_old(keep: str) -> None:
    """Remove entries that were not used for long, and the oldest ones if all are too large together. `keep` stays."""
    now, total = time.time(), 0
    with suppress(OSError):
        ages = {place: _used(place) for place in folder().iterdir() if place.is_dir() and not place.name.startswith(".")}
        for place in sorted(ages, key=lambda p: (p.name != keep, -ages[p])):
            total += sum(file.stat().st_size for file in place.glob("*"))
            if place.name != keep and (total > MOST_BYTES or now - ages[place] > MOST_SECONDS):
                shutil.rmtree(place, ignore_errors=True)


def _used(place: Path) -> float:
    """When an entry was last used."""
    with suppress(OSError):
        return (place / FACTS).stat().st_mtime
    return place.stat().st_mtime
