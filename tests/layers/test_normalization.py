"""BatchNorm, LRN and Standardize against their formulas."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.compiler.lower import lower
from netc.errors import SpecError
from netc.net.resolve import resolve
from netc.spec import parse_yaml
from netc.training.feed import Feeder
from tests.layers.nets import about, evaluate, forward, gradient, net

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


@about("BatchNorm")
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2, 5)])
def test_statistics_of_the_batch_and_their_sums(shape: tuple[Any, ...]) -> None:
    """The batch is normalised by its biased variance; the unbiased variance is added to the sums."""
    x, others = 2 + 3 * normal(*shape), (0, 2, 3)[: len(shape) - 1]
    got = forward(
        "BatchNorm: {name: bn, bottom: x, top: y, moving_average_fraction: 0.9}",
        given={"bn.mean": [1, 2, 3], "bn.variance": [1] * 3, "bn.weight": [2]},
        x=x,
    )
    np.testing.assert_allclose(got["y"].mean(others), 0, atol=1e-5)
    np.testing.assert_allclose(got["y"].var(others), 1, rtol=1e-3)
    count = x.size // 3
    np.testing.assert_allclose(got["next/bn.mean"], 0.9 * np.array([1, 2, 3]) + x.mean(others), rtol=1e-4)
    np.testing.assert_allclose(got["next/bn.variance"], 0.9 + x.var(others) * count / (count - 1), rtol=1e-4)
    np.testing.assert_allclose(got["next/bn.weight"], [2.8], rtol=1e-6)


@pytest.mark.parametrize("text, phase", [("", "TEST"), (", use_global_stats: true", "TRAIN")])
def test_sums_over_their_weight(text: str, phase: str) -> None:
    given = {"bn.mean": [4, 2], "bn.variance": [18, 2], "bn.weight": [2]}
    got = forward(f"BatchNorm: {{name: bn, bottom: x, top: y, eps: 0{text}}}", phase, given, x=[[5, 1], [2, 3]])
    np.testing.assert_allclose(got["y"], [[1, 0], [0, 2]], rtol=1e-6)
    assert not any(name.startswith("next/") for name in got)


def test_no_statistics_yet() -> None:
    """A weight of 0 means mean 0 and variance 0."""
    got = forward("BatchNorm: {bottom: x, top: y, eps: 0.01}", "TEST", x=[[5, 1], [2, 3]])
    np.testing.assert_allclose(got["y"], [[50, 10], [20, 30]], rtol=1e-5)


@about("LRN")
@pytest.mark.parametrize("size, alpha, beta, k", [(5, 1, 0.75, 1), (15, 0.5, 0.75, 1), (3, 2, 0.5, 3)])
def test_across_channels(size: int, alpha: float, beta: float, k: int) -> None:
    x = normal(2, 7, 3, 3)
    half = size // 2
    sums = np.stack([(x[:, max(0, c - half) : c + half + 1] ** 2).sum(1) for c in range(7)], axis=1)
    got = forward(f"LRN: {{bottom: x, top: y, local_size: {size}, alpha: {alpha}, beta: {beta}, k: {k}}}", x=x)["y"]
    np.testing.assert_allclose(got, x * (k + alpha / size * sums) ** -beta, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [3, 5, 15])
def test_within_a_channel(size: int) -> None:
    """alpha is divided by the area of the window, which includes zeros beyond the border. k has no effect."""
    x, half = normal(2, 3, 5, 6), size // 2
    padded = np.pad(x**2, ((0, 0), (0, 0), (half, half), (half, half)))
    sums = sum(padded[:, :, i : i + 5, j : j + 6] for i in range(size) for j in range(size))
    got = forward(f"LRN: {{bottom: x, top: y, local_size: {size}, alpha: 2, k: 7, norm_region: WITHIN_CHANNEL}}", x=x)["y"]
    np.testing.assert_allclose(got, x * (1 + 2 / size**2 * sums) ** -0.75, rtol=1e-4, atol=1e-6)


@about("Standardize")
def test_standardize_and_back(tmp_path: Path) -> None:
    """Uses mean and deviation of the training rows. The inverse has the units of the label."""
    text = "a,b,c\n" + "".join(f"{k},7,{10 * k}\n" for k in range(10))
    (tmp_path / "t.csv").write_text(text)
    lines = f"""layers:
  - Data: {{source: '{tmp_path}/t.csv', steps: 2, batch_size: 3, test_fraction: 0.5}}
  - Standardize: {{top: z}}
  - Standardize: {{bottom: label, top: unit}}
  - Standardize: {{bottom: unit, top: back, blob: label, inverse: true}}"""
    lowered = lower(resolve(parse_yaml(lines)))
    values = {n: lowered.versions[n][-1] for n in ("z", "unit", "back")}
    fed = Feeder(lowered.net, lowered.graph, 0, ".")(0)
    got = evaluate(lowered, values, {n.removeprefix("batch/"): a for n, a in fed.items()}, {})
    trained = np.array([[k, 7, 10 * k] for k in range(6)])  # windows of rows 0 to 3; the last has row 5 as its label
    std = np.array([trained[:, 0].std(), 1, trained[:, 2].std()])
    np.testing.assert_allclose(got["z"], (fed["batch/data"] - trained.mean(0)) / std, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got["unit"], (fed["batch/label"] - trained[:, 2].mean()) / std[2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got["back"], fed["batch/label"], rtol=1e-5)


def test_standardize_wants_columns() -> None:
    with pytest.raises(SpecError, match="No source has the mean and deviation of the columns of 'x'"):
        net("Standardize: {bottom: x, top: y}", inputs={"x": np.ones((2, 3))})


@about("MVN")
@pytest.mark.parametrize("fields, axes", [("", (2, 3)), (", across_channels: true", (1, 2, 3))])
def test_mvn(fields: str, axes: tuple[Any, ...]) -> None:
    x = normal(2, 3, 4, 5)
    centred = x - x.mean(axes, keepdims=True)
    got = forward(f"MVN: {{bottom: x, name: y, normalize_variance: false{fields}}}", x=x)["y"]
    np.testing.assert_allclose(got, centred, atol=1e-6)
    got = forward(f"MVN: {{bottom: x, name: y, eps: 0.5{fields}}}", x=x)["y"]
    np.testing.assert_allclose(got, centred / (x.std(axes, keepdims=True) + 0.5), rtol=1e-5, atol=1e-6)


def test_mvn_of_a_constant_image_is_0_with_a_finite_gradient() -> None:
    x = np.ones((1, 2, 2, 2))
    np.testing.assert_array_equal(forward("MVN: {bottom: x, name: y}", x=x)["y"], np.zeros_like(x))
    assert np.isfinite(gradient("MVN: {bottom: x, name: y}", "y", x, x=x)["x"]).all()


SCALED = {"bn.mean": [0.5, -0.5], "bn.variance": [4, 0.25], "bn.weight": [1], "bn.scale": [2, 3], "bn.bias": [10, 20]}


@pytest.mark.parametrize("fields", ["scale_bias: true", "scale_filler: {value: 5}", "bias_filler: {value: 5}"])
def test_nvcaffes_blobs_are_means_with_scale_and_shift(fields: str) -> None:
    """The third blob is not read."""
    given = {name: value for name, value in SCALED.items() if name != "bn.weight"}
    got = forward(f"BatchNorm: {{name: bn, bottom: x, top: y, {fields}}}", "TEST", given, x=[[2.5, 0], [0.5, 1]])
    wanted = (np.array([[2, 0.5], [0, 1.5]]) / np.sqrt([4 + 1e-5, 0.25 + 1e-5])) * [2, 3] + [10, 20]
    np.testing.assert_allclose(got["y"], wanted, rtol=1e-6)


@pytest.mark.parametrize("weight, keep", [(0, 0), (1, 0.9)])
def test_nvcaffes_running_means(weight: int, keep: float) -> None:
    """The first batch replaces the statistics; the variance is the biased one."""
    x = 2 + 3 * normal(4, 2, 3, 5)
    layer = "BatchNorm: {name: bn, bottom: x, top: y, scale_bias: true, moving_average_fraction: 0.9}"
    got = forward(layer, given=SCALED | {"bn.weight": [weight]}, x=x)
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    np.testing.assert_allclose(got["next/bn.mean"], keep * np.array([0.5, -0.5]) + (1 - keep) * mean, rtol=1e-4)
    np.testing.assert_allclose(got["next/bn.variance"], keep * np.array([4, 0.25]) + (1 - keep) * var, rtol=1e-4)
    np.testing.assert_array_equal(got["next/bn.weight"], [1])
    own = (x - mean.reshape(1, 2, 1, 1)) / np.sqrt(var + 1e-5).reshape(1, 2, 1, 1)
    np.testing.assert_allclose(got["y"], own * np.reshape([2, 3], (1, 2, 1, 1)) + np.reshape([10, 20], (1, 2, 1, 1)), rtol=1e-4, atol=1e-4)
