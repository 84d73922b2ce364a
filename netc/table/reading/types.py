"""What the types of DuckDB become: the five kinds of columns."""

from netc.table.reading.options import Kind

SQL: dict[Kind, str] = {"text": "VARCHAR", "number": "DOUBLE", "integer": "BIGINT", "boolean": "BOOLEAN", "date": "TIMESTAMP"}
KINDS: dict[str, Kind] = {
    "VARCHAR": "text", "ENUM": "text", "UUID": "text", "TIME": "text",
    "DOUBLE": "number", "FLOAT": "number", "DECIMAL": "number", "HUGEINT": "number", "UHUGEINT": "number", "UBIGINT": "number",
    "BIGINT": "integer", "INTEGER": "integer", "SMALLINT": "integer", "TINYINT": "integer", "UINTEGER": "integer",
    "USMALLINT": "integer", "UTINYINT": "integer",
    "BOOLEAN": "boolean",
    "DATE": "date", "TIMESTAMP": "date", "TIMESTAMP_S": "date", "TIMESTAMP_MS": "date", "TIMESTAMP_NS": "date",
    "TIMESTAMP WITH TIME ZONE": "date",
}  # fmt: skip


def kind_of(stored: str) -> Kind | None:
    """The kind of a column of a DuckDB type; None if its cells are not single values."""
    return None if stored.endswith("]") else KINDS.get(stored.split("(")[0])


def sql_of(kind: Kind) -> str:
    """The SQL type of the cells of a kind."""
    return SQL[kind]
