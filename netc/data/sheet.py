"""The cells of a table in a text file with their positions, and the header that names the columns.

The delimiter is the most frequent of `,`, `;` and tab in the first line; a .tsv file uses tabs. The first line is a header if it
contains no number, or if it contains all expected names. Names are compared in Unicode's composed form.
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from unicodedata import normalize

import numpy as np

from netc.data.cells import are_numbers, is_number
from netc.errors import DataError, Diagnostic, Place, Suggestion, not_utf8
from netc.files import read_file

SUFFIXES = (".csv", ".tsv")
PLACE = "#"  # prefix of the names of columns without a header: #0, #1, ...
SHOWN = 5  # lines that an error lists


@dataclass(frozen=True)
class Sheet:
    """The cells of a file, with the line number of each row.

    `header` has the names of the columns; these are positions unless the sheet is `named`.
    """

    path: Path
    header: tuple[str, ...]
    named: bool
    header_line: int
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    sha256: str
    text: tuple[str, ...]  # the lines of the file
    delimiter: str
    kept: dict[int, np.ndarray] = field(default_factory=dict, compare=False, repr=False)  # converted columns

    def numbers(self, column: int) -> np.ndarray | None:
        """A column as float32; None if some cells are not numbers."""
        if column not in self.kept:
            cells = [row[column] for row in self.rows]
            if not are_numbers(cells):
                return None
            self.kept[column] = np.array(list(map(float, cells)), np.float32)
        return self.kept[column]

    def place(self, row: int, column: int) -> Place:
        """The place of a cell."""
        return self._place(self.lines[row], column)

    def head(self, column: int = 0) -> Place:
        """The place of a name in the header, or of the first row if there is no header."""
        return self._place(self.header_line, column)

    def _place(self, line: int, column: int) -> Place:
        starts = _starts(self.text[line - 1], self.delimiter)
        return Place(str(self.path), line, starts[column] if column < len(starts) else 1)

    def errors(self, column: int, wrong: Sequence[int], wanted: str, suggestion: Suggestion | None = None) -> list[Diagnostic]:
        """One error for all invalid cells of a column, given by their rows; an empty list if there are none.

        `wanted` describes a valid cell.
        """
        if not wrong:
            return []
        cell = self.rows[wrong[0]][column]
        text = f"Column {self.header[column]!r} {f'is {cell!r}' if cell else 'is empty'}. {wanted}"
        if len(wrong) > 1:
            values = len({self.rows[k][column] for k in wrong})
            lines = ", ".join(str(self.lines[k]) for k in wrong[:SHOWN]) + (", ..." if len(wrong) > SHOWN else "")
            text += f" {len(wrong):,} of {len(self.rows):,} cells are wrong, {values:,} of them different: lines {lines}."
        return [Diagnostic(self.place(wrong[0], column), text, suggestion)]


def read_sheet(path: Path, names: Iterable[str] = (), is_header: Callable[[Sequence[str]], bool] | None = None) -> Sheet:
    """Read the table in a file. A first line that contains all of `names` is the header, even if other names are numbers.

    `is_header` decides instead, from the cells of the first line.

    DataError if the file cannot be read, is empty, has no rows, or has rows of different lengths.
    """
    try:
        stat = path.stat()
    except OSError as e:
        raise DataError(f"Cannot read {path}: {e.strerror or e}") from e
    found = _read(path, stat.st_mtime_ns, stat.st_size)
    first_line, first = found.rows[0]
    named = is_header(first) if is_header else _is_header(first, tuple(names))
    header = tuple(normalize("NFC", name) for name in first) if named else places(len(first))
    rows = found.rows[1:] if named else found.rows
    if not rows:
        raise DataError(Diagnostic(Place(str(path), first_line, 1), "There are no rows below the header."))
    cells, lines = tuple(r for _, r in rows), tuple(n for n, _ in rows)
    return Sheet(path, header, named, first_line, cells, lines, found.sha256, found.text, found.delimiter, found.kept[named])


@dataclass(frozen=True)
class _File:
    """A file's rows with their line numbers, and cached values for sheets with and without a header."""

    rows: list[tuple[int, tuple[str, ...]]]
    sha256: str
    text: tuple[str, ...]
    delimiter: str
    kept: tuple[dict[int, np.ndarray], dict[int, np.ndarray]]


@lru_cache(maxsize=4)
def _read(path: Path, modified: int, size: int) -> _File:
    # `modified` and `size` are part of the cache key: a file that changed is read again.
    text, digest = _text(path)
    lines = list(io.StringIO(text, newline=""))
    delimiter = delimiter_of(path, lines)
    rows = _rows(path, lines, delimiter)
    if not rows:
        raise DataError(f"{path}: The file is empty.")
    expected = len(rows[0][1])
    wrong = [(line, len(row)) for line, row in rows if len(row) != expected]
    if wrong:
        more = f" {len(wrong):,} lines have another number of cells." if len(wrong) > 1 else ""
        raise DataError(
            Diagnostic(Place(str(path), wrong[0][0], 1), f"There are {wrong[0][1]} cells. Expected {expected}, as in the first line.{more}")
        )
    return _File(rows, digest, tuple(lines), delimiter, ({}, {}))


def places(count: int) -> tuple[str, ...]:
    """The names of columns without a header."""
    return tuple(f"{PLACE}{k}" for k in range(count))


def _text(path: Path) -> tuple[str, str]:
    try:
        content = read_file(path)
        return content.decode("utf-8-sig"), sha256(content).hexdigest()
    except OSError as e:
        raise DataError(f"Cannot read {path}: {e.strerror or e}") from e
    except UnicodeDecodeError as e:
        kind = "The file seems to be UTF-16. " if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        raise DataError(not_utf8(str(path), e, f"{kind}Save the table as UTF-8.")) from e


def _rows(path: Path, lines: list[str], delimiter: str) -> list[tuple[int, tuple[str, ...]]]:
    """The rows that are not blank, each with the number of its first line."""
    found, began = [], 1
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            cells = tuple(cell.strip() for cell in row)
            if any(cells):
                found.append((began, cells))
            began = reader.line_num + 1
    except csv.Error as e:
        raise DataError(Diagnostic(Place(str(path), began, 1), f"It is not a table in UTF-8 text: {e}")) from e
    return found


def _is_header(first: Sequence[str], names: Sequence[str]) -> bool:
    wanted = set(names)
    return bool(wanted and wanted <= {normalize("NFC", c) for c in first}) or not any(map(is_number, first))


def delimiter_of(path: Path, lines: Iterable[str]) -> str:
    """The delimiter of a table: a tab in a .tsv file, else the most frequent one in the first line that is not blank."""
    first = next((line for line in lines if line.strip()), "")
    return "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)


@lru_cache(maxsize=16)
def _starts(line: str, delimiter: str) -> list[int]:
    """The column, from 1, at which each cell of a line starts, after its spaces. Delimiters within quotes do not separate cells."""
    found, quoted, closed, begins = [1], False, 0, True
    for at, letter in enumerate(line, 1):
        if letter == '"' and (quoted or begins or closed == at - 1):  # two quotes in a quoted cell stand for one
            quoted, begins, closed = not quoted, False, at if quoted else 0
        elif letter == delimiter and not quoted:
            found.append(at + 1)
            begins = True
        elif begins and letter == " ":
            found[-1] = at + 1
        else:
            begins = False
    return found
