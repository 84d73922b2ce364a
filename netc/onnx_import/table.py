"""The ops of files that become other ops, or other attributes, in netc's graph: functions under one decorator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from netc.errors import ShapeError
from netc.graph.ir import Value
from netc.onnx_import.model import FileNode

if TYPE_CHECKING:
    from netc.onnx_import.importer import Importer

Result = Value | tuple[Value | None, ...] | None
F = TypeVar("F", bound=Callable[["Call"], Any])


@dataclass(frozen=True, eq=False)
class Call:
    """One node of the file with the values of its inputs."""

    run: "Importer"
    node: FileNode
    inputs: tuple[Value | None, ...]
    attrs: Mapping[str, Any]

    @property
    def x(self) -> Value:
        """The first input."""
        return self.need(0)

    def get(self, k: int) -> Value | None:
        """Input k; None if it is omitted."""
        return self.inputs[k] if k < len(self.inputs) else None

    def need(self, k: int) -> Value:
        """Input k. ShapeError if it is omitted."""
        value = self.get(k)
        if value is None:
            raise ShapeError(f"Input {k} is missing.")
        return value

    def known(self, k: int) -> np.ndarray | None:
        """The content of input k, in numbers and sizes; None if only a run knows it."""
        return self.run.known(self.get(k))

    def numbers(self, k: int) -> list[int] | None:
        """The content of input k as integers; None if it is omitted, or not known in numbers."""
        found = self.known(k)
        return None if found is None or found.dtype == object else [int(v) for v in found.reshape(-1)]

    def same(self, attrs: Mapping[str, Any]) -> tuple[Value, ...]:
        """The outputs of the same op with other attributes."""
        return self.run.plain(replace(self, attrs=attrs))


BECOMES: dict[str, Callable[[Call], Result]] = {}


def becomes(*ops: str) -> Callable[[F], F]:
    """Decorator: the function returns the outputs of the ops; None if they stay as they are."""

    def add(function: F) -> F:
        for op in ops:
            assert op not in BECOMES, op
            BECOMES[op] = function
        return function

    return add
