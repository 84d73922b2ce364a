"""Caffe's Datum messages and the LMDB databases that hold them, by key. Needs the lmdb wheel (the extra `caffe`)."""

import io
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from netc import netc_pb2 as pb
from netc.data.source import UndecodableError
from netc.errors import DataError, RunError

PER_COMMIT = 1000
SIZE = 1 << 40  # of the address space that a database may take; the file grows as it is filled


def datums(path: str | Path) -> Iterator[tuple[bytes, pb.Datum]]:
    """The keys and Datums of an LMDB, in the order of the keys. DataError if it is none, or damaged."""
    lmdb = _lmdb()
    if not (Path(path) / "data.mdb").is_file():
        raise DataError(f"{path}: is no LMDB: there is no data.mdb in it")
    try:
        with lmdb.open(str(path), readonly=True, lock=False) as database, database.begin() as transaction:
            for key, value in transaction.cursor():
                yield key, pb.Datum.FromString(value)
    except (lmdb.Error, DecodeError) as e:
        raise DataError(f"{path}: cannot be read as an LMDB of Datums: {e}") from e


def write_datums(path: str | Path, items: Iterable[tuple[bytes, pb.Datum]]) -> int:
    """A new LMDB of `items`; their number. DataError if `path` is there already, RunError if the disk refuses."""
    lmdb, count = _lmdb(), 0
    if Path(path).exists():
        raise DataError(f"{path}: is there already; a database is written anew")
    try:
        with lmdb.open(str(path), map_size=SIZE) as database:
            transaction = database.begin(write=True)
            for count, (key, datum) in enumerate(items, 1):
                transaction.put(key, datum.SerializeToString())
                if count % PER_COMMIT == 0:
                    transaction.commit()
                    transaction = database.begin(write=True)
            transaction.commit()
    except (OSError, lmdb.Error) as e:
        raise RunError(f"{path}: cannot be written: {e}") from e
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return count


def to_pixels(datum: pb.Datum, place: str) -> np.ndarray:
    """The image or features in a Datum, (channels, height, width): uint8, or float32; encoded ones are decoded, blue first.

    DataError names `place`.
    """
    if datum.encoded:
        return _decoded(datum.data, place)
    shape = datum.channels, datum.height, datum.width
    values = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, np.float32)
    if values.size != int(np.prod(shape, dtype=object)) or min(shape) < 0:
        raise DataError(f"{place}: {values.size} values do not fill {'x'.join(map(str, shape))}")
    return values.reshape(shape)


def to_datum(array: np.ndarray, label: int | None = None) -> pb.Datum:
    """An array (channels, height, width) as a Datum: of bytes, or of floats."""
    channels, height, width = array.shape
    datum = pb.Datum(channels=channels, height=height, width=width)
    if array.dtype == np.uint8:
        datum.data = array.tobytes()
    else:
        datum.float_data.extend(np.ravel(array).astype(np.float32).tolist())
    if label is not None:
        datum.label = label
    return datum


def _decoded(data: bytes, place: str) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as file:
            pixels = np.asarray(file.convert("L") if file.mode == "L" else file.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise UndecodableError({0: f"{place}: cannot be decoded: {e}"}) from e
    return pixels[None] if pixels.ndim == 2 else pixels[:, :, ::-1].transpose(2, 0, 1)


def _lmdb() -> Any:
    try:
        import lmdb
    except ImportError as e:
        raise DataError("LMDB databases need lmdb: pip install 'netc[caffe]'") from e
    return lmdb
