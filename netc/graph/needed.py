"""Which gradients are needed, for rules that can skip some of their work."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from netc.graph.ir import Value

_needed: ContextVar[Collection[Value | None]] = ContextVar("needed", default=())


@contextmanager
def needing(values: Collection[Value | None]) -> Iterator[None]:
    """Within the `with` block, rules only need the gradients with respect to `values`."""
    token = _needed.set(values)
    try:
        yield
    finally:
        _needed.reset(token)


def needed(x: Value) -> bool:
    """Whether a gradient with respect to `x` is needed."""
    return x in _needed.get()
