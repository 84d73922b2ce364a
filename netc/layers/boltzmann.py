"""Restricted Boltzmann machines, trained by contrastive divergence.

The loss of a machine is F(v0) - F(vk), the free energies of the data and of samples. No gradient flows through the samples. The gradient of
this loss is the rule of contrastive divergence. For the weights, it is <v h> of the samples minus <v h> of the data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np

from netc import netc_pb2 as pb
from netc import random
from netc.graph.ir import Value, cast, op, stop
from netc.graph.tensor_type import Shape
from netc.graph.training_ops.activation import softplus
from netc.layers.context import Context, sizes
from netc.registry import layer

Noise = Callable[[str, Shape, str], Value]
BINARY = pb.RBMParameter.BINARY


@dataclass(frozen=True)
class Machine:
    """An RBM: `weight` (hidden, visible), `visible_bias`, `hidden_bias`, and whether its units are Gaussian instead of binary.

    p(v, h) is proportional to exp(v b + h c + h W v). For Gaussian units, v^2 / 2 or h^2 / 2 is subtracted in the exponent.
    """

    weight: Value
    visible_bias: Value
    hidden_bias: Value
    gaussian_visible: bool = False
    gaussian_hidden: bool = False

    def hidden_input(self, v: Value) -> Value:
        """W v + c for each row."""
        return op.Gemm(v, self.weight, self.hidden_bias, transB=1)

    def hidden_mean(self, v: Value) -> Value:
        """The mean of p(h | v)."""
        x = self.hidden_input(v)
        return x if self.gaussian_hidden else op.Sigmoid(x)

    def visible_mean(self, h: Value) -> Value:
        """The mean of p(v | h)."""
        x = op.Gemm(h, self.weight, self.visible_bias)
        return x if self.gaussian_visible else op.Sigmoid(x)

    def free_energy(self, v: Value) -> Value:
        """F(v) = -log of the sum over h of exp(-E(v, h)), averaged over the rows, a scalar."""
        x = self.hidden_input(v)
        folded = op.ReduceSum(x * x * 0.5 if self.gaussian_hidden else softplus(x), [1], keepdims=0)
        if self.gaussian_visible:
            distance = v - self.visible_bias
            return op.ReduceMean(op.ReduceSum(distance * distance * 0.5, [1], keepdims=0) - folded, keepdims=0)
        linear = op.MatMul(v, op.Unsqueeze(self.visible_bias, [1]))
        return op.ReduceMean(-op.Squeeze(linear, [1]) - folded, keepdims=0)

    def sample(self, mean: Value, gaussian: bool, name: str, noise: Noise) -> Value:
        """Random units with these means."""
        if gaussian:
            return mean + noise(name, mean.shape, "normal")
        return cast(noise(name, mean.shape, "uniform") < mean, mean.dtype)

    def gibbs(self, v: Value, steps: int, sample_visible: bool, noise: Noise) -> Value:
        """The visible units after `steps` steps of Gibbs sampling from `v`."""
        for k in range(1, steps + 1):
            h = self.sample(self.hidden_mean(v), self.gaussian_hidden, f"hidden{k}", noise)
            v = self.visible_mean(h)
            v = self.sample(v, self.gaussian_visible, f"visible{k}", noise) if sample_visible else v
        return v


@layer("RBM", tops=(1, 3), own_loss=1, in_place=False)
def rbm(ctx: Context, x: Value) -> tuple[Value, ...]:
    """A restricted Boltzmann machine (Smolensky 1986) on all axes but the first. The first top is p(h = 1 | v), or the mean of Gaussian h.

    The second top is the loss: the difference between the free energies of the data and of samples. Gibbs sampling makes the samples
    with cd_steps (Hinton 2002); with `persistent`, they continue the chains of the previous step (Tieleman 2008). The loss trains only
    this layer's parameters. With sparsity_target, sparsity_weight times the squared distance between mean activation and target is added
    (Lee et al. 2008). The third top is the squared error of the reconstruction, summed over the units. Blobs: weight (hidden, visible),
    bias, visible_bias.
    """
    p = ctx.param.rbm_param
    _check(ctx, p)
    size = prod(sizes(x.shape[1:]))
    v = x if x.rank == 2 else op.Reshape(x, [0, size])
    weight = ctx.weight("weight", (int(p.num_output), size), p.weight_filler)
    hidden_bias = ctx.weight("bias", (int(p.num_output),), p.bias_filler)
    visible_bias = ctx.weight("visible_bias", (size,), p.visible_bias_filler)
    machine = Machine(weight, visible_bias, hidden_bias, p.visible != BINARY, p.hidden != BINARY)
    h = machine.hidden_mean(v)
    if len(ctx.layer.tops) == 1:
        return (h,)
    return h, *_own_tops(ctx, machine, stop(v))


def _check(ctx: Context, p: pb.RBMParameter) -> None:
    if not p.num_output:
        raise ctx.error("`num_output` is missing. Add the number of hidden units, for example `num_output: 100`.", "rbm_param")
    if not p.cd_steps:
        raise ctx.error("`cd_steps` must be at least 1.", "rbm_param", "cd_steps")
    if p.HasField("sparsity_target") and p.hidden == BINARY and not 0 <= p.sparsity_target <= 1:
        text = f"`sparsity_target` must be from 0 to 1, the mean of a BINARY unit, not {p.sparsity_target:g}."
        raise ctx.error(text, "rbm_param", "sparsity_target")
    if p.binarize and p.visible != BINARY:
        raise ctx.error("`binarize` is for BINARY visible units.", "rbm_param", "binarize")


def _own_tops(ctx: Context, machine: Machine, v: Value) -> tuple[Value, Value]:
    """The loss, and the reconstruction error."""
    p = ctx.param.rbm_param
    data = machine.sample(v, False, "input", ctx.noise) if p.binarize else v
    h = machine.hidden_mean(data)
    start = data
    if p.persistent and ctx.training:
        start = ctx.carry("chain", sizes(v.shape), partial(_chain, ctx.seed, ctx.layer.name, sizes(v.shape)))
    samples = machine.gibbs(start, p.cd_steps, p.sample_visible, ctx.noise)
    if start is not data:
        ctx.update(start, samples)
    loss = machine.free_energy(data) - machine.free_energy(stop(samples))
    if p.HasField("sparsity_target"):
        distance = op.ReduceMean(h, [0], keepdims=0) - p.sparsity_target
        loss = loss + op.ReduceSum(distance * distance, keepdims=0) * p.sparsity_weight
    difference = data - machine.visible_mean(h)
    error = op.ReduceMean(op.ReduceSum(difference * difference, [1], keepdims=0), keepdims=0)
    return loss, stop(error)


def _chain(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The start of the chains: units that are 0 or 1 with equal probability."""
    return (random.uniform(seed, f"{name}.chain", shape) < 0.5).astype(np.float32)
