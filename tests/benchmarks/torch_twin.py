"""The PyTorch module of a netc net: the same layers, of torch's own modules and functions, with its loss."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from netc import netc_pb2 as pb
from netc.net.model import Layer, ResolvedNet

Forward = Callable[..., Tensor]


class Twin(nn.Module):
    """Called with the net's inputs by blob; returns the weighted sum of its losses."""

    def __init__(
        self, net: ResolvedNet, shapes: Mapping[str, tuple[int, ...]], start: Mapping[str, np.ndarray], noise: Mapping[str, np.ndarray]
    ) -> None:
        super().__init__()
        self.steps: list[tuple[Layer, Forward]] = []
        layers = [layer for layer in net.layers if layer.type not in ("Input", "Data", "Accuracy")]
        for layer, after in zip(layers, [*layers[1:], None], strict=True):
            if layer.type == "Scale":
                continue  # it is in the BatchNorm before it
            made = _RBM(layer, shapes, noise) if layer.type == "RBM" else MAKERS[layer.type](layer, shapes)
            if isinstance(made, nn.Module):
                self.add_module(layer.name.replace(".", "_"), made)
                owner = after if layer.type == "BatchNorm" and after else layer
                _fill(made, {n.partition(".")[2]: a for n, a in start.items() if n.partition(".")[0] == owner.name})
            self.steps.append((layer, made))

    def forward(self, blobs: dict[str, Tensor]) -> Tensor:
        blobs, losses = dict(blobs), []
        for layer, run in self.steps:
            y = run(*(blobs[b] for b in layer.bottoms))
            if layer.type.endswith("Loss") or layer.type == "RBM":
                losses.append(y * (layer.param.loss_weight[0] if layer.param.loss_weight else 1.0))
            else:
                blobs[layer.tops[0]] = y
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]


def _fill(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    with torch.no_grad():
        if isinstance(module, _Recurrent | _Transformer):
            module.fill(arrays)
            return
        for name, array in arrays.items():
            parameter = getattr(module, {"scale": "weight"}.get(name, name))
            parameter.copy_(torch.from_numpy(array.reshape(parameter.shape)))


class _RBM(nn.Module):
    """Called with the data, it gives its own loss, F(v0) - F(v1), with the same random numbers each time."""

    def __init__(self, layer: Layer, shapes: Mapping[str, tuple[int, ...]], noise: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        hidden, visible = layer.param.rbm_param.num_output, shapes[layer.bottoms[0]][1]
        sizes = {"weight": (hidden, visible), "bias": (hidden,), "visible_bias": (visible,)}
        for name, size in sizes.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(size)))
        self.uniform = {kind: torch.from_numpy(noise[f"noise/{layer.name}.{kind}1"]) for kind in ("hidden", "visible")}

    def forward(self, v: Tensor) -> Tensor:
        x = functional.linear(v, self.weight, self.bias)
        with torch.no_grad():
            h = (self.uniform["hidden"] < torch.sigmoid(x)).float()
            sample = (self.uniform["visible"] < torch.sigmoid(torch.addmm(self.visible_bias, h, self.weight))).float()
        return self.free_energy(v, x) - self.free_energy(sample, functional.linear(sample, self.weight, self.bias))

    def free_energy(self, v: Tensor, x: Tensor) -> Tensor:
        return -(v @ self.visible_bias + functional.softplus(x).sum(1)).mean()


class _Recurrent(nn.Module):
    """An LSTM or a GRU under the names that netc's weights have; of torch's two biases the second is zero, but for a GRU's last third."""

    def __init__(self, layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.kind, hidden = layer.type, layer.param.recurrent_param.num_output
        self.net = getattr(nn, layer.type)(shapes[layer.bottoms[0]][2], hidden)

    def fill(self, arrays: Mapping[str, np.ndarray]) -> None:
        net = self.net
        net.bias_hh_l0.zero_()
        for name, mine in (("weight_x", net.weight_ih_l0), ("weight_h", net.weight_hh_l0), ("bias", net.bias_ih_l0)):
            parts = np.split(arrays[name], 4 if self.kind == "LSTM" else 3)
            ordered = [parts[k] for k in (0, 1, 3, 2)] if self.kind == "LSTM" else parts  # i f o g to i f g o
            mine.copy_(torch.from_numpy(np.concatenate(ordered)))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)[0]


class _RecursiveTensor(nn.Module):
    """All nodes of a level at once, with the products that netc forms; autograd does the rest."""

    def __init__(self, layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        d = shapes[layer.bottoms[0]][1]
        for name, size in {"weight": (d, 2 * d), "bias": (d,), "tensor": (d, 2 * d, 2 * d)}.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(size)))

    def forward(self, leaf: Tensor, child: Tensor, width: Tensor) -> Tensor:
        nodes, d = leaf, len(self.bias)
        symmetric = ((self.tensor + self.tensor.transpose(1, 2)) * 0.5).reshape(d * 2 * d, 2 * d)
        for pairs in child.split([n for n in width.tolist() if n]):
            z = nodes[pairs].reshape(-1, 2 * d)
            maps = functional.linear(z, symmetric, self.weight.reshape(-1)).reshape(-1, d, 2 * d)
            nodes = torch.cat([nodes, torch.tanh((maps @ z[:, :, None]).squeeze(2) + self.bias)])
        return nodes


