"""The nets that are measured, as netc reads them, with one batch of random data each."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from netc import registry
from netc.compiler.program import Program
from netc.compiler.program import program as compiled
from netc.graph.contract import BATCH, NOISE
from netc.spec import load_job
from netc.spec.job import Job
from netc.training.feed import draw
from tests.benchmarks import deep_nets, trees
from tests.conftest import ROOT

HERE = Path(__file__).parent / "nets"


@dataclass(frozen=True)
class Measured:
    """A net file, or its text, and how many steps make a turn."""

    source: Path | str
    steps: int


RBM = """\
name: rbm
layers:
  - Input: {top: data, shape: {dim: [100, 784]}}
  - RBM: {num_output: 500, top: [hidden, loss], weight_filler: {type: gaussian, std: 0.01}}
solver: {base_lr: 0.05, momentum: 0.5, max_iter: 100}
"""


def recurrent(kind: str, steps: int, batch: int, inputs: int, hidden: int) -> str:
    """One recurrent layer, whose last step is classified."""
    return f"""\
name: {kind.lower()}
layers:
  - Input: {{top: data, shape: {{dim: [{steps}, {batch}, {inputs}]}}}}
  - Input: {{top: label, shape: {{dim: {batch}}}}}
  - {kind}: {{bottom: data, num_output: {hidden}, weight_filler: {{type: uniform, min: -0.1, max: 0.1}}}}
  - LastStep
  - InnerProduct: {{num_output: 10, weight_filler: xavier}}
  - SoftmaxWithLoss
solver: {{base_lr: 0.01, momentum: 0.9, max_iter: 100}}
"""


def gpt(steps: int, batch: int, channels: int, blocks: int, characters: int = 65) -> str:
    """A GPT over characters: blocks of a Transformer with heads of 32 values, as nets/gpt_char.yaml."""
    lines = f"  - Transformer: {{heads: {channels // 32}, causal: true}}\n" * blocks
    return f"""\
name: gpt
layers:
  - Input: {{top: data, shape: {{dim: [{steps}, {batch}]}}}}
  - Input: {{top: label, shape: {{dim: [{steps}, {batch}]}}}}
  - Embed: {{bottom: data, num_output: {channels}, input_dim: {characters}, bias_term: false, weight_filler: {{type: gaussian, std: 0.02}}}}
  - Position
{lines}  - LayerNorm
  - InnerProduct: {{num_output: {characters}, axis: 2, weight_filler: {{type: gaussian, std: 0.02}}}}
  - SoftmaxWithLoss: {{axis: 2}}
solver: {{base_lr: 0.01, momentum: 0.9, max_iter: 100}}
"""


NETS = {
    "mlp": Measured(HERE / "mlp.yaml", 200),
    "lenet": Measured(ROOT / "nets/lenet.yaml", 20),
    "cifar10_quick": Measured(HERE / "cifar10_quick.yaml", 8),
    "cifar10_full": Measured(HERE / "cifar10_full.yaml", 6),
    "mnist_autoencoder": Measured(HERE / "mnist_autoencoder.yaml", 15),
    "resnet20": Measured(deep_nets.resnet(20, 64), 3),
    "alexnet": Measured(HERE / "alexnet.yaml", 1),
    "rbm": Measured(RBM, 50),
    "googlenet": Measured(deep_nets.googlenet(8), 1),
    "lstm": Measured(recurrent("LSTM", 64, 32, 64, 128), 15),
    "lstm256": Measured(recurrent("LSTM", 32, 20, 128, 256), 15),
    "gru": Measured(recurrent("GRU", 64, 32, 64, 128), 15),
    "gru256": Measured(recurrent("GRU", 32, 20, 128, 256), 15),
    "rntn": Measured(trees.net(), 30),
    "gpt": Measured(gpt(64, 32, 128, 4), 4),
    "gpt256": Measured(gpt(128, 8, 256, 4), 2),
}


def known(net: str) -> Measured:
    """The net called so, or `resnet<depth>` or `<net>@<batch>` as the curves ask for it."""
    name, _, batch = net.partition("@")
    if name in NETS:
        return NETS[name]
    return Measured(deep_nets.resnet(int(name.removeprefix("resnet")), int(batch or 64)), 2)


@cache
def job(net: str) -> Job:
    """The net's job; `<net>@<batch>` is a net at another batch size."""
    name, _, batch = net.partition("@")
    source = known(net).source
    changes = [f"layers.data.data_param.batch_size={batch}"] if batch and isinstance(source, Path) else []
    if isinstance(source, Path):
        return load_job(str(source), changes)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(source)
        return load_job(str(path))


@cache
def program(net: str) -> Program:
    """The checked program of a net."""
    registry.load()
    return compiled(job(net))


@cache
def batch(net: str) -> dict[str, np.ndarray]:
    """Random inputs and labels of the net's training batch, by blob."""
    if net == "rntn":
        return trees.batch()
    rng = np.random.default_rng(0)
    inputs = {BATCH.bare(n.name): n.types[0] for n in program(net).steps.train.leaves("Input")}
    made: dict[str, np.ndarray] = {}
    for name in ("data", "label"):
        if name in inputs:
            shape = tuple(map(int, inputs[name].shape))
            tokens = name == "label" or net.startswith("gpt")
            made[name] = rng.integers(0, 10, shape) if tokens else rng.random(shape, np.float32)
    return made


@cache
def noise(net: str) -> dict[str, np.ndarray]:
    """The random numbers of the net's first step, by input."""
    leaves = {n.name: n for n in program(net).steps.train.leaves("Input")}
    return {name: draw(node, 0, 0) for name, node in leaves.items() if name in NOISE}


def feeds(net: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """All that a step of the net is fed, in the types of a session's inputs."""
    types = {name: np.float32 if "float" in port.type else np.int64 for name, port in inputs.items()}
    found = {BATCH(n): a.astype(types[BATCH(n)]) for n, a in batch(net).items()} | noise(net)
    return found | {"lr": np.asarray(program(net).job.solver.base_lr, np.float32)}


@cache
def start(net: str) -> dict[str, np.ndarray]:
    """The parameters that every contender starts from, by name."""
    return {name: array for name, array in program(net).start().items() if program(net).states[name].state.kind == "parameter"}
