"""ShuffleChannel and Reorg, element by element as the forks' loops move them."""

import numpy as np
import pytest

from tests.layers.nets import about, forward

RNG = np.random.default_rng(0)


def shuffled(x: np.ndarray, group: int) -> np.ndarray:
    """Channel `row column + j` of the bottom is channel `j group + row` of the top, as in shuffle_channel_layer.cpp."""
    y, size = np.empty_like(x), x.shape[1] // group
    for row in range(group):
        for j in range(size):
            y[:, j * group + row] = x[:, row * size + j]
    return y


def reorganized(x: np.ndarray, stride: int, reverse: bool) -> np.ndarray:
    """darknet's reorg_cpu, whose width, height and channels are those of the bottom."""
    n, c, h, w = x.shape
    less, flat, out = c // stride**2, x.reshape(-1), np.empty(x.size, x.dtype)
    for b in range(n):
        for k in range(c):
            for j in range(h):
                for i in range(w):
                    here = i + w * (j + h * (k + c * b))
                    w2, h2 = i * stride + (k // less) % stride, j * stride + (k // less) // stride
                    there = w2 + w * stride * (h2 + h * stride * (k % less + less * b))
                    if reverse:
                        out[there] = flat[here]
                    else:
                        out[here] = flat[there]
    return out.reshape((n, less, h * stride, w * stride) if reverse else (n, c * stride**2, h // stride, w // stride))


@about("ShuffleChannel")
@pytest.mark.parametrize("shape, group", [((2, 6, 2, 3), 3), ((2, 8), 2), ((1, 4, 5), 1)])
def test_shuffled_channels(shape: tuple[int, ...], group: int) -> None:
    x = RNG.normal(size=shape).astype(np.float32)
    got = forward(f"ShuffleChannel: {{bottom: x, top: y, group: {group}}}", x=x)["y"]
    np.testing.assert_array_equal(got, shuffled(x, group))


@about("Reorg")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape, stride", [((2, 4, 4, 6), 2), ((1, 9, 6, 3), 3), ((1, 8, 2, 2), 2)])
def test_darknets_order(shape: tuple[int, ...], stride: int, reverse: bool) -> None:
    x = RNG.normal(size=shape).astype(np.float32)
    got = forward(f"Reorg: {{bottom: x, top: y, stride: {stride}, reverse: {str(reverse).lower()}}}", x=x)["y"]
    np.testing.assert_array_equal(got, reorganized(x, stride, reverse))
