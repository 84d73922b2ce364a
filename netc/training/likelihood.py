"""Estimate the log-likelihood of an RBM by annealed importance sampling (Salakhutdinov and Murray 2008), with NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netc import netc_pb2 as pb
from netc import random
from netc.registry import score

CHAINS = 100
# Inverse temperatures, denser where the distribution changes most; a third of the number in the paper.
BETAS = np.concatenate([np.linspace(0, 0.5, 200, False), np.linspace(0.5, 0.9, 1400, False), np.linspace(0.9, 1, 3401)])


@dataclass(frozen=True)
class Parameters:
    """The parameters of a binary RBM: weight (hidden, visible), hidden_bias, visible_bias."""

    weight: np.ndarray
    hidden_bias: np.ndarray
    visible_bias: np.ndarray

    def hidden_input(self, v: np.ndarray) -> np.ndarray:
        """W v + c for each row."""
        result: np.ndarray = v @ self.weight.T + self.hidden_bias
        return result

    def free_energy(self, v: np.ndarray) -> np.ndarray:
        """F(v) for each row; p(v) is exp(-F(v)) / Z."""
        energy: np.ndarray = -(v @ self.visible_bias) - _softplus(self.hidden_input(v)).sum(1)
        return energy


def log_partition(machine: Parameters, base_bias: np.ndarray, seed: int, chains: int = CHAINS, betas: np.ndarray = BETAS) -> np.ndarray:
    """Estimate log Z, with one value per chain: Z is about the mean of their exponentials.

    The chains start from a model of independent units with `base_bias`, and reach the RBM at the last of `betas`.
    """
    size, hidden = machine.visible_bias.size, machine.hidden_bias.size

    def draw(mean: np.ndarray, name: str, step: int) -> np.ndarray:
        return (random.uniform(seed, f"likelihood.{name}", mean.shape, iteration=step) < mean).astype(np.float32)

    v = draw(np.broadcast_to(_sigmoid(base_bias), (chains, size)), "visible", 0)
    weights = np.full(chains, _softplus(base_bias).sum(dtype=np.float64) + hidden * np.log(2.0))
    change = machine.visible_bias - base_bias
    for step, (before, beta) in enumerate(zip(betas.astype(np.float32), betas[1:].astype(np.float32), strict=False), 1):
        x = machine.hidden_input(v)
        weights += (beta - before) * (v @ change) + (_softplus(beta * x) - _softplus(before * x)).sum(1)
        h = draw(_sigmoid(beta * x), "hidden", step)
        v = draw(_sigmoid(base_bias + beta * (change + h @ machine.weight)), "visible", step)
    return weights


@score("RBM")
def log_probability(param: pb.LayerParameter, states: Mapping[str, np.ndarray], rows: np.ndarray, seed: int) -> dict[str, float]:
    """The mean log-probability of the rows in nats, and the standard deviation of the estimate of log Z."""
    p = param.rbm_param
    if p.visible != p.BINARY or p.hidden != p.BINARY:
        return {}
    machine = Parameters(*(states[f"{param.name}.{blob}"] for blob in ("weight", "bias", "visible_bias")))
    data = rows.reshape(-1, machine.visible_bias.size)
    if p.binarize:
        data = (random.uniform(seed, f"{param.name}.input", data.shape) < data).astype(np.float32)
    mean = np.clip(data.mean(0), 0.01, 0.99)
    weights = log_partition(machine, np.log(mean / (1 - mean)), seed)
    ratios = np.exp(weights - weights.max())
    log_z = weights.max() + np.log(ratios.mean())
    deviation = ratios.std(ddof=1) / np.sqrt(len(ratios)) / ratios.mean()
    return {
        "log_probability": float(-machine.free_energy(data).mean(dtype=np.float64) - log_z),
        "log_partition_deviation": float(deviation),
    }


def _softplus(x: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return result


def _sigmoid(x: np.ndarray) -> np.ndarray:
    result: np.ndarray = 1 / (1 + np.exp(-x))
    return result
