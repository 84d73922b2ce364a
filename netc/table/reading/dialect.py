"""Find out how a text file stores a table, from its first lines: delimiter, quotes, comments, header, separators in numbers."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import StringIO
from itertools import islice, pairwise

from netc.table.reading.numerals import digits, separators
from netc.table.reading.options import MISSING, ReadingOptions
from netc.table.reading.records import BLANKS, ONE_COLUMN, RecordError, records

DELIMITERS = ",;\t|:^~\x01"
COMMENTS = ("#", "%", "//")
LINES = 500  # that are looked at
GOOD = 0.5  # the share of lines that a delimiter cuts alike, from which on it is taken
MOSTLY = 0.9  # the same for spaces
NUMERIC = 0.5  # the share of numbers that make a column one of numbers
_YEAR = re.compile(r"(1[6-9]|20)\d\d")


@dataclass(frozen=True)
class Head:
    """What the first lines of a file tell: the dialect, the first rows, and the header if it is a comment."""

    dialect: ReadingOptions
    rows: list[list[str]]
    commented: list[str] | None = None

    @property
    def names(self) -> list[str] | None:
        """The cells of the header; None without one."""
        return self.commented or (self.rows[0] if self.dialect.header and self.rows else None)

    @property
    def body(self) -> list[list[str]]:
        """The rows below the header."""
        return self.rows[1:] if self.dialect.header and not self.commented else self.rows

    @property
    def width(self) -> int:
        """The number of cells that most rows have."""
        return _usual([len(row) for row in self.body]) or len(self.names or ())


def find_dialect(text: str, options: ReadingOptions) -> Head:
    """Fill in what `options` leave open. `text` are the first lines of a file."""
    lines = list(islice(StringIO(text, newline=None), LINES))
    options = replace(options, comment=options.comment or _comment(lines))
    options = replace(options, quote=options.quote or _quote(text))
    options = replace(options, escape=options.escape or _escape(text, options.quote))
    if not options.delimiter:
        options = replace(options, delimiter=best_delimiter(lines, options))
    rows = _rows(lines, options)
    commented = _commented_header(lines, rows, options) if options.header is None else None
    if options.header is None:
        options = replace(options, header=bool(commented) or has_header(rows))
    return Head(options, rows, commented)


def best_delimiter(lines: Sequence[str], options: ReadingOptions) -> str:
    """The delimiter that cuts the lines into the same number of cells, with nothing in them that looks like another delimiter."""
    found = {delimiter: _fitness(lines, replace(options, delimiter=delimiter)) for delimiter in DELIMITERS}
    best = max(found, key=lambda delimiter: found[delimiter])
    if found[best][0] >= GOOD:
        return best
    spaced = _fitness(lines, replace(options, delimiter=BLANKS))
    return BLANKS if spaced[0] >= MOSTLY and _mostly_numbers(_rows(lines, replace(options, delimiter=BLANKS))) else ONE_COLUMN


def _fitness(lines: Sequence[str], options: ReadingOptions) -> tuple[float, int]:
    """The share of rows with the usual number of cells, times the share of cells in one piece; then that number."""
    rows = _rows(lines, options)
    usual = _usual([len(row) for row in rows])
    if usual < 2 or len(rows[0]) < 2:
        return 0.0, 0
    others = [d for d in DELIMITERS[:4] if d != options.delimiter]
    cells = [cell for row in rows for cell in row if cell]
    whole = sum(not any(d in cell for d in others) or digits(cell) is not None for cell in cells)
    return sum(len(row) == usual for row in rows) / len(rows) * whole / max(1, len(cells)), usual


def _rows(lines: Sequence[str], options: ReadingOptions) -> list[list[str]]:
    """The cells of the lines, up to the first that cannot be read."""
    rows: list[list[str]] = []
    with suppress(RecordError):
        rows.extend(record.cells for record in records(lines, options))
    return rows


def _usual(counts: Sequence[int]) -> int:
    """The most frequent number, the first among equals; 0 if there are none."""
    return Counter(counts).most_common(1)[0][0] if counts else 0


def _comment(lines: Sequence[str]) -> str:
    """What begins the comments of a file; "" if its first line is none."""
    first = next((line for line in lines if line.strip()), "")
    return next((mark for mark in COMMENTS if first.startswith(mark)), "")


def _quote(text: str) -> str:
    """The letter that encloses cells: the double quote, unless only single quotes do."""
    single, double = (len(re.findall(rf"(?:^|[,;\t|]){q}[^{q}\n]*{q}(?=[,;\t|\r\n]|$)", text, re.MULTILINE)) for q in "'\"")
    return "'" if single > double else '"'


def _escape(text: str, quote: str) -> str:
    """A backslash, if one stands before quotes that are in cells; else the quote."""
    escaped, doubled = (len(re.findall(rf"[^{quote}\s,;|]{mark}{quote}[^{quote}\s,;|]", text)) for mark in (r"\\", quote))
    return "\\" if escaped > doubled else quote


def _commented_header(lines: Sequence[str], rows: list[list[str]], options: ReadingOptions) -> list[str] | None:
    """The cells of the last comment above the rows, if it names their columns, as in `#chrom<tab>position`."""
    if not options.comment or not rows or options.delimiter == ONE_COLUMN:
        return None
    last = ""
    for line in lines:
        if line.strip() and not line.startswith(options.comment):
            break
        last = line if line.strip() else last
    cells = _rows([last.removeprefix(options.comment)], options)
    fits = bool(cells) and len(cells[0]) == len(rows[0]) and has_header(cells + rows) and not has_header(rows)
    return cells[0] if fits else None


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has the names of the columns.

    A name speaks for it above numbers. A number speaks against it above numbers, and so does a text that comes again below.
    Years and other numbers in even steps, such as 2019, 2020, 2021, are names if the row below has no such steps.
    """
    if len(rows) < 2:
        return True
    first, body = rows[0], rows[1:]
    named, plain = 0, []
    repeated = 0
    for k, cell in enumerate(first):
        below = [row[k] for row in body if k < len(row) and row[k] not in MISSING]
        if below and _share_of_numbers(below) >= NUMERIC:
            named += digits(cell) is None and cell not in MISSING
            if digits(cell) is not None:
                plain.append(k)
        else:
            repeated += cell in below
    against = 0 if _are_steps(first, body, plain) else len(plain)
    return named > 0 and named >= against or against + repeated == 0


