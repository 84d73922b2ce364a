"""Normalize of SSD, BN of PSPNet and of SegNet, by their formulas."""

import re

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import about, forward, net, states

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3, 2, 5)).astype(np.float32)
SCALE, SHIFT, MEAN, VARIANCE = RNG.uniform(0.5, 2, (4, 3)).astype(np.float32)


def channel(v: np.ndarray) -> np.ndarray:
    return np.reshape(v, (1, 3, 1, 1))


@about("Normalize")
@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_normalize(across: bool, shared: bool) -> None:
    fields = f"across_spatial: {str(across).lower()}, channel_shared: {str(shared).lower()}, eps: 0.5, scale_filler: {{value: 20}}"
    scale = np.float32(3) if shared else SCALE
    got = forward(f"Normalize: {{bottom: x, top: y, name: n, {fields}}}", given={"n.scale": scale}, x=X)["y"]
    norm = np.sqrt((X**2).sum((1, 2, 3) if across else 1, keepdims=True) + 0.5)
    np.testing.assert_allclose(got, X / norm * (scale if shared else channel(SCALE)), rtol=1e-5)


def test_normalize_starts_at_one_and_keeps_zeros() -> None:
    np.testing.assert_array_equal(forward("Normalize: {bottom: x, top: y}", x=np.zeros((2, 3)))["y"], np.zeros((2, 3)))
    np.testing.assert_allclose(forward("Normalize: {bottom: x, top: y}", x=[[3, 4]])["y"], [[0.6, 0.8]], rtol=1e-6)


GIVEN = {"b.slope": SCALE, "b.bias": SHIFT, "b.mean": MEAN, "b.variance": VARIANCE}


@about("BN")
@pytest.mark.parametrize("fields, phase", [("momentum: 0.95", "TEST"), ("frozen: true", "TRAIN"), ("frozen: true", "TEST")])
def test_pspnets_running_statistics(fields: str, phase: str) -> None:
    got = forward(f"BN: {{bottom: x, top: y, name: b, {fields}, eps: 0.01}}", phase, GIVEN, x=X)
    wanted = (X - channel(MEAN)) / np.sqrt(channel(VARIANCE) + 0.01) * channel(SCALE) + channel(SHIFT)
    np.testing.assert_allclose(got["y"], wanted, rtol=1e-5, atol=1e-6)
    assert not any(name.startswith("next/") and not np.array_equal(got[name], got[name]) for name in got)


def test_pspnets_statistics_of_the_batch_and_their_running_means() -> None:
    got = forward("BN: {bottom: x, top: y, name: b, momentum: 0.8, slope_filler: {value: 1}}", given=GIVEN, x=X)
    mean, var = X.mean((0, 2, 3)), X.var((0, 2, 3))
    wanted = (X - channel(mean)) / np.sqrt(channel(var) + 1e-5) * channel(SCALE) + channel(SHIFT)
    np.testing.assert_allclose(got["y"], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got["next/b.mean"].reshape(-1), 0.8 * MEAN + 0.2 * mean, rtol=1e-5)
    np.testing.assert_allclose(got["next/b.variance"].reshape(-1), 0.8 * VARIANCE + 0.2 * var, rtol=1e-5)


def test_a_frozen_bn_learns_nothing() -> None:
    lowered = net("BN: {bottom: x, top: y, name: b, frozen: true, param: [{lr_mult: 1}, {lr_mult: 1}]}", inputs={"x": X})
    assert [p.node.state.lr_mult for p in lowered.parameters] in ([], [0.0, 0.0])
    assert {a.shape for a in states(lowered).values()} == {(1, 3, 1, 1)}


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_segnet_learns_from_the_batch_in_testing_too(phase: str) -> None:
    got = forward("BN: {bottom: x, top: [y, m, v], name: b, bn_mode: LEARN}", phase, {"b.scale": SCALE, "b.shift": SHIFT}, x=X)
    mean, var = X.mean((0, 2, 3)), X.var((0, 2, 3))
    wanted = (X - channel(mean)) / np.sqrt(channel(var) + 1e-9) * channel(SCALE) + channel(SHIFT)
    np.testing.assert_allclose(got["y"], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got["m"], channel(mean), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got["v"], channel(var), rtol=1e-5)


def test_segnets_inference_scales_and_shifts() -> None:
    got = forward("BN: {bottom: x, top: y, name: b, bn_mode: INFERENCE}", "TEST", {"b.scale": SCALE, "b.shift": SHIFT}, x=X)["y"]
    np.testing.assert_allclose(got, X * channel(SCALE) + channel(SHIFT), rtol=1e-6)


@pytest.mark.parametrize("fields, wanted", [
    ("", "Set a field that tells which one is meant"),
    (", frozen: true, bn_mode: LEARN", "Remove `frozen`, or `bn_mode`"),
    (", slope_filler: {value: 1}, shift_filler: {value: 1}", "Remove `slope_filler`, or `shift_filler`"),
])  # fmt: skip
def test_fields_of_both_or_of_none(fields: str, wanted: str) -> None:
    with pytest.raises(SpecError, match=re.escape(wanted)) as e:
        net(f"BN: {{bottom: x, top: y{fields}}}", inputs={"x": X})
    assert "PSPNet (" in str(e.value) and "SegNet (" in str(e.value)
