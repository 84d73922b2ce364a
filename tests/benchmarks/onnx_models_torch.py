"""Exports models of torch and torchvision to ONNX files, with their outputs and gradients, for `onnx_models.py`.

    python onnx_models_torch.py FOLDER [NAME...]

It runs where torch, torchvision, onnx and onnxscript are installed; netc is not needed. For each model it writes `torch_NAME.onnx`, and
`torch_NAME.npz` with the inputs, the outputs, the factors of the loss (the sum of factor * output), and the gradient of each parameter.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import nn


@dataclass(frozen=True)
class Case:
    """A model, its inputs, and how it is exported. `dynamo` is torch's newer exporter."""

    make: Callable[[], nn.Module]
    inputs: tuple[Any, ...]
    opset: int
    dynamo: bool


def image(size: int, channels: int = 3) -> torch.Tensor:
    return torch.randn(2, channels, size, size)


class Sequence(nn.Module):
    """A recurrent net over tokens, or over vectors."""

    def __init__(self, kind: str, **settings: Any):
        super().__init__()
        self.body = getattr(nn, kind)(12, 16, batch_first=True, **settings)
        self.head = nn.Linear(16 * (2 if settings.get("bidirectional") else 1), 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.body(x)
        return self.head(y[:, -1])


class Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        q, k, v = (p.view(b, t, self.heads, c // self.heads).transpose(1, 2) for p in self.qkv(self.n1(x)).split(c, dim=2))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, c))
        return x + self.mlp(self.n2(x))


class GPT(nn.Module):
    """nanoGPT's model, small: learned positions, causal attention, tied embeddings."""

    def __init__(self, vocabulary: int = 65, width: int = 64, heads: int = 4, layers: int = 3, context: int = 32):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
        for block in self.blocks:
            y = block(y)
        return self.head(self.norm(y))


def detection(name: str, **settings: Any) -> Callable[[], nn.Module]:
    """The body of a detector: the images' features at several scales."""

    def make() -> nn.Module:
        whole = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None, **settings)
        return Maps(whole.backbone)

    return make


def segmentation(name: str) -> Callable[[], nn.Module]:
    return lambda: Maps(getattr(torchvision.models.segmentation, name)(weights=None, weights_backbone=None))


class Maps(nn.Module):
    """The tensors of a model that returns a dictionary."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.body(x).values())


def vision(name: str, **settings: Any) -> Callable[[], nn.Module]:
    return lambda: getattr(torchvision.models, name)(weights=None, **settings)


def transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, activation="gelu", dropout=0.0)
    body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    for parameter in body.layers[1].parameters():  # both layers start as copies
        nn.init.normal_(parameter, std=0.1)
    return body


def small_vit() -> nn.Module:
    return torchvision.models.VisionTransformer(64, 16, num_layers=4, num_heads=4, hidden_dim=96, mlp_dim=192, num_classes=10)


TOKENS = (torch.arange(2 * 24).reshape(2, 24) * 7 % 65,)
WAVES = (torch.linspace(-1, 1, 2 * 15 * 12).reshape(2, 15, 12).sin(),)
CASES = {
    "resnet18_13": Case(vision("resnet18"), (image(64),), 13, False),
    "resnet18_18d": Case(vision("resnet18"), (image(64),), 18, True),
    "mobilenet_v3_small_17": Case(vision("mobilenet_v3_small"), (image(64),), 17, False),
    "mobilenet_v3_small_20d": Case(vision("mobilenet_v3_small"), (image(64),), 20, True),
    "efficientnet_b0_17": Case(vision("efficientnet_b0"), (image(64),), 17, False),
    "efficientnet_b0_23d": Case(vision("efficientnet_b0"), (image(64),), 23, True),
    "shufflenet_v2_13": Case(vision("shufflenet_v2_x1_0"), (image(64),), 13, False),
    "convnext_tiny_17": Case(vision("convnext_tiny"), (image(64),), 17, False),
    "convnext_tiny_20d": Case(vision("convnext_tiny"), (image(64),), 20, True),
    "vit_b_16_17": Case(vision("vit_b_16", image_size=64), (image(64),), 17, False),
    "vit_small_14": Case(small_vit, (image(64),), 14, False),
    "vit_small_20d": Case(small_vit, (image(64),), 20, True),
    "vit_small_23d": Case(small_vit, (image(64),), 23, True),
    "swin_t_17": Case(vision("swin_t"), (image(64),), 17, False),
    "squeezenet_13": Case(vision("squeezenet1_1"), (image(64),), 13, False),
    "densenet121_16": Case(vision("densenet121"), (image(64),), 16, False),
    "regnet_y_400mf_18d": Case(vision("regnet_y_400mf"), (image(64),), 18, True),
    "mnasnet_15": Case(vision("mnasnet0_5"), (image(64),), 15, False),
    "nanogpt_14": Case(GPT, TOKENS, 14, False),
    "nanogpt_18d": Case(GPT, TOKENS, 18, True),
    "nanogpt_23d": Case(GPT, TOKENS, 23, True),
    "transformer_17": Case(transformer, (torch.randn(2, 9, 32),), 17, False),
    "transformer_20d": Case(transformer, (torch.randn(2, 9, 32),), 20, True),
    "lstm_13": Case(lambda: Sequence("LSTM", num_layers=2, bidirectional=True), WAVES, 13, False),
    "lstm_18d": Case(lambda: Sequence("LSTM"), WAVES, 18, True),
    "gru_17": Case(lambda: Sequence("GRU", num_layers=2), WAVES, 17, False),
    "gru_18d": Case(lambda: Sequence("GRU", bidirectional=True), WAVES, 18, True),
    "rnn_17": Case(lambda: Sequence("RNN", nonlinearity="relu"), WAVES, 17, False),
    "ssdlite_body_17": Case(detection("ssdlite320_mobilenet_v3_large"), (image(96),), 17, False),
    "fasterrcnn_mobilenet_body_17": Case(detection("fasterrcnn_mobilenet_v3_large_fpn"), (image(96),), 17, False),
    "fasterrcnn_mobilenet_body_18d": Case(detection("fasterrcnn_mobilenet_v3_large_fpn"), (image(96),), 18, True),
    "lraspp_17": Case(segmentation("lraspp_mobilenet_v3_large"), (image(96),), 17, False),
    "deeplabv3_mobilenet_18d": Case(segmentation("deeplabv3_mobilenet_v3_large"), (image(96),), 18, True),
}


def settled(model: nn.Module) -> nn.Module:
    """The model for inference, with moments, scales and biases that are not the initial ones."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.2, 0.2)
        for parameter in model.parameters():
            if parameter.ndim and (parameter == parameter.flatten()[0]).all():  # exporters make equal tensors one
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def export(folder: Path, name: str, case: Case) -> None:
    """Write the files of one model. A model that is there already is not exported again."""
    torch.manual_seed(0)
    model = settled(case.make())
    path = folder / f"torch_{name}.onnx"
    names = [f"x{k}" for k in range(len(case.inputs))]
    if not path.exists():
        _export(model, path, names, case)
    np.savez(path.with_suffix(".npz"), **{k: v.numpy() for k, v in recorded(model, names, case.inputs).items()})


def _export(model: nn.Module, path: Path, names: list[str], case: Case) -> None:
    if case.dynamo:
        batch = torch.export.Dim("batch", min=1, max=1024)
        shapes = tuple({0: batch} for _ in case.inputs)
        settings: dict[str, Any] = {"dynamic_shapes": shapes, "external_data": False, "verbose": False}
    else:
        settings = {"dynamic_axes": {n: {0: "batch"} for n in names}}
    torch.onnx.export(model, case.inputs, str(path), input_names=names, opset_version=case.opset, dynamo=case.dynamo, **settings)


def recorded(model: nn.Module, names: list[str], inputs: tuple[Any, ...]) -> dict[str, torch.Tensor]:
    """The inputs, outputs, factors and gradients, computed in doubles: in floats a ReLU near zero can turn over."""
    parameters = {f"parameter/{n}": p.detach().clone() for n, p in model.named_parameters()}
    model = model.double()
    given = [(x.double() if x.is_floating_point() else x.clone()).requires_grad_(x.is_floating_point()) for x in inputs]
    outputs = model(*given)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    factors = [torch.randn_like(y, dtype=torch.float32) for y in outputs]
    sum((y * c).sum() for y, c in zip(outputs, factors, strict=True)).backward()
    arrays = parameters | {f"input/{n}": x.detach() for n, x in zip(names, given, strict=True)}
    arrays |= {f"input_grad/{n}": x.grad for n, x in zip(names, given, strict=True) if x.grad is not None}
    arrays |= {f"output/{k}": y.detach() for k, y in enumerate(outputs)} | {f"factor/{k}": c for k, c in enumerate(factors)}
    arrays |= {f"grad/{n}": p.grad for n, p in model.named_parameters() if p.grad is not None}
    kept = {n: a for n, a in arrays.items() if not n.startswith("parameter/") or n.replace("parameter/", "grad/") in arrays}
    return {n: a.float() if a.is_floating_point() else a for n, a in kept.items()}


def main(folder: str, *names: str) -> None:
    """Export the models of these names, or all."""
    torch.set_num_threads(1)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in names or CASES:
        try:
            export(Path(folder), name, CASES[name])
            print("exported", name, flush=True)
        except Exception as e:  # an exporter that fails must not end the others
            print("failed", name, f"{type(e).__name__}: {str(e)[:200]}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
