"""CRC-32C (Castagnoli, RFC 3720 appendix B.4) in NumPy.

A checksum is a carry-less sum (XOR) of one term per byte and position.
"""

from functools import cache

import numpy as np

POLYNOMIAL, WIDTH, BAND = 0x82F63B78, 1024, 128  # reflected; bytes per piece; pieces that are processed together
MASK = 0xA282EAD8  # LevelDB's mask, so that data with embedded checksums is not a special case


def crc32c(content: bytes) -> int:
    """The checksum of `content`."""
    if len(content) < 4:
        return _of_few(content)
    tables = _tables()
    padded = np.zeros(-(-len(content) // WIDTH) * WIDTH, np.uint8)  # leading zeros do not change the result
    padded[-len(content) :] = np.frombuffer(content, np.uint8)
    padded[len(padded) - len(content) :][:4] ^= 0xFF
    pieces, crc, first = padded.reshape(-1, WIDTH), 0, [row.tolist() for row in tables[:4]]
    for start in range(0, len(pieces), BAND):
        places = pieces[start : start + BAND] + np.arange(0, WIDTH * 256, 256, dtype=np.intp)
        for piece in np.bitwise_xor.reduce(tables.ravel().take(places), axis=1).tolist():
            crc = piece ^ first[0][crc & 0xFF] ^ first[1][crc >> 8 & 0xFF] ^ first[2][crc >> 16 & 0xFF] ^ first[3][crc >> 24]
    return crc ^ 0xFFFFFFFF


def masked_crc32c(content: bytes) -> int:
    """The masked checksum, as LevelDB stores it."""
    crc = crc32c(content)
    return ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF


def _of_few(content: bytes) -> int:
    crc, table = 0xFFFFFFFF, _tables()[-1].tolist()
    for byte in content:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@cache
def _tables() -> np.ndarray:
    """The term of each byte value, (WIDTH, 256), by its position in a piece."""
    row = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        row = np.where(row & 1, row >> 1 ^ np.uint32(POLYNOMIAL), row >> 1)
    last, rows = row, [row]
    for _ in range(WIDTH - 1):
        row = last[row & 0xFF] ^ row >> 8
        rows.append(row)
    return np.stack(rows[::-1])
