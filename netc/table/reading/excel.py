"""Excel and OpenDocument files, through python-calamine (the extra `excel`)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from netc.errors import DataError, Diagnostic, Place, near
from netc.table.reading.dialect import Head, has_header
from netc.table.reading.names import column_names
from netc.table.reading.options import Kind, RawColumn, ReadingOptions
from netc.table.reading.part import Part, PlainFile
from netc.table.reading.store import Store
from netc.table.reading.streamed import kind_of_values, streamed, written


def read_excel(file: PlainFile, options: ReadingOptions, store: Store) -> Part:
    """Read a sheet of an Excel file: the only one, or the one that is asked for."""
    rows = _rows(file, options)
    texts = [[_text(cell) for cell in row] for row in rows[:500]]
    header = options.header if options.header is not None else has_header(texts)
    head = Head(ReadingOptions(header=header), texts)
    names, body = column_names(file.name, head), rows[1 if header else 0 :]
    columns = tuple(RawColumn(name, kind_of_values(row[k] for row in body)) for k, name in enumerate(names))
    part = streamed(file.name, columns, _values(body, [column.kind for column in columns]), options, store)
    return replace(part, dialect=replace(options, header=header), queried=False)


def _rows(file: PlainFile, options: ReadingOptions) -> list[list[Any]]:
    """The rows of the sheet, all of the same length, without empty ones at the end."""
    try:
        import python_calamine
    except ImportError as error:
        raise DataError(f"{file.name}: Excel files need pip install 'netc[excel]'.") from error
    try:
        with python_calamine.CalamineWorkbook.from_path(str(file.path)) as book:
            rows = book.get_sheet_by_name(_sheet(file.name, book, options.sheet)).to_python()
    except python_calamine.CalamineError as error:
        raise DataError(f"{file.name}: The Excel file is damaged, or has a password ({error}).") from error
    while rows and not any(map(_text, rows[-1])):
        rows.pop()
    if not rows:
        raise DataError(f"{file.name}: There are no rows, and no header.")
    return [list(row) for row in zip(*zip_longest(*rows, fillvalue=""), strict=True)]


def _sheet(name: str, book: Any, wanted: str) -> str:
    """The name of the sheet that is asked for, else of the only one that is not empty."""
    names: list[str] = book.sheet_names
    if wanted and wanted not in names:
        raise DataError(Diagnostic(Place(name), f"There is no sheet {wanted!r}.", near(wanted, names)))
    if wanted:
        return wanted
    filled = [sheet for sheet in names if len(names) == 1 or book.get_sheet_by_name(sheet).to_python()]
    if len(filled) > 1:
        raise DataError(f"{name}: There are several sheets: {', '.join(map(repr, filled))}. Set `sheet` to one of them.")
    return filled[0] if filled else names[0]


def _values(rows: Sequence[Sequence[Any]], kinds: Sequence[Kind]) -> Iterator[list[object]]:
    """The cells of rows. In columns of text, whole numbers have no decimals."""
    for row in rows:
        yield [None if cell == "" else _text(cell) if kind in ("text", "integer") else cell for cell, kind in zip(row, kinds, strict=False)]


def _text(cell: object) -> str:
    """A cell as Excel shows it."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53 else written(cell)
