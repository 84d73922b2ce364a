"""Fillers: their formulas, and the statistics of the random ones."""

from math import sqrt
from typing import Any

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.errors import NetcError
from netc.fillers import fill

registry.load()

SHAPE = (80, 60, 5, 5)  # 120,000 numbers: fan in 1500, fan out 2000
FAN = {"FAN_IN": 1500, "FAN_OUT": 2000, "AVERAGE": 1750}


def filled(kind: str, shape: tuple[int, ...] = SHAPE, seed: int = 0, name: str = "w", **fields: Any) -> np.ndarray:
    return fill(shape, pb.FillerParameter(type=kind, **fields), seed, name)


def even(x: np.ndarray, least: float, most: float) -> None:
    """Whether x looks even between the two: bounds, mean and variance."""
    assert least <= x.min() < least + 0.01 * (most - least) and most - 0.01 * (most - least) < x.max() <= most
    assert abs(x.mean() - (least + most) / 2) < 0.01 * (most - least)
    assert x.var() == pytest.approx((most - least) ** 2 / 12, rel=0.02)


def normal(x: np.ndarray, mean: float, std: float) -> None:
    """Whether x looks normal: mean, deviation, tails."""
    z = (x.astype(np.float64) - mean) / std
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02
    assert abs((np.abs(z) > 1.96).mean() - 0.05) < 0.005
    assert abs((z**4).mean() - 3) < 0.2


def constant() -> None:
    assert (filled("constant") == 0).all()
    assert (filled("constant", value=-2.5) == -2.5).all()
    assert filled("constant", shape=(), value=3).shape == ()


def uniform() -> None:
    even(filled("uniform"), 0, 1)
    even(filled("uniform", min=-3, max=-1), -3, -1)


def gaussian() -> None:
    normal(filled("gaussian"), 0, 1)
    normal(filled("gaussian", mean=5, std=0.1), 5, 0.1)
    x = filled("gaussian", shape=(200, 500), sparse=20)
    assert abs((x != 0).mean() - 20 / 200) < 0.005  # each entry is kept with probability sparse / shape[0]
    normal(x[x != 0], 0, 1)


def positive_unitball() -> None:
    x = filled("positive_unitball")
    assert (x >= 0).all()
    np.testing.assert_allclose(x.reshape(len(x), -1).sum(1), 1, rtol=1e-5)
    even(x[0] / x[0].max(), 0, 1)


def xavier() -> None:
    for mode, fan in FAN.items():
        even(filled("xavier", variance_norm=mode), -sqrt(3 / fan), sqrt(3 / fan))
    even(filled("xavier"), -sqrt(3 / FAN["FAN_IN"]), sqrt(3 / FAN["FAN_IN"]))
    even(filled("xavier", shape=(1000, 90), variance_norm="FAN_OUT"), -sqrt(3 / 1000), sqrt(3 / 1000))
    even(filled("xavier", shape=(50_000,), variance_norm="FAN_OUT"), -sqrt(3 / 50_000), sqrt(3 / 50_000))


def msra() -> None:
    for mode, fan in FAN.items():
        normal(filled("msra", variance_norm=mode), 0, sqrt(2 / fan))
    normal(filled("msra"), 0, sqrt(2 / FAN["FAN_IN"]))


def bilinear() -> None:
    np.testing.assert_allclose(filled("bilinear", shape=(1, 1, 4, 4))[0, 0, 1], np.array([1, 3, 3, 1]) * 3 / 16)
    np.testing.assert_allclose(filled("bilinear", shape=(1, 1, 3, 3))[0, 0], np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]))
    for size in (6, 7):
        x, f = filled("bilinear", shape=(2, 3, size, size)), (size + 1) // 2
        c = (size - 1) / (2 * f)
        line = [1 - abs(i / f - c) for i in range(size)]
        np.testing.assert_allclose(x, np.broadcast_to(np.outer(line, line), x.shape), rtol=1e-6)


def signs() -> None:
    x = filled("signs")
    assert set(x.reshape(-1)) == {-1, 1} and abs(x.mean()) < 4 / sqrt(x.size)


ROWS = {f.__name__: f for f in (constant, uniform, gaussian, positive_unitball, xavier, msra, bilinear, signs)}


def test_every_filler_has_a_row() -> None:
    assert ROWS.keys() == registry.filler.keys()


@pytest.mark.parametrize("kind", ROWS)
def test_filler(kind: str) -> None:
    ROWS[kind]()


@pytest.mark.parametrize("kind", ROWS)
def test_a_function_of_seed_and_name(kind: str) -> None:
    fixed = kind in ("constant", "bilinear")
    shape = (3, 2, 4, 4)
    x = filled(kind, shape)
    assert x.dtype == np.float32 and x.shape == shape
    np.testing.assert_array_equal(x, filled(kind, shape))
    assert (x == filled(kind, shape, seed=1)).all() == fixed
    assert (x == filled(kind, shape, name="v")).all() == fixed


@pytest.mark.parametrize("kind", sorted(ROWS.keys() - {"bilinear"}))
def test_a_scalar(kind: str) -> None:
    """A blob without axes, such as one slope for all channels, is one row of one."""
    assert filled(kind, shape=()).shape == ()


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"kind": "xaver"}, "There is no filler 'xaver'. Did you mean 'xavier'"),
        ({"kind": "bilinear", "shape": (2, 1, 3, 4)}, "'bilinear' needs a square 4-D blob, not 2x1x3x4"),
        ({"kind": "bilinear", "shape": ()}, "'bilinear' needs a square 4-D blob, not a scalar"),
        ({"kind": "bilinear", "shape": (3, 3)}, "'bilinear' needs a square 4-D blob, not 3x3"),
        ({"kind": "xavier", "sparse": 3}, "'xavier' cannot be sparse; only gaussian can"),
    ],
)
def test_errors(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(NetcError, match=said):
        filled(**arguments)
