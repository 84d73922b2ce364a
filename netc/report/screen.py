"""Where the output of a command goes, and a stream that survives a closed pipe or a broken terminal."""

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO, cast

from rich.console import Console

from netc import terminal


@dataclass(frozen=True)
class Screen:
    """The consoles of a command: `progress` for progress lines, `notes` for warnings and notes, `results` for results.

    `log` receives the lines of log.jsonl if the user asked for them.
    """

    progress: Console
    notes: Console
    results: Console
    log: TextIO | None = None

    def say(self, text: str) -> None:
        """Print a progress line."""
        self.progress.print(terminal.paragraph(text), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a note that the user should read even with --quiet."""
        self.notes.print(terminal.paragraph(text), soft_wrap=True)

    def result(self, text: str) -> None:
        """Print a result."""
        self.results.print(terminal.paragraph(text), soft_wrap=True)


def screen(quiet: bool = False, as_json: bool = False) -> Screen:
    """A screen on stdout. With `quiet` it has only the results, with `as_json` only the log; notes go to stderr then."""
    out = _console(sys.stdout)
    if not quiet and not as_json:
        return Screen(out, out, out)
    err = _console(sys.stderr)
    silent = Console(quiet=True)
    return Screen(silent, err, err, steady(sys.stdout)) if as_json else Screen(silent, err, out)


def speaks_unicode(console: Console) -> bool:
    """Whether the encoding of a console has every character."""
    return console.encoding.lower().replace("-", "").startswith("utf")


def steady(stream: TextIO) -> TextIO:
    """Wrap a stream so that it never raises: unknown characters become escapes, and a closed stream is ignored."""
    return cast(TextIO, Steady(stream))


class Steady:
    """A text stream around another one that may be closed by its reader and may lack characters."""

    def __init__(self, stream: TextIO):
        self.stream, self.gone = stream, False
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write text. Characters outside the encoding become escapes. If the stream is closed, write nothing."""
        if not self.gone:
            try:
                self.stream.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
            except (OSError, ValueError):
                self._lost()
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        if not self.gone:
            try:
                self.stream.flush()
            except (OSError, ValueError):
                self._lost()

    def isatty(self) -> bool:
        """Whether the stream is an open terminal."""
        return not self.gone and self.stream.isatty()

    def fileno(self) -> int:
        """The file descriptor of the stream."""
        return self.stream.fileno()

    def _lost(self) -> None:
        """Redirect the closed stream to the null device, because the process flushes it once more at exit."""
        self.gone = True
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)


def _console(stream: TextIO) -> Console:
    return terminal.console(steady(terminal.raw(stream)), soft_wrap=True)
