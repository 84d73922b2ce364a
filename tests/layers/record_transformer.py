"""Records torch_transformer.npz: outputs and gradients of the layers of Transformers, of torch 2.14.1.

Run: python tests/layers/record_transformer.py
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

T, N, C, S = 7, 3, 12, 5
HALF = torch.triu(torch.full((T, T), -torch.inf), 1)  # hides later steps


def keys() -> Tensor:
    """1 for keys that may be read: a prefix of each row."""
    return (torch.arange(S)[:, None] < torch.tensor([5, 2, 3])[None]).float()


def cont() -> Tensor:
    """0 where a sequence starts."""
    marks = torch.ones(T, N)
    marks[0], marks[3, 1], marks[4, 1], marks[5, 2] = 0, 0, 0, 0
    return marks


def apart(heads: int) -> Tensor:
    """The mask of torch, (N heads, T, T), that hides the steps of other sequences."""
    number = (1 - cont()).cumsum(0).T
    return (number[:, None] != number[:, :, None]).repeat_interleave(heads, 0)


def attention(x: Tensor, net: nn.Module, **more: Any) -> Tensor:
    return net(x, x, x, **more)[0]


def weights(x: Tensor, net: nn.Module, **more: Any) -> Tensor:
    return net(x, x, x, average_attn_weights=False, **more)[1]


class Grouped(nn.Module):
    """Heads that share keys, through torch's scaled_dot_product_attention."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(C, C + C), nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).split([C, C // 2, C // 2], 2)
        q, k, v = (a.view(T, N, -1, 3).permute(1, 2, 0, 3) for a in (q, k, v))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.out(y.permute(2, 0, 1, 3).reshape(T, N, C))


def encoder(**more: Any) -> nn.Module:
    return nn.TransformerEncoderLayer(C, 4, 20, 0.0, **{"activation": functional.gelu, "norm_first": True, **more})


def cross(x: Tensor, z: Tensor, net: nn.Module, **more: Any) -> Tensor:
    return net(x, z, z, **more)[0]


def simple(x: Tensor, net: nn.Module) -> Tensor:
    return net(x)


IMAGE = (2, 6, 4, 3)
# By case: the module, its call, and the shapes of its inputs.
CASES: dict[str, tuple[nn.Module | Callable[[], nn.Module], Callable[..., Tensor], dict[str, tuple[int, ...]]]] = {
    "attention": (lambda: nn.MultiheadAttention(C, 4), attention, {"x": (T, N, C)}),
    "weights": (lambda: nn.MultiheadAttention(C, 3), weights, {"x": (T, N, C)}),
    "causal": (lambda: nn.MultiheadAttention(C, 2, bias=False), lambda x, net: attention(x, net, attn_mask=HALF), {"x": (T, N, C)}),
    "cont": (lambda: nn.MultiheadAttention(C, 2), lambda x, net: attention(x, net, attn_mask=apart(2)), {"x": (T, N, C)}),
    "grouped": (Grouped, simple, {"x": (T, N, C)}),
    "cross": (
        lambda: nn.MultiheadAttention(C, 4, kdim=8, vdim=8),
        lambda x, z, net: cross(x, z, net, key_padding_mask=keys().T == 0),
        {"x": (T, N, C), "z": (S, N, 8)},
    ),
    "encoder": (lambda: encoder(), lambda x, net: net(x, src_mask=HALF), {"x": (T, N, C)}),
    "encoder_last": (lambda: encoder(norm_first=False, activation=functional.relu), simple, {"x": (T, N, C)}),
    "layer_norm": (lambda: nn.LayerNorm(C), simple, {"x": (T, N, C)}),
    "layer_norm_axes": (lambda: nn.LayerNorm((N, C), bias=False, eps=0.01), simple, {"x": (T, N, C)}),
    "rms_norm": (lambda: nn.RMSNorm(C), simple, {"x": (T, N, C)}),
    "group_norm": (lambda: nn.GroupNorm(3, 6), simple, {"x": IMAGE}),
    "instance_norm": (lambda: nn.InstanceNorm2d(6), simple, {"x": IMAGE}),
    "instance_norm_affine": (lambda: nn.InstanceNorm2d(6, eps=0.1, affine=True), simple, {"x": IMAGE}),
    "gelu": (lambda: nn.GELU(), simple, {"x": (5, 7)}),
    "gelu_tanh": (lambda: nn.GELU("tanh"), simple, {"x": (5, 7)}),
    "silu": (lambda: nn.SiLU(), simple, {"x": (5, 7)}),
    "mish": (lambda: nn.Mish(), simple, {"x": (5, 7)}),
    "hard_swish": (lambda: nn.Hardswish(), simple, {"x": (5, 7)}),
}


def record(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of one case, float32: inputs, parameters, y, dy, and the gradients of sum(y dy)."""
    torch.manual_seed(len(name))
    make, call, shapes = CASES[name]
    net = make()
    for p in net.parameters():  # norms and biases start at 1 and 0
        nn.init.normal_(p, 1.0 if p.dim() < 2 else 0.0, 0.4)
    inputs = {n: torch.randn(shape, requires_grad=True) for n, shape in shapes.items()}
    if name not in ("attention", "weights", "causal", "cont", "cross", "encoder", "encoder_last", "grouped"):
        inputs = {n: (3 * x).detach().requires_grad_() for n, x in inputs.items()}
    y = call(*inputs.values(), net)
    dy = torch.randn_like(y)
    (y * dy).sum().backward()
    found = {"y": y, "dy": dy} | inputs | dict(net.named_parameters())
    found |= {f"d/{n}": v.grad for n, v in (*inputs.items(), *net.named_parameters()) if v.grad is not None}
    return {f"{name}/{n}": v.detach().numpy() for n, v in found.items()}


if __name__ == "__main__":
    arrays: dict[str, Any] = {"keys": keys().numpy(), "cont": cont().numpy()}
    for case in CASES:
        arrays |= record(case)
    np.savez_compressed(Path(__file__).with_name("torch_transformer.npz"), **arrays)
