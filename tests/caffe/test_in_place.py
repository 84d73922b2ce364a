"""Gradients of layers that run in place on an Input blob: they are those at the values from before the layers, as in Caffe."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import netc
import netc.caffe as caffe

NET = """\
name: "in_place"
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [5, 3] } } }
layer { name: "prelu" type: "PReLU" bottom: "data" top: "data" }
layer { name: "scale" type: "Scale" bottom: "data" top: "data" scale_param { filler { value: 3 } bias_term: true } }
layer { name: "bn" type: "BatchNorm" bottom: "data" top: "data" }
layer { name: "fixed" type: "Scale" bottom: "data" top: "data" param { lr_mult: 0 } scale_param { filler { value: 2 } bias_term: true } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "Reduction" bottom: "ip" top: "loss" loss_weight: 1 reduction_param { operation: SUMSQ } }
"""
X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
EPS = 1e-2


def loss(net: netc.Net, x: np.ndarray) -> float:
    net.blobs["data"].data[...] = x
    return float(net.forward()["loss"])


def differences(function: Callable[[], float], values: np.ndarray) -> np.ndarray:
    found = np.zeros(values.shape)
    for i in np.ndindex(*values.shape):
        before = values[i].copy()
        values[i] = before + EPS
        above = function()
        values[i] = before - EPS
        found[i] = (above - function()) / (2 * EPS)
        values[i] = before
    return found


@pytest.mark.parametrize("make", [netc.Net, caffe.Net])
def test_gradients(tmp_path: Path, make: Callable[..., netc.Net]) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    path = str(tmp_path / "net.prototxt")
    net = make(path, phase="TRAIN") if make is netc.Net else make(path, caffe.TRAIN)
    x = X.copy()
    loss(net, x)
    net.backward()
    dx = net.blobs["data"].diff.copy()
    diffs = {name: [blob.diff.copy() for blob in blobs] for name, blobs in net.params.items()}
    np.testing.assert_allclose(dx, differences(lambda: loss(net, x), x), atol=5e-3)
    for name in ("prelu", "scale"):
        for blob, diff in zip(net.params[name], diffs[name], strict=True):
            np.testing.assert_allclose(diff, differences(lambda: loss(net, x), blob.data), atol=1e-2)
    assert not diffs["fixed"][0].any() and diffs["fixed"][1].any()  # lr_mult 0: no diff, as in Caffe
