"""Places, diagnostics, suggestions, and the exceptions that netc raises on purpose.

* NetcError              the base class: a list of diagnostics; `exit_code` is the exit code of the command line
  x SpecError            a net, solver or argument is wrong
    x ShapeError         tensors do not fit together
  x DataError            data is missing, unreadable or does not fit the net
    x UnavailableError   data is not on this machine and could not be fetched
  x ProviderError        this machine lacks the requested provider
  x GradientError        an op between the loss and a parameter has no gradient
  x SnapshotError        a file of states is missing, damaged or from another net
  x ZooError             a zoo or a published model is missing, damaged or hostile
    x UnknownModelError  a zoo has no model or version of that name
    x CutError           the connection to a zoo broke
    x UntrustedError     no trusted key has signed the model
  x RunError             a run failed (a full disk, a dead thread)
    x DivergedError      a loss, a state or a score is NaN or infinite
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, get_close_matches
from heapq import nlargest
from os.path import commonprefix

MAX_ERRORS = 20  # shown in a message
MAX_KNOWN = 40  # names listed in a message
MOST_LINES = 5  # that a diagnostic lists for others of its kind
MOST_COMPARED = 200  # names compared letter by letter
LONGEST = 200  # letters of a name that are compared


@dataclass(frozen=True)
class Place:
    """A file, or a line and column in it, both counted from 1 (0 if unknown).

    `notes` say how the line became part of the net, such as the use of a block.
    """

    file: str
    line: int = 0
    column: int = 0
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def position(self) -> tuple[int, int]:
        """Line and column, to sort by."""
        return self.line, self.column


@dataclass(frozen=True)
class Argument(Place):
    """An argument of the command line, such as `--set solver.max_iter=5`, as the place of an error. It has one line."""

    def __str__(self) -> str:
        return self.file


@dataclass(frozen=True)
class Suggestion:
    """Suggestions for an unknown name.

    `near` are similar names, `known` are all valid names. A `synonym` is netc's word for a name from another framework. `meant` is the name
    to continue with; it is set only if the meaning is clear. `detail` is added to the sentence, and `known_as` introduces the list of the
    known names.
    """

    near: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    synonym: str = ""
    meant: str = ""
    detail: str = ""
    known_as: str = "Known names:"

    def __bool__(self) -> bool:
        """Whether it suggests a name, rather than listing all of them."""
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
    """An error or a warning: where it is, what is wrong, and what the user may have meant.

    `field` names the field of a layer that it concerns, if the layer is known but its text is not. `details` are lines below the message.
    Diagnostics of one `kind` in one file are shown once, with the lines of the others (`folded`).
    """

    place: Place | None
    text: str
    suggestion: Suggestion | None = None
    field: str = ""
    details: tuple[str, ...] = ()
    kind: str = ""

    def __str__(self) -> str:
        sentence = f"{self.place}: {self.sentence}" if self.place else self.sentence
        return "\n    ".join((sentence, *self.below))

    @property
    def below(self) -> tuple[str, ...]:
        """The lines below the sentence: the details, and the notes of the place."""
        return (*self.details, *(self.place.notes if self.place else ()))

    @property
    def sentence(self) -> str:
        """The text with the suggestion."""
        return self.text if self.suggestion is None else f"{self.text} {self.suggestion}"

    @property
    def position(self) -> tuple[int, int]:
        """Line and column, to sort by; (0, 0) without a place."""
        return self.place.position if self.place else (0, 0)


@dataclass(frozen=True)
class Absent(Diagnostic):
    """What a layer of Caffe's file needs is not on this machine: its data, or its Python module. The net itself may be right."""


