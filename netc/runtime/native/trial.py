"""The trial that a library of kernels must pass before use: a small convolution, its gradients and an update."""

from pathlib import Path

import numpy as np

from netc import optimizers
from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf
from netc.graph.training_ops import channels_last
from netc.runtime.backends import with_library
from netc.runtime.session import Session

TOLERANCE = 1e-5  # relative to the largest number of a result
SHAPES = {"x": (2, 7, 6, 3), "w": (10, 3, 3, 2), "b": (10,), "history": (10, 3, 3, 2), "rate": ()}


def try_kernels(library: Path) -> None:
    """Raise AssertionError if a kernel of `library` and its body differ, RunError if the library does not load or run."""
    rng = np.random.default_rng(0)
    feeds = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    step = _step()
    expected = Session(emit(step)).run(feeds)
    backend = with_library(library)
    found = Session(emit(step, kernels=backend.native_ops), backend).run(feeds)
    for name, value in expected.items():
        error = float(np.abs(found[name] - value).max())
        assert error <= TOLERANCE * max(1.0, float(np.abs(value).max())), f"{name} is wrong by {error:.3g}"


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
