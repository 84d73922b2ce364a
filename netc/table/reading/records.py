"""The records of a text file one by one, with their lines: slow and exact.

DuckDB reads most files. This reads those that it cannot read, and finds the place of a cell for a message.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netc.table.reading.options import ReadingOptions

ONE_COLUMN = "\n"  # the delimiter of a table of one column
NO_DELIMITER = "\x1f"  # a character that no text contains: the separator of units of ASCII
LONGEST = 1 << 21  # letters of a cell, and bytes of a line
BLANKS = " "  # the delimiter that stands for any number of spaces and tabs


@dataclass(frozen=True)
class Record:
    """A row of a text file: its cells, its lines as they are in the file, and the number of the first line from 1."""

    cells: list[str]
    lines: list[str]
    line: int


class RecordError(Exception):
    """A record that cannot be read. `line` is its first line."""

    def __init__(self, line: int, reason: str):
        super().__init__(reason)
        self.line = line


def records(lines: Iterable[str], dialect: ReadingOptions) -> Iterator[Record]:
    """Yield the records of a file, given its lines with their ends. Blank lines and comments between records are left out.

    RecordError if a quoted cell does not end, or a cell is too long.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
    feed = _Feed(lines, dialect)
    escaped = dialect.escape not in ("", dialect.quote)
    reader = csv.reader(
        feed,
        delimiter=NO_DELIMITER if dialect.delimiter == ONE_COLUMN else dialect.delimiter,
        quotechar=dialect.quote,
        doublequote=not escaped,
        escapechar=dialect.escape if escaped else None,
        skipinitialspace=True,
    )
    while True:
        feed.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise RecordError(feed.first, f"A cell is longer than {LONGEST:,} letters ({error}).") from error
        if feed.ended:
            raise RecordError(feed.first, "A quoted cell begins here and does not end.")
        yield Record([cell.strip(" ") for cell in cells], feed.taken, feed.first)


class _Feed:
    """The lines for a csv.reader, without blank lines and comments between records. It knows the lines of the current record."""

    def __init__(self, lines: Iterable[str], dialect: ReadingOptions):
        self.lines, self.dialect = iter(lines), dialect
        self.number, self.first, self.ended = 0, 0, False
        self.taken: list[str] = []

    def begin(self) -> None:
        """Begin a record."""
        self.taken = []

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        for line in self.lines:
            self.number += 1
            if not self.taken:
                if not line.strip() or (self.dialect.comment and line.startswith(self.dialect.comment)):
                    continue
                self.first = self.number
            self.taken.append(line)
            return " ".join(line.split("\t")).rstrip() + "\n" if self.dialect.delimiter == BLANKS else line
        self.ended = True
        raise StopIteration


def cell_start(record: Record, column: int, dialect: ReadingOptions) -> tuple[int, int]:
    """The line and the column, both from 1, at which a cell of a record begins."""
    text, pattern, at = "".join(record.lines), _cell(dialect), 0
    for _ in range(column):
        at = min(_matched(pattern, text, at).end() + 1, len(text))
    at = _matched(pattern, text, at).start("cell")
    return record.line + text.count("\n", 0, at), at - text.rfind("\n", 0, at)


def _matched(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    """The match of a pattern that matches every text."""
    found = pattern.match(text, at)
    assert found
    return found


def _cell(dialect: ReadingOptions) -> re.Pattern[str]:
    """A cell in quotes or without them, after the spaces before it."""
    quote, escape = re.escape(dialect.quote), re.escape(dialect.escape or dialect.quote)
    separators = re.escape({ONE_COLUMN: NO_DELIMITER, BLANKS: " \t"}.get(dialect.delimiter, dialect.delimiter))
    blanks = " *" if dialect.delimiter == "\t" else r"[ \t]*"
    inner = f"{quote}{quote}|[^{quote}]" if quote == escape else f"{escape}.|[^{quote}{escape}]"
    return re.compile(rf"{blanks}(?P<cell>(?:{quote}(?:{inner})*{quote})?[^{separators}]*)", re.DOTALL)
