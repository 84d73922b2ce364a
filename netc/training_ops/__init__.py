"""The custom ops of domain `netc.training`: what a backward pass needs and ONNX lacks.

Each is one function; see `define.py` for how. Optimizers are training ops too (`netc.optimizers`).
"""

from netc.training_ops import activation, channels_last, convolution, loss, normalization, pooling, recurrent, table, time  # noqa: F401
from netc.training_ops.define import Body, body, trace, training_op

__all__ = ["Body", "body", "trace", "training_op"]
