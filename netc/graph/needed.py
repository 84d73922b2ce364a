"""Which gradients are wanted, for a rule whose work depends on it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from netc.graph.ir import Value

_needed: ContextVar[Collection[Value | None]] = ContextVar("needed", default=())


@contextmanager
def needing(values: Collection[Value | None]) -> Iterator[None]:
    """Gradients made within are wanted by `values` alone."""
    token = _needed.set(values)
    try:
        yield
    finally:
        _needed.reset(token)


def needed(x: Value) -> bool:
    """Whether a gradient by `x` is wanted."""
    return x in _needed.get()
