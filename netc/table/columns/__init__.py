"""Column types. To add one, write a subclass of `ColumnType` under `@column_type("name")`."""

import netc.table.columns.category
import netc.table.columns.number  # noqa: F401  (these fill registry.column_type)
