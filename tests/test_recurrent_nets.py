"""The recurrent nets of nets/, as far as seconds go: what each reaches is in the first lines of its file."""

from pathlib import Path

import numpy as np
import pytest

from netc import api
from netc.data.named.lookup import unpacked
from netc.errors import DataError
from netc.graph import cost
from tests.conftest import ROOT
from tests.data.named.records import builtin
from tests.small_nets import log, netc


def series() -> np.ndarray:
    try:
        lines = unpacked(builtin("sunspots"), builtin("sunspots").files[0]).decode().split()[1:]
    except DataError as e:
        pytest.skip(str(e))
    return np.array([float(line.split(",")[1]) for line in lines])


def autoregression(trained: np.ndarray, values: np.ndarray, order: int = 9) -> np.ndarray:
    """One-step forecasts of `values[order:]` by least squares on `trained`."""

    def lagged(x: np.ndarray) -> np.ndarray:
        return np.stack([np.ones(len(x) - order), *(x[k : len(x) - order + k] for k in range(order))], 1)

    weights = np.linalg.lstsq(lagged(trained), trained[order:], rcond=None)[0]
    forecasts: np.ndarray = lagged(values) @ weights
    return forecasts


def test_sunspots_are_forecast_as_well_as_by_an_autoregression(tmp_path: Path) -> None:
    """Of the last fifth of the years: at least 25 % below persistence, at most 10 % above AR(9)."""
    years, tested = series(), 57
    result = netc("train", ROOT / "nets/sunspots_lstm.yaml", "--no-publish", "--runs", tmp_path)
    assert result.exit_code == 0, result.stderr
    reached = np.sqrt(2 * log(tmp_path / "sunspots_lstm/1")[-1]["loss"])  # the loss is half the mean square
    persistence = np.sqrt(np.mean(np.diff(years)[-tested:] ** 2))
    regression = np.sqrt(np.mean((autoregression(years[:-tested], years)[-tested:] - years[-tested:]) ** 2))
    assert reached <= 0.75 * persistence and reached <= 1.1 * regression, (reached, persistence, regression)


@pytest.mark.parametrize("name, gates, rest", [("rnn", 1, 256 * 256), ("lstm", 4, 0), ("gru", 3, 0)])
def test_a_step_of_the_layer_costs_three_times_its_products(name: str, gates: int, rest: int) -> None:
    """Of 64 times and 32 rows, of an input of 64 and 256 units: forward, by the inputs, by the weights. Caffe's RNN has an output layer."""
    step = api.load(str(ROOT / f"nets/char_{name}.yaml")).steps.train
    assert cost.by_layer(step)[f"{name}1"] == 3 * 64 * 32 * (gates * 256 * (64 + 256) + rest)
