"""Position: its formulas, and tables that are longer or shorter than a sequence."""

from pathlib import Path

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import about, forward, net
from tests.layers.steps import check_any_size
from tests.layers.test_errors import check_error

X = np.random.default_rng(0).normal(size=(5, 2, 6)).astype(np.float32)


@about("Position")
def test_learned() -> None:
    table = np.arange(42).reshape(7, 6)
    got = forward("Position: {name: p, bottom: x, top: y, max_steps: 7}", given={"p.weight": table}, x=X)["y"]
    np.testing.assert_allclose(got, X + table[:5, None])
    whole = net("Position: {name: p, bottom: x, top: y}", inputs={"x": X})
    assert [p.shape for p in whole.parameters] == [(5, 6)]


@pytest.mark.parametrize("channels", [6, 5])
def test_sinusoidal(channels: int) -> None:
    x = np.zeros((50, 1, channels))
    got = forward("Position: {bottom: x, top: y, kind: SINUSOIDAL}", x=x)["y"][:, 0]
    angle = np.arange(50)[:, None] / 10000.0 ** (2 * (np.arange(channels) // 2) / channels)
    expected = np.where(np.arange(channels) % 2, np.cos(angle), np.sin(angle))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_any_number_of_steps_and_rows(tmp_path: Path) -> None:
    """The table has a row for each step of the net in training, also where a deployed net reads fewer."""
    check_any_size("Position: {kind: SINUSOIDAL}", tmp_path)
    check_any_size("Position: {max_steps: 12}", tmp_path)
    check_any_size("Position", tmp_path, longest=4)
    with pytest.raises(SpecError, match="embed1 has 9 time steps, but the table has 6 rows"):
        check_any_size("Position: {max_steps: 6}", tmp_path)


@pytest.mark.parametrize("layer, at, said", [
    ("Position: {bottom: x, max_steps: 4}", "max_steps", "x has 5 time steps, but the table has 4 rows. Use a larger `max_steps`."),
    ("Position: {bottom: v}", "bottom", "Expected time x batch x channels. v is 5x2."),
])  # fmt: skip
def test_errors(layer: str, at: str, said: str) -> None:
    check_error(layer, at, said, {"x": X, "v": np.ones((5, 2))})
