"""Layers that normalise rows and images, against values of torch."""

import numpy as np
import pytest

from tests.layers import torch_transformer as torch
from tests.layers.nets import about, forward
from tests.layers.test_errors import check_error
from tests.layers.torch_transformer import MODULE


@about("LayerNorm", "RMSNorm", "GroupNorm", "InstanceNorm")
@pytest.mark.parametrize("case, layer", [
    ("layer_norm", "LayerNorm: {"),
    ("layer_norm_axes", "LayerNorm: {axis: 1, bias_term: false, eps: 0.01, "),
    ("rms_norm", "RMSNorm: {"),
    ("group_norm", "GroupNorm: {group: 3, "),
    ("instance_norm", "InstanceNorm: {"),
    ("instance_norm_affine", "InstanceNorm: {affine: true, eps: 0.1, "),
])  # fmt: skip
def test_values_and_gradients_are_torchs(case: str, layer: str) -> None:
    torch.check(case, f"{layer}name: a, bottom: x, top: y}}", MODULE)


def test_without_scale_the_moments_are_0_and_1() -> None:
    x = 5 + 3 * np.random.default_rng(0).normal(size=(4, 6, 5))
    y = forward("LayerNorm: {bottom: x, top: y, affine: false, axis: 1}", x=x)["y"].reshape(4, -1)
    np.testing.assert_allclose([y.mean(1), y.std(1)], [np.zeros(4), np.ones(4)], atol=1e-5)
    y = forward("RMSNorm: {bottom: x, top: y, affine: false}", x=x)["y"]
    np.testing.assert_allclose((y * y).mean(2), 1, atol=1e-5)


@pytest.mark.parametrize("layer, at, said", [
    ("LayerNorm: {bottom: x, axis: 4}", "axis", "Axis 4 is out of range: a blob of shape 2x6x4 has 3 axes."),
    ("LayerNorm: {bottom: x, affine: false, bias_term: true}", "bias_term", "`bias_term` needs `affine: true`."),
    ("RMSNorm: {bottom: x, axis: -4}", "axis", "Axis -4 is out of range"),
    ("GroupNorm: {bottom: x}", None, "`group` is missing. Add the number of groups of channels, for example `group: 8`."),
    ("GroupNorm: {bottom: x, group: 4}", "group", "`group` is 4, which must divide the 6 channels of x (2x6x4)."),
    ("GroupNorm: {bottom: v, group: 1}", "bottom", "Expected 2 axes or more (N, C, ...). v is 3."),
    ("InstanceNorm: {bottom: w}", "bottom", "Expected 3 axes or more (N, C, ...). w is 2x3."),
])  # fmt: skip
def test_errors(layer: str, at: str | None, said: str) -> None:
    check_error(layer, at, said, {"x": np.ones((2, 6, 4)), "v": np.ones(3), "w": np.ones((2, 3))})
