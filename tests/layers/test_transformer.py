"""Transformer against torch's TransformerEncoderLayer, and against the layers that it is made of."""

from pathlib import Path

import numpy as np
import pytest

from tests.layers import torch_transformer as torch
from tests.layers.nets import about, forward, net
from tests.layers.steps import check_any_size
from tests.layers.test_errors import check_error
from tests.layers.torch_transformer import ATTENTION

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 2, 8)).astype(np.float32)
ENCODER = {f"self_attn.{theirs}": ours for theirs, ours in ATTENTION.items()} | {
    "linear1.weight": "weight_hidden", "linear1.bias": "bias_hidden", "linear2.weight": "weight_output", "linear2.bias": "bias_output",
    "norm1.weight": "norm1_scale", "norm1.bias": "norm1_bias", "norm2.weight": "norm2_scale", "norm2.bias": "norm2_bias",
}  # fmt: skip


@about("Transformer")
@pytest.mark.parametrize("case, fields", [
    ("encoder", "heads: 4, hidden: 20, causal: true"),
    ("encoder_last", "heads: 4, hidden: 20, norm_first: false, activation: RELU"),
])  # fmt: skip
def test_values_and_gradients_are_torchs(case: str, fields: str) -> None:
    torch.check(case, f"Transformer: {{name: a, bottom: x, top: y, {fields}}}", ENCODER)


LAYERS = """\
RMSNorm: {name: n1, bottom: x, eps: 1e-5}
Attention: {name: a, heads: 4, kv_heads: 2, rotary: true, bias_term: false}
Eltwise: {bottom: [x, a], top: s}
RMSNorm: {name: n2, bottom: s, eps: 1e-5}
InnerProduct: {name: h, num_output: 32, axis: 2, bias_term: false}
SiLU
InnerProduct: {name: o, num_output: 8, axis: 2, bias_term: false}
Eltwise: {bottom: [s, o], top: y}"""
BLOBS = {"n1.scale": "norm1_scale", "a.weight": "weight", "a.weight_out": "weight_out", "n2.scale": "norm2_scale",
         "h.weight": "weight_hidden", "o.weight": "weight_output"}  # fmt: skip


def test_it_is_its_layers() -> None:
    fields = "heads: 4, kv_heads: 2, rotary: true, bias_term: false, norm: RMS, activation: SILU"
    block = f"Transformer: {{name: t, bottom: x, top: y, {fields}}}"
    parameters = net(block, inputs={"x": X}).parameters
    assert [p.node.name for p in parameters] == [f"t.{n}" for n in BLOBS.values()]
    given = {p.node.name: RNG.normal(size=tuple(map(int, p.shape))) for p in parameters}
    expected = forward(LAYERS, given={ours: given[f"t.{n}"] for ours, n in BLOBS.items()}, x=X)["y"]
    np.testing.assert_allclose(forward(block, given=given, x=X)["y"], expected, rtol=1e-4, atol=1e-5)


def test_a_mask_separates_sequences() -> None:
    cont = np.array([[0, 0], [1, 1], [1, 1], [0, 1], [1, 1], [1, 1]])
    block = "Transformer: {bottom: [x, cont], top: y, heads: 2}"
    whole = forward(block, x=X, cont=cont)["y"][3:, :1]
    alone = forward(block, x=X[3:, :1], cont=cont[3:, :1])["y"]
    np.testing.assert_allclose(whole, alone, rtol=1e-5, atol=1e-6)


def test_any_number_of_steps_and_rows(tmp_path: Path) -> None:
    check_any_size(
        "Transformer: {heads: 2, causal: true, rotary: true, dropout: 0.1}\nTransformer: {norm: RMS, norm_first: false}", tmp_path
    )


@pytest.mark.parametrize("layer, at, said", [
    ("Transformer: {bottom: x, heads: 5}", "heads", "`heads` is 5, which must divide the 8 channels of x."),
    ("Transformer: {bottom: x, hidden: 0}", "hidden", "`hidden` must be 1 or more."),
    ("Transformer: {bottom: v}", "bottom", "Expected time x batch x channels. v is 6x2."),
    ("Transformer: {bottom: [x, x]}", "x]", "x is 6x2x8. A mask is time x batch."),
    ("Transformer: {bottom: x, dropout: 1.5}", "dropout", "`dropout` must be at least 0 and below 1, not 1.5."),
])  # fmt: skip
def test_errors(layer: str, at: str, said: str) -> None:
    check_error(layer, at, said, {"x": X, "v": np.ones((6, 2))})
