"""The custom ops of domain `netc.training`: ops that a backward pass needs and ONNX lacks.

Each is one function; `define.py` shows how. Optimizers are training ops too (`netc.optimizers`).
"""

from netc.graph.training_ops import (  # noqa: F401  (each fills the registry)
    activation,
    attention,
    channels_last,
    convolution,
    ctc,
    layer_norm,
    loss,
    normalization,
    pooling,
    recurrent,
    recurrent_cells,
    recursive,
    regions,
    shape,
    table,
    time,
    upsample,
)
from netc.graph.training_ops.define import Body, body, trace, training_op

__all__ = ["Body", "body", "trace", "training_op"]
