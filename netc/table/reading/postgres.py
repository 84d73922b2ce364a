"""PostgreSQL, through psycopg (the extra `postgres`): the server writes the rows as CSV, which is streamed to a file."""

from pathlib import Path
from typing import Any

from netc.errors import DataError
from netc.table.reading.addresses import Address
from netc.table.reading.names import checked_names
from netc.table.reading.options import Kind, RawColumn, ReadingOptions
from netc.table.reading.part import Part
from netc.table.reading.queries import query_for
from netc.table.reading.reasons import reason
from netc.table.reading.store import Store
from netc.table.reading.streamed import from_csv

PASSWORD_FROM = "set PGPASSWORD, or write it to ~/.pgpass."
PATIENCE = 10  # seconds to wait for a connection
ALIVE: dict[str, Any] = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000}
TABLES = """select case when n.nspname = any (current_schemas(false)) then c.relname else n.nspname || '.' || c.relname end
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'v', 'm', 'p', 'f') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' order by 1"""
KINDS: dict[str, Kind] = {
    "bool": "boolean", "int2": "integer", "int4": "integer", "int8": "integer", "oid": "integer",
    "float4": "number", "float8": "number", "numeric": "number",
    "date": "date", "timestamp": "date", "timestamptz": "date",
}  # fmt: skip
REFUSED = ("bytea", "point", "line", "lseg", "box", "path", "polygon", "circle", "tsvector", "record")


def read_postgres(address: Address, base: Path, options: ReadingOptions, store: Store) -> Part:
    """Read the rows of a query from `postgresql://user@host:port/database`. The transaction cannot write."""
    try:
        import psycopg
    except ImportError as error:
        raise DataError(f"{address.name}: PostgreSQL needs pip install 'netc[postgres]'.") from error
    settings: dict[str, Any] = {key: value for key, value in address.settings.items() if key != "table"}
    given: dict[str, Any] = {"user": address.user, "host": address.host, "port": address.port, "dbname": address.path}
    try:
        with psycopg.connect(
            **{key: value for key, value in given.items() if value}, **ALIVE, connect_timeout=PATIENCE, **settings,
            options="-c default_transaction_read_only=on -c datestyle=iso -c timezone=utc -c extra_float_digits=1",
        ) as connection, connection.cursor() as cursor:  # fmt: skip
            tables = [] if options.query else [name for (name,) in cursor.execute(TABLES).fetchall()]
            query = query_for(address.name, options.query, address.settings.get("table", ""), tables, '"')
            columns = _columns(address.name, cursor, query)
            path = store.temporary()
            with path.open("wb") as file, cursor.copy(f"copy ({query}\n) to stdout (format csv, encoding 'utf8')") as copy:
                for piece in copy:
                    file.write(piece)
    except psycopg.Error as error:
        pgconn = getattr(error, "pgconn", None)
        cure = f" The password is not in the address: {PASSWORD_FROM}" if pgconn and (pgconn.needs_password or pgconn.used_password) else ""
        what = "The query failed" if error.sqlstate else "Cannot connect"
        raise DataError(f"{address.name}: {what}: {reason(error)}.{cure}") from None
    return from_csv(address.name, columns, path, options)


def _columns(name: str, cursor: Any, query: str) -> list[RawColumn]:
    """The columns of a query, from the types that the server tells. DataError names those whose cells are not single values."""
    described = cursor.execute(f"select * from ({query}\n) as cells limit 0").description or ()
    oids = [column.type_code for column in described]
    found = cursor.execute("select oid, typname, typtype, typcategory from pg_type where oid = any(%s)", [oids]).fetchall()
    types = {oid: (typename, typtype, category) for oid, typename, typtype, category in found}
    checked_names(name, [column.name for column in described])
    columns, wrong = [], []
    for column in described:
        typename, typtype, category = types[column.type_code]
        if category == "A" or typename in REFUSED or typtype in ("c", "r", "m"):
            what = "arrays" if category == "A" else f"values of the type {typename}"
            wrong.append(f"{name}: Column {column.name!r} has {what} as cells. Expected texts, numbers, dates or booleans.")
        columns.append(RawColumn(column.name, KINDS.get(typename, "text")))
    if wrong:
        raise DataError(*wrong)
    return columns
