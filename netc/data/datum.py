"""Caffe's Datum messages: images or features, with a label."""

import struct
import zlib

import numpy as np

from netc import netc_pb2 as pb
from netc.data.pixels import LeftOut, read_image
from netc.data.undecodable import UndecodableError
from netc.errors import DataError


def to_pixels(datum: pb.Datum, place: str, left_out: LeftOut | None = None) -> np.ndarray:
    """Return the image or features in a Datum, (channels, height, width), as uint8 or float32.

    Encoded images are decoded, in BGR order. DataError names `place`. UndecodableError if the checksum does not match.
    """
    if datum.HasField("checksum") and datum.checksum != checksum(datum):
        raise UndecodableError({0: f"{place}: It is damaged. Its checksum does not match its bytes."})
    if datum.encoded:
        return _decoded(datum.data, place, left_out)
    shape = datum.channels, datum.height, datum.width
    values = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, np.float32)
    if values.size != int(np.prod(shape, dtype=object)) or min(shape) < 1:
        raise DataError(f"{place}: {values.size} values do not fill the shape {'x'.join(map(str, shape))}.")
    return values.reshape(shape)


def checksum(datum: pb.Datum) -> int:
    """The CRC-32 of a Datum without its field `checksum`: of its integers as 32 bits, its bytes and its floats."""
    numbers = struct.pack("<iiiii", datum.channels, datum.height, datum.width, datum.label, datum.encoded)
    floats = np.array(datum.float_data, "<f4").tobytes() if datum.float_data else b""
    return zlib.crc32(floats, zlib.crc32(datum.data, zlib.crc32(numbers)))


def to_datum(array: np.ndarray, label: int | None = None) -> pb.Datum:
    """Convert an array (channels, height, width) to a Datum of bytes or floats."""
    channels, height, width = array.shape
    datum = pb.Datum(channels=channels, height=height, width=width)
    if array.dtype == np.uint8:
        datum.data = array.tobytes()
    else:
        datum.float_data.extend(np.ravel(array).astype(np.float32).tolist())
    if label is not None:
        datum.label = label
    return datum


def _decoded(data: bytes, place: str, left_out: LeftOut | None) -> np.ndarray:
    pixels = read_image(data, 0, place=place, left_out=left_out)
    return pixels if len(pixels) == 1 else pixels[::-1]
