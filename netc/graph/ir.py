"""The graph: immutable nodes that name ONNX ops, and the values between them.

A graph has no list of nodes. It consists of the requested values; its nodes are the ones that these values depend on. All other nodes are
not part of it, so it never contains dead code.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, overload

import numpy as np
from onnx import helper

from netc.errors import ShapeError
from netc.graph.leaves import InputInfo, LeafInfo, StateInfo
from netc.graph.origin import Origin, current
from netc.graph.tensor_type import ML, Dim, Shape, Type, check_size, infer

TRAINING = "netc.training"
HOST = "netc.host"  # nodes that call Python; attrs["call"] maps the inputs' arrays to the outputs'


@dataclass(frozen=True, eq=False)
class Node:
    """One use of an op. `Input`, `State` and `Constant` of domain "netc" are the leaves, `Stop` ends differentiation.

    `info` describes an input or a state, and a constant that was a state.
    """

    op: str
    inputs: tuple["Value | None", ...]
    attrs: Mapping[str, Any]
    types: tuple[Type, ...]
    domain: str = ""
    origin: Origin = field(default_factory=current)
    info: LeafInfo | None = None
    outputs: tuple["Value", ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", tuple([Value(self, i) for i in range(len(self.types))]))

    @property
    def key(self) -> tuple[str, str]:
        """The key of the op in the registries."""
        return self.domain, self.op

    @property
    def operands(self) -> tuple["Value", ...]:
        """The inputs without omitted optional ones."""
        return tuple(v for v in self.inputs if v is not None)

    @property
    def name(self) -> str:
        """The name of an input or a state; "" for other nodes."""
        return "" if self.info is None else self.info.name

    @property
    def state(self) -> StateInfo:
        """The description of a state."""
        assert isinstance(self.info, StateInfo)
        return self.info


@dataclass(frozen=True, eq=False)
class Value:
    """One output of a node. Arithmetic on values creates nodes."""

    node: Node = field(repr=False)
    index: int

    __array_ufunc__ = None  # NumPy defers to the operators of Value

    @property
    def type(self) -> Type:
        return self.node.types[self.index]

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.type.dtype

    @property
    def rank(self) -> int:
        return len(self.type.shape)

    def __add__(self, other: "Operand") -> "Value":
        return op.Add(self, other)

    def __radd__(self, other: "Operand") -> "Value":
        return op.Add(other, self)

    def __sub__(self, other: "Operand") -> "Value":
        return op.Sub(self, other)

    def __rsub__(self, other: "Operand") -> "Value":
        return op.Sub(other, self)

    def __mul__(self, other: "Operand") -> "Value":
        return op.Mul(self, other)

    def __rmul__(self, other: "Operand") -> "Value":
        return op.Mul(other, self)

    def __truediv__(self, other: "Operand") -> "Value":
        return op.Div(self, other)

    def __rtruediv__(self, other: "Operand") -> "Value":
        return op.Div(other, self)

    def __pow__(self, other: "Operand") -> "Value":
        return op.Pow(self, other)

    def __neg__(self) -> "Value":
        return op.Neg(self)

    def __gt__(self, other: "Operand") -> "Value":
        return op.Greater(self, other)

    def __lt__(self, other: "Operand") -> "Value":
        return op.Less(self, other)

    def __matmul__(self, other: "Value") -> "Value":
        return op.MatMul(self, other)


Operand = Value | float | int | np.generic | np.ndarray | list[int]


@dataclass(frozen=True)
class Graph:
    """Named outputs, and the states that a run of the graph updates."""

    name: str
    outputs: Mapping[str, Value]
    updates: Mapping[Value, Value] = field(default_factory=dict)

    @property
    def ends(self) -> list[Value]:
        return [*self.outputs.values(), *self.updates.values()]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node, each after its inputs."""
        return tuple(toposort(self.ends))

    @property
    def static(self) -> bool:
        """Whether every size in the graph is a number."""
        return not any(isinstance(d, str) for node in self.nodes for t in node.types for d in t.shape)

    def leaves(self, kind: str) -> list[Node]:
        """Return the `Input`, `State` or `Constant` nodes that the graph reads."""
        return [n for n in self.nodes if n.key == ("netc", kind)]


def leaf(op: str, dtype: Any, shape: Iterable[Dim], /, name: str = "", info: LeafInfo | None = None, **attrs: Any) -> Value:
    """Return an `Input`, `State` or `Constant` value. An input needs only a name. ShapeError if it would be too large."""
    shape, info = tuple(shape), info or (InputInfo(name) if name else None)
    check_size(shape, info.name if info else op)
    return Node(op, (), attrs, (Type(np.dtype(dtype), shape),), "netc", info=info).outputs[0]


