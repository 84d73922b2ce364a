"""LMDB, the format of Caffe's converters: a folder, or the file data.mdb in it.

Writing needs the lmdb wheel (the extra `caffe`).
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from google.protobuf.message import DecodeError, Message

from netc import netc_pb2 as pb
from netc.data.datum import checksum
from netc.data.source import Request, Table
from netc.data.sources.database import table
from netc.errors import DataError, RunError
from netc.formats.lmdb import PageError, Rows, read_rows, read_values
from netc.registry import source

FILE = "data.mdb"
PER_COMMIT = 1000
SIZE = 1 << 40  # bytes of address space for a database; the file itself grows as it is filled


@source("lmdb", noun="images", channels="BGR")
def lmdb(request: Request) -> Table:
    """The Datums in an LMDB: the folder, or the file data.mdb in it."""
    return table(Lmdb(request.path), request)


class Lmdb:
    """An LMDB, read by row number. DataError if it is not an LMDB or is damaged."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._file = self.path / FILE if self.path.is_dir() else self.path
        if not self._file.exists():
            raise DataError(
                f"{path}: {f'There is no {FILE} in this folder.' if self.path.is_dir() else 'There is no such file or folder.'}"
            )
        try:
            status = self._file.stat()
            self._rows = _rows(self._file, status.st_mtime_ns, status.st_size)
        except (OSError, PageError) as e:
            raise DataError(f"Cannot read {path} as an LMDB: {getattr(e, 'strerror', None) or e}") from e
        self.count = len(self._rows.keys)

    def read(self, rows: Sequence[int]) -> list[tuple[bytes, bytes]]:
        """Read the keys and values of some rows."""
        try:
            return read_values(self._file, self._rows, rows)
        except (OSError, PageError) as e:
            raise DataError(f"Cannot read {self.path} as an LMDB: {getattr(e, 'strerror', None) or e}") from e


@lru_cache(maxsize=4)
def _rows(file: Path, changed: int, size: int) -> Rows:
    return read_rows(file)


def datums(path: str | Path) -> Iterator[tuple[bytes, pb.Datum]]:
    """The keys and Datums in an LMDB, in the order of the keys. DataError if it is not an LMDB or is damaged."""
    store = Lmdb(path)
    for row in range(store.count):
        ((key, value),) = store.read([row])
        try:
            yield key, pb.Datum.FromString(value)
        except DecodeError as e:
            raise DataError(f"{path}: {key.decode(errors='replace')} is not a Datum: {e}") from e


def write_datums(path: str | Path, items: Iterable[tuple[bytes, pb.Datum]]) -> int:
    """Write a new LMDB of `items` with checksums. Returns their number.

    DataError if `path` exists, RunError if writing fails.
    """
    return write_messages(path, map(_with_checksum, items))


def _with_checksum(item: tuple[bytes, pb.Datum]) -> tuple[bytes, pb.Datum]:
    item[1].checksum = checksum(item[1])
    return item


def write_messages(path: str | Path, items: Iterable[tuple[bytes, Message]]) -> int:
    """Write a new LMDB of messages by their keys. Returns their number.

    DataError if `path` exists, RunError if writing fails.
    """
    try:
        import lmdb as library
    except ImportError as e:
        raise DataError("To write LMDB databases, install lmdb: pip install 'netc[caffe]'") from e
    count = 0
    if Path(path).exists():
        raise DataError(f"{path}: It exists already. Choose a path that does not exist.")
    try:
        with library.open(str(path), map_size=SIZE) as database:
            transaction = database.begin(write=True)
            for count, (key, message) in enumerate(items, 1):
                transaction.put(key, message.SerializeToString())
                if count % PER_COMMIT == 0:
                    transaction.commit()
                    transaction = database.begin(write=True)
            transaction.commit()
    except (OSError, library.Error) as e:
        raise RunError(f"Cannot write {path}: {e}") from e
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return count
