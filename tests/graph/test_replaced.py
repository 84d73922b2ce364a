"""Nodes that onnxruntime runs wrongly somewhere, and what a model has in their place."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from netc.graph import replaced
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, constant, leaf, op
from netc.runtime.session import Session


def x(shape: tuple[Any, ...]) -> Value:
    return leaf("Input", np.float32, shape, name="x")


def run(y: Value, **feeds: np.ndarray) -> np.ndarray:
    return Session(emit(Graph("g", {"y": y}))).run(feeds)["y"]


def cubic(**attrs: Any) -> Callable[..., Value]:
    scales = constant(np.array([1, 1, 0.5, 1.6], np.float32))
    return lambda v: op.Resize(v, None, scales, mode="cubic", antialias=1, **attrs)


def each(name: str) -> tuple[Callable[..., Value], tuple[int, ...]]:
    return lambda v: getattr(op, name)(v, constant(np.zeros(0, np.int64)), noop_with_empty_axes=1), (2, 3)


WRONG_ON_CUDA: dict[str, tuple[Any, ...]] = {  # a function, and the shapes of its inputs
    **{name: each(name) for name in ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceSumSquare")},
    "ReduceL1 without axes": (lambda v: op.ReduceL1(v, noop_with_empty_axes=1), (2, 3)),
    "cubic": (cubic(), (2, 3, 8, 5)),
    "cubic, inside only": (cubic(exclude_outside=1, cubic_coeff_a=-0.5), (2, 3, 8, 5)),
    "a smaller scale": (lambda *v: op.LayerNormalization(*v, axis=-2), (2, 3, 4), (4,), (3, 4)),
    "a smaller bias": (lambda *v: op.LayerNormalization(*v, axis=1, epsilon=0.1), (2, 3, 4), (3, 4), (3, 1)),
    "no bias": (lambda *v: op.LayerNormalization(*v, axis=1), (2, 3, 4), (3, 1)),
}


@pytest.mark.parametrize("case", WRONG_ON_CUDA)
def test_what_replaces_a_node_gives_its_numbers(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that onnxruntime gives on the CPU. CUDA gives others for the node itself."""
    f, *shapes = WRONG_ON_CUDA[case]
    arrays = {f"x{k}": np.random.default_rng(k).random(shape, np.float32) + np.float32(0.5) for k, shape in enumerate(shapes)}
    y = f(*(leaf("Input", a.dtype, a.shape, name=name) for name, a in arrays.items()))
    assert replaced.replacement(y.node)
    found = run(y, **arrays)
    monkeypatch.setattr(replaced, "RULES", ())
    np.testing.assert_allclose(found, run(y, **arrays), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_hot_rows_of_no_index(axis: int) -> None:
    """onnxruntime before 1.27 divides by the number of indices."""
    indices = leaf("Input", np.int64, ("N", 2), name="x")
    y = op.OneHot(indices, constant(np.array([3], np.int64)), constant(np.array([0, 1], np.float32)), axis=axis)
    session = Session(emit(Graph("g", {"y": y})))
    for given in (np.array([[0, -1], [2, 1]]), np.zeros((0, 2), np.int64)):
        np.testing.assert_array_equal(session.run({"x": given})["y"], np.moveaxis(np.eye(3, dtype=np.float32)[given], -1, axis))


@pytest.mark.parametrize("channels", [1, 8])
def test_means_over_windows_with_any_padding(channels: int) -> None:
    """onnxruntime 1.24 divides by a wrong number where there is padding below but none at the left."""
    images = np.random.default_rng(0).random((2, channels, 6, 7), np.float32)
    for pads in (*(list(p) for p in product([0, 1], repeat=4)), [0, 0, 2, 0], [1, 1, 1, 2], [2, 2, 2, 2]):
        y = op.AveragePool(x(shape=images.shape), kernel_shape=[3, 3], strides=[2, 2], pads=pads, count_include_pad=1)
        found = run(y, x=images)
        windows = sliding_window_view(np.pad(images, [(0, 0), (0, 0), pads[::2], pads[1::2]]), (3, 3), (2, 3))[:, :, ::2, ::2]
        np.testing.assert_allclose(found, windows.mean((4, 5)), rtol=1e-5)


@pytest.mark.parametrize("batch", [2, "N"])
@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool", "LpPool"])
def test_pooling_that_rounds_up_has_no_window_beyond_the_image(pool: str, batch: Any) -> None:
    """ONNX's inference counts one there, and onnxruntime would reject the product."""
    images = np.random.default_rng(0).random((2, 1, 8, 9), np.float32)
    y = getattr(op, pool)(x(shape=(batch, 1, 8, 9)), kernel_shape=[3, 3], strides=[3, 3], pads=[1] * 4, ceil_mode=1)
    assert y.shape[2:] == (3, 4)
    found = run(y * np.ones((3, 4), np.float32), x=images)
    ends = images[:, 0, [0, 0, 1, 1], [0, 1, 0, 1]], images[:, 0, 5:, 8]
    reduce: Any = {"MaxPool": np.max, "AveragePool": np.mean, "LpPool": lambda v, axis: np.sqrt((v * v).sum(axis))}[pool]
    np.testing.assert_allclose(found[:, 0, [0, 2], [0, 3]], np.stack([reduce(v, axis=1) for v in ends], 1), rtol=1e-5)
