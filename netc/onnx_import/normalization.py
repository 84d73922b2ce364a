"""BatchNormalization: as in inference, or with the moments of the batch while its statistics are trained."""

from math import prod

import numpy as np

from netc.errors import ShapeError
from netc.graph.ir import Value, op
from netc.graph.training_ops import normalization
from netc.onnx_import.table import Call, Result, becomes

EPSILON, MOMENTUM = 1e-5, 0.9  # ONNX's defaults


@becomes("BatchNormalization")
def batch_normalization(call: Call) -> Result:
    """The op of inference. While its moments are trained, or if the file asks for it, the moments of the batch."""
    x, scale, bias = call.x, call.need(1), call.need(2)
    epsilon = call.attrs.get("epsilon", EPSILON)
    mean, var = (call.run.statistic(name) or call.run.need(name) for name in call.node.inputs[3:5])
    if call.attrs.get("training_mode") or (call.run.training and call.run.train_batch_norm and _is_trained(mean) and _is_trained(var)):
        return _of_the_batch(call, mean, var)
    return op.BatchNormalization(x, scale, bias, mean, var, epsilon=epsilon)


def _is_trained(moment: Value) -> bool:
    """Whether it is a state that is not frozen."""
    return moment.node.key == ("netc", "State") and not moment.node.state.frozen


def _of_the_batch(call: Call, mean: Value, var: Value) -> tuple[Value, ...]:
    """The norm with the batch's moments, and the moments that move towards them. netc's own move to the variance of a sample."""
    x = call.x
    if any(isinstance(d, str) for d in x.shape):
        raise ShapeError("The moments of a batch need its size in numbers.")
    m, v, inverse = normalization.batch_moments(x, epsilon=call.attrs.get("epsilon", EPSILON))
    keep = np.float32(call.attrs.get("momentum", MOMENTUM))
    if call.run.training and call.run.train_batch_norm and call.run.update is not None and _is_trained(mean) and _is_trained(var):
        count = prod(int(d) for d in x.shape) // int(x.shape[1])
        call.run.update(mean, mean * keep + m * (1 - keep))
        call.run.update(var, var * keep + v * np.float32((1 - keep) * count / max(1, count - 1)))
    y = normalization.batch_norm(x, m, inverse, call.need(1), call.need(2))
    return y, mean * keep + m * (1 - keep), var * keep + v * (1 - keep)
