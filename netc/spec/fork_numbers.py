"""Read fields of forks in binary files, whose numbers are those of other fields in netc's schema, by the table `NUMBERS` of forks."""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field

from netc.spec.fields import LAYER_FIELDS
from netc.spec.forks import NUMBERS

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # protobuf's kinds of fields
TYPES = frozenset(type_ for type_, _ in NUMBERS)


def translate(net: Any) -> None:
    """Put the fields of forks in their places in `net`, which has just been read from a binary file and may be large."""
    for layer in net.layer:
        if layer.type in TYPES:
            layer.ParseFromString(_layer(layer))


def _layer(layer: Any) -> bytes:
    """The bytes of a layer with netc's numbers."""
    parts = []
    for number, kind, data in _fields(layer.SerializePartialToString()):
        move = NUMBERS.get((layer.type, number)) if kind == BYTES else None
        if move is None:
            parts.append(_field(number, kind, data))
        else:
            own = LAYER_FIELDS[move.to]
            parts.append(_field(own.number, BYTES, _inner(data, own.message_type.fields_by_number, move.within)))
    return b"".join(parts)


def _inner(data: bytes, fields: Mapping[int, Any], numbers: Mapping[int, int]) -> bytes:
    """The bytes of a fork's message with netc's numbers. A whole number becomes a float where netc's field is one."""
    parts = []
    for number, kind, value in _fields(data):
        own = fields.get(numbers.get(number, number))
        if kind == VARINT and own is not None and own.cpp_type == Field.CPPTYPE_FLOAT:
            kind, value = FIXED32, struct.pack("<f", _varint(value, 0)[0])
        parts.append(_field(numbers.get(number, number), kind, value))
    return b"".join(parts)


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(number, kind, value) of each field of a message that protobuf has written. Groups, which Caffe never had, end the reading."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind, start = key & 7, at
        if kind == VARINT:
            _, at = _varint(data, at)
        elif kind == BYTES:
            size, start = _varint(data, at)
            at = start + size
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        else:
            return
        yield key >> 3, kind, data[start:at]


def _field(number: int, kind: int, value: bytes) -> bytes:
    return _of_number(number << 3 | kind) + (_of_number(len(value)) if kind == BYTES else b"") + value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at


def _of_number(value: int) -> bytes:
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])
