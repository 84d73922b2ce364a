"""The trial that a library of kernels must pass before use: a small convolution, its gradients and an update."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from netc import optimizers
from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf
from netc.graph.training_ops import channels_last
from netc.runtime.guard import guarded

TOLERANCE = 1e-5  # relative to the largest number of a result
SHAPES = {"x": (2, 7, 6, 3), "w": (10, 3, 3, 2), "b": (10,), "history": (10, 3, 3, 2), "rate": ()}


def try_kernels(library: Path, ops: Collection[str]) -> None:
    """Raise AssertionError if a kernel of `library` and its body differ, RunError if the library does not load or run.

    `ops` are those that the library has kernels for.
    """
    rng = np.random.default_rng(0)
    feeds = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    step = _step()
    expected, results = _run(emit(step), feeds), _run(emit(step, kernels=ops), feeds, library)
    for name, value in expected.items():
        error = float(np.abs(results[name] - value).max())
        assert error <= TOLERANCE * max(1.0, float(np.abs(value).max())), f"{name} is wrong by {error:.3g}"


def _run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray], library: Path | None = None) -> dict[str, np.ndarray]:
    """The outputs of a model on the CPU. `Session` cannot do this: its backends ask for the library that is on trial."""
    options = ort.SessionOptions()
    options.log_severity_level = 4  # errors are raised
    if library is not None:
        guarded(options.register_custom_ops_library, str(library))
    cpu = ort.get_available_providers()[-1:]  # the last provider is always the CPU
    session = guarded(ort.InferenceSession, model.SerializeToString(), options, cpu)
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, guarded(session.run, names, dict(feeds)), strict=True))


def _step() -> Graph:
    """A step: y = pool(relu(x * w + b)), the gradients of half the sum of y squared, and the update of w."""
    x, w, b, history, rate = (leaf("Input", np.float32, shape, name=name) for name, shape in SHAPES.items())
    window = {"strides": [1, 1], "pads": [1, 0, 1, 0]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 1, 1]}
    hidden = channels_last.nhwc_conv(x, w, b, relu=1, **window)
    y, winner = channels_last.nhwc_max_pool(hidden, **pool)
    dy = channels_last.nhwc_max_pool_grad(winner, y, spatial=[7, 5], **pool)
    dw, db = channels_last.nhwc_conv_filter_grad(x, dy, kernel_shape=[3, 2], **window)
    dx = channels_last.nhwc_conv_input_grad(dy, w, spatial=[7, 6], **window)
    new_w, new_history = optimizers.sgd(w, dw, rate, history, momentum=0.9)
    return Graph("trial", {"y": y, "dx": dx, "db": db, "new_w": new_w, "new_history": new_history})
