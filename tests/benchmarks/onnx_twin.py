"""Others that train on onnxruntime: the gradients of onnx-ad with an update in NumPy, and the training loop of onnxsim."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from netc.graph.emit import emit
from netc.graph.ir import TRAINING, Graph, Value, leaf, op
from netc.graph.passes import simplify
from netc.graph.passes.rewrite import rewrite
from tests.benchmarks import nets

STATE = "state/"


def onnx_ad_step(net: str, threads: int) -> Callable[[], float]:
    """`reverse` of onnx-ad 0.3 on the net in plain ONNX; momentum and weight decay in NumPy."""
    import onnx_ad
    import onnxruntime as ort

    program = nets.program(net)
    model = emit(simplify(Graph(net, {"loss": program.train.graph.outputs["loss"]})), functions=False)
    names = [i.name for i in model.graph.input if i.name.startswith(STATE)]
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(onnx_ad.reverse(model, inputs=names, outputs=["loss"]).SerializeToString(), options)
    start, solver = nets.start(net), program.job.solver
    weights = {n: start[n.removeprefix(STATE)].copy() for n in names}
    histories = {n: np.zeros_like(a) for n, a in weights.items()}
    feeds = nets.batch(net) | {"adj_loss": np.ones((1, 1), np.float32)}
    kinds = {i.name: np.int64 if "int64" in i.type else np.float32 for i in session.get_inputs()}
    fed = {n if n in kinds else f"batch/{n}": a for n, a in feeds.items()}
    fed = {n: a.astype(kinds[n]) for n, a in fed.items() if n in kinds}

    def step() -> float:
        loss, *gradients = session.run(["loss", *(f"adj_{n}" for n in names)], fed | weights)
        for name, gradient in zip(names, gradients, strict=True):
            histories[name] *= solver.momentum
            histories[name] += solver.base_lr * (gradient.reshape(weights[name].shape) + solver.weight_decay * weights[name])
            weights[name] = weights[name] - histories[name]
        return float(loss)

    return step


def onnxsim_step(net: str, threads: int) -> Callable[[], float]:
    """onnxsim's compiled training loop: SGD with momentum, no weight decay, labels as rows of zeros and a one."""
    from onnxsim import compile_training_loop

    program, start, batch = nets.program(net), nets.start(net), nets.batch(net)
    model = emit(simplify(rewrite(Graph(net, {"loss": program.train.graph.outputs["loss"]}), _plain_loss)), functions=False)
    names = [i.name for i in model.graph.input if i.name.startswith(STATE)]
    kept = [i for i in model.graph.input if not i.name.startswith(STATE) and i.name != "batch/label"]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.graph.initializer.extend(numpy_helper.from_array(start[n.removeprefix(STATE)], n) for n in names)
    onnx.checker.check_model(model)
    classes = next(i.type.tensor_type.shape.dim[1].dim_value for i in kept if i.name == "targets")
    feeds = {"batch/data": batch["data"].astype(np.float32), "targets": np.eye(classes, dtype=np.float32)[batch["label"].astype(int)]}
    loop = compile_training_loop(model, "loss", names, optimizer="sgd_momentum")
    return lambda: float(loop(feeds, lr=program.job.solver.base_lr))


def _plain_loss(node: Any) -> tuple[Value, ...] | None:
    """The mean of -targets log(Softmax(x)), in ops that onnxsim differentiates."""
    if node.key != (TRAINING, "SoftmaxCrossEntropy"):
        return None
    x = node.operands[0]
    prob = op.Softmax(x, axis=1)
    targets = leaf("Input", np.float32, x.shape, name="targets")
    loss = op.ReduceSum(targets * op.Log(prob), keepdims=0) * np.float32(-1 / int(x.shape[0]))
    return loss, prob
