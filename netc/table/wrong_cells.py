"""Cells that cannot be read, found in a table that is not loaded: one message for each column."""

from collections.abc import Iterator, Mapping

from netc.errors import Diagnostic
from netc.table.columns.define import Cells
from netc.table.reading import ROW, RawTable
from netc.table.wrong import MOST, Wrong, cell_error


def wrong_cells(raw: RawTable, cells: Mapping[str, Cells]) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each column of `raw` with cells that cannot be read. `cells` says how each column is read."""
    tested = {name: cell for name, cell in cells.items() if cell.wrong != Cells.wrong}
    if not tested:
        return
    ((*counts,),) = raw.query(f"select {', '.join(f'count(*) filter (where {cell.wrong})' for cell in tested.values())} from cells")
    for (name, cell), count in zip(tested.items(), counts, strict=True):
        if count:
            rows = [row for (row,) in raw.query(f"select {ROW} from cells where {cell.wrong} order by {ROW} limit {MOST}")]
            yield cell_error(raw, name, Wrong(count, rows), f"{raw.rows:,} cells", cell.wanted)
