"""Snappy decompression (github.com/google/snappy, format_description.txt), for LevelDB's blocks."""

MOST_TIMES = 64  # three bytes can mean "copy 64", so a byte expands to fewer than 64
MOST_DIGITS = 10  # bytes of a 64-bit number


def decompress(content: bytes) -> bytes:
    """Decompress `content`. ValueError or IndexError if the result does not match the stated length."""
    length, at = varint(content, 0)
    if length > MOST_TIMES * len(content):
        raise ValueError(f"snappy data of {length} bytes in {len(content)}")
    out = bytearray()
    while at < len(content):
        tag = content[at]
        at += 1
        if not tag & 3:  # literal bytes; lengths up to 60 are in the tag
            size = tag >> 2
            if size >= 60:
                extra = size - 59
                size, at = int.from_bytes(content[at : at + extra], "little"), at + extra
            out += content[at : at + size + 1]
            at += size + 1
        else:
            size, offset, at = _copy(content, tag, at)
            if not 0 < offset <= len(out):
                raise ValueError("a copy from before the beginning of snappy data")
            piece = bytes(out[len(out) - offset :][:size])
            out += (piece * (size // len(piece) + 1))[:size]  # a copy may overlap its own output
        if len(out) > length:
            break
    if len(out) != length or at != len(content):
        raise ValueError(f"snappy data of {len(out)} bytes; {length} were announced")
    return bytes(out)


def varint(content: bytes, at: int) -> tuple[int, int]:
    """A number with seven bits per byte, lowest first, and the position after it. ValueError beyond 64 bits."""
    value = 0
    for k in range(MOST_DIGITS):
        byte = content[at + k]
        value |= (byte & 0x7F) << 7 * k
        if byte < 0x80:
            return value, at + k + 1
    raise ValueError("a number of more than 64 bits")


def _copy(content: bytes, tag: int, at: int) -> tuple[int, int, int]:
    """The length and the distance of a copy, and the position after it."""
    if tag & 3 == 1:
        return (tag >> 2 & 7) + 4, (tag >> 5) << 8 | content[at], at + 1
    width = 2 if tag & 3 == 2 else 4
    return (tag >> 2) + 1, int.from_bytes(content[at : at + width], "little"), at + width
