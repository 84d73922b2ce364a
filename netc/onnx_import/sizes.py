"""Sizes that are known only at run time, as polynomials in their names with whole numbers as coefficients.

Integers of a file that come from the shape of a tensor, such as `2 * N + 1`, are followed with these: shapes stay exact.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import mul

from netc.graph.tensor_type import Dim

TERM = re.compile(r"(?:(\d+)\*)?([A-Za-z_]\w*(?:\*[A-Za-z_]\w*)*)|(\d+)")


@dataclass(frozen=True)
class Size:
    """A sum of terms. Each term is a product of names, in order, with its coefficient. All names are sizes, so they are at least 0."""

    terms: tuple[tuple[tuple[str, ...], int], ...]

    @classmethod
    def of(cls, dim: "Dim | Size") -> "Size":
        """The size that a dimension names. A name that is no sum or product of names stays one name."""
        if isinstance(dim, Size):
            return dim
        if not isinstance(dim, str):
            return _sum([((), int(dim))])
        terms = []
        for sign, text in re.findall(r"(^|[+-])([^+-]+)", dim):
            found = TERM.fullmatch(text)
            if found is None:
                return cls((((dim,), 1),))
            number, names, alone = found.groups()
            count = int(alone or number or 1) * (-1 if sign == "-" else 1)
            terms.append((tuple(sorted(names.split("*"))) if names else (), count))
        return _sum(terms)

    @property
    def dim(self) -> Dim:
        """The size as a dimension: a number if no name is left."""
        if not any(names for names, _ in self.terms):
            return sum(count for _, count in self.terms)
        texts = [f"{count:+d}" if not names else f"{'+' if count > 0 else '-'}{_product(abs(count), names)}" for names, count in self.terms]
        return "".join(texts).removeprefix("+")

    def __add__(self, other: "Size | int") -> "Size":
        return _sum([*self.terms, *Size.of(other).terms])

    def __mul__(self, other: "Size | int") -> "Size":
        others = Size.of(other).terms
        return _sum((tuple(sorted(a + b)), m * n) for a, m in self.terms for b, n in others)

    def __neg__(self) -> "Size":
        return self * -1

    def __sub__(self, other: "Size | int") -> "Size":
        return self + -Size.of(other)

    def __rsub__(self, other: "Size | int") -> "Size":
        return Size.of(other) - self

    __radd__, __rmul__ = __add__, __mul__

    def __floordiv__(self, other: "Size | int") -> "Size":
        """The quotient, if it is exact. ValueError if it is not."""
        divisor = Size.of(other).terms
        if len(divisor) != 1:
            if self == Size.of(other):
                return _sum([((), 1)])
            raise ValueError("the quotient is not a polynomial")
        by, number = divisor[0]
        result = []
        for names, count in self.terms:
            rest = list(names)
            for name in by:
                if name not in rest:
                    raise ValueError("the quotient is not a polynomial")
                rest.remove(name)
            if count % number:
                raise ValueError("the quotient is not a whole number")
            result.append((tuple(rest), count // number))
        return _sum(result)

    @property
    def low(self) -> int | None:
        """A number that the size is never below; None if there is none."""
        if any(names and count < 0 for names, count in self.terms):
            return None
        return sum(count for names, count in self.terms if not names)


def product(dims: "Iterable[Dim | Size]") -> Size:
    """The product of dimensions."""
    return reduce(mul, map(Size.of, dims), Size.of(1))


def _sum(terms: Iterable[tuple[tuple[str, ...], int]]) -> Size:
    total: dict[tuple[str, ...], int] = defaultdict(int)
    for names, count in terms:
        total[names] += count
    ordered = sorted(((n, c) for n, c in total.items() if c), key=lambda term: (-len(term[0]), term[0]))
    return Size(tuple(ordered))


def _product(count: int, names: tuple[str, ...]) -> str:
    return "*".join([*([str(count)] if count != 1 else []), *names])
