"""What netc raises on purpose.

* NetcError              the base: a list of errors, each with its place; `exit_code` is what the command line ends with
  x SpecError            a net, solver or argument is wrong
    x ShapeError         tensors do not fit together
  x DataError            data is missing, unreadable or does not fit the net
    x UnavailableError   data is not on this machine, and could not be fetched
  x ProviderError        a provider was asked for that this machine lacks
  x GradientError        an op on the way from the loss has no gradient
  x SnapshotError        a file of states is missing, damaged or of another net
  x ZooError             a zoo or a published model is missing, damaged or hostile
    x UnknownModelError  a zoo has no model or version of that name
    x CutError           a connection to a zoo broke
    x UntrustedError     a model is not signed by a key that is trusted
  x RunError             a run failed on its way (a full disk, a dead thread)
    x DivergedError      a loss, a state or a score is NaN or infinite
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from heapq import nlargest
from os.path import commonprefix

MAX_ERRORS = 20  # that are shown
MOST_COMPARED = 200  # names, letter by letter
LONGEST = 200  # letters of a name that are compared
PLACE = re.compile(r":(\d+):(\d+)$")
ARGUMENT = "--set "


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong. `place` is `file:line:column`, or "" where there is none.

    Of what stands on the command line `place` is the argument, and `column` (from 1) where in it.
    """

    place: str
    text: str
    column: int = 0

    def __str__(self) -> str:
        return f"{self.shown_place}: {self.text}" if self.place else self.text

    @property
    def shown_place(self) -> str:
        """The place as a person reads it: an argument has one line, which is not counted."""
        return PLACE.sub("", self.place) if self.is_argument and not self.column else self.place

    @property
    def is_argument(self) -> bool:
        """Whether the place is an argument of the command line."""
        return self.place.startswith(ARGUMENT)


class NetcError(Exception):
    """Catch this to catch everything netc raises on purpose. `diagnostics` lists all that is wrong."""

    exit_code = 1

    def __init__(self, *errors: Diagnostic | str):
        self.diagnostics = tuple(f if isinstance(f, Diagnostic) else Diagnostic("", f) for f in errors)
        lines = [str(f) for f in self.diagnostics[:MAX_ERRORS]]
        if len(self.diagnostics) > MAX_ERRORS:
            lines.append(f"... and {len(self.diagnostics) - MAX_ERRORS} more")
        super().__init__("\n".join(lines))


class SpecError(NetcError):
    """A net, solver or argument is wrong."""

    exit_code = 2


class ShapeError(SpecError):
    """Tensors do not fit together."""


class DataError(NetcError):
    """Data is missing, unreadable or does not fit the net."""

    exit_code = 2


class UnavailableError(DataError):
    """Data is not on this machine, and could not be fetched: the net is right, the run cannot begin."""

    exit_code = 1


class ProviderError(NetcError):
    """A provider was asked for that this machine lacks."""

    exit_code = 2


class GradientError(NetcError):
    """An op on the way from the loss has no gradient."""

    exit_code = 2


class SnapshotError(NetcError):
    """A file of states is missing, damaged or belongs to another net."""

    exit_code = 2


class ZooError(NetcError):
    """A zoo or a published model is missing, damaged or hostile."""


class UnknownModelError(ZooError):
    """A zoo has no model or version of that name."""

    exit_code = 2


class CutError(ZooError):
    """A connection to a zoo broke or was too slow: what came so far is good, and may be gone on from."""


class UntrustedError(ZooError):
    """A model is not signed, or by none of the keys that were asked for."""


class RunError(NetcError):
    """A run failed on its way."""


class DivergedError(RunError):
    """A loss, a state or a score is NaN or infinite."""


def path_of(diagnostic: Diagnostic) -> str:
    """The file that an error is in."""
    return PLACE.sub("", diagnostic.place)


def line_of(diagnostic: Diagnostic) -> tuple[int, int]:
    """Line and column of an error; (0, 0) where it has none."""
    found = PLACE.search(diagnostic.place)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def near(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: what is near it, else what there is."""
    known = sorted(known)
    matches = close(name, known)
    if matches:
        return f"did you mean {' or '.join(map(repr, matches))}?"
    if len(known) > 40:
        return f"there are {len(known)} others"
    return f"there are {', '.join(known)}" if known else "there are none"


def _likeliest(name: str, known: list[str]) -> list[str]:
    """Of very many names those that share most of their beginning and end with `name`, as a whole comparison takes its time."""
    if len(known) <= MOST_COMPARED:
        return known
    ends = name[::-1].lower()

    def shared(other: str) -> int:
        lower = other.lower()
        return len(commonprefix((name.lower(), lower))) + len(commonprefix((ends, lower[::-1]))) - abs(len(name) - len(other))

    return sorted(nlargest(MOST_COMPARED, known, key=shared))


def close(name: str, known: Iterable[str]) -> list[str]:
    """Those of the known names that look most like `name`, the case of letters aside; else the one that it begins."""
    name = name[:LONGEST]
    by_lower = {k.lower(): k for k in _likeliest(name, sorted(known))}
    found = get_close_matches(name.lower(), by_lower, n=3)
    if found:
        best = SequenceMatcher(None, name.lower(), found[0]).ratio()
        return [by_lower[m] for m in found if SequenceMatcher(None, name.lower(), m).ratio() > best - 0.05]
    begun = [k for lower, k in by_lower.items() if lower.startswith(name.lower())] if len(name) > 2 else []
    return begun if len(begun) == 1 else []
