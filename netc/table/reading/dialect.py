"""Find out how a text file stores a table: its delimiter and whether it has a header."""

import csv
import re
from dataclasses import replace

from netc.table.reading.options import ReadingOptions

DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"\s*[-+]?[$€£]?[-+]?(\d[\d.,]*|[.,]\d+)([eE][-+]?\d+)?\s*[%€$]?\s*")
_YEAR = re.compile(r"(1[89]|20)\d\d")


def find_dialect(text: str, options: ReadingOptions) -> ReadingOptions:
    """Fill in what is not set, from the first lines of a file."""
    comment = options.comment or ("#" if re.match(r"\s*#", text) else "")
    lines = [line for line in text.splitlines(keepends=True) if line.strip() and not (comment and line.startswith(comment))]
    quote = options.quote or '"'
    delimiter = options.delimiter or max(DELIMITERS, key=lambda d: _evenness(lines, d, quote))
    rows = list(csv.reader(lines, delimiter=delimiter, quotechar=quote, skipinitialspace=True))
    header = options.header if options.header is not None else _has_header(rows)
    decimal = options.decimal or ("," if delimiter != "," and _decimal_commas(rows) else ".")
    return replace(options, delimiter=delimiter, comment=comment, quote=quote, header=header, decimal=decimal)


def _evenness(lines: list[str], delimiter: str, quote: str) -> tuple[float, int]:
    """How many rows have as many cells as most of them, if that is more than one; then how many."""
    counts = [len(row) for row in csv.reader(lines, delimiter=delimiter, quotechar=quote, skipinitialspace=True)]
    most = max(set(counts), key=counts.count, default=0)
    return (counts.count(most) / len(counts), most) if most > 1 else (0, 0)


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row differs in kind from the rows below it."""
    if not rows:
        return True
    cells = [cell.strip() for cell in rows[0]]
    if any(not _NUMBER.fullmatch(cell) for cell in cells) and all(not _NUMBER.fullmatch(c) or _YEAR.fullmatch(c) for c in cells):
        return True
    return not any(_NUMBER.fullmatch(cell) for cell in cells)


def _decimal_commas(rows: list[list[str]]) -> bool:
    cells = [cell.strip() for row in rows for cell in row if _NUMBER.fullmatch(cell)]
    return sum("," in c for c in cells) > sum("." in c for c in cells)
