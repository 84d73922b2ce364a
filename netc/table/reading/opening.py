"""Open a table by its source: find its parts, load their cells, join them."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from netc.errors import DataError, Diagnostic, Place
from netc.table.reading.addresses import Address, address_of, scheme_of, without_secrets
from netc.table.reading.asked import query_part
from netc.table.reading.cells import cleaned
from netc.table.reading.fetched import fetched
from netc.table.reading.formats import read_part
from netc.table.reading.mysql import PASSWORD_FROM as MYSQL_PASSWORD
from netc.table.reading.mysql import read_mysql
from netc.table.reading.names import UNNAMED
from netc.table.reading.options import FOUND_OUT, RawColumn, ReadingOptions
from netc.table.reading.part import Part
from netc.table.reading.paths import files_of, joined
from netc.table.reading.postgres import PASSWORD_FROM as POSTGRES_PASSWORD
from netc.table.reading.postgres import read_postgres
from netc.table.reading.raw import RawTable
from netc.table.reading.sqlite import read_sqlite
from netc.table.reading.store import CELLS, STORED, Store, literal, stored
from netc.table.reading.text_folder import is_text_folder, read_texts

HERE = Path()
COMPARED = 8  # names that a row repeats if it is a header


@dataclass(frozen=True)
class Database:
    """A kind of database: its reader, and where its driver finds a password."""

    read: Callable[[Address, Path, ReadingOptions, Store], Part]
    password_from: str = ""


_POSTGRES, _MYSQL = Database(read_postgres, POSTGRES_PASSWORD), Database(read_mysql, MYSQL_PASSWORD)
DATABASES = {
    "sqlite": Database(read_sqlite), "postgresql": _POSTGRES, "postgres": _POSTGRES, "mysql": _MYSQL, "mariadb": _MYSQL,
}  # fmt: skip


def open_table(source: str, base: Path = HERE, options: ReadingOptions = FOUND_OUT) -> RawTable:
    """Open the table at `source`: a path that may be relative to `base`, a glob of files, a folder of texts, or an address.

    DataError lists everything that is wrong.
    """
    if is_text_folder(base / source):
        return read_texts(base / source, source, options)
    store = Store()
    try:
        return _opened(without_secrets(source), _parts(source, base, options, store), options, store)
    except BaseException:
        store.close()
        raise


def _parts(source: str, base: Path, options: ReadingOptions, store: Store) -> list[Part]:
    """The files of a source, or the result of a query."""
    scheme = scheme_of(source)
    if database := DATABASES.get(scheme):
        return [database.read(address_of(source, database.password_from), base, options, store)]
    if scheme in ("file", "local"):
        raise DataError(f"{source}: Write the path of a local file without {scheme}://.")
    files = [fetched(source, store)] if scheme else files_of(source, base)
    return joined([partial(read_part, file, options, store) for file in files])


def _opened(source: str, parts: Sequence[Part], options: ReadingOptions, store: Store) -> RawTable:
    columns = _common(parts)
    store.create(columns, lambda cell: cleaned(cell, options.missing))
    ends = [_load(part, columns, store) for part in parts]
    if not ends[-1]:
        raise DataError(f"{source}: There are no rows.")
    digest = parts[0].sha256 if len(parts) == 1 else sha256("".join(part.sha256 for part in parts).encode()).hexdigest()
    table = RawTable(source, columns, ends[-1], digest, parts[0].dialect, store, _Places(parts, columns, ends).find)
    _check_repeated_header(table)
    return table if parts[0].queried or not options.query else _asked(table, options)


def _asked(table: RawTable, options: ReadingOptions) -> RawTable:
    """The result of a query over the files."""
    part = query_part(table, options)
    table.store.create(part.columns, lambda cell: cell)
    rows = _load(part, part.columns, table.store)
    if not rows:
        raise DataError(f"{table.name}: The query returns no rows.")
    return replace(table, columns=part.columns, rows=rows, sha256=part.sha256, find=_Places([part], part.columns, [rows]).find)


def _load(part: Part, columns: Sequence[RawColumn], store: Store) -> int:
    """Load a part. Returns the number of rows so far."""
    part.load(store, columns)
    return int(store.sql(f"select count(*) from {STORED}")[0][0])


def _common(parts: Sequence[Part]) -> tuple[RawColumn, ...]:
    """The columns of all parts, in the order of the first one. DataError names the files whose columns differ."""
    first, wrong = {column.name: column for column in parts[0].columns}, []
    for part in parts[1:]:
        own = {column.name: column for column in part.columns}
        lacks, more = [n for n in first if n not in own], [n for n in own if n not in first]
        kinds = [n for n in first if n in own and own[n].kind != first[n].kind]
        said = [f"It lacks {_listed(lacks)}."] * bool(lacks) + [f"It has {_listed(more)} as well."] * bool(more)
        said += [f"Column {n!r} holds {own[n].kind} cells, not {first[n].kind} cells." for n in kinds]
        if said:
            wrong.append(f"{part.name}: The columns are not those of {parts[0].name}. {' '.join(said)}")
        if not said and part.dialect.decimal != parts[0].dialect.decimal:
            wrong.append(
                f"{part.name}: The decimal separator is {part.dialect.decimal!r}. In {parts[0].name}, it is {parts[0].dialect.decimal!r}."
            )
    if wrong:
        raise DataError(*wrong)
    return parts[0].columns


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _check_repeated_header(table: RawTable) -> None:
    """DataError if the header comes again among the rows, as in files that were joined."""
    names = [column.name for column in table.columns if column.kind == "text"][:COMPARED]
    if len(names) < min(max(2, len(table.columns)), COMPARED) or any(name.startswith(UNNAMED) for name in names):
        return
    condition = " and ".join(f"{stored(name)} = {literal(name)}" for name in names)
    rows = [row for (row,) in table.query(f"select rowid from {CELLS} where {condition} order by rowid limit 1000")]
    if rows:
        place = table.place(rows[0], names[0])
        more = f" and {len(rows) - 1} more times" if len(rows) > 1 else ""
        raise DataError(Diagnostic(place, f"The header comes again here{more}. Remove it from the rows."))


@dataclass(frozen=True)
class _Places:
    """Where the cells of a table are. `ends` are the numbers of rows up to the end of each part."""

    parts: Sequence[Part]
    columns: Sequence[RawColumn]
    ends: Sequence[int]

    def find(self, row: int, column: str) -> Place:
        """The place of a cell; of the header for the row -1."""
        k = bisect_right(self.ends, row) if row >= 0 else 0
        part = self.parts[k]
        at = next(at for at, own in enumerate(part.columns) if own.name == column)
        return part.place(row - (self.ends[k - 1] if k else 0), at)
