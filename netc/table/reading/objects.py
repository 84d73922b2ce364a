"""JSON: an object a line, or an array of objects. The keys are the columns, and an object that lacks a key lacks the cell."""

import json
from collections.abc import Sequence
from hashlib import file_digest
from itertools import islice
from typing import Any

from netc.errors import DataError, Place
from netc.files import open_plain
from netc.table.reading.names import checked_names
from netc.table.reading.options import Kind, RawColumn, ReadingOptions
from netc.table.reading.part import Part, PlainFile
from netc.table.reading.reasons import reason
from netc.table.reading.store import SQL_TYPES, Store, literal

KINDS: dict[str, Kind] = {
    "VARCHAR": "text", "NULL": "text", "JSON": "text",
    "DOUBLE": "number", "BIGINT": "integer", "UBIGINT": "integer", "HUGEINT": "number", "BOOLEAN": "boolean",
}  # fmt: skip


def read_objects(file: PlainFile, options: ReadingOptions, store: Store) -> Part:
    """Find the keys and kinds in all objects. DataError if one is no JSON, or a cell is an array or an object."""
    import duckdb

    with file.path.open("rb") as stream:
        array = stream.read(4096).decode("utf-8-sig", errors="ignore").lstrip()[:1] == "["
        stream.seek(0)
        digest = file_digest(stream, "sha256").hexdigest()
    form = f"{literal(str(file.path))}, format='{'array' if array else 'newline_delimited'}'"
    try:
        ((found,),) = store.sql(f"select json_group_structure(json) from read_json_objects({form})")
    except duckdb.Error as error:
        raise DataError(f"{file.name}: {_reason(error, file)}") from error
    columns = _columns(file.name, json.loads(found or "null"))
    types = ", ".join(f"{literal(column.name)}: '{SQL_TYPES[column.kind]}'" for column in columns)

    def load(store: Store, wanted: Sequence[RawColumn]) -> None:
        names = [column.name for column in columns]
        cells = ", ".join(f"#{names.index(column.name) + 1}::{SQL_TYPES[column.kind]}" for column in wanted)
        try:
            store.append(f"select {cells} from read_json({form}, columns={{{types}}})")
        except duckdb.Error as error:
            raise DataError(f"{file.name}: {_reason(error, file)}") from error

    def place(row: int, column: int) -> Place:
        return Place(f"{file.name}, object {row + 1}") if array else _place(file, row, columns[column].name)

    return Part(file.name, columns, digest, options, load, place)


def _columns(name: str, structure: Any) -> tuple[RawColumn, ...]:
    if not isinstance(structure, dict) or not structure:
        raise DataError(f'{name}: Expected an object a line, such as {{"age": 31}}, or an array of such objects.')
    nested = {key: "arrays" if isinstance(kind, list) else "objects" for key, kind in structure.items() if not isinstance(kind, str)}
    wrong = [f"{name}: Column {key!r} has {what} as cells. Expected texts, numbers or booleans." for key, what in nested.items()]
    if wrong:
        raise DataError(*wrong)
    lower: dict[str, str] = {}
    for key in structure:
        if key.lower() in lower:
            raise DataError(f"{name}: The keys {lower[key.lower()]!r} and {key!r} differ only in case. Rename one of them.")
        lower[key.lower()] = key
    checked_names(name, list(structure))
    return tuple(RawColumn(key, KINDS.get(kind, "text")) for key, kind in structure.items())


def _reason(error: Exception, file: PlainFile) -> str:
    """What DuckDB says, without its own hints and the path of a temporary file."""
    return "It is not valid JSON: " + reason(error).replace(str(file.path), file.name)


def _place(file: PlainFile, row: int, key: str) -> Place:
    """The line of an object, and the column of a key in it."""
    with open_plain(file.path) as lines:
        filled = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
        for number, line in islice(filled, row, None):
            at = line.decode("utf-8-sig", errors="replace").find(json.dumps(key, ensure_ascii=False))
            return Place(file.name, number, max(at, 0) + 1)
    return Place(file.name)
