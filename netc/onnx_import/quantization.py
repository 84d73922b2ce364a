"""Quantized files are trained in floats, straight through: rounding is left out, the range of the integers is kept.

A quantizer removes ReLU6 and the like where the range of the integers covers them, so the range is part of the net.
"""

import numpy as np

from netc.errors import SpecError
from netc.graph.ir import Value, cast, constant, op
from netc.onnx_import.table import Call, Result, becomes


@becomes("QuantizeLinear")
def quantize(call: Call) -> Result:
    """The input, clipped to the numbers that the integers stand for."""
    scale, zero = _scale(call)
    if zero.dtype.kind not in "iu":
        raise SpecError(f"It quantizes to {zero.dtype}. netc trains files that are quantized to integers.")
    x, info = call.x, np.iinfo(zero.dtype)
    bounds = [_along(call, ((limit - zero.astype(np.float32)) * scale).astype(np.float32)) for limit in (info.min, info.max)]
    y = op.Clip(x, *bounds) if bounds[0].rank == 0 else op.Min(op.Max(x, bounds[0]), bounds[1])
    call.run.quantized[call.node.outputs[0]] = scale, zero
    return y


@becomes("DequantizeLinear")
def dequantize(call: Call) -> Result:
    """The value that was quantized, or integers as floats."""
    x, (scale, zero) = call.x, _scale(call)
    if x.dtype.kind != "f":
        return (cast(x, np.float32) - _along(call, zero.astype(np.float32))) * _along(call, scale)
    if call.node.inputs[0] not in call.run.quantized:
        raise SpecError("It reads numbers that no QuantizeLinear made.")
    before, start = call.run.quantized[call.node.inputs[0]]
    if not np.array_equal(before, scale) or not np.array_equal(start, zero):
        raise SpecError("It has another scale or zero point than the QuantizeLinear before it.")
    return x


def _scale(call: Call) -> tuple[np.ndarray, np.ndarray]:
    """The scale, as float32, and the zero point."""
    scale, zero = call.known(1), call.known(2)
    if scale is None or (zero is None and call.get(2) is not None):
        raise SpecError("Its scale or zero point is computed. netc needs constants.")
    if call.attrs.get("block_size"):
        raise SpecError("It quantizes values in blocks, which netc does not train.")
    return np.squeeze(scale.astype(np.float32)), np.squeeze(np.uint8(0) if zero is None else zero)


def _along(call: Call, array: np.ndarray) -> Value:
    """One number, or numbers along the axis of the op."""
    array = np.asarray(array, np.float32)
    if array.ndim == 0:
        return constant(array)
    shape = [1] * call.x.rank
    shape[call.attrs.get("axis", 1)] = array.size
    return constant(array.reshape(shape))
