"""Snappy decompression (github.com/google/snappy, format_description.txt), for LevelDB's blocks."""


def decompress(content: bytes) -> bytes:
    """What was compressed. ValueError if that is not what its length says."""
    length, at = varint(content, 0)
    out = bytearray()
    while at < len(content):
        tag = content[at]
        at += 1
        if not tag & 3:  # bytes as they are; up to 60 of them are counted in the tag
            size = tag >> 2
            if size >= 60:
                extra = size - 59
                size, at = int.from_bytes(content[at : at + extra], "little"), at + extra
            out += content[at : at + size + 1]
            at += size + 1
            continue
        size, offset, at = _copy(content, tag, at)
        if not 0 < offset <= len(out):
            raise ValueError("a copy from before the beginning of snappy data")
        while size > 0:  # a copy may overlap what it writes
            piece = out[len(out) - offset :][:size]
            out += piece
            size -= len(piece)
    if len(out) != length:
        raise ValueError(f"snappy data of {len(out)} bytes; {length} were announced")
    return bytes(out)


def varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _copy(content: bytes, tag: int, at: int) -> tuple[int, int, int]:
    """How many bytes to copy, from how far back, and where the copy's description ends."""
    if tag & 3 == 1:
        return (tag >> 2 & 7) + 4, (tag >> 5) << 8 | content[at], at + 1
    width = 2 if tag & 3 == 2 else 4
    return (tag >> 2) + 1, int.from_bytes(content[at : at + width], "little"), at + width