def _are_steps(first: Sequence[str], body: Sequence[Sequence[str]], at: list[int]) -> bool:
    """Whether the numbers of the first row are names: years, or whole numbers in even steps, unlike those below them."""
    names = [first[k] for k in at]
    if not all(name.isdigit() for name in names):
        return False
    below = [[row[k] for k in at if k < len(row)] for row in body]
    if all(_YEAR.fullmatch(name) for name in names):
        return not any(_YEAR.fullmatch(cell) for row in below for cell in row)
    return len(names) > 1 and _even(names) and not any(all(c.isdigit() for c in row) and _even(row) for row in below)


def _even(numbers: Sequence[str]) -> bool:
    steps = {int(b) - int(a) for a, b in pairwise(numbers)}
    return len(steps) == 1 and steps != {0}


def _share_of_numbers(cells: Sequence[str]) -> float:
    return sum(digits(cell) is not None for cell in cells) / len(cells)


def _mostly_numbers(rows: Sequence[Sequence[str]]) -> bool:
    cells = [cell for row in rows for cell in row]
    return bool(cells) and _share_of_numbers(cells) >= NUMERIC


def separators_of(rows: Sequence[Sequence[str]]) -> tuple[str, str] | None:
    """The separators of decimals and thousands in the columns of numbers; None if they can be read in two ways."""
    columns = [[row[k] for row in rows if k < len(row) and row[k] not in MISSING] for k in range(max(map(len, rows), default=0))]
    numbers = [column for column in columns if column and _share_of_numbers(column) >= NUMERIC]
    return separators(cell for column in numbers for cell in column)
