"""Records torch_recurrent.npz: the outputs and gradients of the LSTM and the GRU of torch 2.13.0.

Run: python tests/layers/record_torch.py
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

T, N, INPUTS, HIDDEN = 20, 3, 6, 8


def record(kind: str) -> dict[str, np.ndarray]:
    """Return the arrays of one case, float32: x (T, N, I), weights in torch's layout, y, dy and the gradients of sum(y dy)."""
    torch.manual_seed(0)
    net = getattr(torch.nn, kind)(INPUTS, HIDDEN)
    x = torch.randn(T, N, INPUTS, requires_grad=True)
    y, _ = net(x)
    dy = torch.randn_like(y)
    (y * dy).sum().backward()
    found = {"x": x, "y": y, "dy": dy, "dx": x.grad}
    found |= {name: p for name, p in net.named_parameters()} | {f"d{name}": p.grad for name, p in net.named_parameters()}
    return {f"{kind}/{name.removesuffix('_l0')}": value.detach().numpy() for name, value in found.items()}


if __name__ == "__main__":
    arrays: dict[str, Any] = record("LSTM") | record("GRU")
    np.savez_compressed(Path(__file__).with_name("torch_recurrent.npz"), **arrays)
