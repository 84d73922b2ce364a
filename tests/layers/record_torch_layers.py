"""Records torch_layers.npz: the values and gradients of layers by torch 2.14.1 and torchvision 0.29.1.

Run: python tests/layers/record_torch_layers.py
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torchvision.ops import SqueezeExcitation

WRONG = "nearest_scale"  # torch's gradient is not that of its own values here, so it is not recorded

Case = tuple[str, Callable[..., Any], dict[str, Any]]


def upsampled() -> Iterator[Case]:
    """By name: interpolate's arguments, on images of odd sizes."""
    for shape, more in (((2, 3, 5, 4), {}), ((2, 3, 7), {"mode": "linear"}), ((1, 2, 3, 4, 2), {"mode": "trilinear"})):
        x = torch.randn(*shape)
        smooth = more.get("mode", "bilinear")
        rank = len(shape) - 2
        cases: dict[str, dict[str, Any]] = {
            "nearest2": {"scale_factor": 2}, "linear2": {"scale_factor": 2, "mode": smooth},
            "nearest_size": {"size": (9, 10, 3)[:rank]}, "linear_size": {"size": (9, 10, 3)[:rank], "mode": smooth},
            "linear_corners": {"scale_factor": 3, "mode": smooth, "align_corners": True},
            "nearest_scale": {"scale_factor": (1.3, 0.7, 1.7)[:rank]},
            "linear_scale": {"scale_factor": (1.3, 0.7, 1.7)[:rank], "mode": smooth},
        }  # fmt: skip
        for name, arguments in cases.items():
            yield f"upsample/{rank}/{name}", lambda x, arguments=arguments: F.interpolate(x, **arguments), {"x": x}


def convolved() -> Iterator[Case]:
    """A depthwise convolution and a pointwise one."""

    def separable(x: Any, depthwise: Any, pointwise: Any, bias: Any) -> Any:
        return F.conv2d(F.conv2d(x, depthwise, stride=2, padding=1, groups=x.shape[1]), pointwise, bias)

    weights = {"depthwise": torch.randn(6, 1, 3, 3), "pointwise": torch.randn(5, 6, 1, 1), "bias": torch.randn(5)}
    yield "separable", separable, {"x": torch.randn(2, 3, 7, 6), **weights}


def excited() -> Iterator[Case]:
    """torchvision's block, as MobileNetV3 and EfficientNet use it."""
    for name, arguments in {
        "plain": {}, "mobile": {"scale_activation": torch.nn.Hardsigmoid}, "efficient": {"activation": torch.nn.SiLU},
    }.items():  # fmt: skip
        block = SqueezeExcitation(4, 2, **arguments)
        names = {"weight_squeeze": "fc1.weight", "bias_squeeze": "fc1.bias", "weight_excite": "fc2.weight", "bias_excite": "fc2.bias"}

        def apply(x: Any, block: Any = block, names: dict[str, str] = names, **weights: Any) -> Any:
            shaped = {names[n]: w[:, :, None, None] if w.ndim == 2 else w for n, w in weights.items()}
            return torch.func.functional_call(block, shaped, (x,))

        yield f"excite/{name}", apply, {
            "x": torch.randn(2, 4, 3, 3), "weight_squeeze": torch.randn(2, 4), "bias_squeeze": torch.randn(2),
            "weight_excite": torch.randn(4, 2), "bias_excite": torch.randn(4),
        }  # fmt: skip


def shuffled() -> Iterator[Case]:
    yield "shuffle", lambda x: F.pixel_shuffle(x, 2), {"x": torch.randn(2, 8, 3, 2)}
    yield "unshuffle", lambda x: F.pixel_unshuffle(x, 2), {"x": torch.randn(2, 2, 4, 6)}


def aligned() -> Iterator[Case]:
    """CTC losses. Labels are padded with -1; the last row of `long` needs more time steps than there are."""
    label = torch.tensor([[1, 2, 2, 4], [3, -1, -1, -1], [4, 1, 4, -1], [-1, -1, -1, -1], [2, 2, 2, 2]])
    steps = torch.tensor([9, 4, 9, 5, 8])
    for name, arguments, some, given in (
        ("mean", {}, slice(0, 3), False), ("sum", {"reduction": "sum"}, slice(0, 4), True),
        ("last", {"blank": 5}, slice(0, 3), False), ("long", {"zero_infinity": True}, slice(0, 5), True),
    ):  # fmt: skip
        count = 6 if name == "long" else 9

        def loss(x: Any, label: Any, steps: Any = None, arguments: dict[str, Any] = arguments) -> Any:
            given = torch.full((x.shape[1],), len(x)) if steps is None else steps
            return F.ctc_loss(x.log_softmax(2), label.clamp(min=0), given, (label >= 0).sum(1), **arguments)

        times = {"steps": steps[some].clamp(max=count)} if given else {}
        yield f"ctc/{name}", loss, {"x": 2 * torch.randn(count, len(label[some]), 6), "label": label[some], **times}


