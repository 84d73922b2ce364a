"""Which parameters learn, and how fast: `freeze` and `lr_mult`, patterns over names, of a layer and of the solver."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from netc import netc_pb2 as pb
from netc.errors import Suggestion, near

ALL = "*"
_ENDS = re.compile(r"[./]|$")  # where a part of a name ends


@dataclass(frozen=True)
class Rates:
    """The patterns of frozen parameters, and the factors on the learning rate by pattern. Names have parts, as in `conv1.weight`.

    A pattern fits a name if it fits the whole name or its first parts: `conv1` fits `conv1.weight`.
    """

    freeze: tuple[str, ...] = ()
    factors: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, message: pb.LayerParameter | pb.SolverParameter) -> "Rates":
        """The patterns of a layer or a solver."""
        return cls(tuple(map(_pattern, message.freeze)), tuple((rule.pattern, rule.lr_mult) for rule in message.lr_mult))

    def freezes(self, name: str) -> bool:
        """Whether a parameter is frozen."""
        return any(_fits(pattern, name) for pattern in self.freeze)

    def factor(self, name: str) -> float:
        """The factor on the learning rate of a parameter: that of the last pattern that fits, 1 if none does."""
        return next((factor for pattern, factor in reversed(self.factors) if _fits(pattern, name)), 1.0)

    def idle(self, known: Collection[str], learned: Collection[str]) -> Iterator[tuple[tuple[str, int], str, Suggestion]]:
        """Each pattern that fits no name: its field and number, a sentence, and near names.

        `known` are the names of parameters and statistics, `learned` those of parameters.
        """
        for k, pattern in enumerate(self.freeze):
            if pattern and not any(_fits(pattern, name) for name in known):
                yield ("freeze", k), f"`freeze`: {pattern!r} fits no parameter.", near(pattern, _parts(known))
        for k, (pattern, _) in enumerate(self.factors):
            if not any(_fits(pattern, name) for name in learned):
                yield ("lr_mult", k), f"`lr_mult`: {pattern!r} fits no parameter that learns.", near(pattern, _parts(learned))


def _pattern(text: str) -> str:
    """A pattern of `freeze`: `true` stands for all parameters, `false` for none."""
    return {"true": ALL, "false": ""}.get(text.lower(), text)


def _fits(pattern: str, name: str) -> bool:
    """Whether a pattern fits a name, or its first parts."""
    return any(part == pattern or fnmatchcase(part, pattern) for part in _starts(name))


def _starts(name: str) -> Iterator[str]:
    """`features`, `features.0` and `features.0.weight` for the last of them."""
    yield from (name[: end.start()] for end in _ENDS.finditer(name) if end.start())


def _parts(names: Collection[str]) -> list[str]:
    """The names, and their first parts, to suggest from."""
    return list(dict.fromkeys(part for name in names for part in _starts(name)))
