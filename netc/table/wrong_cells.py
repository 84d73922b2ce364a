"""Cells that cannot be read: one message for each column, with counts and places."""

from collections.abc import Iterator, Mapping

from netc.errors import Diagnostic
from netc.table.columns.define import Cells
from netc.table.reading import RawTable, quoted
from netc.table.reading.store import ROW

MOST_PLACES = 3
LONGEST = 40  # letters of a cell in a message


def wrong_cells(raw: RawTable, cells: Mapping[str, Cells]) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each column of `raw` with cells that cannot be read. `cells` says how each column is read."""
    counted = {name: cell for name, cell in cells.items() if cell.wrong != Cells.wrong}
    if not counted:
        return
    ((*counts,),) = raw.query(f"select {', '.join(f'count(*) filter (where {cell.wrong})' for cell in counted.values())} from cells")
    for (name, cell), count in zip(counted.items(), counts, strict=True):
        if count:
            yield _diagnostic(raw, name, cell, count)


def _diagnostic(raw: RawTable, name: str, cell: Cells, count: int) -> Diagnostic:
    first = raw.query(f"select {ROW}, {quoted(name)}::VARCHAR from cells where {cell.wrong} order by {ROW} limit {MOST_PLACES}")
    places = [raw.place(row, name) for row, _ in first]
    lines = [str(place.line) for place in places if place.line]
    where = f", in line{'s' * (len(lines) > 1)} {', '.join(lines)}{', ...' * (count > len(lines))}" if lines else ""
    shown = ", ".join(repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}...") for text in dict.fromkeys(text for _, text in first))
    text = f"Column {name!r}: {count:,} of {raw.rows:,} cells cannot be read{where}: {shown}. {cell.wanted}"
    return Diagnostic(places[0], text.rstrip())
