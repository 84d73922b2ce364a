"""Layers that only move elements."""

from typing import Any

import numpy as np
import pytest

from tests.layers.nets import about, forward, gradient, net

X = np.arange(24.0).reshape(2, 3, 4)


@about("Flatten", "Reshape")
@pytest.mark.parametrize("layer, shape", [
    ("Flatten: {bottom: x}", (2, 12)),
    ("Flatten: {bottom: x, axis: 0}", (24,)),
    ("Flatten: {bottom: x, axis: 0, end_axis: 1}", (6, 4)),
    ("Flatten: {bottom: x, axis: -2, end_axis: -1}", (2, 12)),
    ("Flatten: {bottom: x, axis: 2, end_axis: 2}", (2, 3, 4)),
    ("Reshape: {bottom: x, shape: {dim: [0, -1]}}", (2, 12)),
    ("Reshape: {bottom: x, shape: {dim: [0, 0, 2, 2]}}", (2, 3, 2, 2)),
    ("Reshape: {bottom: x, shape: {dim: [0, 2, 2]}, axis: 1}", (2, 3, 2, 2)),
    ("Reshape: {bottom: x, shape: {dim: [12]}, axis: 1}", (2, 12)),
    ("Reshape: {bottom: x, shape: {dim: [1]}, axis: 1, num_axes: 0}", (2, 1, 3, 4)),
    ("Reshape: {bottom: x, shape: {dim: [1, 1]}, axis: -1, num_axes: 0}", (2, 3, 4, 1, 1)),
    ("Reshape: {bottom: x, shape: {dim: []}, axis: 1, num_axes: 0}", (2, 3, 4)),
    ("Reshape: {bottom: x, shape: {dim: [-1, 2]}, axis: 1, num_axes: 2}", (2, 6, 2)),
    ("Reshape: {bottom: x, shape: {dim: [6]}, axis: 0, num_axes: 2}", (6, 4)),
])  # fmt: skip
def test_other_shapes(layer: str, shape: tuple[Any, ...]) -> None:
    got = forward(layer[:-1] + ", name: y}", x=X)["y"]
    np.testing.assert_array_equal(got, X.reshape(shape))


@about("Concat", "Slice")
@pytest.mark.parametrize("axis, points, sizes", [(0, None, [1, 1]), (1, [1], [1, 2]), (2, [1], [1, 3]), (-1, None, [2, 2])])
def test_slices_joined_again(axis: int, points: list[int] | None, sizes: list[int]) -> None:
    text = f", slice_point: {points}" if points else ""
    got = forward(f"Slice: {{bottom: x, top: [a, b], axis: {axis}{text}}}\nConcat: {{bottom: [a, b], top: y, axis: {axis}}}", x=X)
    assert [got[n].shape[axis] for n in "ab"] == sizes
    np.testing.assert_array_equal(got["y"], X)


def test_concat_of_one_and_slice_into_one() -> None:
    got = forward("Slice: {bottom: x, top: a}\nConcat: {bottom: a, top: y}", x=X)
    np.testing.assert_array_equal(got["y"], X)


@about("Split")
def test_gradients_of_all_copies_add_up() -> None:
    got = gradient("Split: {bottom: x, top: [a, b]}\nEltwise: {bottom: [a, b, x], top: y, coeff: [1, 2, 4]}", "y", 1, x=X)
    np.testing.assert_array_equal(got["x"], np.full_like(X, 7))


@about("Silence")
def test_a_silenced_blob_is_no_output() -> None:
    inputs = {"x": X, "z": X}
    assert net("ReLU: {bottom: x, top: y}", inputs=inputs).net.outputs == ["y", "z"]
    assert net("ReLU: {bottom: x, top: y}\nSilence: {bottom: z}", inputs=inputs).net.outputs == ["y"]


@about("Tile")
def test_tile() -> None:
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(
            forward(f"Tile: {{bottom: x, name: y, axis: {axis}, tiles: 3}}", x=X)["y"], np.concatenate([X] * 3, axis)
        )


@about("Crop")
@pytest.mark.parametrize("fields, like, part", [
    ("", (2, 3, 2), np.s_[:, :, :2]),
    (", offset: 1", (2, 3, 2), np.s_[:, :, 1:3]),
    (", axis: 1, offset: [1, 2]", (2, 2, 2), np.s_[:, 1:, 2:]),
    (", axis: 0, offset: 1", (1, 2, 3), np.s_[1:, 1:, 1:]),
    (", axis: -1, offset: 0", (2, 9, 4), np.s_[:]),
])  # fmt: skip
def test_crop(fields: str, like: tuple[int, int, int], part: tuple[slice, slice, slice] | slice) -> None:
    got = forward(f"Crop: {{bottom: [x, z], name: y{fields}}}", x=X, z=np.ones(like))["y"]
    np.testing.assert_array_equal(got, X[part])


@about("Permute")
def test_permute() -> None:
    x = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(forward("Permute: {bottom: x, top: y, order: [2, 0, 1]}", x=x)["y"], x.transpose(2, 0, 1))
    np.testing.assert_array_equal(forward("Permute: {bottom: x, top: y, order: -1}", x=x)["y"], x.transpose(2, 0, 1))
