"""Tables of raw rows: texts, numbers, dates and gaps.

`reading` reads the rows of files and databases. `columns` has a class for each column type: how it reads cells, what it fits on the
training rows, and the graph that turns raw values into numbers. `source` is the data source of the Table layer.
"""

import netc.table.columns
import netc.table.source  # noqa: F401  (these fill registry.column_type and registry.source)
