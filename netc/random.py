"""Counter-based random numbers: (seed, name, counters) -> arrays, the same in every language and on every machine.

* Words: the raw 64-bit output of Philox4x64-10. Its key is the first 128 bits of sha256(f"{seed}/{name}") in UTF-8,
  as two little-endian words. Its 256-bit counter is (block, iteration, sub_batch, rank), lowest word first. A block is
  four words. NumPy increments the counter first, so the first block has number `first` + 1. A stream would reach another
  one only after 2**64 blocks, so streams never overlap.
* Halves: each word gives its low 32 bits, then its high 32 bits. Number i of an array is made of half i.
* uniform: max(half >> 8, 1/2) / 2**24. It is never 0, because the result of `0 < sigmoid(x)` depends on where a
  host's sigmoid underflows.
  integers: (half * high) >> 32.  normal: the inverse of the normal distribution function at (half + 1/2) / 2**32 in float64,
  rounded to float32.  permutation: the order that sorts n 64-bit words.

Nothing here depends on a C library: apart from integers, only +, -, *, / and sqrt are used, which IEEE 754 rounds exactly.
"""

import sys
from functools import lru_cache
from hashlib import sha256
from math import prod

import numpy as np

Shape = tuple[int, ...]
HALVES_PER_BLOCK = 8

# Wichura's AS 241 (PPND16), Applied Statistics 37 (1988): numerators and denominators, highest power first. Its third
# range starts at exp(-25), below every (half + 1/2) / 2**32, and is omitted.
CENTRE = (
    (
        2509.0809287301226727,
        33430.575583588128105,
        67265.770927008700853,
        45921.953931549871457,
        13731.693765509461125,
        1971.5909503065514427,
        133.14166789178437745,
        3.387132872796366608,
    ),
    (
        5226.495278852854561,
        28729.085735721942674,
        39307.89580009271061,
        21213.794301586595867,
        5394.1960214247511077,
        687.1870074920579083,
        42.313330701600911252,
        1.0,
    ),
)
TAIL = (
    (
        7.7454501427834140764e-4,
        0.0227238449892691845833,
        0.24178072517745061177,
        1.27045825245236838258,
        3.64784832476320460504,
        5.7694972214606914055,
        4.6303378461565452959,
        1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9,
        5.475938084995344946e-4,
        0.0151986665636164571966,
        0.14810397642748007459,
        0.68976733498510000455,
        1.6763848301838038494,
        2.05319162663775882187,
        1.0,
    ),
)
_LOG2 = 0.6931471805599453


@lru_cache(maxsize=4096)
def key(seed: int, name: str) -> tuple[int, int]:
    """The Philox key of a stream: two unsigned 64-bit words."""
    digest = sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")


def words(seed: int, name: str, count: int, iteration: int = 0, sub_batch: int = 0, rank: int = 0, first: int = 0) -> np.ndarray:
    """`count` raw words as uint64, starting after block number `first` (four words per block)."""
    return _words(key(seed, name), count, (first, iteration, sub_batch, rank))


