"""Where Resize reads, compared with what onnxruntime computes."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import netc.graph.gradients  # noqa: F401
from netc.errors import GradientError
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.gradients.resize import axes_of, rules_of
from netc.graph.gradients.sampling import COORDINATES, NEAREST, taps
from netc.graph.ir import Graph, Value, constant, leaf, op
from netc.runtime.session import Session

SHAPE = 2, 3, 6, 9
REGION = np.array([0, 0, 0.1, -0.2, 1, 1, 0.8, 1.1], np.float32)
SCALES = (2.0, 3.0), (0.5, 0.6), (1.3, 2.7), (1 / 3, 2.5), (1.0, 1.7)
SIZES = (7, 3), (1, 20), (6, 9), (13, 1)
X = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def resized(scales: tuple[float, ...] = (), sizes: tuple[int, ...] = (), **attrs: Any) -> Value:
    roi = constant(REGION) if attrs["coordinate_transformation_mode"] == "tf_crop_and_resize" else None
    known = constant(np.array([1, 1, *scales], np.float32)) if scales else None
    y: Value = op.Resize(leaf("Input", np.float32, SHAPE, name="x"), roi, known, constant([2, 3, *sizes]) if sizes else None, **attrs)
    return y


def by_taps(y: Value) -> np.ndarray:
    found, rules = X.astype(np.float64), rules_of(y.node)
    for number, axis in axes_of(y.node).items():
        index, weight = taps(axis, rules)
        matrix = np.zeros((axis.m, axis.n))
        np.add.at(matrix, (np.arange(axis.m)[:, None], index), weight)
        found = np.moveaxis(np.tensordot(found, matrix, axes=(number, 1)), -1, number)
    return found


def check(**attrs: Any) -> None:
    for stated in (*({"scales": s} for s in SCALES), *({"sizes": s} for s in SIZES)):
        y = resized(**stated, **attrs)  # type: ignore[arg-type]  # scales are numbers, sizes whole ones
        expected = Session(emit(Graph("g", {"y": y}))).run({"x": X})["y"]
        np.testing.assert_allclose(by_taps(y), expected, atol=1e-5, err_msg=str(stated))


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_filters(mode: str, coordinates: str) -> None:
    for exclude_outside, antialias in product((0, 1), (0, 1)):
        if (antialias and coordinates == "tf_crop_and_resize") or (mode == "linear" and exclude_outside and not antialias):
            continue  # not in onnxruntime
        check(mode=mode, coordinate_transformation_mode=coordinates, exclude_outside=exclude_outside, antialias=antialias)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("nearest", NEAREST)
def test_nearest_neighbours(nearest: str, coordinates: str) -> None:
    if (nearest, coordinates) == ("floor", "half_pixel_symmetric"):
        pytest.skip("some coordinates are whole numbers but for the last bit")
    check(mode="nearest", nearest_mode=nearest, coordinate_transformation_mode=coordinates)


@pytest.mark.parametrize(
    "inputs, attrs, message",
    [
        ((None, constant(np.ones(4, np.float32)) * 2.0), {}, "if its scales are constants, or its sizes are given"),
        ((None, None, constant([2, 3, 4, 4])), {"coordinate_transformation_mode": "odd"}, "with coordinates odd has no gradient"),
        ((constant(REGION) * 2.0, constant(np.ones(4, np.float32))), {"coordinate_transformation_mode": "tf_crop_and_resize"}, "region"),
    ],
)
def test_refusals(inputs: tuple[Any, ...], attrs: dict[str, Any], message: str) -> None:
    x = leaf("Input", np.float32, SHAPE, name="x")
    with pytest.raises(GradientError, match=message):
        grad({op.Resize(x, *inputs, shape=SHAPE, **attrs): 1.0}, [x])
