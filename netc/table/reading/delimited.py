"""Text files with a row a line: CSV and its relatives.

DuckDB reads a file that keeps to the rules. Where it rejects a line, or the file has comments, lines with several ends or one column,
`records` reads the file instead, which is slow and gives the place of each error.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from netc.errors import DataError, Diagnostic, Place
from netc.files import open_plain
from netc.table.reading.dialect import Head, best_delimiter, find_dialect, separators_of
from netc.table.reading.encodings import Text, as_utf8, codec, encoding_of
from netc.table.reading.names import column_names
from netc.table.reading.options import RawColumn, ReadingOptions
from netc.table.reading.part import Part, PlainFile
from netc.table.reading.records import BLANKS, LONGEST, ONE_COLUMN, Record, RecordError, cell_start, records
from netc.table.reading.store import Store, literal

NO_NULLS = "[chr(1)]"  # DuckDB drops a cell too many at the end of a line if it is one of `nullstr`, so that no cell must be
if TYPE_CHECKING:
    import _csv

HEAD = 1 << 17  # bytes from which the dialect is found
SHOWN = 5  # lines that a message lists


def read_delimited(file: PlainFile, options: ReadingOptions, store: Store) -> Part:
    """Find out how a text file stores a table. DataError lists what is wrong with it."""
    start, whole = _start(file.path)
    encoding = encoding_of(file.name, start[:256], options.encoding)
    text = start.decode(codec(encoding), errors="replace")
    if not whole:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    head = find_dialect(text, replace(options, encoding=encoding))
    if not head.rows and not head.names:
        raise DataError(f"{file.name}: There are no rows, and no header.")
    _check_delimiter(file.name, text, head, options)
    names = column_names(file.name, head)
    head = replace(head, dialect=_numbers(file.name, head, options))
    table = Delimited(file, head, names, as_utf8(file.path, file.name, encoding, head.dialect.comment, store.temporary()))
    return Part(file.name, tuple(RawColumn(name, "text") for name in names), table.text.sha256, head.dialect, table.load, table.place)


def _start(path: Path) -> tuple[bytes, bool]:
    """The first bytes of a file, and whether that is all of it."""
    with open_plain(path) as file:
        start = file.read(HEAD)
        return start, not file.read(1)


def _check_delimiter(name: str, text: str, head: Head, options: ReadingOptions) -> None:
    """DataError if the delimiter that is asked for cuts nothing, and another one does."""
    if not options.delimiter or options.delimiter == ONE_COLUMN or head.width > 1:
        return
    other = best_delimiter(text.splitlines(keepends=True), head.dialect)
    if other != ONE_COLUMN:
        raise DataError(f"{name}: The delimiter {options.delimiter!r} is not in the first lines. Did you mean {other!r}?")


def _numbers(name: str, head: Head, options: ReadingOptions) -> ReadingOptions:
    """The dialect with the separators in numbers. DataError if a number such as 24,980 can be read in two ways."""
    dialect = head.dialect
    if options.decimal:
        found = options.decimal, options.thousands
    else:
        found = separators_of(head.body) or ((".", ",") if dialect.delimiter == "," else ("", ""))
        if not found[0]:
            raise DataError(
                f'{name}: Numbers such as 24,980 can be read in two ways. Set `decimal: ","` for 24.98, or `decimal: "."` and'
                ' `thousands: ","` for 24980.'
            )
    return replace(dialect, decimal=found[0], thousands=options.thousands or found[1])


@dataclass(frozen=True)
class Delimited:
    """A text file of which the dialect and the names of the columns are known."""

    file: PlainFile
    head: Head
    names: tuple[str, ...]
    text: Text

    def load(self, store: Store, columns: Sequence[RawColumn]) -> None:
        """Append the cells of the columns to a store. DataError lists the lines that are wrong."""
        if self._is_simple() and self._read(store, self.text.path, self.head.dialect, columns):
            return
        path = store.temporary()
        dialect = ReadingOptions(delimiter=",", quote='"', escape='"', header=False, missing=self.head.dialect.missing)
        with path.open("w", encoding="utf-8", newline="") as file:
            self._rewrite(csv.writer(file, lineterminator="\n"))
        if not self._read(store, path, dialect, columns):
            raise DataError(f"{self.file.name}: A line is longer than {LONGEST:,} bytes, which is more than netc reads.")
        path.unlink()

    def _is_simple(self) -> bool:
        """Whether DuckDB can be asked to read the file."""
        dialect = self.head.dialect
        return (
            not self.text.look.comments
            and not self.text.look.mixed
            and dialect.delimiter not in (ONE_COLUMN, BLANKS)
            and not self._ends_in_delimiters
        )

    @property
    def _ends_in_delimiters(self) -> bool:
        """Whether the rows have one cell more than there are names: an empty one."""
        return self.head.width == len(self.names) + 1

    def _read(self, store: Store, path: Path, dialect: ReadingOptions, columns: Sequence[RawColumn]) -> bool:
        """Let DuckDB append the cells; False if it rejects a line."""
        import duckdb

        at = {name: f"c{k}" for k, name in enumerate(self.names)}
        cells = ", ".join(at[column.name] for column in columns)
        types = ", ".join(f"'{key}': 'VARCHAR'" for key in at.values())
        relation = (
            f"read_csv({literal(str(path))}, auto_detect=false, columns={{{types}}}, header={dialect.header}, store_rejects=true,"
            f" delim={literal(dialect.delimiter)}, quote={literal(dialect.quote)}, escape={literal(dialect.escape)},"
            f" max_line_size={LONGEST}, buffer_size={16 * LONGEST}, nullstr={NO_NULLS}, rejects_limit=1)"
        )
        with store.undoing() as undo:
            try:
                store.append(f"select {cells} from {relation}")
                rejected = bool(store.sql("select 1 from reject_errors limit 1"))
            except duckdb.InvalidInputException:
                rejected = True
            if rejected:
                undo()
        return not rejected

    def records(self) -> Iterator[Record]:
        """The records of the file below the header."""
        with open_text(self.file.path, self.text.encoding) as lines:
            found = records(lines, self.head.dialect)
            if self.head.dialect.header and not self.head.commented:
                next(found, None)
            yield from found

    def _rewrite(self, writer: "_csv.Writer") -> None:
        """Write the records as a CSV file that DuckDB reads. DataError lists those of another length, or the one that has no end."""
        width, wrong = len(self.names), []
        try:
            for record in self.records():
                extra = self._ends_in_delimiters and len(record.cells) == width + 1 and not record.cells[-1]
                if len(record.cells) != width and not extra:
                    wrong.append((record.line, len(record.cells)))
                elif not wrong:
                    writer.writerow(record.cells[:width] if width > 1 or record.cells[0] else ["NA"])
        except RecordError as error:
            wrong_record = Diagnostic(Place(self.file.name, error.line, 1), str(error))
            raise DataError(*([self._ragged(wrong)] if wrong else []), wrong_record) from error
        if wrong:
            raise DataError(self._ragged(wrong))

    def _ragged(self, wrong: Sequence[tuple[int, int]]) -> Diagnostic:
        line, count = wrong[0]
        shown = ", ".join(str(line) for line, _ in wrong[:SHOWN]) + (", ..." if len(wrong) > SHOWN else "")
        many = f" {len(wrong):,} lines have another number of cells: lines {shown}." if len(wrong) > 1 else ""
        what = "the header" if self.head.dialect.header else "the other lines"
        text = f"There are {count} cells. Expected {len(self.names)}, as in {what}.{many}"
        cure = f" Put a cell that contains {self.head.dialect.delimiter!r} in quotes." if count > len(self.names) else ""
        return Diagnostic(Place(self.file.name, line, 1), text + cure)

    def place(self, row: int, column: int) -> Place:
        """The place of a cell; of the header for the row -1."""
        with open_text(self.file.path, self.text.encoding) as lines:
            skipped = row + bool(self.head.dialect.header and not self.head.commented)
            for k, record in enumerate(records(lines, self.head.dialect)):
                if k == skipped:
                    return Place(self.file.name, *cell_start(record, column, self.head.dialect))
        return Place(self.file.name)


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[Iterator[str]]:
    """The lines of a text file, each with the end "\\n"."""
    with open_plain(path) as file, TextIOWrapper(file, encoding=codec(encoding), newline=None) as lines:
        yield lines
