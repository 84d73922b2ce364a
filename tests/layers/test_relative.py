"""Relative: a series measured from its last known value, with gaps, and back."""

import numpy as np
import pytest

from netc.data import TopSpec
from netc.errors import SpecError
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, constant, leaf, op
from netc.layers.context import Context
from netc.layers.relative import relative
from netc.net.model import TRAIN
from netc.net.resolve import resolve
from netc.runtime.session import Session
from netc.spec import parse_yaml
from tests.layers.nets import about

NAN = np.nan
PAST = np.array([[[1, 10], [2, NAN], [NAN, 30]], [[NAN, 5], [NAN, NAN], [4, NAN]], [[NAN, 1], [NAN, 2], [NAN, 3]]], np.float32)
FILLED = np.array([[[1, 10], [2, 10], [2, 30]], [[4, 5], [4, 5], [4, 5]], [[7, 1], [7, 2], [7, 3]]], np.float32)
MEAN, STD = (7.0, 8.0), (2.0, 5.0)
SPEC = TopSpec("float32", (3, 2), input=True, gaps=True, mean=MEAN, std=STD)


def made(bottoms: str, *inputs: Value, inverse: bool = False) -> Value:
    """The top of a Relative layer. The window is called `past`."""
    text = "layers: [Input: {top: past, shape: [{dim: [4, 3, 2]}]}, Input: {top: x, shape: [{dim: [4, 4]}]}, "
    net = resolve(parse_yaml(f"{text}Relative: {{bottom: {bottoms}, inverse: {str(inverse).lower()}}}]"))
    ctx = Context(net.layers[2], TRAIN, inputs[0].shape[0], 0, {}, {}, {}, {}, {"past": SPEC})
    return relative(ctx, *inputs)


def run(y: Value, **feeds: np.ndarray) -> np.ndarray:
    return Session(emit(Graph("test", {"y": y}))).run(feeds)["y"]


def window(batch: int | str) -> Value:
    return leaf("Input", np.float32, (batch, 3, 2), name="past")


@about("Relative")
@pytest.mark.parametrize("batch", [3, "N"])
def test_a_window_is_measured_from_its_last_value(batch: int | str) -> None:
    y = run(made("past", window(batch)), past=PAST)
    assert np.allclose(y, (FILLED - FILLED[:, -1:]) / np.array(STD))


@pytest.mark.parametrize("batch", [3, "N"])
def test_the_inverse_gives_the_units_back(batch: int | str) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    there = leaf("Input", np.float32, (batch, 4), name="x")
    past = window(batch)
    away = made("[x, past]", there, past)
    assert np.allclose(run(away, x=x, past=PAST), (x.reshape(3, 2, 2) - FILLED[:, -1:]) / np.array(STD), atol=1e-6)
    back = made("[x, past]", op.Reshape(away, [-1, 4], shape=(batch, 4)), past, inverse=True)
    assert np.allclose(run(back, x=x, past=PAST), x.reshape(3, 2, 2), atol=1e-4)


def test_the_gradient_is_the_deviation() -> None:
    x = leaf("Input", np.float32, (3, 4), name="x")
    y = made("[x, past]", x, window(3), inverse=True)
    (dx,) = grad({y: constant(np.ones((3, 2, 2), np.float32))}, [x])
    assert dx is not None
    assert np.allclose(run(dx), np.tile(STD, (3, 2)).astype(np.float32))


def test_what_is_no_window() -> None:
    x = leaf("Input", np.float32, (4, 4), name="x")
    with pytest.raises(SpecError, match="'x' is not a window of a series"):
        made("x", x)
    with pytest.raises(SpecError, match="the second bottom must be the window"):
        made("past", window(4), inverse=True)
    odd = leaf("Input", np.float32, (4, 3), name="x")
    with pytest.raises(SpecError, match="Expected a multiple of 2, the number of targets"):
        made("[x, past]", odd, window(4))