def folded(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Keep the first diagnostic of each kind and file, with a line that counts the others and says where they are."""
    alike: dict[object, list[Diagnostic]] = {}
    for number, d in enumerate(found):
        alike.setdefault((d.kind, d.place.file if d.place else "") if d.kind else number, []).append(d)
    return tuple(ds[0] if len(ds) == 1 else _with_count(ds) for ds in alike.values())


def _with_count(alike: list[Diagnostic]) -> Diagnostic:
    """The first of several diagnostics of a kind, with the number and the lines of the others."""
    lines = list(dict.fromkeys(str(d.place.line) for d in alike[1:] if d.place and d.place.line))
    more = f" and {len(lines) - MOST_LINES} more" if len(lines) > MOST_LINES else ""
    where = f", at line{'s' if len(lines) > 1 else ''} {', '.join(lines[:MOST_LINES])}{more}" if lines else ""
    return replace(alike[0], details=(*alike[0].details, f"and {len(alike) - 1} more of this kind{where}"), kind="")


def not_utf8(file: str, error: UnicodeDecodeError, hint: str = "") -> Diagnostic:
    """The diagnostic for the first byte of a file that is not UTF-8."""
    read, at = error.object, error.start
    place = Place(file, read.count(b"\n", 0, at) + 1, at - read.rfind(b"\n", 0, at))
    return Diagnostic(place, f"The byte {read[at]:#04x} is not UTF-8. {hint}".rstrip())


class NetcError(Exception):
    """The base class of all exceptions that netc raises on purpose. `diagnostics` lists everything that is wrong.

    `field` names the field of a layer that diagnostics given as texts concern.
    """

    exit_code = 1

    def __init__(self, *diagnostics: Diagnostic | str, field: str = ""):
        self.diagnostics = folded(d if isinstance(d, Diagnostic) else Diagnostic(None, d, field=field) for d in diagnostics)
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
    """Data is not on this machine and could not be fetched. The net is valid, but the run cannot start."""

    exit_code = 1


class ProviderError(NetcError):
    """This machine lacks the requested provider."""

    exit_code = 2


class GradientError(NetcError):
    """An op between the loss and a parameter has no gradient."""

    exit_code = 2


class SnapshotError(NetcError):
    """A file of states is missing, damaged or from another net."""

    exit_code = 2


class ZooError(NetcError):
    """A zoo or a published model is missing, damaged or hostile."""


class UnknownModelError(ZooError):
    """A zoo has no model or version of that name."""

    exit_code = 2


class CutError(ZooError):
    """A connection to a zoo broke or was too slow. What was received is valid, so the download can continue from there."""


class UntrustedError(ZooError):
    """A model is not signed, or not by one of the trusted keys."""


class RunError(NetcError):
    """A run failed."""


class DivergedError(RunError):
    """A loss, a state or a score is NaN or infinite."""


def near(name: str, known: Iterable[str]) -> Suggestion:
    """Return suggestions for an unknown name from the known ones."""
    known = sorted(known)
    return Suggestion(tuple(close(name, known)), tuple(known))


def _likeliest(name: str, known: list[str]) -> list[str]:
    """Return the known names that share most of their start and end with `name`. This preselection saves time if there are very many."""
    if len(known) <= MOST_COMPARED:
        return known
    ends = name[::-1].lower()

    def shared(other: str) -> int:
        lower = other.lower()
        return len(commonprefix((name.lower(), lower))) + len(commonprefix((ends, lower[::-1]))) - abs(len(name) - len(other))

    return sorted(nlargest(MOST_COMPARED, known, key=shared))


def close(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that are most similar to `name`, ignoring case; if there are none, the only name that starts with it."""
    name = name[:LONGEST]
    by_lower = {k.lower(): k for k in _likeliest(name, sorted(known))}
    found = get_close_matches(name.lower(), by_lower, n=3)
    if found:
        best = SequenceMatcher(None, name.lower(), found[0]).ratio()
        return [by_lower[m] for m in found if SequenceMatcher(None, name.lower(), m).ratio() > best - 0.05]
    begun = [k for lower, k in by_lower.items() if lower.startswith(name.lower())] if len(name) > 2 else []
    return begun if len(begun) == 1 else []
