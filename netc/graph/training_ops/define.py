"""How a training op is defined: a Python function on values, traced into a body when its types are known.

    @training_op("SquareGrad")
    def square_grad(x, dy): return 2.0 * x * dy

`square_grad(x, dy)` is then one node of domain `netc.training`. Its default body uses only ops that have CUDA kernels. `@body("SquareGrad",
CPU)` adds another body to the set for the CPU.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from inspect import Parameter, signature
from typing import Any, TypeVar, cast

from netc import registry
from netc.graph.ir import TRAINING, Node, Value, leaf
from netc.graph.origin import origin
from netc.graph.tensor_type import Type

DEFAULT, CPU = "default", "cpu"  # sets of bodies; a backend chooses one, see `netc.runtime.backends`
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Body:
    """A traced function: its inputs (`Input` leaves) and its outputs."""

    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]


def training_op(name: str, typed_by: str = DEFAULT, **properties: Any) -> Callable[[F], F]:
    """Decorator: the function becomes the default body of op `name`, and each call creates one node.

    `properties` are those of its OpInfo. The types of a node come from tracing the body in the set `typed_by`, for ops whose default body
    is long.
    """

    def add(function: F) -> F:
        registry.training_op(name, **properties)(function)
        registry.body((name, DEFAULT))(function)
        defaults = {k: p.default for k, p in signature(function).parameters.items() if p.kind is Parameter.KEYWORD_ONLY}

        @wraps(function)
        def apply(*inputs: Value | None, **attrs: Any) -> Any:
            full = {k: v for k, v in ({**defaults, **attrs}).items() if v is not None}
            types = tuple(None if v is None else v.type for v in inputs)
            traced = _trace(registry.body.find((name, typed_by)), types, freeze(full))
            node = Node(name, inputs, full, tuple(v.type for v in traced.outputs), TRAINING)
            return node.outputs[0] if len(node.outputs) == 1 else node.outputs

        return cast(F, apply)

    return add


def body(name: str, bodies: str) -> Callable[[F], F]:
    """Decorator: the function is the body of op `name` in the set `bodies`. If it returns None, the default body is used."""
    return registry.body((name, bodies))


def trace(node: Node, bodies: str) -> Body:
    """Return the body of a training-op node in the set `bodies`, or its default body."""
    types = tuple(None if v is None else v.type for v in node.inputs)
    attrs = freeze(node.attrs)
    if (node.op, bodies) in registry.body:
        chosen = _trace(registry.body[node.op, bodies], types, attrs)
        if chosen.outputs:
            found = tuple(v.type for v in chosen.outputs)
            assert found == node.types, f"{bodies} body of {node.op}: {found}, the node has {node.types}"
            return chosen
    return _trace(registry.body.find((node.op, DEFAULT)), types, attrs)


def freeze(attrs: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return attributes as a hashable key."""
    return tuple(sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in attrs.items()))


@lru_cache(maxsize=1024)
def _trace(function: Callable[..., Any], types: tuple[Type | None, ...], attrs: tuple[tuple[str, Any], ...]) -> Body:
    with origin(layer="", place=None, part="body"):
        names = [f"{n}" for n, p in signature(function).parameters.items() if p.kind is not Parameter.KEYWORD_ONLY]
        names += [f"{names[-1]}_{k}" for k in range(1, len(types) - len(names) + 1)]
        inputs = tuple(None if t is None else leaf("Input", t.dtype, t.shape, name=n) for n, t in zip(names, types, strict=False))
        outputs = function(*inputs, **{k: list(v) if isinstance(v, tuple) else v for k, v in attrs})
    if outputs is None:
        return Body(inputs, ())
    return Body(inputs, outputs if isinstance(outputs, tuple) else (outputs,))
