"""The kinds of files that hold a table. What a file begins with decides, and its name must agree."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from netc.errors import DataError
from netc.table.reading.columnar import read_arrow, read_parquet
from netc.table.reading.compressed import beginning, uncompressed
from netc.table.reading.delimited import read_delimited
from netc.table.reading.excel import read_excel
from netc.table.reading.objects import read_objects
from netc.table.reading.options import ReadingOptions
from netc.table.reading.part import Part, PlainFile
from netc.table.reading.sqlite import read_sqlite_file
from netc.table.reading.store import Store

START = 1 << 12  # bytes from which the kind of a file is found


@dataclass(frozen=True)
class Format:
    """A kind of file: its name for messages, the ends of its file names, what it begins with, and its reader."""

    name: str
    suffixes: tuple[str, ...]
    begins: Callable[[bytes], bool]
    read: Callable[[PlainFile, ReadingOptions, Store], Part]


# No tables; what each is, and the cure.
OTHERS = {
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file. Save it as .xlsx or .csv",
    b"PK\x03\x04": "a zip archive. Unpack it, and name a file in it",
    b"%PDF": "a PDF document. Save its table as .csv",
    b"\x89HDF": "an HDF5 file. Save its table as .parquet or .csv",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"Rar!": "a RAR archive. Unpack it",
    b"7z\xbc\xaf": "a 7z archive. Unpack it",
    b"\x93NUMPY": "a NumPy array",
    b"RDX3": "an R data file. Write the table with write.csv",
    b"ORC": "an ORC file. Save it as .parquet",
    b"Obj\x01": "an Avro file. Save it as .parquet",
}


def _is_excel(start: bytes) -> bool:
    return start.startswith(b"PK\x03\x04") and (
        b"[Content_Types].xml" in start or b"xl/" in start or b"mimetypeapplication/vnd.oasis" in start
    )


def _is_json(start: bytes) -> bool:
    """Whether a text begins with an object, or with an array of objects."""
    text = start.decode("utf-8-sig", errors="ignore").lstrip()
    if text[:1] == "[":
        return text[1:].lstrip()[:1] == "{"
    if text[:1] != "{":
        return False
    try:
        json.JSONDecoder().raw_decode(text)
    except ValueError as error:
        return len(text) > START // 2 and "\n" not in text[: START // 2] and text[1:].lstrip()[:1] == '"' or not error
    return True


FORMATS = (
    Format("Parquet", (".parquet", ".pq"), lambda start: start.startswith(b"PAR1"), read_parquet),
    Format(
        "Arrow", (".arrow", ".feather", ".arrows", ".ipc"), lambda start: start.startswith((b"ARROW1", b"\xff\xff\xff\xff")), read_arrow
    ),
    Format("Excel", (".xlsx", ".xlsm", ".ods"), _is_excel, read_excel),
    Format("SQLite", (".sqlite", ".sqlite3", ".db"), lambda start: start.startswith(b"SQLite format 3\0"), read_sqlite_file),
    Format("JSON", (".jsonl", ".ndjson", ".json"), _is_json, read_objects),
    Format("text", (".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ".psv"), lambda start: True, read_delimited),
)


def read_part(file: PlainFile, options: ReadingOptions, store: Store) -> Part:
    """Find out the kind of a file and read its columns. DataError if it is no table, or its name says another kind."""
    file, suffix = uncompressed(file, store)
    start = beginning(file, START)
    if not start.strip(b"\0 \r\n\t"):
        raise DataError(f"{file.name}: The file is empty." if not start else f"{file.name}: The file has no text, only empty bytes.")
    found = next(form for form in FORMATS if form.begins(start))
    if found.name == "text":
        _check_text(file.name, start)
    named = next((form for form in FORMATS if suffix in form.suffixes), None)
    if named is not None and named is not found:
        cure = (
            f"Rename it to {Path(file.name).stem}{found.suffixes[0]}." if found.name != "text" else "Rename it to what it is, such as .csv."
        )
        raise DataError(f"{file.name}: It is {_article(found.name)} file, not {_article(named.name)} file as its name says. {cure}")
    return found.read(file, options, store)


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _check_text(name: str, start: bytes) -> None:
    """DataError if the file is known to be something else."""
    for magic, what in OTHERS.items():
        if start.startswith(magic):
            raise DataError(f"{name}: It is {what}.")
    text = start.decode("utf-8-sig", errors="ignore").lstrip().lower()
    if text.startswith(("<!doctype html", "<html", "<head", "<body")):
        raise DataError(f"{name}: It is an HTML page, not a table. Perhaps a page about the file was saved in place of the file.")
    if text.startswith("<?xml"):
        raise DataError(f"{name}: It is an XML file. Save its table as .csv.")
