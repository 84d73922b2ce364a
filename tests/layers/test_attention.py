"""Attention against values of torch, against ONNX's op for rotary angles, and what masks hide."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.layers import torch_transformer as torch
from tests.layers.nets import about, forward, gradient
from tests.layers.steps import check_any_size
from tests.layers.test_errors import check_error
from tests.layers.torch_transformer import ATTENTION

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 2, 8)).astype(np.float32)
WIDE = "weight_filler: {type: gaussian, std: 0.6}, bias_filler: {type: gaussian, std: 0.6}"
GROUPED = {"qkv.weight": "weight", "qkv.bias": "bias", "out.weight": "weight_out", "out.bias": "bias_out"}


@about("Attention")
@pytest.mark.parametrize("case, fields", [
    ("attention", "bottom: x, top: y, heads: 4"),
    ("weights", "bottom: x, top: [z, y], heads: 3"),
    ("causal", "bottom: x, top: y, heads: 2, causal: true, bias_term: false"),
])  # fmt: skip
def test_values_and_gradients_are_torchs(case: str, fields: str) -> None:
    torch.check(case, f"Attention: {{name: a, {fields}}}", ATTENTION)


def test_a_cont_and_shared_keys_as_torch() -> None:
    torch.check("cont", "Attention: {name: a, bottom: [x, cont], top: y, heads: 2}", ATTENTION, cont=torch.array("cont"))
    torch.check("grouped", "Attention: {name: a, bottom: x, top: y, heads: 4, kv_heads: 2, causal: true}", GROUPED)


def test_keys_of_another_width_and_padding_as_torch() -> None:
    """torch has a matrix each for queries, keys and values, and one bias."""
    names = {"out_proj.weight": "weight_out", "out_proj.bias": "bias_out"}
    parts = {"weight_query": ["q_proj_weight"], "weight_keys": ["k_proj_weight", "v_proj_weight"]}
    layer = "Attention: {name: a, bottom: [x, z, keys], top: y, heads: 4}"
    x: dict[str, Any] = {n: torch.array(n if n == "keys" else f"cross/{n}") for n in ("x", "z", "keys")}

    def ours(d: str) -> dict[str, np.ndarray]:
        of = {n: torch.array(f"cross/{d}{theirs}") for theirs, n in names.items()}
        bias = torch.array(f"cross/{d}in_proj_bias")
        of |= {"bias_query": bias[:12], "bias_keys": bias[12:]}
        of |= {n: np.concatenate([torch.array(f"cross/{d}{w}") for w in ws]) for n, ws in parts.items()}
        return {f"a.{n}": a for n, a in of.items()}

    torch.near(forward(layer, given=ours(""), **x)["y"], torch.array("cross/y"), "value")
    got = gradient(layer, "y", torch.array("cross/dy"), ours(""), **x)
    for name, expected in {**ours("d/"), "x": torch.array("cross/d/x"), "z": torch.array("cross/d/z")}.items():
        torch.near(got[name], expected, name)
    assert "keys" not in got


def weights_of(fields: str, **inputs: Any) -> np.ndarray:
    return forward(f"Attention: {{name: a, bottom: [{', '.join(inputs)}], top: [y, w], {WIDE}, {fields}}}", **inputs)["w"]


def test_what_no_step_reads() -> None:
    w = weights_of("heads: 2, causal: true", x=X)
    assert w.shape == (2, 2, 6, 6) and not np.triu(w, 1).any()
    np.testing.assert_allclose(w.sum(3), 1, rtol=1e-6)
    cont = [[0, 0], [1, 1], [1, 0], [0, 1], [1, 1], [1, 1]]
    w = weights_of("heads: 2", x=X, cont=cont)
    assert not w[0, :, :3, 3:].any() and not w[0, :, 3:, :3].any() and not w[1, :, 2:, :2].any() and (w[0, :, 3:, 3:] > 0).all()
    keys = [[1, 0], [1, 1], [0, 1], [1, 1], [1, 1], [1, 1]]
    w = weights_of("heads: 2, mask: KEYS", x=X, keys=keys)
    assert not w[0, :, :, 2].any() and not w[1, :, :, 0].any() and (w[0, :, :, :2] > 0).all()


def test_a_row_without_keys_is_finite() -> None:
    """All keys count alike if all are padding."""
    w = weights_of("heads: 2, mask: KEYS, causal: true", x=X, keys=np.zeros((6, 2)))
    np.testing.assert_allclose(w[:, :, 2, :3], 1 / 3, rtol=1e-6)


def rotated(angle_of: Any, x: np.ndarray, heads: int) -> np.ndarray:
    """x (T, N, heads D) with halves of each head rotated."""
    steps, n, c = x.shape
    d = c // heads
    a, b = np.split(x.reshape(steps, n, heads, d), 2, 3)
    angle = angle_of(np.arange(steps)[:, None, None, None], np.arange(d // 2))
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], 3)


def test_rotary_angles() -> None:
    w = RNG.normal(size=(24, 8)).astype(np.float32)
    given = {"a.weight": w, "a.bias": np.zeros(24)}
    fields = "name: a, bottom: x, top: [y, w], heads: 2, rotary: true, rotary_base: 100"
    got = forward(f"Attention: {{{fields}}}", given=given, x=X)["w"]
    q, k = (rotated(lambda t, i: t * 100.0 ** (-i / 2), X @ part.T, 2) for part in (w[:8], w[8:16]))
    scores = np.einsum("tnhd,snhd->nhts", q, k) / 2
    expected = np.exp(scores) / np.exp(scores).sum(3, keepdims=True)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    same = np.repeat(X[:1], 6, 0)  # equal values: the ratio of two weights depends on their distances in time only
    w = forward(f"Attention: {{{fields}}}", given=given, x=same)["w"]
    np.testing.assert_allclose(w[:, :, 1, 2] / w[:, :, 1, 1], w[:, :, 3, 4] / w[:, :, 3, 3], rtol=1e-4)


def test_dropout_is_of_the_weights_and_off_in_tests() -> None:
    layer = f"Attention: {{name: a, bottom: x, top: y, heads: 2, dropout: 0.5, {WIDE}}}"
    plain = layer.replace("dropout: 0.5, ", "")
    np.testing.assert_array_equal(forward(layer, "TEST", x=X)["y"], forward(plain, "TEST", x=X)["y"])
    assert np.abs(forward(layer, x=X)["y"] - forward(plain, x=X)["y"]).max() > 0.01


@pytest.mark.parametrize("fields", ["heads: 2", "heads: 4, kv_heads: 2, causal: true, rotary: true", "heads: 2, causal: true"])
def test_any_number_of_steps_and_rows(fields: str, tmp_path: Path) -> None:
    check_any_size(f"Attention: {{{fields}, {WIDE}}}", tmp_path)


@pytest.mark.parametrize("layer, at, said", [
    ("Attention: {bottom: x, heads: 3}", "heads", "`heads` is 3, which must divide the 8 channels of x. Divisors near it are 1, 2, 4, 8."),
    ("Attention: {bottom: x, heads: 0}", "heads", "`heads` is 0, which must divide the 8 channels"),
    ("Attention: {bottom: x, heads: 4, kv_heads: 3}", "kv_heads", "`kv_heads` is 3, which must divide `heads`, 4."),
    ("Attention: {bottom: x, heads: 8, rotary: true}", "rotary", "`rotary` turns pairs of values, but a head has 1."),
    ("Attention: {bottom: x, rotary: true, rotary_base: 1}", "rotary_base", "`rotary_base` must be above 1, not 1."),
    ("Attention: {bottom: x, dropout: 1}", "dropout", "`dropout` must be at least 0 and below 1, not 1."),
    ("Attention: {bottom: v}", "bottom", "Expected time x batch x channels. v is 6x2."),
    ("Attention: {bottom: [x, z]}", "z]", "z is 5x3x8. Its batch (axis 1) must be that of x, 6x2x8."),
    ("Attention: {bottom: [x, x], causal: true}", "causal", "`causal` compares the steps of one sequence."),
    ("Attention: {bottom: [x, w]}", "w]", "w is 5x2. The mask must be time x batch, 6x2."),
    ("Attention: {bottom: x, mask: KEYS}", "mask", "`mask` is set, but no bottom is a mask (time x batch)."),
    ("Attention: {bottom: [x, x, v], mask: CONT}", "mask", "With keys of their own, use KEYS."),
    ("Attention: {bottom: [x, v, v]}", "bottom", "It reads x (T, N, C), keys (S, N, K) and a mask (S, N), but x is 6x2x8, v is 6x2"),
])  # fmt: skip
def test_errors(layer: str, at: str, said: str) -> None:
    check_error(layer, at, said, {"x": X, "v": np.ones((6, 2)), "w": np.ones((5, 2)), "z": np.ones((5, 3, 8))})
