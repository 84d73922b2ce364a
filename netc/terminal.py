"""What reaches a terminal: text that came out of a file can only be read there, it cannot steer.

A terminal obeys what is printed: it moves its cursor, changes its title, fills the clipboard. So while a command runs, every stream
is cleaned (`cleaned`); colours and bars, which are netc's own, go past that through `own` and `console`.
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

MARK = "\N{REPLACEMENT CHARACTER}"  # as wide as any letter, so that carets stay under what they point at
WIDEST = 60  # of a column
# Controls of C0 and C1, the ends of lines that Unicode adds, what turns the direction of text or is not seen at all, and lone halves
# of characters. Joiners (200C, 200D) are letters' own in many scripts.
_UNSAFE = "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff"
_UNSAFE += "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
_STEERING = re.compile(f"[{_UNSAFE}]")
_IN_LINE = re.compile(f"[\n{_UNSAFE}]")


def clean(text: str) -> str:
    """`text` without what a terminal obeys or hides; lines and tabs stay."""
    return _STEERING.sub(MARK, text)


def line(text: str) -> str:
    """`clean`, in one line: for a name out of a file, which must not pass for lines of netc's own."""
    return _IN_LINE.sub(MARK, text)


def paragraph(text: str) -> str:
    """`clean`, with every line but the first set in, so that none passes for another message."""
    return clean(text).replace("\n", "\n    ")


def column(texts: Iterable[str]) -> int:
    """The width of a column: that of its longest text, but WIDEST at most, since every line is padded to it."""
    return min(WIDEST, max(map(len, texts), default=0))


def cut(text: str) -> str:
    """`text`, or as much of it as a column is wide."""
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def say(text: str, err: bool = False) -> None:
    """Print one line."""
    click.echo(line(text), err=err)


def document(text: str) -> None:
    """Print a file's text: as it is into a file or a pipe, cleaned on a terminal."""
    click.echo(text, nl=False, file=None if sys.stdout.isatty() else raw(sys.stdout))


def own(text: str, err: bool = False) -> None:
    """Print a line that netc made with escapes of its own. Nothing of a file may be in it but through `clean`."""
    click.echo(text, file=raw(sys.stderr if err else sys.stdout), color=False if os.environ.get("NO_COLOR") else None)


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For sys.excepthook: a traceback, whose message may quote a file."""
    sys.stderr.write(clean("".join(traceback.format_exception(kind, error, trace))))


def raw(stream: TextIO) -> TextIO:
    """The stream beneath a cleaned one."""
    return stream.stream if isinstance(stream, Cleaned) else stream


@contextmanager
def cleaned() -> Iterator[None]:
    """Cleans all that is written to stdout and stderr within, whoever writes it."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Cleaned(raw(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class Cleaned:
    """A text stream on another one, to which all that is written is cleaned."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(clean(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for text in lines:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # bytes would go past the cleaning
            raise AttributeError(name)
        return getattr(self.stream, name)


def console(stream: TextIO | None = None, **options: Any) -> "Console":
    """A console of rich on a stream, stdout unless said otherwise. Its texts are cleaned; square brackets in them are no markup."""
    made: Console = _console_type()(file=raw(stream or sys.stdout), markup=False, emoji=False, highlight=False, **options)
    return made


@cache
def _console_type() -> Any:
    """rich takes a while to load, and help needs none of it."""
    from rich.console import Console
    from rich.segment import Segment

    class CleanConsole(Console):
        """Cleans texts when they are laid out, be they markup, Markdown or a bar's."""

        def render(self, renderable: Any, options: Any = None) -> Iterator[Any]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(clean(segment.text), segment.style)

    return CleanConsole
