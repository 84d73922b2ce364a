"""CRC-32C against the vectors of RFC 3720 (B.4), and against the one that TensorBoard's events have."""

import numpy as np
import pytest
from tensorboardX.crc32c import crc32c as reference

from netc.formats.crc32c import BAND, WIDTH, crc32c, masked_crc32c


@pytest.mark.parametrize("content, expected", [
    (b"", 0),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
])  # fmt: skip
def test_vectors(content: bytes, expected: int) -> None:
    assert crc32c(content) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, WIDTH - 1, WIDTH, WIDTH + 1, 3 * WIDTH, BAND * WIDTH + 7])
def test_all_sizes(size: int) -> None:
    content = np.random.default_rng(size).bytes(size)
    assert crc32c(content) == reference(content)


def test_leveldbs_mask() -> None:
    assert masked_crc32c(b"123456789") == (((0xE3069283 >> 15) | (0xE3069283 << 17)) + 0xA282EAD8) % 2**32
