"""Databases of Caffe's Datums: images and labels in the order of the keys, for any kind of database.

Up to 1 GiB is kept in memory. The rows of a larger database are read on demand.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from google.protobuf.message import DecodeError

from netc import netc_pb2 as pb
from netc.data.datum import to_pixels
from netc.data.decoding import each, in_memory, skips
from netc.data.pixels import LeftOut
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.data.sources.image_folder import MEMORY
from netc.data.undecodable import UndecodableError
from netc.data.workers import INLINE, Workers, workers_of
from netc.errors import DataError


class Store(Protocol):
    """A database of keys and values. Rows are numbered in the order of the keys."""

    path: Path

    @property
    def count(self) -> int: ...

    def read(self, rows: Sequence[int]) -> list[tuple[bytes, bytes]]:
        """Read the keys and values of some rows."""


def table(store: Store, request: Request) -> Table:
    """Images as bytes or floats (channels, height, width), all with the shape of the first, and labels.

    Encoded images are in BGR order.
    """
    if not store.count:
        raise DataError(f"{store.path}: The database is empty.")
    _check_plain(store)
    first = _first(store, skips(request))
    database = Database(store, first.shape, first.dtype, workers_of(request.layer))

    def load() -> tuple[Column, ...]:
        if store.count * prod(first.shape) * first.itemsize > MEMORY:
            return Pixels(database), Labels(database)
        rows = np.arange(store.count)
        return in_memory(Pixels(database), store.count, skips(request)), Labels(database)[rows]

    tops = TopSpec("float32", first.shape), TopSpec("int64", ())
    described = Description(store.path.name, tops, store.count)
    return Table(
        described, load, all_phases=True, notes=database.left_out.notes, place=lambda top, row: _place(store, store.read([row])[0][0])
    )


@dataclass(frozen=True)
class Database:
    """A store whose values are Datums of the same shape and type."""

    store: Store
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    workers: Workers
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)

    def datums(self, rows: np.ndarray) -> list[tuple[bytes, pb.Datum]]:
        """Read the keys and Datums of some rows."""
        return [(key, _datum(self.store, key, value)) for key, value in self.store.read(rows.tolist())]

    def pixels(self, key: bytes, datum: pb.Datum) -> np.ndarray:
        """The array in a Datum. DataError if its shape differs from the first."""
        array = to_pixels(datum, _place(self.store, key), self.left_out)
        if array.shape != self.shape or array.dtype != self.dtype:
            found, first = ("x".join(map(str, shape)) for shape in (array.shape, self.shape))
            raise DataError(f"{_place(self.store, key)} is {array.dtype} {found}, the first entry is {self.dtype} {first}.")
        return array


@dataclass(frozen=True)
class Pixels:
    """The images of a database, read on demand."""

    database: Database

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        datums = self.database.datums(rows)
        workers = self.database.workers if any(datum.encoded for _, datum in datums) else INLINE  # only decoding is slow
        return np.stack(each(lambda row: self.database.pixels(*row), datums, workers))


@dataclass(frozen=True)
class Labels:
    """The labels of a database."""

    database: Database

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.array([datum.label for _, datum in self.database.datums(rows)], np.int64)


def _first(store: Store, skip: bool) -> np.ndarray:
    """The first image; with `skip`, the first that can be decoded."""
    for row in range(store.count):
        ((key, value),) = store.read([row])
        try:
            return to_pixels(_datum(store, key, value), _place(store, key))
        except UndecodableError:
            if not skip:
                raise
    raise DataError(f"{store.path}: None of its {store.count} images can be decoded.")


def _check_plain(store: Store) -> None:
    """DataError if the entries are images with boxes."""
    ((_, value),) = store.read([0])
    with suppress(DecodeError):
        found = pb.AnnotatedDatum.FromString(value)
        if found.HasField("datum") and found.datum.ByteSize() and not pb.Datum.FromString(value).channels:
            text = "The entries are AnnotatedDatum messages, images with boxes. Read the database with an AnnotatedData layer."
            raise DataError(f"{store.path}: {text}")


def _datum(store: Store, key: bytes, value: bytes) -> pb.Datum:
    try:
        return pb.Datum.FromString(value)
    except DecodeError as e:
        raise DataError(f"{_place(store, key)} is not a Datum: {e}") from e


def _place(store: Store, key: bytes) -> str:
    return f"{store.path}: {key.decode(errors='replace')}"
