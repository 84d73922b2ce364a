"""The origin of nodes: the layer and the pass that create them."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from netc.errors import Place


@dataclass(frozen=True)
class Origin:
    """Where a node comes from: a layer, its place in the net file, and the pass that created it.

    `node` is the name of the node in an ONNX file that a layer reads.
    """

    layer: str = ""
    place: Place | None = None
    part: str = "forward"  # forward, backward or update
    node: str = ""


NOWHERE = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


def current() -> Origin:
    """The origin of nodes that are created now."""
    return _origin.get()


class HasOrigin(Protocol):
    """An object with an origin, such as a node."""

    @property
    def origin(self) -> Origin:
        """Where it comes from."""


class origin:  # noqa: N801  (a context manager, named like a function; a generator would be five times slower, and each node needs one)
    """Within the `with` block, new nodes get the current origin with `changes`, or the origin of `node`."""

    def __init__(self, node: "HasOrigin | None" = None, /, **changes: Any):
        now = _origin.get() if node is None else node.origin
        self._origin = Origin(**{**vars(now), **changes}) if changes else now

    def __enter__(self) -> None:
        self._token = _origin.set(self._origin)

    def __exit__(self, *error: object) -> None:
        _origin.reset(self._token)