def constant(value: Any, dtype: Any = None) -> Value:
    """Return a constant. Without a dtype, Python floats are float32 and ints int64."""
    if dtype is None and not isinstance(value, np.ndarray | np.generic):
        dtype = np.float32 if np.asarray(value).dtype.kind == "f" and np.size(value) else np.int64
    try:
        array = np.asarray(value, dtype)
    except OverflowError as e:
        raise ShapeError(f"{value} is too large for a tensor of {np.dtype(dtype)}.") from e
    return leaf("Constant", array.dtype, array.shape, value=array)


def constant_value(value: Value | None) -> np.ndarray | None:
    """Return the array of a constant; None for any other value."""
    return value.node.attrs["value"] if value is not None and value.node.key == ("netc", "Constant") else None


def stop(x: Value) -> Value:
    """Return `x` as a value through which no gradient flows."""
    return Node("Stop", (x,), {}, (x.type,), "netc").outputs[0]


class OpCall(Protocol):
    """Creates a node of one op and returns its output, or a tuple of `outputs` outputs."""

    @overload
    def __call__(self, *inputs: Any, outputs: int, **attrs: Any) -> tuple[Value, ...]: ...
    @overload
    def __call__(self, *inputs: Any, outputs: None = None, **attrs: Any) -> Value: ...


class Ops:
    """`op.Conv(x, w, strides=[2, 2])` is the output of a Conv node, with the type and shape that ONNX infers.

    `outputs=2` returns a tuple of two outputs. If ONNX cannot infer the shapes, `shape=` sets that of the first output, and `shapes=` those
    of several. Numbers become constants of the first tensor's dtype, lists int64 constants. ShapeError, with the types of the inputs, if
    they do not fit the op.
    """

    def __init__(self, domain: str = ""):
        self.domain = domain

    def __getattr__(self, name: str) -> OpCall:
        def apply(*inputs: Any, outputs: int | None = None, shape: Any = None, shapes: Any = (), **attrs: Any) -> Any:
            dtype = next((v.dtype for v in inputs if isinstance(v, Value)), None)
            values = tuple(_value(v, dtype) for v in inputs)
            known = [None if v is None else (v.type, constant_value(v)) for v in values]
            stated = tuple(map(tuple, shapes if shape is None else [shape]))
            node = Node(name, values, attrs, infer(name, known, attrs, outputs or 1, stated, self.domain), self.domain)
            return node.outputs[0] if outputs is None else node.outputs

        apply.__name__ = name
        self.__dict__[name] = apply  # created once per op
        return apply


op = Ops()
ml = Ops(ML)


def cast(x: Value, dtype: Any) -> Value:
    """Return `x` in another dtype; `x` itself if it has that dtype."""
    dtype = np.dtype(dtype)
    return x if x.dtype == dtype else op.Cast(x, to=helper.np_dtype_to_tensor_dtype(dtype))


def zeros(shape: Iterable[Dim], dtype: Any = np.float32) -> Value:
    """Return a constant of zeros, stored as one number."""
    return full(shape, 0, dtype)


def full(shape: Iterable[Dim], value: float, dtype: Any = np.float32) -> Value:
    """Return a constant tensor of one value, stored as one number. ShapeError if a dimension is symbolic."""
    shape = tuple(shape)
    if any(isinstance(d, str) for d in shape):
        raise ShapeError(f"The dimensions of a constant must be numbers, got [{', '.join(map(str, shape))}].")
    return op.Expand(constant(value, dtype), constant(np.asarray(shape, np.int64))) if shape else constant(value, dtype)


def shape_of(x: Value) -> list[int] | Value:
    """Return the shape of `x` as Reshape and Expand accept it: numbers, or a Shape node if a dimension is symbolic."""
    return op.Shape(x) if any(isinstance(d, str) for d in x.shape) else [int(d) for d in x.shape]


def zeros_like(x: Value) -> Value:
    """Return zeros in the shape of x, which may be symbolic."""
    return op.Expand(constant(0, x.dtype), shape_of(x), shape=x.shape)


def symbolic(x: Value) -> bool:
    """Whether a size of `x` is known only at run time."""
    return any(isinstance(d, str) for d in x.shape)


def toposort(values: Iterable[Value]) -> list[Node]:
    """Return the nodes that `values` depend on, each after its inputs, in the order of `values`."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [(v.node, False) for v in reversed(list(values))]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(v.node, False) for v in reversed(node.inputs) if v is not None and v.node not in seen]
    return order


def rebuild(node: Node, inputs: tuple[Value | None, ...]) -> Node:
    """Return `node` with other inputs of the same types; `node` itself if the inputs are the same."""
    if inputs == node.inputs:  # values compare by identity
        return node
    return Node(node.op, inputs, node.attrs, node.types, node.domain, node.origin)


def _value(v: Any, dtype: Any) -> Value | None:
    if v is None or isinstance(v, Value):
        return v
    return constant(v, dtype if np.isscalar(v) and not isinstance(v, np.generic) else None)
