"""Read tables of raw cells: from files, globs of files, addresses and databases.

`open_table` finds out how a table is stored and returns a `RawTable`. It has the names of the columns and how each is stored, and reads
cells in chunks or by SQL. It knows nothing of nets, and decides no types: the cells of a CSV file are texts.

* A cell is NULL if it is empty or one of `MISSING`. Texts are without spaces at both ends.
* The five kinds of columns are the SQL types of their cells: "text" VARCHAR, "number" DOUBLE, "integer" BIGINT, "boolean" BOOLEAN,
  "date" TIMESTAMP.
* In SQL, `quoted(name)` names a column, and `ROW` is the number of the row, from 0 in the order of the file. SQL of any other form
  does not find the column.
* `number_sql` and `text_sql` are SQL expressions for a column of any kind.
"""

from netc.table.reading.cells import number_sql, text_sql
from netc.table.reading.opening import open_table
from netc.table.reading.options import MISSING, RawColumn, ReadingOptions
from netc.table.reading.raw import RawTable
from netc.table.reading.store import ROW, quoted

__all__ = ["MISSING", "ROW", "RawColumn", "RawTable", "ReadingOptions", "number_sql", "open_table", "quoted", "text_sql"]
