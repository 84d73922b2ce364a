"""Column types. To add one, write a subclass of `ColumnType` under `@column_type("name")`."""

import netc.table.columns.boolean
import netc.table.columns.category
import netc.table.columns.date
import netc.table.columns.number
import netc.table.columns.text  # noqa: F401  (these fill registry.column_type)
