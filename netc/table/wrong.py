"""Errors of cells: one for each column, with the number of its wrong cells and the places of the first ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from netc.errors import Diagnostic, Place
from netc.table.columns.define import Cells
from netc.table.reading import ROW, RawTable, quoted
from netc.table.reading.store import CELLS

MOST = 3  # cells in a message
MOSTLY = 0.5  # share of wrong cells from which the type of the column is wrong
SHOWN = 40  # letters of a cell in a message


@dataclass
class Wrong:
    """The wrong cells of a column: how many there are, and the rows of the first ones."""

    count: int = 0
    rows: list[int] = field(default_factory=list)

    def add(self, rows: np.ndarray) -> None:
        """Count further rows."""
        self.count += len(rows)
        self.rows += rows[: MOST - len(self.rows)].tolist()


def wrong_cells(raw: RawTable, cells: Mapping[str, Cells]) -> list[Diagnostic]:
    """An error for each column of a table that has cells that cannot be read. `cells` says how each column is read."""
    tested = {column: cell for column, cell in cells.items() if cell.wrong != Cells.wrong}
    if not tested:
        return []
    ((*counts,),) = raw.query(f"select {', '.join(f'count(*) filter (where {cell.wrong})' for cell in tested.values())} from {CELLS}")
    found = {}
    for (column, cell), count in zip(tested.items(), counts, strict=True):
        rows = raw.query(f"select {ROW} from {CELLS} where {cell.wrong} order by {ROW} limit {MOST}") if count else []
        found[column] = cell, Wrong(count, [row for (row,) in rows])
    return errors_of(raw, found)


def errors_of(raw: RawTable, found: Mapping[str, tuple[Cells, Wrong]]) -> list[Diagnostic]:
    """An error for each column that has wrong cells."""
    return [_error(raw, column, cells, wrong) for column, (cells, wrong) in found.items() if wrong.count]


def _error(raw: RawTable, column: str, cells: Cells, wrong: Wrong) -> Diagnostic:
    ((filled, different),) = raw.query(f"select count({quoted(column)}), count(distinct {quoted(column)}) from {CELLS}")
    if wrong.count > MOSTLY * filled and _is_text(raw, column):
        text = f"{raw.name}: Column {column!r} holds text ({different:,} {_plural(different, 'value')}). {cells.wanted}"
        return Diagnostic(None, f"{text} Write `{{type: category}}`.", field="columns")
    return cell_error(raw, column, wrong, f"{filled:,} cells", cells.wanted)


def cell_error(raw: RawTable, column: str, wrong: Wrong, of: str, wanted: str) -> Diagnostic:
    """The error for cells of a column, `of` some cells."""
    asked = ", ".join(map(str, wrong.rows))
    cells = [str(cell) for (cell,) in raw.query(f"select {quoted(column)}::VARCHAR from {CELLS} where {ROW} in ({asked}) order by {ROW}")]
    shown = ", ".join(repr(cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}...") for cell in dict.fromkeys(cells))
    text = f"Column {column!r}: {wrong.count:,} of {of} cannot be read, in {places(raw, column, wrong)}: {shown}. {wanted}"
    return Diagnostic(raw.place(wrong.rows[0], column), text)


def places(raw: RawTable, column: str, wrong: Wrong) -> str:
    """The lines of the first wrong cells, or their rows if the table has no lines: `lines 17, 44, 902`."""
    found: list[Place] = [raw.place(row, column) for row in wrong.rows]
    lines = [place.line for place in found if place.line]
    kind, numbers = ("line", lines) if len(lines) == len(wrong.rows) else ("row", [row + 1 for row in wrong.rows])
    more = f" and {wrong.count - len(numbers):,} more" if wrong.count > len(numbers) else ""
    return f"{kind if wrong.count == 1 else kind + 's'} {_listed(numbers)}{more}"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)


def _plural(count: int, word: str) -> str:
    return word if count == 1 else word + "s"


def _is_text(raw: RawTable, column: str) -> bool:
    return any(c.name == column and c.kind == "text" for c in raw.columns)
