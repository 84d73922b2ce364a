"""Data from LMDB: the Datums of a database in the order of its keys. Needs the lmdb wheel (the extra `caffe`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from netc import netc_pb2 as pb
from netc.data.datum import datums, to_pixels
from netc.data.images import MEMORY
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.errors import DataError
from netc.registry import source

READING = Lock()  # a database can be open only once in a process


@source("lmdb")
def lmdb(request: Request) -> Table:
    """Bytes or floats of (channels, height, width), all of the first one's shape, and labels. Encoded images are decoded, blue first.

    Up to 1 GiB is kept in memory; of a larger database rows are read when they are asked for.
    """
    path = request.path
    with READING:
        first = next((datum for _, datum in datums(path)), None)
    if first is None:
        raise DataError(f"{path}: there are no rows in it")
    pixels = to_pixels(first, str(path))
    database = Database(path, pixels.shape, pixels.dtype)
    rows = database.count

    def load() -> tuple[Column, ...]:
        if rows * prod(pixels.shape) * pixels.itemsize > MEMORY:
            return Pixels(database), Labels(database)
        with READING:
            found = [(database.pixels(datum, key), datum.label) for key, datum in datums(path)]
        return np.stack([p for p, _ in found]), np.array([label for _, label in found], np.int64)

    return Table(Description(path.name, (TopSpec("float32", pixels.shape), TopSpec("int64", ())), rows), load)


@dataclass(frozen=True)
class Database:
    """An LMDB whose Datums are found by number."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    keys: list[bytes] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many Datums there are."""
        with _transaction(self.path) as transaction:
            return int(transaction.stat()["entries"])

    def read(self, rows: np.ndarray) -> list[tuple[bytes, pb.Datum]]:
        """The keys and Datums of rows, numbered in the order of the keys."""
        with _transaction(self.path) as transaction:
            if not self.keys:
                self.keys.extend(transaction.cursor().iternext(keys=True, values=False))
            try:
                return [(self.keys[row], pb.Datum.FromString(transaction.get(self.keys[row]))) for row in rows]
            except DecodeError as e:
                raise DataError(f"{self.path}: holds what is no Datum: {e}") from e

    def pixels(self, datum: pb.Datum, key: bytes) -> np.ndarray:
        """The array of a Datum. DataError if it has another shape than the first."""
        array = to_pixels(datum, f"{self.path}: {_text(key)}")
        if array.shape != self.shape or array.dtype != self.dtype:
            found, first = ("x".join(map(str, shape)) for shape in (array.shape, self.shape))
            raise DataError(f"{self.path}: {_text(key)} is {array.dtype} {found}, the first is {self.dtype} {first}")
        return array


@contextmanager
def _transaction(path: Path) -> Iterator[Any]:
    from lmdb import open as open_database

    with READING, open_database(str(path), readonly=True, lock=False) as opened, opened.begin() as transaction:
        yield transaction


@dataclass(frozen=True)
class Pixels:
    """The images of a database, read when they are asked for."""

    database: Database

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([self.database.pixels(datum, key) for key, datum in self.database.read(rows)])


@dataclass(frozen=True)
class Labels:
    """Its labels."""

    database: Database

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.array([datum.label for _, datum in self.database.read(rows)], np.int64)


def _text(key: bytes) -> str:
    return key.decode(errors="replace")