def uniform(
    seed: int, name: str, shape: Shape, iteration: int = 0, sub_batch: int = 0, rank: int = 0, first: int = 0, out: np.ndarray | None = None
) -> np.ndarray:
    """float32 numbers in (0, 1), which are multiples of 2**-24 or half of that.

    If given, `out`, a C-contiguous float32 array of `shape`, is filled.
    """
    halves = _halves(words(seed, name, -(-prod(shape) // 2), iteration, sub_batch, rank, first), prod(shape))
    return _uniform(halves, np.empty(shape, np.float32) if out is None else out)


def normal(seed: int, name: str, shape: Shape, iteration: int = 0, sub_batch: int = 0, rank: int = 0, first: int = 0) -> np.ndarray:
    """float32 numbers with mean 0 and standard deviation 1, at most 6.4 away from 0."""
    return _normal(_halves(words(seed, name, -(-prod(shape) // 2), iteration, sub_batch, rank, first), prod(shape)), shape)


def draw(distribution: str, stream: tuple[int, int], shape: Shape, iteration: int, sub_batch: int = 0) -> np.ndarray:
    """float32 numbers, "uniform" or "normal", of the stream with this `key`. ValueError for another distribution."""
    if distribution not in ("uniform", "normal"):
        raise ValueError(f"distribution {distribution!r}; expected uniform or normal")
    halves = _halves(_words(stream, -(-prod(shape) // 2), (0, iteration, sub_batch, 0)), prod(shape))
    return _uniform(halves, np.empty(shape, np.float32)) if distribution == "uniform" else _normal(halves, shape)


def integers(
    seed: int, name: str, high: int, shape: Shape, iteration: int = 0, sub_batch: int = 0, rank: int = 0, first: int = 0
) -> np.ndarray:
    """int64 numbers in [0, high), with high at most 2**32.

    No value is more likely than another by more than high / 2**32 in relative terms.
    """
    if not 0 < high <= 2**32:
        raise ValueError(f"high = {high}; expected 1 to 2**32")
    halves = _halves(words(seed, name, -(-prod(shape) // 2), iteration, sub_batch, rank, first), prod(shape))
    return ((halves.astype(np.uint64) * np.uint64(high)) >> np.uint64(32)).astype(np.int64).reshape(shape)


def permutation(seed: int, name: str, n: int, iteration: int = 0) -> np.ndarray:
    """The numbers 0 to n-1 as int64, in the order that sorts n words. Equal words keep their order."""
    return np.argsort(words(seed, name, n, iteration), kind="stable")


def _words(stream: tuple[int, int], count: int, counter: tuple[int, int, int, int]) -> np.ndarray:
    return np.random.Philox(key=np.array(stream, np.uint64), counter=np.array(counter, np.uint64)).random_raw(count)


def _halves(raw: np.ndarray, count: int) -> np.ndarray:
    halves = raw.view(np.uint32)
    if sys.byteorder == "big":
        halves = halves.reshape(-1, 2)[:, ::-1].reshape(-1)
    return halves[:count]


def _uniform(halves: np.ndarray, out: np.ndarray) -> np.ndarray:
    # Below 2**24 signed and unsigned agree, and NumPy converts signed integers to float32 several times faster.
    numbers = np.right_shift(halves, 8, out=halves).view(np.int32)
    np.multiply(numbers, np.float32(2**-24), out=out.reshape(-1), dtype=np.float32, casting="unsafe")
    np.maximum(out, np.float32(2**-25), out=out)
    return out


def _normal(halves: np.ndarray, shape: Shape) -> np.ndarray:
    return _normal_quantile((halves + 0.5) * 2.0**-32).astype(np.float32).reshape(shape)


def _normal_quantile(p: np.ndarray) -> np.ndarray:
    q = p - 0.5
    r = 0.180625 - q * q
    z: np.ndarray = q * _polynomial(CENTRE[0], r) / _polynomial(CENTRE[1], r)
    tail = np.flatnonzero(np.abs(q) > 0.425)
    t = np.sqrt(-_log(0.5 - np.abs(q[tail]))) - 1.6
    z[tail] = np.copysign(_polynomial(TAIL[0], t) / _polynomial(TAIL[1], t), q[tail])
    return z


def _polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    total = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        total *= x
        total += c
    return total


def _log(x: np.ndarray) -> np.ndarray:
    # C libraries differ in the last bit of log. log(m) = 2 artanh((m-1)/(m+1)), a series in s**2 < 0.0295 for m near 1.
    m, exponent = np.frexp(x)
    low = m < 0.7071067811865476
    m, exponent = np.where(low, m * 2, m), np.where(low, exponent - 1, exponent)
    s = (m - 1) / (m + 1)
    logarithm: np.ndarray = exponent * _LOG2 + 2 * s * _polynomial(tuple(1 / k for k in range(23, 0, -2)), s * s)
    return logarithm