def overlapping() -> Iterator[Case]:
    """Dice losses by the formula of Milletari et al. 2016, per image and class."""

    def dice(p: Any, y: Any, smooth: float, weights: Any) -> Any:
        both, either = (v.flatten(2).sum(2) for v in (p * y, p + y))
        each = 1 - (2 * both + smooth) / (either + smooth)
        return (each * weights / weights.sum()).sum(1).mean()

    def classes(x: Any, label: Any, weights: Any = torch.ones(3)) -> Any:  # noqa: B008
        return dice(x.softmax(1), F.one_hot(label, 3).movedim(3, 1).double(), 1, weights)

    def masks(x: Any, label: Any) -> Any:
        valid = label != 2
        return dice(x.sigmoid() * valid, label * valid.double(), 0.5, torch.ones(2))

    label = torch.randint(0, 3, (2, 4, 5))
    yield "dice/classes", classes, {"x": torch.randn(2, 3, 4, 5), "label": label}
    yield "dice/weights", partial(classes, weights=torch.tensor([1, 2, 0.5])), {"x": torch.randn(2, 3, 4, 5), "label": label}
    yield "dice/masks", masks, {"x": torch.randn(2, 2, 4, 5), "label": torch.randint(0, 3, (2, 2, 4, 5))}


def recurrent() -> Iterator[Case]:
    """An LSTM with a projection, and LSTM and GRU with normalization by their formulas (Ba et al. 2016)."""
    net = torch.nn.LSTM(3, 5, proj_size=2)
    names = {"weight_x": "weight_ih_l0", "weight_h": "weight_hh_l0", "bias": "bias_ih_l0", "weight_r": "weight_hr_l0"}

    def projected(x: Any, **weights: Any) -> Any:
        given = {names[n]: _turned(w) if n != "weight_r" else w for n, w in weights.items()}
        given["bias_hh_l0"] = torch.zeros(20, dtype=torch.float64)
        return torch.func.functional_call(net, given, (x,))[0]

    shapes = {"weight_x": (20, 3), "bias": (20,), "weight_h": (20, 2), "weight_r": (2, 5)}
    yield "recurrent/projected", projected, {"x": torch.randn(6, 2, 3), **{n: torch.randn(*s) for n, s in shapes.items()}}

    def norm(x: Any, gain: Any) -> Any:
        return F.layer_norm(x, x.shape[-1:], gain, eps=1e-5)

    def lstm(x: Any, weight_x: Any, bias: Any, gain_x: Any, weight_h: Any, gain_h: Any, gain_c: Any, bias_c: Any) -> Any:
        h = c = torch.zeros(x.shape[1], 5, dtype=torch.float64)
        ys = []
        for step in norm(x @ weight_x.T, gain_x) + bias:
            i, f, o, g = (step + norm(h @ weight_h.T, gain_h)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * (norm(c, gain_c) + bias_c).tanh()
            ys.append(h)
        return torch.stack(ys)

    shapes = {"weight_x": (20, 3), "bias": (20,), "gain_x": (20,), "weight_h": (20, 5), "gain_h": (20,), "gain_c": (5,), "bias_c": (5,)}
    yield "recurrent/lstm", lstm, {"x": torch.randn(6, 2, 3), **{n: torch.randn(*s) for n, s in shapes.items()}}

    def gru(x: Any, weight_x: Any, bias: Any, gain_x: Any, weight_h: Any, bias_h: Any, gain_h: Any) -> Any:
        h, ys = torch.zeros(x.shape[1], 5, dtype=torch.float64), []
        for step in norm(x @ weight_x.T, gain_x) + bias:
            (r, z, n), (a, b, c) = step.chunk(3, 1), norm(h @ weight_h.T, gain_h).chunk(3, 1)
            n = (n + (r + a).sigmoid() * (c + bias_h)).tanh()
            z = (z + b).sigmoid()
            h = (1 - z) * n + z * h
            ys.append(h)
        return torch.stack(ys)

    shapes = {"weight_x": (15, 3), "bias": (15,), "gain_x": (15,), "weight_h": (15, 5), "bias_h": (5,), "gain_h": (15,)}
    yield "recurrent/gru", gru, {"x": torch.randn(6, 2, 3), **{n: torch.randn(*s) for n, s in shapes.items()}}


def _turned(w: Any) -> Any:
    """Gates in torch's order i, f, g, o, from netc's i, f, o, g."""
    i, f, o, g = w.chunk(4, 0)
    return torch.cat([i, f, g, o])


def record(name: str, function: Callable[..., Any], inputs: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the arrays of a case: its inputs, y, dy, and the gradients of sum(y dy), computed in double precision."""
    doubles = {n: v.double().requires_grad_() if v.is_floating_point() else v for n, v in inputs.items()}
    y = function(**doubles)
    dy = torch.randn_like(y)
    (y * dy).sum().backward()
    found = {**doubles, "y": y, "dy": dy, **{f"d{n}": v.grad for n, v in doubles.items() if v.requires_grad}}
    arrays = {f"{name}/{n}": v.detach().numpy() for n, v in found.items()}
    kept = {n: a for n, a in arrays.items() if not (WRONG in name and n.endswith("/dx"))}
    return {n: a.astype(np.float32) if a.dtype == np.float64 else a for n, a in kept.items()}


def main() -> None:
    torch.manual_seed(0)
    arrays: dict[str, Any] = {}
    for cases in (upsampled, convolved, excited, shuffled, aligned, overlapping, recurrent):
        for case in cases():
            arrays |= record(*case)
    np.savez_compressed(Path(__file__).with_name("torch_layers.npz"), **arrays)


if __name__ == "__main__":
    main()
