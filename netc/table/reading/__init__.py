"""Read tables of raw cells: from files, patterns of files, addresses and databases.

`open_table` finds out how a table is stored and returns a `RawTable`. It has the names of the columns and how each is stored, and reads
cells in chunks or by SQL. It knows nothing of nets, and decides no types: the cells of a CSV file are texts.

* Sources: text files with any delimiter, JSON, Parquet, Arrow, Excel and SQLite files, compressed with gzip, bzip2, xz or zstd; several
  files by a pattern; http(s) addresses, and those that fsspec knows; `sqlite:///file.db`, `postgresql://user@host:port/database` and
  `mysql://user@host:port/database` with `query` or `?table=NAME`. An address with a password is refused: passwords come from PGPASSWORD,
  ~/.pgpass, MYSQL_PWD or ~/.my.cnf. What a file begins with tells its kind, and the end of its name must agree.
* A cell is NULL if it is empty, one of `MISSING`, NaN, or an infinite date. Texts have no spaces at both ends.
* The five kinds of columns are the SQL types of their cells: "text" VARCHAR, "number" DOUBLE, "integer" BIGINT, "boolean" BOOLEAN,
  "date" TIMESTAMP, in UTC if the source knows of time zones.
* In SQL, the relation is `cells`, `quoted(name)` names a column, and `ROW` is the number of the row, from 0 in the order of the file.
  Names of columns differ by capitals, which DuckDB ignores, so that SQL of any other form does not find the column.
* `number_sql` and `text_sql` are SQL expressions for a column of any kind.
* `RawTable.dialect` tells what was found out of a text file: delimiter, decimal, header and so on.

Steps: `paths` and `fetched` give files; `compressed` and `formats` find what they are; a reader such as `delimited`, `objects` or
`postgres` returns a `Part`, with its columns and a function that loads them; `opening` joins the parts in a `Store`.
"""

from netc.table.reading.cells import number_sql, text_sql
from netc.table.reading.opening import open_table
from netc.table.reading.options import MISSING, RawColumn, ReadingOptions
from netc.table.reading.raw import RawTable
from netc.table.reading.store import ROW, quoted

__all__ = ["MISSING", "ROW", "RawColumn", "RawTable", "ReadingOptions", "number_sql", "open_table", "quoted", "text_sql"]
