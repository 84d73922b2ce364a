"""Text files with a row a line to rows of raw cells."""

import csv
from hashlib import file_digest
from pathlib import Path

from netc.errors import DataError, Diagnostic, Place
from netc.table.reading.cells import cleaned, nulls
from netc.table.reading.dialect import find_dialect
from netc.table.reading.options import RawColumn, ReadingOptions
from netc.table.reading.raw import RawTable
from netc.table.reading.store import CELLS, Store, literal, quoted

HEAD = 1 << 16  # bytes from which the dialect is found


def read_delimited(path: Path, name: str, options: ReadingOptions) -> RawTable:
    """Read a CSV file."""
    import gzip

    plain = path
    store = Store()
    if path.read_bytes()[:2] == b"\x1f\x8b":
        plain = store.folder / "plain.csv"
        plain.write_bytes(gzip.decompress(path.read_bytes()))
    with plain.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        file.seek(0)
        head = file.read(HEAD)
        whole = not file.read(1)
    text = head.decode("utf-8-sig", errors="ignore")
    text = text if whole else text[: text.rfind("\n") + 1]
    dialect = find_dialect(text, options)
    lines = [x for x in text.splitlines(keepends=True) if x.strip() and not (dialect.comment and x.startswith(dialect.comment))]
    first = next(csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, skipinitialspace=True), [])
    if not first:
        raise DataError(f"{name}: The file is empty.")
    names = [c.strip() for c in first] if dialect.header else [f"#{k}" for k in range(len(first))]
    columns = ", ".join(f"'c{k}': 'VARCHAR'" for k in range(len(names)))
    wanted = ", ".join(f"{cleaned(f'c{k}', options.missing)} as {quoted(n)}" for k, n in enumerate(names))
    store.sql(
        f"create table {CELLS} as select {wanted} from read_csv({literal(str(plain))}, auto_detect=false, "
        f" delim={literal(dialect.delimiter)}, quote={literal(dialect.quote)}, escape={literal(dialect.quote)}, comment={literal(dialect.comment)},"
        f" header={str(dialect.header).lower()}, columns={{{columns}}}, store_rejects=true,"
        f" nullstr={nulls(options.missing)}, allow_quoted_nulls=true)"
    )
    ((rejected,),) = store.sql("select count(distinct line) from reject_errors")
    if rejected:
        ((line, message),) = store.sql("select line, error_message from reject_errors order by line limit 1")
        raise DataError(Diagnostic(Place(name, line, 1), f"{message}. {rejected} lines are wrong."))
    ((rows,),) = store.sql(f"select count(*) from {CELLS}")
    if not rows:
        raise DataError(f"{name}: There are no rows below the header.")
    return RawTable(name, tuple(RawColumn(n, "text") for n in names), rows, digest, dialect, store, lambda row, column: Place(name))
