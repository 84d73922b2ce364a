"""Random numbers: the streams that random.py writes down, by recorded values, another implementation, statistics."""

from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from netc import random

MASK = 2**64 - 1


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x64-10 as Salmon et al. (2011) define it, one block."""
    x, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2E7470EE14C6C93 * x[0], 0xCA5A826395121157 * x[2]
        x = [(b >> 64) ^ x[1] ^ k[0], b & MASK, (a >> 64) ^ x[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B97F4A7C15) & MASK, (k[1] + 0xBB67AE8584CAA73B) & MASK]
    return x


def test_words_are_philox_blocks_of_the_documented_counters() -> None:
    got = random.words(7, "conv1", 8, iteration=3, sub_batch=2, rank=1, first=5)
    key = list(random.key(7, "conv1"))
    assert got.tolist() == philox([6, 3, 2, 1], key) + philox([7, 3, 2, 1], key)


def test_key_is_the_head_of_a_sha256() -> None:
    # printf '0/ip1' | sha256sum
    assert random.key(0, "ip1") == (16189366762800260041, 10149748913379644685)


def test_recorded_values() -> None:
    uniform, normal = (
        [0.30235642194747925, 0.41508620977401733, 0.5559023022651672],
        [-0.5176350474357605, -0.21448032557964325, 0.1405881643295288],
    )
    assert random.uniform(1, "mask", (3,), iteration=2).tolist() == uniform
    assert random.normal(1, "mask", (3,), iteration=2).tolist() == normal
    assert random.integers(1, "mask", 1000, (3,), iteration=2).tolist() == [302, 415, 555]
    assert random.permutation(1, "data/shuffle", 8, iteration=2).tolist() == [2, 6, 7, 5, 0, 4, 3, 1]


def test_uniform_is_24_bits_of_each_half_low_half_first() -> None:
    word = int(random.words(1, "a", 1)[0])
    assert random.uniform(1, "a", (2,)).tolist() == [(word % 2**32 >> 8) / 2**24, (word >> 40) / 2**24]


@pytest.mark.parametrize("other", [{"seed": 2}, {"name": "b"}, {"iteration": 1}, {"sub_batch": 1}, {"rank": 1}])
def test_streams_differ_in_every_coordinate(other: dict[str, Any]) -> None:
    base: dict[str, Any] = {"seed": 1, "name": "a", "iteration": 0, "sub_batch": 0, "rank": 0}
    assert not np.intersect1d(random.words(count=1000, **base), random.words(count=1000, **base | other)).size


def test_uniform_statistics() -> None:
    x = random.uniform(3, "u", (200, 1000))
    assert x.dtype == np.float32 and x.shape == (200, 1000) and x.min() > 0 and x.max() < 1
    assert abs(x.mean() - 1 / 2) < 2e-3 and abs(x.var() - 1 / 12) < 1e-3
    counts = np.histogram(x, 100, (0, 1))[0]
    assert ((counts - 2000) ** 2 / 2000).sum() < 160


def test_uniform_fills_the_array_it_is_given() -> None:
    out = np.empty((3, 5), np.float32)
    assert random.uniform(3, "u", (3, 5), 9, out=out) is out
    assert np.array_equal(out, random.uniform(3, "u", (3, 5), 9))


def test_normal_statistics() -> None:
    z = random.normal(3, "n", (400001,))
    assert z.dtype == np.float32
    assert abs(z.mean()) < 5e-3 and abs(z.std() - 1) < 4e-3 and abs((z.astype(float) ** 4).mean() - 3) < 0.06
    for limit in (-2, -0.5, 1, 3):
        share = NormalDist().cdf(limit)
        assert abs((z < limit).mean() - share) < 4 * np.sqrt(share * (1 - share) / z.size)


def test_normal_quantile_is_the_inverse_of_the_distribution_function() -> None:
    p = (np.r_[0, 2**31, 2**32 - 1, np.linspace(0, 2**32 - 1, 5001).round()] + 0.5) / 2**32
    assert np.abs(random._normal_quantile(p) - [NormalDist().inv_cdf(x) for x in p]).max() < 1e-14


def test_the_outermost_normals_are_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "_words", lambda *stream: np.array([0, MASK], np.uint64))
    low, same, high, _ = random.normal(0, "n", (4,))
    assert low == same == -high and abs(high - NormalDist().inv_cdf(1 - 2**-33)) < 1e-6


def test_no_number_is_exactly_0_or_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "_words", lambda *stream: np.array([0, 255 << 32, MASK], np.uint64))
    lowest, highest = 2**-25, 1 - 2**-24
    for found in (random.uniform(0, "u", (6,)), random.draw("uniform", (1, 2), (6,), 0)):
        assert found.tolist() == [lowest, lowest, lowest, lowest, highest, highest]
    assert np.all(random.draw("normal", (1, 2), (6,), 0) != 0)


def test_a_stream_by_its_key_is_that_by_its_name() -> None:
    key = random.key(7, "drop1.mask")
    for kind in (random.uniform, random.normal):
        assert np.array_equal(random.draw(kind.__name__, key, (3, 5), 4, 2), kind(7, "drop1.mask", (3, 5), 4, 2))
    with pytest.raises(ValueError, match="expected uniform or normal"):
        random.draw("cauchy", key, (3,), 0)


def test_integers_cover_their_range_evenly() -> None:
    x = random.integers(3, "i", 7, (70000,))
    assert x.dtype == np.int64
    assert np.abs(np.bincount(x, minlength=7) - 10000).max() < 400 and x.max() == 6
    assert random.integers(3, "i", 2**32, (4,)).max() > 2**30
    with pytest.raises(ValueError, match="high = 0"):
        random.integers(3, "i", 0, (1,))


def test_permutations() -> None:
    a, b = random.permutation(0, "p", 1000), random.permutation(0, "p", 1000, iteration=1)
    assert sorted(a) == sorted(b) == list(range(1000)) and not np.array_equal(a, b)
    assert random.permutation(0, "p", 0).tolist() == []
    first = [random.permutation(0, "q", 4, iteration=i)[0] for i in range(4000)]
    assert np.abs(np.bincount(first) - 1000).max() < 120
