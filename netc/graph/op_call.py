"""The type of `op.Conv`, `op.Relu` and so on in `netc.graph.ir`."""

from collections.abc import Iterable
from typing import Any, Literal, Protocol, TypeVar, overload

from netc.graph.tensor_type import Dim

V = TypeVar("V", covariant=True)


class OpCall(Protocol[V]):
    """A call makes a node of the inputs and attributes; it gives the output, or a tuple where `outputs` asks for several."""

    @overload
    def __call__(
        self,
        *inputs: Any,
        outputs: Literal[1] = 1,
        shape: Iterable[Dim] | None = None,
        shapes: Iterable[Iterable[Dim]] = (),
        **attrs: Any,
    ) -> V: ...

    @overload
    def __call__(
        self, *inputs: Any, outputs: int, shape: Iterable[Dim] | None = None, shapes: Iterable[Iterable[Dim]] = (), **attrs: Any
    ) -> tuple[V, ...]: ...
