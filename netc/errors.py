"""Places, diagnostics, suggestions, and the exceptions that netc raises on purpose.

* NetcError              the base class: a list of diagnostics; `exit_code` is the exit code of the command line
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

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from heapq import nlargest
from os.path import commonprefix

MAX_ERRORS = 20  # that are shown
MAX_KNOWN = 40  # names that a message lists
MOST_COMPARED = 200  # names, letter by letter
LONGEST = 200  # letters of a name that are compared


@dataclass(frozen=True)
class Place:
    """A file, or a line and column in it, both counted from 1 (0 if unknown)."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def position(self) -> tuple[int, int]:
        """Line and column, to sort by."""
        return self.line, self.column


@dataclass(frozen=True)
class Argument(Place):
    """An argument of the command line, such as `--set solver.max_iter=5`, in the place of a file; it has one line."""

    def __str__(self) -> str:
        return self.file


@dataclass(frozen=True)
class Suggestion:
    """What an unknown name may stand for.

    `near` are the names that look like it, `known` all the names there are. A `synonym` is netc's word for what another framework
    calls by the unknown name. `meant` is the name to continue with, set only where nothing else can be meant. `detail` is added to
    the sentence, `known_as` begins the list of the known names.
    """

    near: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    synonym: str = ""
    meant: str = ""
    detail: str = ""
    known_as: str = "Known names:"

    def __bool__(self) -> bool:
        """Whether a name is suggested, rather than all of them listed."""
        return bool(self.near or self.synonym)

    def __str__(self) -> str:
        if self.synonym:
            return f"netc calls it {self.synonym!r}{self.detail}."
        if self.near:
            return f"Did you mean {' or '.join(map(repr, self.near))}?{self.detail}"
        if len(self.known) > MAX_KNOWN:
            return f"None of the {len(self.known)} known names is similar.{self.detail}"
        return f"{self.known_as} {', '.join(self.known)}.{self.detail}" if self.known else f"There are none.{self.detail}"


@dataclass(frozen=True)
class Diagnostic:
    """An error or a warning: where it is, what is wrong, and what may be meant instead.

    `field` names the field of a layer that it is about, where the layer, but not its text, is known. `details` are lines below.
    """

    place: Place | None
    text: str
    suggestion: Suggestion | None = None
    field: str = ""
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        sentence = f"{self.place}: {self.sentence}" if self.place else self.sentence
        return "\n    ".join((sentence, *self.details))

    @property
    def sentence(self) -> str:
        """The text with the suggestion."""
        return self.text if self.suggestion is None else f"{self.text} {self.suggestion}"

    @property
    def position(self) -> tuple[int, int]:
        """Line and column, to sort by; (0, 0) where there is none."""
        return self.place.position if self.place else (0, 0)


def not_utf8(file: str, error: UnicodeDecodeError, hint: str = "") -> Diagnostic:
    """The diagnostic for the first byte of a file that is not UTF-8."""
    read, at = error.object, error.start
    place = Place(file, read.count(b"\n", 0, at) + 1, at - read.rfind(b"\n", 0, at))
    return Diagnostic(place, f"The byte {read[at]:#04x} is not UTF-8. {hint}".rstrip())


class NetcError(Exception):
    """Catch this to catch everything netc raises on purpose. `diagnostics` lists everything that is wrong.

    `field` names the field of a layer that diagnostics given as texts are about.
    """

    exit_code = 1

    def __init__(self, *diagnostics: Diagnostic | str, field: str = ""):
        self.diagnostics = tuple(d if isinstance(d, Diagnostic) else Diagnostic(None, d, field=field) for d in diagnostics)
        lines = [str(d) for d in self.diagnostics[:MAX_ERRORS]]
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


def near(name: str, known: Iterable[str]) -> Suggestion:
    """What an unknown name may stand for, among the known ones."""
    known = sorted(known)
    return Suggestion(tuple(close(name, known)), tuple(known))


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
