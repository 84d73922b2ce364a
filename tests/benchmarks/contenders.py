"""Who is measured: a function each, which makes a step of training out of a net's name. A step returns the
loss before it, or NaN where its library tells none.

A contender that cannot be imported, or lacks a layer of the net, raises; it is then left out of the table, which says so.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from netc.runtime.backends import PORTABLE, choose
from tests.benchmarks import nets

Step = Callable[[], float]
CAFFE = "Caffe"  # has a worker of its own


def netc_step(net: str, threads: int, target: str) -> Step:
    """netc's training graph on onnxruntime's CPU provider."""
    from netc.compiler.cache import session
    from netc.runtime.session import States, Stepper

    backend, _ = choose(PORTABLE.provider, target)
    program = replace(nets.program(net), backend=backend)
    states = States({f"state/{n}": a for n, a in program.start().items()})
    stepper = Stepper(session(program, "train", threads), states)
    feeds = nets.feeds(net, stepper.session.inputs)
    return lambda: float(stepper.run(feeds)["loss"])


def torch_step(net: str, threads: int, channels_last: bool = False, compiled: bool = False) -> Step:
    """PyTorch, with its own SGD."""
    import torch

    torch.set_num_threads(threads)
    model, optimizer, batch = torch_parts(net)
    if channels_last:
        if "data" not in batch or batch["data"].dim() != 4:
            raise ValueError("these are no images")
        model, batch["data"] = model.to(memory_format=torch.channels_last), batch["data"].to(memory_format=torch.channels_last)
    run = torch.compile(model) if compiled else model

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = run(batch)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def torch_parts(net: str, device: str = "cpu") -> tuple[Any, Any, dict[str, Any]]:
    """A net's twin in torch, its SGD, and the batch, on a device."""
    import torch

    from tests.benchmarks.torch_twin import Twin

    program = nets.program(net)
    shapes = {name: tuple(map(int, values[0].shape)) for name, values in program.train.versions.items()}
    model = Twin(program.train_net, shapes, nets.start(net), nets.noise(net)).to(device)
    solver = program.job.solver
    optimizer = torch.optim.SGD(model.parameters(), solver.base_lr, solver.momentum, weight_decay=solver.weight_decay)
    return model, optimizer, {name: torch.from_numpy(a).to(device) for name, a in nets.batch(net).items()}


def jax_step(net: str, threads: int) -> Step:
    """JAX, the whole step compiled by XLA. Threads are those of the cores that the process may use."""
    from tests.benchmarks.jax_twin import train_step

    program = nets.program(net)
    solver = program.job.solver
    run, batch = train_step(program.train_net, solver.momentum, solver.weight_decay), nets.batch(net)
    held: dict[str, Any] = {"weights": nets.start(net), "histories": {n: np.zeros_like(a) for n, a in nets.start(net).items()}}

    def step() -> float:
        loss, held["weights"], held["histories"] = run(held["weights"], held["histories"], batch, solver.base_lr)
        return float(loss)

    return step


def keras_step(net: str, threads: int) -> Step:
    """Keras on TensorFlow, the whole step one tf.function, without weight decay, which its SGD applies after the momentum."""
    import tensorflow as tf

    from tests.benchmarks.keras_twin import model_of

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    program, batch = nets.program(net), nets.batch(net)
    model, loss_of = model_of(program.train_net, batch, nets.start(net))
    optimizer = tf.keras.optimizers.SGD(program.job.solver.base_lr, program.job.solver.momentum)
    data = batch["data"]
    images = tf.constant(data.transpose(0, 2, 3, 1) if data.ndim == 4 else data)
    targets = tf.constant(batch.get("label", data))

    @tf.function
    def run() -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(model(images, training=True), targets)
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True))
        return loss

    return lambda: float(run())


def sklearn_step(net: str, threads: int) -> Step:
    """scikit-learn's BernoulliRBM, which trains by persistent contrastive divergence and gives no loss."""
    from sklearn.neural_network import BernoulliRBM

    if net != "rbm":
        raise ValueError("this is no RBM")
    data, solver = nets.batch(net)["data"], nets.program(net).job.solver
    model = BernoulliRBM(n_components=len(nets.start(net)["rbm1.bias"]), learning_rate=solver.base_lr, batch_size=len(data))

    def step() -> float:
        model.partial_fit(data)
        return math.nan

    return step


def onnx_ad_step(net: str, threads: int) -> Step:
    """Gradients of onnx-ad on onnxruntime."""
    from tests.benchmarks import onnx_twin

    return onnx_twin.onnx_ad_step(net, threads)


def onnxsim_step(net: str, threads: int) -> Step:
    """The training loop of onnxsim on onnxruntime, which takes all cores."""
    from tests.benchmarks import onnx_twin

    return onnx_twin.onnxsim_step(net, threads)


CONTENDERS: dict[str, Callable[[str, int], Step]] = {
    "netc native": partial(netc_step, target="native"),
    "netc portable": partial(netc_step, target="portable"),
    "torch eager": torch_step,
    "torch channels_last": partial(torch_step, channels_last=True),
    "torch compile": partial(torch_step, compiled=True),
    "JAX": jax_step,
    "Keras": keras_step,
    "scikit-learn": sklearn_step,
    "onnx-ad": onnx_ad_step,
    "onnxsim": onnxsim_step,
}
