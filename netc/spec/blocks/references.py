"""References to blobs whose names are known only when the layers above have names.

A reference is the newest blob after a number of layers, or a name in the scope of a block. Other names stand for themselves.
"""

from collections.abc import Iterable, Sequence

MARK = "\0"  # no text of a net file begins with it


def after(layers: int) -> str:
    """The reference to the newest blob after so many layers."""
    return f"{MARK}{layers}"


def within(scope: str, name: str) -> str:
    """The reference to the blob that a text in a scope names."""
    return f"{MARK}{scope}{MARK}{name}"


class Blobs:
    """The blobs of a net while its layers get their names, from the first layer to the last.

    `start` is the newest blob before the first layer. `reads` are the references that each layer reads.
    """

    def __init__(self, start: str | None, reads: Sequence[Iterable[str]]):
        self._last = {reference: k for k, layer in enumerate(reads) for reference in layer if reference.startswith(MARK)}
        self._newest: list[str | None] = []
        self._read_until: dict[str, int] = {}  # the last layer that reads a blob as it is now
        self._own: dict[str, set[str]] = {}  # by scope, the blobs that its text names
        self.add(start)

    def add(self, newest: str | None) -> None:
        """Add the newest blob after the next layer."""
        reference = after(len(self._newest))
        self._newest.append(newest)
        if newest is not None:
            self._read_until[newest] = max(self._read_until.get(newest, -1), self._last.get(reference, -1))

    def name(self, reference: str) -> str | None:
        """The name of a blob; None if there is no layer above."""
        scope, mark, name = reference.removeprefix(MARK).partition(MARK)
        if not reference.startswith(MARK):
            return reference
        if mark:
            return scope + name if name in self._own.get(scope, ()) else name
        return self._newest[int(scope)] if scope.isdecimal() and int(scope) < len(self._newest) else reference

    def written(self, reference: str) -> str:
        """The name of a blob that a layer writes. A name in the text of a block becomes one of its own blobs."""
        scope, mark, name = reference.removeprefix(MARK).partition(MARK)
        if mark and reference.startswith(MARK):
            self._own.setdefault(scope, set()).add(name)
        return self.name(reference) or ""

    def is_read_below(self, name: str | None, layer: int) -> bool:
        """Whether a layer below the one with this number reads a blob by a reference, so that nothing may overwrite it before."""
        return name is not None and self._read_until.get(name, -1) > layer
