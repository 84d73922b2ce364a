"""How errors look on a terminal: each error, the line of text that it is about, and a caret under the column."""

import os
from collections.abc import Iterator, Sequence
from unicodedata import combining, east_asian_width

import click

from netc import terminal
from netc.errors import MAX_ERRORS, Argument, Diagnostic, NetcError, Place
from netc.files import read_file

WIDEST = 120  # characters of a text line that are shown
LARGEST = 2**24  # bytes of the largest file that is searched for a line


def show(error: NetcError) -> None:
    """Write all diagnostics of an error to stderr, in colour if that is a terminal and NO_COLOR is not set."""
    for line in lines(error):
        terminal.own(line, err=True)


def show_warnings(errors: Sequence[Diagnostic]) -> None:
    """Write warnings to stderr."""
    for diagnostic in errors:
        for line in _diagnostic(diagnostic, click.style("warning: ", fg="yellow", bold=True), True):
            terminal.own(line, err=True)


def lines(error: NetcError) -> Iterator[str]:
    """The styled lines of the output."""
    errors = error.diagnostics[:MAX_ERRORS]
    several = len(error.diagnostics) > 1
    if several:
        yield click.style("netc:", fg="red", bold=True) + f" {len(error.diagnostics)} errors"
    shown = Diagnostic(None, "")
    for diagnostic in errors:
        yield from _diagnostic(diagnostic, "" if several else click.style("netc: ", fg="red", bold=True), diagnostic.place != shown.place)
        shown = diagnostic
    if len(error.diagnostics) > len(errors):
        yield f"... and {len(error.diagnostics) - len(errors)} more"


def _diagnostic(diagnostic: Diagnostic, start: str, excerpt: bool) -> Iterator[str]:
    sentence, *more = diagnostic.sentence.splitlines() or [""]
    place = click.style(f"{terminal.line(str(diagnostic.place))}: ", bold=True) if diagnostic.place else ""
    yield f"{start}{place}{terminal.line(sentence)}"
    yield from _excerpt(diagnostic.place) if excerpt and diagnostic.place else ()
    yield from map(terminal.line, (*more, *(f"    {detail}" for detail in diagnostic.below)))


def _excerpt(place: Place) -> Iterator[str]:
    """The text line at a place, and a caret below the column."""
    column = place.column
    is_argument = isinstance(place, Argument)
    text = str(place) if is_argument else _line_of(place.file, place.line)
    number = "" if is_argument else str(place.line)
    if text is None:
        return
    before, after = text[: column - 1], text[column - 1 :]
    if len(text) > WIDEST:
        before = before if len(before) < WIDEST // 2 else "..." + before[-WIDEST // 2 :]
        after = after if len(after) < WIDEST // 2 else after[: WIDEST // 2] + "..."
    bar = click.style("|", fg="blue")
    caret = click.style("^", fg="red", bold=True)
    yield f"  {number:>4} {bar} {terminal.line(before + after)}"
    yield f"  {'':4} {bar} {_blank(before)}{caret}"


def _line_of(path: str, number: int) -> str | None:
    """Line `number` of a file; None if it is not available."""
    try:
        if os.path.getsize(path) > LARGEST:
            return None
        text = read_file(path).decode("utf-8-sig", errors="replace")
    except (OSError, ValueError):
        return None
    rows = text.split("\n")
    return rows[number - 1].rstrip("\r") if 0 < number <= len(rows) else None


def _blank(text: str) -> str:
    """White space with the width of `text` on a terminal."""
    return "".join(c if c == "\t" else "" if combining(c) else "  " if east_asian_width(c) in "WF" else " " for c in text)
