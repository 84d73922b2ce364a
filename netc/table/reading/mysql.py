"""MySQL and MariaDB, through PyMySQL (the extra `mysql`): rows as the server sends them, streamed to a file."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from netc.errors import DataError
from netc.table.reading.addresses import Address
from netc.table.reading.options import Kind, RawColumn, ReadingOptions
from netc.table.reading.part import Part
from netc.table.reading.queries import query_for
from netc.table.reading.reasons import reason
from netc.table.reading.store import Store
from netc.table.reading.streamed import streamed

PASSWORD_FROM = "set MYSQL_PWD, or write it to the section [client] of ~/.my.cnf."
PATIENCE, QUERY = 10, 3600  # seconds to wait for a connection, and for the next rows of a query
BATCH = 10_000  # rows
BINARY = 63  # the character set of bytes
KINDS: dict[str, Kind] = {
    "TINY": "integer", "SHORT": "integer", "LONG": "integer", "LONGLONG": "integer", "INT24": "integer", "YEAR": "integer",
    "FLOAT": "number", "DOUBLE": "number", "DECIMAL": "number", "NEWDECIMAL": "number",
    "DATE": "date", "DATETIME": "date", "TIMESTAMP": "date", "NEWDATE": "date",
}  # fmt: skip
ACCESS_DENIED, NO_DATABASE = 1045, (1044, 1049)  # numbers of errors
REFUSED = ("BIT", "GEOMETRY")
BYTES = ("TINY_BLOB", "MEDIUM_BLOB", "LONG_BLOB", "BLOB", "VAR_STRING", "STRING", "VARCHAR")


def read_mysql(address: Address, base: Path, options: ReadingOptions, store: Store) -> Part:
    """Read the rows of a query from `mysql://user@host:port/database`. The session cannot write."""
    try:
        import pymysql
    except ImportError as error:
        raise DataError(f"{address.name}: MySQL needs pip install 'netc[mysql]'.") from error
    try:
        _connect(address, PATIENCE).close()  # does it answer? The time for a query is longer
        connection = _connect(address, QUERY)
        try:
            with connection.cursor() as cursor:
                cursor.execute("set session transaction read only")
                cursor.execute("set session time_zone = '+00:00'")
                cursor.execute("select table_name from information_schema.tables where table_schema = database() order by 1")
                tables = [str(name) for (name,) in cursor.fetchall()]
            query = query_for(address.name, options.query, address.settings.get("table", ""), tables, "`")
            with connection.cursor(pymysql.cursors.SSCursor) as cursor:
                cursor.execute(query)
                return streamed(address.name, _columns(address.name, cursor), _rows(cursor), options, store)
        finally:
            connection.close()
    except (pymysql.Error, OSError) as error:
        raise DataError(f"{address.name}: {_reason(error)}") from None


def _connect(address: Address, patience: int) -> Any:
    import pymysql

    file = Path.home() / ".my.cnf"
    given: dict[str, Any] = {"user": address.user, "host": address.host, "port": address.port, "database": address.path,
                             "password": os.environ.get("MYSQL_PWD"), "unix_socket": address.settings.get("unix_socket")}  # fmt: skip
    if file.is_file():
        given |= {"read_default_file": str(file), "read_default_group": "client"}
    return pymysql.connect(
        **{key: value for key, value in given.items() if value}, charset="utf8mb4", conv=pymysql.converters.encoders, connect_timeout=PATIENCE,
        read_timeout=patience, write_timeout=PATIENCE,
    )  # fmt: skip


def _columns(name: str, cursor: Any) -> list[RawColumn]:
    """The columns of a result, from the types that the server tells. DataError names those of bytes."""
    from pymysql.constants import FIELD_TYPE

    types = {code: key for key, code in vars(FIELD_TYPE).items() if isinstance(code, int) and key not in ("CHAR", "INTERVAL")}
    columns, wrong = [], []
    for field in cursor._result.fields if cursor._result else ():
        stored = types.get(field.type_code, "unknown")
        if stored in REFUSED or (stored in BYTES and field.charsetnr == BINARY):
            wrong.append(f"{name}: Column {field.name!r} has binary cells. Expected texts, numbers or dates.")
        columns.append(RawColumn(field.name, KINDS.get(stored, "text")))
    if wrong:
        raise DataError(*wrong)
    if not columns:
        raise DataError(f"{name}: The query returns no columns.")
    return columns


def _rows(cursor: Any) -> Iterator[Sequence[object]]:
    """The rows. A date of zeros is a missing one."""
    while rows := cursor.fetchmany(BATCH):
        for row in rows:
            yield [None if cell in ("0000-00-00", "0000-00-00 00:00:00") else cell for cell in row]


def _reason(error: Exception) -> str:
    """What failed, by the number of the error: those of the client begin with 2000; then what the server says."""
    code, said = error.args[:2] if len(error.args) > 1 else (0, error)
    cure = f" The password is not in the address: {PASSWORD_FROM}" if code == ACCESS_DENIED else ""
    connecting = code in (ACCESS_DENIED, *NO_DATABASE) or 2000 <= code < 3000
    return f"{'Cannot connect' if connecting else 'The query failed'}: {reason(Exception(said))}.{cure}"
