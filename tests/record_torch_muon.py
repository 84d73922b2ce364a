"""Records torch_muon.npz: matrices that torch.optim.Muon of torch 2.14.1 updates, with its Newton-Schulz iterations in float32.

Run: python tests/record_torch_muon.py
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

SHAPES = {"wide": (4, 7), "tall": (9, 5), "square": (6, 6), "kernel": (5, 3, 2, 2), "row": (1, 8)}
STEPS = 6


def record(name: str, adjust: str) -> dict[str, np.ndarray]:
    """Return the start, the gradients and the weights after each step."""
    torch.manual_seed(len(name))
    shape = SHAPES[name]
    w = torch.nn.Parameter(torch.randn(shape[0], int(np.prod(shape[1:]))))
    found, start = [], w.detach().clone()
    gradients = torch.randn(STEPS, *w.shape)
    optimizer = torch.optim.Muon([w], lr=0.05, weight_decay=0.1, momentum=0.9, adjust_lr_fn=adjust)
    for g in gradients:
        w.grad = g.clone()
        optimizer.step()
        found.append(w.detach().numpy().reshape(shape).copy())
    key = f"{name}/{adjust}"
    return {
        f"{key}/start": start.numpy().reshape(shape),
        f"{key}/gradients": gradients.numpy().reshape(STEPS, *shape),
        f"{key}/weights": np.stack(found),
    }


if __name__ == "__main__":
    torch.Tensor.bfloat16 = torch.Tensor.float  # torch rounds to bfloat16 before its iterations
    arrays: dict[str, Any] = {}
    for name in SHAPES:
        for adjust in ("original", "match_rms_adamw"):
            arrays |= record(name, adjust)
    np.savez_compressed(Path(__file__).with_name("torch_muon.npz"), **arrays)
