"""Convolution and Deconvolution: identities between them, and values computed by hand."""

from typing import Any

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import about, forward
from tests.layers.torch_values import check_torch

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, kind: str = "Convolution", **fields: Any) -> np.ndarray:
    """Apply the layer to x with weights w, which determine num_output and the kernel."""
    outputs = len(w) if kind == "Convolution" else w.shape[1] * fields.get("group", 1)
    text = ", ".join(f"{k}: {v}" for k, v in ({"kernel_size": list(w.shape[2:])} | fields).items())
    given = {"c.weight": w} | ({} if b is None else {"c.bias": b})
    return forward(f"{kind}: {{name: c, bottom: x, num_output: {outputs}, bias_term: {b is not None}, {text}}}", given=given, x=x)["c"]


def naive(x: np.ndarray, w: np.ndarray, stride: int, pad: int, dilation: int) -> np.ndarray:
    """A 2-D convolution by its definition, as loops."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    kh, kw = w.shape[2:]
    height = (x.shape[2] - dilation * (kh - 1) - 1) // stride + 1
    width = (x.shape[3] - dilation * (kw - 1) - 1) // stride + 1
    y = np.zeros((len(x), len(w), height, width))
    for i in range(kh):
        for j in range(kw):
            rows = x[:, :, i * dilation :][:, :, : (height - 1) * stride + 1 : stride, j * dilation :][
                ..., : (width - 1) * stride + 1 : stride
            ]
            y += np.einsum("nchw,oc->nohw", rows, w[:, :, i, j])
    return y


@about("Convolution")
@pytest.mark.parametrize("stride, pad, dilation", [(1, 0, 1), (2, 1, 1), (1, 2, 2), (3, 0, 2), (2, 3, 1)])
def test_definition(stride: int, pad: int, dilation: int) -> None:
    x, w, b = normal(2, 3, 8, 9), normal(4, 3, 3, 2), normal(4)
    got = convolve(x, w, b, stride=stride, pad=pad, dilation=dilation)
    np.testing.assert_allclose(got, naive(x, w, stride, pad, dilation) + b.reshape(-1, 1, 1), rtol=1e-4, atol=1e-5)


def test_sobel_is_separable() -> None:
    x = normal(1, 1, 6, 4)
    sobel = np.outer([1, 2, 1], [-1, 0, 1]).reshape(1, 1, 3, 3).astype(np.float32)
    whole = convolve(x, sobel, stride=2)
    apart = convolve(
        convolve(x, np.array([1, 2, 1], np.float32).reshape(1, 1, 3, 1), stride_h=2, stride_w=1),
        np.array([-1, 0, 1], np.float32).reshape(1, 1, 1, 3), stride_h=1, stride_w=2,
    )  # fmt: skip
    np.testing.assert_allclose(whole, apart, rtol=1e-5, atol=1e-5)


def test_groups_are_convolutions_side_by_side() -> None:
    x, w = normal(2, 4, 5, 5), normal(6, 2, 3, 3)
    apart = np.concatenate([convolve(x[:, :2], w[:3]), convolve(x[:, 2:], w[3:])], axis=1)
    np.testing.assert_allclose(convolve(x, w, group=2), apart, rtol=1e-4, atol=1e-5)


def test_other_numbers_of_axes() -> None:
    x, w = normal(2, 3, 5), normal(4, 3, 2)
    flat = convolve(x[..., None], w[..., None], kernel_size=[2, 1])
    np.testing.assert_allclose(convolve(x, w), flat[..., 0], rtol=1e-5, atol=1e-5)
    deep = convolve(x[:, :, None, :, None], w[:, :, None, :, None])
    np.testing.assert_allclose(deep[:, :, 0, :, 0], flat[..., 0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(convolve(x[..., 0], w[..., 0]), x[..., 0] @ w[..., 0].T, rtol=1e-5, atol=1e-5)  # no axis: inner product


@about("Deconvolution")
def test_overlaps_of_a_deconvolution() -> None:
    """Ones everywhere, 3 channels: one window gives 3, two give 6, four give 12, plus the bias."""
    y = convolve(np.ones((2, 3, 6, 4)), np.ones((3, 4, 3, 3)), np.full(4, 0.1), "Deconvolution", stride=2)
    assert y.shape == (2, 4, 13, 9)
    expected = np.full((13, 9), 3.1)
    expected[2:-1:2] = 6.1
    expected[:, 2:-1:2] = 6.1
    expected[2:-1:2, 2:-1:2] = 12.1
    np.testing.assert_allclose(y, np.broadcast_to(expected, y.shape), rtol=1e-5)


@pytest.mark.parametrize("fields", [{}, {"stride": 2, "pad": 1}, {"group": 2}, {"dilation": 2, "pad": 2}])
def test_deconvolution_is_the_transpose(fields: dict[str, Any]) -> None:
    """<conv(x), y> = <x, deconv(y)>, with one set of weights."""
    x, w = normal(2, 4, 7, 7), normal(6, 4 // fields.get("group", 1), 3, 3)
    there = convolve(x, w, **fields)
    y = normal(*there.shape)
    back = convolve(y, w, kind="Deconvolution", **fields)
    assert back.shape == x.shape
    assert np.vdot(there, y) == pytest.approx(np.vdot(x, back), rel=1e-4)


def test_bilinear_upsampling_keeps_a_plane() -> None:
    twice = "group: 2, kernel_size: 4, stride: 2, pad: 1, bias_term: false, weight_filler: bilinear"
    y = forward(f"Deconvolution: {{bottom: x, top: y, num_output: 2, {twice}}}", x=np.full((1, 2, 5, 5), 3))["y"]
    assert y.shape == (1, 2, 10, 10)
    np.testing.assert_allclose(y[:, :, 1:-1, 1:-1], 3, rtol=1e-6)


@about("Im2col")
@pytest.mark.parametrize("fields", [{}, {"stride": 2, "pad": 1}, {"dilation": 2, "pad": 2}])
def test_columns_times_weights_are_the_convolution(fields: dict[str, Any]) -> None:
    x, w = normal(2, 3, 6, 5), normal(4, 3, 3, 2)
    text = ", ".join(f"{k}: {v}" for k, v in fields.items())
    columns = forward(f"Im2col: {{bottom: x, name: y, kernel_size: [3, 2]{text and ', ' + text}}}", x=x)["y"]
    got = np.einsum("mk,nkhw->nmhw", w.reshape(4, -1), columns)
    np.testing.assert_allclose(got, convolve(x, w, **fields), rtol=1e-4, atol=1e-5)


@about("SeparableConvolution")
def test_separable() -> None:
    fields = "num_output: 5, kernel_size: 3, stride: 2, pad: 1, depth_multiplier: 2"
    check_torch("separable", f"SeparableConvolution: {{bottom: x, name: y, {fields}}}")


def test_separable_starts_with_random_weights() -> None:
    """A net in which both matrices are zero never learns."""
    layer = "SeparableConvolution: {bottom: x, name: y, num_output: 2, kernel_size: 3}"
    assert np.abs(forward(layer, x=np.ones((1, 3, 4, 4)))["y"]).min() > 0


@about("DepthwiseConvolution", "ConvolutionDepthwise")
@pytest.mark.parametrize("kind", ["DepthwiseConvolution", "ConvolutionDepthwise"])
@pytest.mark.parametrize("fields", [{}, {"group": 4}, {"stride": 2, "pad": 1}])
def test_depthwise_is_a_convolution_with_a_group_for_each_channel(kind: str, fields: dict[str, Any]) -> None:
    x, w, b = normal(2, 4, 6, 5), normal(8, 1, 3, 3), normal(8)
    text = ", ".join(f"{k}: {v}" for k, v in ({"kernel_size": 3} | fields).items())
    got = forward(f"{kind}: {{name: c, bottom: x, num_output: 8, {text}}}", given={"c.weight": w, "c.bias": b}, x=x)["c"]
    np.testing.assert_array_equal(got, convolve(x, w, b, **fields | {"group": 4}))


def test_depthwise_knows_the_number_of_channels() -> None:
    assert forward("DepthwiseConvolution: {name: c, bottom: x, kernel_size: 1}", x=normal(2, 4, 6, 5))["c"].shape == (2, 4, 6, 5)
    for fields, wanted in (("num_output: 4, group: 2", "`group` is 2. Expected 4"), ("num_output: 6", "must divide the 4 input channels")):
        with pytest.raises(SpecError, match=wanted):
            forward(f"DepthwiseConvolution: {{bottom: x, kernel_size: 1, {fields}}}", x=normal(2, 4, 6, 5))
