"""Pooling: windows at the edges, computed by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import about, forward, gradient

MAGIC = [
    [35, 1, 6, 26, 19, 24],
    [3, 32, 7, 21, 23, 25],
    [31, 9, 2, 22, 27, 20],
    [8, 28, 33, 17, 10, 15],
    [30, 5, 34, 12, 14, 16],
    [4, 36, 29, 13, 18, 11],
]


def pool(x: list[list[int]] | np.ndarray, **fields: Any) -> np.ndarray:
    text = ", ".join(f"{k}: {v}" for k, v in fields.items())
    y: np.ndarray = forward(f"Pooling: {{bottom: x, top: y, {text}}}", x=np.reshape(x, (1, 1, *np.shape(x))))["y"][0, 0]
    return y


@about("Pooling")
def test_max_and_its_index() -> None:
    x = np.broadcast_to([[1, 2, 5, 2, 3], [9, 4, 1, 4, 8], [1, 2, 5, 2, 3]], (2, 2, 3, 5))
    got = forward("Pooling: {bottom: x, top: [y, mask], kernel_size: 2}", x=x)
    np.testing.assert_array_equal(got["y"], np.broadcast_to([[9, 5, 5, 8], [9, 5, 5, 8]], (2, 2, 2, 4)))
    np.testing.assert_array_equal(got["mask"], np.broadcast_to([[5, 2, 2, 9], [5, 12, 12, 9]], (2, 2, 2, 4)))


@pytest.mark.parametrize("kernel, expected", [
    ((3, 2), [[35, 32, 26, 27, 27], [32, 33, 33, 27, 27], [31, 34, 34, 27, 27], [36, 36, 34, 18, 18]]),
    ((2, 3), [[35, 32, 26, 26], [32, 32, 27, 27], [33, 33, 33, 27], [34, 34, 34, 17], [36, 36, 34, 18]]),
])  # fmt: skip
def test_max_over_rectangles(kernel: tuple[int, int], expected: list[list[int]]) -> None:
    np.testing.assert_array_equal(pool(MAGIC, kernel_h=kernel[0], kernel_w=kernel[1]), expected)


@pytest.mark.parametrize("fields, shape", [
    ({"kernel_size": 3, "stride": 2}, (3, 2)),
    ({"kernel_size": 3, "stride": 2, "round_mode": "FLOOR"}, (2, 2)),
    ({"kernel_size": 3, "stride": 2, "pad": 1, "pool": "AVE"}, (4, 3)),
    ({"kernel_h": 3, "kernel_w": 2, "stride_h": 3, "stride_w": 1, "pad_h": 1, "pad_w": 0}, (3, 4)),
    ({"global_pooling": "true"}, (1, 1)),
    ({"kernel_size": 2, "stride": 3, "pad": 1}, (3, 2)),  # a third column would start in the padding
    ({"kernel_size": 1, "stride": 3}, (2, 2)),  # a third row and column would start beyond the image
])  # fmt: skip
def test_sizes_are_rounded_up(fields: dict[str, Any], shape: tuple[int, int]) -> None:
    assert pool(np.ones((6, 5)), **fields).shape == shape


def test_padding_never_wins() -> None:
    np.testing.assert_array_equal(
        pool([[1, 2, 4], [2, 3, 2], [4, 2, 1]], kernel_size=3, stride=2, pad=2), [[1, 4, 4], [4, 4, 4], [4, 4, 1]]
    )
    np.testing.assert_array_equal(pool(np.full((2, 2), -3), kernel_size=2, stride=2, pad=1), np.full((2, 2), -3))


def test_average_counts_padding_but_not_what_lies_beyond() -> None:
    np.testing.assert_allclose(
        pool(np.full((3, 3), 2), kernel_size=3, pad=1, pool="AVE"),
        [[8 / 9, 4 / 3, 8 / 9], [4 / 3, 2, 4 / 3], [8 / 9, 4 / 3, 8 / 9]],
        rtol=1e-6,
    )
    np.testing.assert_allclose(pool(np.full((3, 3), 2), kernel_size=2, stride=2, pool="AVE"), np.full((2, 2), 2), rtol=1e-6)


def test_average_where_padding_and_what_lies_beyond_meet() -> None:
    """Along an axis of size 4, the windows contain 2 of 3, 3 of 3 and 1 of 2 elements: the third one ends beyond the padding."""
    share = [2 / 3, 1, 1 / 2]
    np.testing.assert_allclose(pool(np.full((4, 4), 6), kernel_size=3, stride=2, pad=1, pool="AVE"), 6 * np.outer(share, share), rtol=1e-6)


def test_gradients() -> None:
    x = np.reshape([[3, 3, 1], [0, 3, 2], [5, 1, 5]], (1, 1, 3, 3))
    first = gradient("Pooling: {bottom: x, top: y, kernel_size: 2}", "y", [[[[1, 10], [100, 1000]]]], x=x)["x"]
    np.testing.assert_array_equal(first[0, 0], [[1, 10, 0], [0, 0, 0], [100, 0, 1000]])  # the first of equal values gets the full gradient
    mean = gradient("Pooling: {bottom: x, top: y, kernel_size: 2, stride: 2, pool: AVE}", "y", [[[[4, 2], [2, 1]]]], x=x)["x"]
    np.testing.assert_allclose(mean[0, 0], np.ones((3, 3)), rtol=1e-6)


def test_the_index_has_no_gradient() -> None:
    layers = "Pooling: {bottom: x, top: [y, mask], kernel_size: 2}\nEltwise: {bottom: [y, mask], top: sum}"
    np.testing.assert_array_equal(gradient(layers, "sum", 1, x=[[[[1, 2], [4, 3]]]])["x"][0, 0], [[0, 0], [1, 0]])


@pytest.mark.parametrize("method, function", [("MAX", np.max), ("AVE", np.mean)])
def test_other_numbers_of_axes(method: str, function: Callable[..., Any]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 6, 4))
    fields = f"pool: {method}, kernel_shape: [2, 3, 2], strides: [2, 3, 2]"
    blocks = x.reshape(2, 3, 2, 2, 2, 3, 2, 2).transpose(0, 1, 2, 4, 6, 3, 5, 7).reshape(2, 3, 2, 2, 2, 12)
    np.testing.assert_allclose(forward(f"Pooling: {{bottom: x, name: y, {fields}}}", x=x)["y"], function(blocks, -1), rtol=1e-5)
    line = x[:, :, 0, 0]
    got = forward(f"Pooling: {{bottom: x, name: y, pool: {method}, kernel_size: 2, stride: 2}}", x=line)["y"]
    np.testing.assert_allclose(got, function(line.reshape(2, 3, 2, 2), -1), rtol=1e-5)


def test_stochastic() -> None:
    """Testing gives the expected value. Training draws elements in proportion to their size, never a 0, and they get the gradient."""
    x = np.broadcast_to(np.array([[1, 0], [2, 5]]), (40, 50, 2, 2)).astype(np.float32)
    layer = "Pooling: {bottom: x, name: y, kernel_size: 2, pool: STOCHASTIC}"
    np.testing.assert_allclose(forward(layer, "TEST", x=x)["y"], 30 / 8)
    assert forward(layer, "TEST", x=x * 0)["y"].max() == 0
    drawn = forward(layer, "TRAIN", x=x)["y"]
    shares = [np.mean(drawn == v) for v in (0, 1, 2, 5)]
    np.testing.assert_allclose(shares, [0, 1 / 8, 2 / 8, 5 / 8], atol=0.03)
    d = gradient(layer, "y", 1, x=x)["x"]
    np.testing.assert_array_equal((d * x).sum((2, 3)), drawn[:, :, 0, 0])
    assert set(np.unique(d)) == {0, 1}


def test_stochastic_windows_that_overhang() -> None:
    x = np.arange(1, 26, dtype=np.float32).reshape(1, 1, 5, 5)
    for phase in ("TRAIN", "TEST"):
        got = forward("Pooling: {bottom: x, name: y, kernel_size: 2, stride: 2, pool: STOCHASTIC}", phase, x=x)["y"]
        assert got.shape == (1, 1, 3, 3) and got[0, 0, 2, 2] == 25 and (got > 0).all()


@about("SPP")
@pytest.mark.parametrize("method, function", [("MAX", np.max), ("AVE", np.mean)])
def test_pyramid(method: str, function: Callable[..., Any]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 4))
    got = forward(f"SPP: {{bottom: x, name: y, pyramid_height: 3, pool: {method}}}", x=x)["y"]
    levels = [x.reshape(2, 3, b, 8 // b, b, 4 // b).transpose(0, 1, 2, 4, 3, 5).reshape(2, 3 * b * b, -1) for b in (1, 2, 4)]
    np.testing.assert_allclose(got, np.concatenate([function(level, -1) for level in levels], 1), rtol=1e-5)
    assert forward("SPP: {bottom: x, name: y, pyramid_height: 1}", x=x)["y"].shape == (2, 3, 1, 1)


@about("GlobalPooling")
@pytest.mark.parametrize("method, function", [("AVE", np.mean), ("MAX", np.max)])
@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 5, 4), (2, 3, 4, 2, 3)])
def test_whole_channels(shape: tuple[int, ...], method: str, function: Callable[..., Any]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    wanted = function(x.reshape(2, 3, -1), -1)
    np.testing.assert_allclose(forward(f"GlobalPooling: {{bottom: x, name: y, pool: {method}}}", x=x)["y"], wanted, rtol=1e-5, atol=1e-6)
    kept = forward(f"GlobalPooling: {{bottom: x, name: y, pool: {method}, keepdims: true}}", x=x)["y"]
    np.testing.assert_allclose(kept, wanted.reshape(2, 3, *[1] * (len(shape) - 2)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["MAX", "AVE"])
@pytest.mark.parametrize("kernel, stride, pad, size", [(5, 3, 0, 4), (2, 2, 0, 1), (3, 2, 0, 2), (7, 4, 1, 3)])
def test_a_kernel_larger_than_its_image(method: str, kernel: int, stride: int, pad: int, size: int) -> None:
    """Caffe rounds (size + 2 pad - kernel) / stride up to 0, so that there is one window, which it clips to the padded image."""
    x = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    got = pool(x, kernel_size=kernel, stride=stride, pad=pad, pool=method)
    area = (min(kernel - pad, size + pad) + pad) ** 2
    np.testing.assert_allclose(got, [[x.max() if method == "MAX" else x.sum() / area]], rtol=1e-5)


@pytest.mark.parametrize(
    "fields", ["kernel_size: 5, stride: 1", "kernel_size: 6, stride: 2", "kernel_size: 5, stride: 3, round_mode: FLOOR"]
)
def test_a_kernel_for_which_there_is_no_window(fields: str) -> None:
    with pytest.raises(SpecError, match="does not fit into 4"):
        forward(f"Pooling: {{bottom: x, top: y, {fields}}}", x=np.ones((1, 1, 4, 4)))
