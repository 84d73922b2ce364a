"""ONNX files as values of netc's graph: opset 7 to the newest, checked, folded, and with a symbolic batch where that is possible."""

from netc.onnx_import import control_flow, normalization, ops, quantization, recurrent, windows  # noqa: F401  (they fill the table of ops)
from netc.onnx_import.file import load
from netc.onnx_import.importer import values
from netc.onnx_import.model import OnnxFile, TensorInfo
from netc.onnx_import.weights import Weight, weights

__all__ = ["OnnxFile", "TensorInfo", "Weight", "load", "values", "weights"]