class _Transformer(nn.Module):
    """A block of nanoGPT, over (batch, time, channels): torch's fused attention, LayerNorm, and GELU."""

    NAMES: Mapping[str, str] = {
        "norm1_scale": "norm1.weight", "norm1_bias": "norm1.bias", "weight": "qkv.weight", "bias": "qkv.bias", "weight_out": "out.weight",
        "bias_out": "out.bias", "norm2_scale": "norm2.weight", "norm2_bias": "norm2.bias", "weight_hidden": "hidden.weight",
        "bias_hidden": "hidden.bias", "weight_output": "top.weight", "bias_output": "top.bias",
    }  # fmt: skip

    def __init__(self, layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        c = shapes[layer.bottoms[0]][2]
        self.heads = layer.param.attention_param.heads
        self.norm1, self.norm2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.qkv, self.out, self.hidden, self.top = (nn.Linear(*s) for s in ((c, 3 * c), (c, c), (c, 4 * c), (4 * c, c)))

    def fill(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            self.get_parameter(self.NAMES[name]).copy_(torch.from_numpy(array))

    def forward(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        q, k, v = (part.view(n, t, self.heads, -1).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(c, 2))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, c))
        return x + self.top(functional.gelu(self.hidden(self.norm2(x))))


class _Position(nn.Module):
    def __init__(self, layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        steps, _, c = shapes[layer.bottoms[0]]
        self.weight = nn.Parameter(torch.zeros(steps, c))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


def _embed(layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
    """Tokens (time, batch) become (batch, time, channels), as torch's attention reads them."""
    table = nn.Embedding(layer.param.embed_param.input_dim, layer.param.embed_param.num_output)
    table.register_forward_pre_hook(lambda _, x: (x[0].T if x[0].dim() == 2 else x[0],))
    return table


def _convolution(layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
    p = layer.param.convolution_param
    stride, pad = (p.stride[0] if p.stride else 1), (p.pad[0] if p.pad else 0)
    channels = shapes[layer.bottoms[0]][1]
    return nn.Conv2d(channels, p.num_output, p.kernel_size[0], stride, pad, groups=p.group, bias=p.bias_term)


def _inner_product(layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
    p = layer.param.inner_product_param
    linear = nn.Linear(int(np.prod(shapes[layer.bottoms[0]][p.axis :])), p.num_output)
    linear.register_forward_pre_hook(lambda _, x: (x[0].flatten(p.axis),))
    return linear


def _pooling(layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> Forward:
    p = layer.param.pooling_param
    if p.global_pooling:
        return lambda x: functional.adaptive_avg_pool2d(x, 1)
    run = functional.max_pool2d if p.pool == pb.PoolingParameter.MAX else functional.avg_pool2d
    return lambda x: run(x, p.kernel_size, p.stride, p.pad, ceil_mode=True)


def _lrn(layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> Forward:
    p = layer.param.lrn_param
    size, alpha, beta, k = p.local_size, p.alpha, p.beta, p.k
    if p.norm_region == pb.LRNParameter.ACROSS_CHANNELS:
        return lambda x: functional.local_response_norm(x, size, alpha, beta, k)
    return lambda x: x * (1 + alpha * functional.avg_pool2d(x * x, size, 1, size // 2)) ** -beta


def _softmax_loss(x: Tensor, labels: Tensor) -> Tensor:
    """For images and rows; or for (batch, time, classes) and labels (time, batch)."""
    if labels.dim() == 2:
        return functional.cross_entropy(x.flatten(0, 1), labels.T.flatten())
    return functional.cross_entropy(x.flatten(1), labels)


def _sigmoid_loss(layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> Forward:
    return lambda x, targets: functional.binary_cross_entropy_with_logits(x, targets, reduction="sum") / len(x)


MAKERS: dict[str, Callable[[Layer, Mapping[str, tuple[int, ...]]], Any]] = {
    "BatchNorm": lambda layer, shapes: nn.BatchNorm2d(shapes[layer.bottoms[0]][1]),
    "Concat": lambda layer, shapes: lambda *xs: torch.cat(xs, 1),
    "Convolution": _convolution,
    "Embed": _embed,
    "Eltwise": lambda layer, shapes: lambda a, b: a + b,
    "GRU": _Recurrent,
    "InnerProduct": _inner_product,
    "LSTM": _Recurrent,
    "LastStep": lambda layer, shapes: lambda x: x[-1],
    "LRN": _lrn,
    "LayerNorm": lambda layer, shapes: nn.LayerNorm(shapes[layer.bottoms[0]][-1]),
    "Pooling": _pooling,
    "Position": _Position,
    "RecursiveTensor": _RecursiveTensor,
    "ReLU": lambda layer, shapes: functional.relu,
    "Sigmoid": lambda layer, shapes: torch.sigmoid,
    "SigmoidCrossEntropyLoss": _sigmoid_loss,
    "SoftmaxWithLoss": lambda layer, shapes: _softmax_loss,
    "TanH": lambda layer, shapes: torch.tanh,
    "Transformer": _Transformer,
}
