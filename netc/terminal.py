"""Safe output to terminals: text from a file can be displayed, but cannot control the terminal.

A terminal obeys escape sequences: it moves its cursor, changes its title or fills the clipboard. So while a command runs, `cleaned`
filters all output streams. Colours and progress bars are netc's own; they bypass the filter through `own` and `console`.
"""

import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

MARK = "\N{REPLACEMENT CHARACTER}"  # as wide as a letter, so that carets stay aligned
WIDEST = 60  # maximal width of a column
# C0 and C1 controls, Unicode line ends, characters that change the text direction or are invisible, and lone surrogates.
# Joiners (200C, 200D) are allowed, because many scripts need them.
_UNSAFE = "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff"
_UNSAFE += "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
_STEERING = re.compile(f"[{_UNSAFE}]")
_IN_LINE = re.compile(f"[\n{_UNSAFE}]")


def clean(text: str) -> str:
    """Remove everything from `text` that a terminal obeys or hides. Line ends and tabs stay."""
    return _STEERING.sub(MARK, text)


def line(text: str) -> str:
    """Clean `text` and put it on one line.

    It is for names from files, which must not look like separate lines from netc.
    """
    return _IN_LINE.sub(MARK, text)


def paragraph(text: str) -> str:
    """Clean `text` and indent all lines except the first, so that none looks like another message."""
    return clean(text).replace("\n", "\n    ")


def column(texts: Iterable[str]) -> int:
    """The width of a column: that of its longest text, but at most WIDEST, because every line is padded to it."""
    return min(WIDEST, max(map(len, texts), default=0))


def cut(text: str) -> str:
    """`text`, shortened to the width of a column."""
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def say(text: str, err: bool = False) -> None:
    """Print one line."""
    click.echo(line(text), err=err)


def document(text: str) -> None:
    """Print a file's text: unchanged into a file or a pipe, cleaned on a terminal."""
    click.echo(text, nl=False, file=None if sys.stdout.isatty() else raw(sys.stdout))


def own(text: str, err: bool = False) -> None:
    """Print a line with netc's own escape sequences. Text from a file must pass through `clean` first."""
    click.echo(text, file=raw(sys.stderr if err else sys.stdout), color=False if os.environ.get("NO_COLOR") else None)


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For sys.excepthook: print a cleaned traceback, because its message may quote a file."""
    sys.stderr.write(clean("".join(traceback.format_exception(kind, error, trace))))


def raw(stream: TextIO) -> TextIO:
    """The stream beneath a cleaned one."""
    return stream.stream if isinstance(stream, Cleaned) else stream


@contextmanager
def cleaned() -> Iterator[None]:
    """Clean everything that any code writes to stdout and stderr in this context."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Cleaned(raw(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class Cleaned:
    """A text stream that cleans what is written and passes it to another stream."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(clean(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for text in lines:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # bytes would bypass the cleaning
            raise AttributeError(name)
        return getattr(self.stream, name)


def console(stream: TextIO | None = None, **options: Any) -> "Console":
    """A rich console on a stream, stdout by default. Its texts are cleaned, and square brackets in them are not markup."""
    made: Console = _console_type()(file=raw(stream or sys.stdout), markup=False, emoji=False, highlight=False, **options)
    return made


@cache
def _console_type() -> Any:
    """The console type, created on demand because rich is slow to load and help does not need it."""
    from rich.console import Console
    from rich.segment import Segment

    class CleanConsole(Console):
        """A console that cleans texts at layout: markup, Markdown and progress bars."""

        def render(self, renderable: Any, options: Any = None) -> Iterator[Any]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(clean(segment.text), segment.style)

    return CleanConsole
