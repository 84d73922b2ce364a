"""LMDB, which Caffe's converters write. Needs the lmdb wheel (the extra `caffe`)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from netc.data.database import table
from netc.data.datum import datums
from netc.data.source import Request, Table
from netc.registry import source

READING = Lock()  # a database can be open only once in a process


@source("lmdb", noun="images", channels="BGR")
def lmdb(request: Request) -> Table:
    """The Datums of an LMDB."""
    with READING:
        next(datums(request.path), None)  # which says what is wrong with it
    return table(Lmdb(request.path), request)


class Lmdb:
    """An LMDB read by row numbers."""

    def __init__(self, path: Path):
        self.path, self._keys = path, list[bytes]()
        with _transaction(path) as transaction:
            self.count = int(transaction.stat()["entries"])

    def read(self, rows: Sequence[int]) -> list[tuple[bytes, bytes]]:
        """The keys and values of some rows."""
        with _transaction(self.path) as transaction:
            if not self._keys:
                self._keys.extend(transaction.cursor().iternext(keys=True, values=False))
            return [(self._keys[row], transaction.get(self._keys[row])) for row in rows]


@contextmanager
def _transaction(path: Path) -> Iterator[Any]:
    from lmdb import open as open_database

    with READING, open_database(str(path), readonly=True, lock=False) as opened, opened.begin() as transaction:
        yield transaction
