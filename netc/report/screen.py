"""Where the words of a command go, and a stream that a broken terminal cannot end a run through."""

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO, cast

from rich.console import Console

from netc import terminal


@dataclass(frozen=True)
class Screen:
    """`progress` is for how a run goes, `notes` for what a person should know, `results` for what was asked for.

    `log` gets the lines of log.jsonl, where they are wanted.
    """

    progress: Console
    notes: Console
    results: Console
    log: TextIO | None = None

    def say(self, text: str) -> None:
        """How it goes."""
        self.progress.print(terminal.paragraph(text), soft_wrap=True)

    def note(self, text: str) -> None:
        """What a person should know, however few words were asked for."""
        self.notes.print(terminal.paragraph(text), soft_wrap=True)

    def result(self, text: str) -> None:
        """What came out."""
        self.results.print(terminal.paragraph(text), soft_wrap=True)


def screen(quiet: bool = False, as_json: bool = False) -> Screen:
    """All on stdout; with `quiet` only the results, with `as_json` only the log. What a person should know besides is on stderr."""
    out = _console(sys.stdout)
    if not quiet and not as_json:
        return Screen(out, out, out)
    err = _console(sys.stderr)
    silent = Console(quiet=True)
    return Screen(silent, err, err, steady(sys.stdout)) if as_json else Screen(silent, err, out)


def speaks_unicode(console: Console) -> bool:
    """Whether a console's stream takes every character."""
    return console.encoding.lower().replace("-", "").startswith("utf")


def steady(stream: TextIO) -> TextIO:
    """The stream, so that no problem with it is an error: characters that it does not know become escapes, and its end is taken quietly."""
    return cast(TextIO, Steady(stream))


class Steady:
    """A text stream on another one, whose reader may go away and which may not know every character."""

    def __init__(self, stream: TextIO):
        self.stream, self.gone = stream, False
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Characters that the stream does not know become escapes. Where it can no longer be written to, nothing is."""
        if not self.gone:
            try:
                self.stream.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
            except (OSError, ValueError):
                self._lost()
        return len(text)

    def flush(self) -> None:
        """What was written, to where it goes."""
        if not self.gone:
            try:
                self.stream.flush()
            except (OSError, ValueError):
                self._lost()

    def isatty(self) -> bool:
        """Whether a person may be reading."""
        return not self.gone and self.stream.isatty()

    def fileno(self) -> int:
        """The descriptor under it."""
        return self.stream.fileno()

    def _lost(self) -> None:
        """The end of the process flushes the stream once more, which must not fail either."""
        self.gone = True
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)


def _console(stream: TextIO) -> Console:
    return terminal.console(steady(terminal.raw(stream)), soft_wrap=True)
