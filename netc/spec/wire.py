"""The outer layer of protobuf's binary format: how far a file can be read, to say where it is cut off."""

from collections.abc import Iterator, Mapping

VARINT, FIXED64, TEXT, FIXED32 = 0, 1, 2, 5
FIXED = {FIXED64: 8, FIXED32: 4}


def cut_off(data: bytes, names: Mapping[int, str]) -> str:
    """The end of a sentence on where a message is cut off; "" if its outer fields are complete. `names` are those of the fields."""
    for before, (number, end) in enumerate(_ends(data)):
        if end > len(data):
            field = names.get(number, f"field {number}")
            return f"it ends in `{field}`, {end - len(data):,} bytes before its end, after {before} complete fields"
    return ""


def _ends(data: bytes) -> Iterator[tuple[int, int]]:
    """(number, end) of each outer field. The last one may end behind the data. Stops at what is no field."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not number or kind not in (VARINT, TEXT, *FIXED):
            return
        if kind == VARINT:
            _, at = _varint(data, at)
        elif kind == TEXT:
            size, at = _varint(data, at)
            at += size
        else:
            at += FIXED[kind]
        yield number, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a position, and the position behind it; behind the data if it is cut off."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128 or shift > 63:
            return value, at
    return value, len(data) + 1
