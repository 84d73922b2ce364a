"""The types of tensors, and ONNX's rules that infer the types of an op's outputs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from netc.errors import ShapeError

OPSET = 21  # above 21 onnxruntime lacks CUDA kernels for MaxPool, Dropout, Elu and others
ML, ML_OPSET = "ai.onnx.ml", 2  # ONNX's ops for classical machine learning, which map strings to numbers
OPSETS = {"": OPSET, ML: ML_OPSET}
IR_VERSION = 10
MOST_VALUES = 2**31 - 1  # elements of one tensor, which is also Caffe's limit
STRING = np.dtype(object)  # the dtype of tensors of strings
SMALL = 1024  # constants up to this size take part in shape inference

Dim = int | str
Shape = tuple[Dim, ...]


def dtype_name(dtype: np.dtype[Any]) -> str:
    """The name of a dtype, such as float32; string for texts."""
    return "string" if dtype == STRING else dtype.name


@dataclass(frozen=True)
class Type:
    """The type of a tensor. A dimension is a number, or a name such as "N"."""

    dtype: np.dtype[Any]
    shape: Shape

    def __str__(self) -> str:
        return f"{dtype_name(self.dtype)}[{', '.join(map(str, self.shape))}]"


Operand = tuple[Type, np.ndarray | None] | None  # an input: its type, and its value if it is a constant; None if omitted


def infer(
    name: str, inputs: Sequence[Operand], attrs: Mapping[str, Any], outputs: int, stated: tuple[Shape, ...] = (), domain: str = ""
) -> tuple[Type, ...]:
    """Return the types of the first `outputs` outputs of an op. `stated` are the shapes of the first of them if ONNX cannot infer them.

    ShapeError, with the types of the inputs, if they do not fit the op.
    """
    known = tuple(v and (v[0], _Small.of(v[1])) for v in inputs)
    return _inferred(name, known, tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in attrs.items()), outputs, stated, domain)


@dataclass(frozen=True)
class _Small:
    """A constant that takes part in shape inference, as a hashable key."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    content: bytes

    @classmethod
    def of(cls, array: np.ndarray | None) -> "_Small | None":
        if array is None or array.size > SMALL or array.dtype == STRING:
            return None
        return cls(array.dtype, array.shape, array.tobytes())

    @property
    def array(self) -> np.ndarray:
        return np.frombuffer(self.content, self.dtype).reshape(self.shape)


@lru_cache(maxsize=1 << 14)  # a deep net has many identical blocks
def _inferred(
    name: str,
    inputs: tuple[tuple[Type, _Small | None] | None, ...],
    attrs: tuple[tuple[str, Any], ...],
    outputs: int,
    stated: tuple[Shape, ...],
    domain: str,
) -> tuple[Type, ...]:
    _check_channels(name, inputs, dict(attrs))
    names = ["" if v is None else f"i{k}" for k, v in enumerate(inputs)]
    proto = helper.make_node(name, names, [f"o{k}" for k in range(outputs)], domain=domain, **dict(attrs))
    given = [(n, *v) for n, v in zip(names, inputs, strict=True) if v is not None]
    types = {n: helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(t.dtype), t.shape) for n, t, _ in given}
    data = {n: numpy_helper.from_array(small.array) for n, _, small in given if small is not None}
    try:
        found = onnx.shape_inference.infer_node_outputs(
            _schema(name, domain),
            proto,
            types,
            data,
            opset_imports=[helper.make_opsetid(d, v) for d, v in OPSETS.items()],
            ir_version=IR_VERSION,
        )
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as e:
        raise ShapeError(f"{_call(name, inputs)}: {_reason(e)}") from e
    _check_inner(name, inputs, dict(attrs))
    result = []
    for k, output in enumerate(proto.output):
        tensor = found[output].tensor_type
        shape: Shape = tuple(d.dim_param or d.dim_value for d in tensor.shape.dim)
        if k < len(stated):
            shape = stated[k]
        elif not all(d.dim_param or d.HasField("dim_value") for d in tensor.shape.dim) or not tensor.HasField("shape"):
            raise ShapeError(f"{_call(name, inputs)}: The shape of the output depends on data that is known only in a run.")
        shape = _without_empty_windows(name, inputs, dict(attrs), shape)
        check_size(shape, f"{_call(name, inputs)}: The output")
        result.append(Type(np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)), shape))
    return tuple(result)


