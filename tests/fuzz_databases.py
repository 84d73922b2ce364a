"""Databases with something wrong in them: `python -m tests.fuzz_databases {leveldb,lmdb} [COUNT [FIRST]]` makes so many and reads each.

A case is its number: the same files every time. Reading may take 5 seconds and 1 GiB, and ends with the pixels and labels that were
written, or in a DataError. Two things no reader can tell: bytes that are changed within a value of an LMDB, unless netc wrote a
checksum with it, are read as they are; and a LevelDB whose log ends between two batches is one whose writer ended there.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from netc import data, registry
from netc.errors import DataError
from netc.formats.lmdb import read_rows
from tests.data.databases import datum, write_leveldb, write_lmdb
from tests.data.layers import data_layer
from tests.fuzz import limits, tried

Pixels = tuple[np.ndarray, ...]


@dataclass
class Seed:
    """A database with nothing wrong: its files, what is read of it, and where in its file values are that nothing vouches for."""

    files: dict[str, bytes]
    expected: Pixels
    values: list[tuple[int, int]] = field(default_factory=list)

    def untold(self, files: dict[str, bytes]) -> str:
        """What happened to the files that no reader can tell; "" for what it should have told."""
        changed = {name for name in self.files if files.get(name) != self.files[name]}
        if self.values and any(self.files["data.mdb"][a : a + n] != files["data.mdb"][a : a + n] for a, n in self.values):
            return "another value"
        log = "000003.log"
        return "cut between batches" if changed == {log} and self.files[log].startswith(files.get(log, b"-")) else ""


def read_all(folder: Path) -> Pixels:
    """Pixels and labels of all rows."""
    layer = data_layer(str(folder))
    layer.data_param.batch_size = data.describe(layer, "TEST").rows or 1
    return data.open(layer, "TEST", 0).batch(0)


def seeds(kind: str, folder: Path) -> list[Seed]:
    """Databases of each form: in a log, in tables, packed, over many blocks; with values within leaves and on pages of their own."""
    random = Random(0)
    found = []
    for number, (side, count) in enumerate([(3, 30), (24, 40), (120, 8), (5, 150)]):
        rows = [(b"%08d" % k, datum(_noise(random, 3 * side * side), 3, side, k % 10, number == 2)) for k in range(count)]
        place = folder / f"seed{number}"
        if kind == "lmdb":
            write_lmdb(place, rows, a_commit=50)
        else:
            half = count // 2
            parts: dict[str, list[Any]] = (
                {"tables": [rows[: half + 3], rows[half:]]} if number % 2 else {"batches": [rows[:half], rows[half:]]}
            )
            if number == 1:
                parts["batches"] = [[(b"new", rows[0][1]), (b"gone", b"")], [(b"gone", None)]]
            write_leveldb(place, **parts, packed=number == 3)
        files = {f.name: f.read_bytes() for f in place.iterdir() if not f.name.startswith("lock")}
        found.append(Seed(files, read_all(place)))
        if kind == "lmdb" and number != 2:
            kept = read_rows(place / "data.mdb")
            found[-1].values = list(zip(kept.places, kept.sizes, strict=True))
    return found


def _noise(random: Random, size: int) -> bytes:
    return b"".join(bytes([random.randrange(256)]) * random.choice([1, 1, 2, 30]) for _ in range(size))[:size]


def mutated(number: int, kind: str, found: list[Seed]) -> tuple[Seed, dict[str, bytes]]:
    """Case `number`: the seed, and the files, of which one is not as it was."""
    random = Random(number)
    seed = found[number % len(found)]
    name = random.choice(sorted(seed.files))
    content = seed.files[name]
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        content = random.choice(WAYS)(random, content)
    files = seed.files | {name: content}
    if kind == "leveldb" and number % 61 == 0:
        del files[name]
    return seed, files


def _place(random: Random, content: bytes) -> int:
    """A place in a file: anywhere, or where its beginning, its pages or its end are."""
    near = random.choice([None, 0, len(content), random.randrange(len(content) // 4096 + 1) * 4096])
    at = random.randrange(len(content) + 1) if near is None else near + random.randrange(-64, 160)
    return min(max(at, 0), len(content))


def _flip(random: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice([1, 1, 2, 5])):
        at = _place(random, content)
        if at < len(changed):
            changed[at] ^= 1 << random.randrange(8)
    return bytes(changed)


def _number(random: Random, content: bytes) -> bytes:
    """Two, four or eight bytes as a number without measure."""
    size, at = random.choice([2, 4, 8]), _place(random, content)
    new: int = random.choice([0, 1, 2, 3, 2**15, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, random.randrange(2**64)]) % 2 ** (8 * size)
    return (content[:at] + new.to_bytes(size, "little") + content[at + size :])[: max(len(content), at)]


def _cut(random: Random, content: bytes) -> bytes:
    a = _place(random, content)
    return content[:a] + content[a + random.choice([1, 7, 100, 4096, 32768]) :]


def _repeat(random: Random, content: bytes) -> bytes:
    a, size = _place(random, content), random.choice([1, 7, 100, 4096, 32768])
    return content[: a + size] + content[a:]


def _zeros(random: Random, content: bytes) -> bytes:
    a, size = _place(random, content), random.choice([8, 100, 4096, 32768])
    return content[:a] + bytes(len(content[a : a + size])) + content[a + size :]


def _move(random: Random, content: bytes) -> bytes:
    """Bytes of one place written over those of another: pages, as often as not."""
    size = random.choice([16, 4096, 4096])
    a, b = (random.randrange(len(content) // size + 1) * size for _ in range(2))
    return (content[:b] + content[a : a + size] + content[b + len(content[a : a + size]) :])[: len(content)]


def _truncate(random: Random, content: bytes) -> bytes:
    return content[: _place(random, content)]


WAYS: list[Callable[[Random, bytes], bytes]] = [_flip, _flip, _flip, _number, _cut, _repeat, _zeros, _move, _truncate, _truncate]


def read(folder: Path, seed: Seed, files: dict[str, bytes]) -> str:
    """What reading ended in: "right", "refused", or what no reader can tell. AssertionError if in other rows."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    try:
        with limits():
            found = read_all(folder)
    except DataError as e:
        assert str(folder) in str(e), f"no place in: {str(e)[:300]}"
        return "refused"
    if all(np.array_equal(a, b) for a, b in zip(found, seed.expected, strict=True)):
        return "right"
    assert (untold := seed.untold(files)), "other pixels"
    return untold


def cases(kind: str, count: int, first: int, folder: Path) -> Iterator[tuple[str, str, Callable[[], str]]]:
    """Mutated databases, read in `folder`."""
    registry.load()
    found = seeds(kind, folder)
    for number in range(first, first + count):
        yield f"case {number}", kind, partial(read, folder / "case", *mutated(number, kind, found))


def main(kind: str, count: int, first: int) -> int:
    """Reads `count` cases."""
    with tempfile.TemporaryDirectory() as folder:
        return tried(cases(kind, count, first, Path(folder)))


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[2:]] + [2000, 0][len(sys.argv) - 2 :]
    sys.exit(main(sys.argv[1], *numbers))
