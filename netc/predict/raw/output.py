"""Files of predictions for tables: written by DuckDB from relations on disk, so that memory is bounded."""

import csv
import errno
import io
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netc.errors import DataError, RunError, SpecError, near
from netc.files import scratch, sync
from netc.predict.raw.columns import InputColumn
from netc.predict.raw.rows import cells_of, opened, pieces
from netc.table.reading import ROW, RawTable, ReadingOptions, quoted
from netc.table.reading.store import CELLS, Store, identifier, literal
from netc.table.reading.writing import append, copied, create

DELIMITERS = {".csv": ",", ".tsv": "\t"}
OTHERS = {".json": "format json, array true", ".jsonl": "format json", ".parquet": "format parquet"}
FORMS = (*DELIMITERS, *OTHERS)
A_BLOCK = 1 << 16  # bytes: DuckDB's own message of a full disk has several lines of JSON
INPUT, PREDICTED = "input", "predicted"

Source = tuple[str, ReadingOptions]  # of a table
Predict = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]  # from raw values to columns of predictions


@dataclass(frozen=True)
class _Written:
    """A relation to write: the names of its columns, which are called "0", "1" and so on in `query`, and which of them are floats."""

    store: Store
    query: str
    names: tuple[str, ...]
    floats: frozenset[int]


def save_tables(sources: Sequence[Source], columns: Sequence[InputColumn], predict: Predict, path: str, kept: Sequence[str] | None) -> None:
    """Predict for all rows of tables and write a row for each to `path`, whose suffix is one of FORMS.

    `kept` are columns of the tables to write too; None keeps all, and without any, a column `input` names the row. The file is complete
    or absent. DataError if a table cannot be read, RunError if the file cannot be written.
    """
    target = Path(path)
    try:
        with scratch(target.parent) as folder:
            made = folder / f"made{target.suffix.lower()}"
            if len(sources) == 1:
                with opened(*sources[0]) as raw:
                    _write(_predicted(raw, columns, predict, kept), made)
            else:
                _write(_together(sources, columns, predict, kept, folder), made)
            sync(made)
            os.replace(made, target)
            sync(target.parent)
    except OSError as e:
        raise RunError(f"Cannot write {path}: {e.strerror or e}") from e


def _together(
    sources: Sequence[Source], columns: Sequence[InputColumn], predict: Predict, kept: Sequence[str] | None, folder: Path
) -> _Written:
    """The predictions for several tables, one below the other. They must have the same columns to write."""
    parts = []
    for k, source in enumerate(sources):
        with opened(*source) as raw:
            part = _predicted(raw, columns, predict, kept)
            _copy(part.store, part.query, folder / f"part{k}.parquet", OTHERS[".parquet"])
            parts.append(part)
    names = [part.names for part in parts]
    other = next((k for k, own in enumerate(names) if own != names[0]), 0)
    if other:
        raise DataError(f"{sources[other][0]} and {sources[0][0]} have different columns. Name those to write with --with.")
    files = ", ".join(literal(str(folder / f"part{k}.parquet")) for k in range(len(parts)))
    return _Written(Store(), f"select * from read_parquet([{files}], union_by_name=true)", names[0], parts[0].floats)


def _predicted(raw: RawTable, columns: Sequence[InputColumn], predict: Predict, kept: Sequence[str] | None) -> _Written:
    """Predict for the rows of a table, into a relation of its store."""
    present = [column.name for column in raw.columns]
    own = present if kept is None else list(kept)
    wrong = [f"{raw.name}: There is no column {name!r} to write. {near(name, present)}" for name in own if name not in present]
    if wrong:
        raise SpecError(*wrong)
    types = _fill(raw, columns, predict)
    select = [f"{CELLS}.{quoted(name)}" for name in own] or [f"{literal(f'{raw.name}[')} || {CELLS}.{ROW} || ']'"]
    names = [*(own or [INPUT]), *(_free(name, own) for name in types)]
    floats = frozenset(k for k, kind in enumerate(types.values(), len(select)) if kind in ("FLOAT", "DOUBLE"))
    select += [f'{PREDICTED}."{k}"' for k in range(len(types))]
    listed = ", ".join(f'{sql} as "{k}"' for k, sql in enumerate(select))
    return _Written(
        raw.store, f"select {listed} from {raw.store.cells(select)} as {CELLS} positional join {PREDICTED}", tuple(names), floats
    )


def _fill(raw: RawTable, columns: Sequence[InputColumn], predict: Predict) -> dict[str, str]:
    """Fill the relation PREDICTED, whose columns are "0", "1" and so on. Returns the SQL types by the names that they stand for."""
    types: dict[str, str] = {}
    for piece in pieces(raw, columns, cells_of(raw, columns)):
        found = predict(piece)
        types = types or dict(zip(found, create(raw.store, PREDICTED, found), strict=True))
        append(raw.store, PREDICTED, found)
    return types


def _free(name: str, taken: Sequence[str]) -> str:
    """The name of a predicted column, different from those of the table."""
    return name if name not in taken else _free(f"{PREDICTED}.{name}", taken)


def _write(written: _Written, path: Path) -> None:
    """Write a relation in the format of the suffix."""
    if path.suffix in DELIMITERS:
        _write_text(written, path, DELIMITERS[path.suffix])
        return
    lower = [name.lower() for name in written.names]
    double = sorted({name for name in written.names if lower.count(name.lower()) > 1})
    if double:
        raise DataError(
            f"The columns {', '.join(map(repr, double))} differ in capitals only. Write .csv, as {path.suffix} cannot hold both."
        )
    numbers = written.floats if path.suffix != ".parquet" else frozenset()  # JSON has no NaN
    cells = [f'case when isfinite("{k}") then "{k}" end' if k in numbers else f'"{k}"' for k in range(len(written.names))]
    listed = ", ".join(f"{cell} as {identifier(name)}" for cell, name in zip(cells, written.names, strict=True))
    _copy(written.store, f"select {listed} from ({written.query})", path, OTHERS[path.suffix])


def _write_text(written: _Written, path: Path, delimiter: str) -> None:
    """Write a header and the rows. The header is netc's own, since DuckDB renames columns that differ in capitals only."""
    body = path.with_suffix(".body")
    _copy(written.store, written.query, body, f"format csv, header false, delimiter {literal(delimiter)}")
    head = io.StringIO(newline="")
    csv.writer(head, delimiter=delimiter, lineterminator="\n").writerow(written.names)
    with path.open("wb") as file, body.open("rb") as rows:
        file.write(head.getvalue().encode())
        shutil.copyfileobj(rows, file, 1 << 20)


def _copy(store: Store, query: str, path: Path, options: str) -> None:
    """Write the rows of a query to a file. RunError if that fails."""
    import duckdb

    try:
        store.sql(copied(query, path, options))
    except duckdb.Error as e:
        full = shutil.disk_usage(path.parent).free < A_BLOCK
        raise RunError(f"Cannot write the predictions: {os.strerror(errno.ENOSPC) if full else e}") from e