def _without_empty_windows(name: str, inputs: Sequence[tuple[Type, Any] | None], attrs: Mapping[str, Any], shape: Shape) -> Shape:
    """The shape of pooling that rounds up, without windows that start in the padding behind the image.

    ONNX's inference counts them before opset 22. onnxruntime and PyTorch leave them out.
    """
    if name not in ("AveragePool", "LpPool", "MaxPool") or not attrs.get("ceil_mode") or inputs[0] is None:
        return shape
    spatial = inputs[0][0].shape[2:]
    strides, pads = attrs.get("strides", [1] * len(spatial)), attrs.get("pads", [0] * len(spatial))
    cut = [
        m - 1 if isinstance(n, int) and isinstance(m, int) and (m - 1) * stride >= n + pad else m
        for n, m, stride, pad in zip(spatial, shape[2:], strides, pads, strict=False)
    ]
    return (*shape[:2], *cut)


def _check_inner(name: str, inputs: tuple[tuple[Type, _Small | None] | None, ...], attrs: Mapping[str, Any]) -> None:
    """Raise a ShapeError if the inner sizes of a product differ, which older versions of ONNX do not look at."""
    if name not in ("Gemm", "MatMul") or inputs[0] is None or inputs[1] is None:
        return
    a, b = inputs[0][0].shape, inputs[1][0].shape
    left = a[0] if attrs.get("transA") else a[-1]
    right = b[-1] if attrs.get("transB") or len(b) == 1 else b[-2]
    if isinstance(left, int) and isinstance(right, int) and left != right:
        raise ShapeError(f"{_call(name, inputs)}: Incompatible dimensions: {left} and {right}.")


def _check_channels(name: str, inputs: tuple[tuple[Type, _Small | None] | None, ...], attrs: Mapping[str, Any]) -> None:
    """Raise a ShapeError if the filters of a convolution take other channels than it gets. ONNX's rule does not look at them."""
    if name not in ("Conv", "ConvTranspose") or inputs[0] is None or inputs[1] is None or min(len(v[0].shape) for v in inputs[:2] if v) < 2:
        return
    given, filters = inputs[0][0].shape[1], inputs[1][0].shape
    wanted = filters[0] if name == "ConvTranspose" else filters[1]
    wanted = wanted * attrs.get("group", 1) if name == "Conv" and isinstance(wanted, int) else wanted
    if isinstance(given, int) and isinstance(wanted, int) and given != wanted:
        raise ShapeError(f"{_call(name, inputs)}: It takes {wanted} channels, got {given}.")


def check_size(shape: Iterable[Dim | None], what: str) -> None:
    """Raise a ShapeError if a tensor of this shape would have too many elements."""
    if prod(d for d in shape if isinstance(d, int)) > MOST_VALUES:
        raise ShapeError(f"{what} would hold more than {MOST_VALUES:,} values ({'x'.join(map(str, shape))}).")


@cache
def _schema(name: str, domain: str) -> Any:
    return onnx.defs.get_schema(name, OPSETS[domain], domain)


def _call(name: str, inputs: Iterable[tuple[Type, Any] | None]) -> str:
    return f"{name}({', '.join('-' if v is None else str(v[0]) for v in inputs)})"


def _reason(error: Exception) -> str:
    """ONNX's message without its prefix of brackets and node names, which only one of its texts has."""
    return str(error).strip().splitlines()[-1].split("] ")[-1]
