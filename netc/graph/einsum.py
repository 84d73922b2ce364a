"""The equation of an Einsum, with a letter for each axis."""

from collections import Counter
from dataclasses import dataclass
from string import ascii_letters

from netc.errors import ShapeError
from netc.graph.ir import Node

DOTS = "..."


@dataclass(frozen=True)
class Equation:
    """The indices of each operand and of the output. An ellipsis stands for letters that the equation does not use."""

    operands: tuple[str, ...]
    output: str

    @classmethod
    def of(cls, node: Node) -> "Equation":
        """The equation of a node. ShapeError if there are more axes than letters."""
        equation: str = node.attrs["equation"].replace(" ", "")
        left, arrow, right = equation.partition("->")
        terms = left.split(",")
        dots = [x.rank - len(t.replace(DOTS, "")) if DOTS in t else 0 for t, x in zip(terms, node.operands, strict=True)]
        free = [c for c in ascii_letters if c not in equation]
        if max(dots) > len(free):
            raise ShapeError(f"Einsum({equation}): There are more axes than letters.")
        batch = "".join(free[: max(dots)])
        if not arrow:
            counts = Counter(left.replace(DOTS, "").replace(",", ""))
            right = (DOTS if DOTS in left else "") + "".join(sorted(c for c, n in counts.items() if n == 1))
        operands = (t.replace(DOTS, batch[len(batch) - n :]) for t, n in zip(terms, dots, strict=True))
        return cls(tuple(operands), right.replace(DOTS, batch))
