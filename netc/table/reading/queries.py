"""The query of a database: the one that is asked for, or all rows of a table."""

from collections.abc import Sequence

from netc.errors import DataError, Diagnostic, Place, near

QUERY_CURE = "Set `query`, such as `query: select * from {}`, or end the address with `?table={}`."


def query_for(name: str, query: str, table: str, tables: Sequence[str], quote: str) -> str:
    """The query, or all rows of a table: the one that is named, or the only one. DataError names the tables there are."""
    if query:
        return query.strip().rstrip(";")
    if table and table not in tables:
        raise DataError(Diagnostic(Place(name), f"There is no table {table!r}.", near(table, tables)))
    if not table and len(tables) != 1:
        known = f"The tables are {', '.join(map(repr, tables[:20]))}. " if tables else "There are no tables. "
        example = tables[0] if tables else "passengers"
        raise DataError(f"{name}: No query. {known}{QUERY_CURE.format(example, example)}")
    return f"select * from {'.'.join(quote + part.replace(quote, quote * 2) + quote for part in (table or tables[0]).split('.'))}"
