"""What the declaration of a kernel forbids: shapes that it must report."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from netc.runtime import native

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """A call of a kernel: for each input of the node its argument and its shape, None where it is left out."""

    arguments: tuple[native.Argument, ...]
    shapes: tuple[Shape | None, ...]

    @classmethod
    def of(cls, kernel: native.Kernel, shapes: Sequence[Shape | None]) -> "Call":
        expanded = tuple(a for a in kernel.inputs for _ in range(a.count))
        return cls(expanded[: len(shapes)], tuple(shapes))

    def names_elsewhere(self, place: int) -> set[str]:
        """The names of sizes that inputs besides the one at `place` have, `...` among them."""
        there = (a for i, (a, s) in enumerate(zip(self.arguments, self.shapes, strict=True)) if s is not None and i != place)
        return {name for argument in there for name in map(name_of, argument.shape.split())}


def name_of(size: str) -> str:
    """The name in a declared size, as H in 4*H; "" for a number."""
    return re.sub(r"^\d+\*?", "", size).rstrip("?")


def is_wrong(kernel: native.Kernel, call: Call, place: int, shape: Shape) -> bool:
    """Whether the declaration forbids this shape of an input beside the other inputs of the call.

    A size that no other input shares is free.
    """
    declared, before = call.arguments[place].shape.split(), call.shapes[place]
    assert before is not None
    if declared == ["number"]:
        return any(size != 1 for size in shape)
    fixed = call.names_elsewhere(place) | set(kernel.derived)
    if declared[0].startswith("..."):
        own = len(declared) - 1
        if len(shape) < own:
            return True
        front, back = shape[: len(shape) - own], shape[len(shape) - own :]
        changed = front != before[: len(before) - own] and "..." in fixed
        return changed or ("?" not in declared[0] and 0 in front) or differs(declared[1:], back, before[len(before) - own :], fixed)
    return len(shape) != len(declared) or differs(declared, shape, before, fixed)


def differs(declared: Sequence[str], shape: Shape, before: Shape, fixed: set[str]) -> bool:
    """Whether a size is 0 where it may not be, or other than before where it is a number or a name that is fixed."""
    for size, now, then in zip(declared, shape, before, strict=True):
        name = name_of(size)
        if size != "?" and now != then and (not name or name in fixed or (now == 0 and not size.endswith("?"))):
            return True
    return False
