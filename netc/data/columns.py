"""Which columns of a table a net reads: the ones with the names that it was trained on, in any order.

If neither table has a header, columns are matched by position. The number of columns must then be the same.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netc.data.cells import index, is_number, whole
from netc.data.sheet import PLACE, Sheet, places, read_sheet
from netc.errors import MAX_ERRORS, DataError, Diagnostic, near


def matched(sheet: Sheet, names: Sequence[str], label: str = "") -> tuple[list[int], int | None]:
    """The positions of the columns `names`, and of `label` if there is one. DataError lists missing and duplicate names.

    A table without a header can feed a net that was trained on a table without a header. It must have the same number of columns, in
    the same order.
    """
    wanted = [*names, *([label] if label else [])]
    by_place = all(name.startswith(PLACE) and index(name[1:]) is not None for name in wanted)
    if by_place and not sheet.named:
        return _by_place(sheet, names, label)
    if not sheet.named:
        text = f"There is no header, and the net reads columns by name. Add a first line with {_listed(wanted)}."
        raise DataError(Diagnostic(sheet.head(), text))
    if by_place and not set(wanted) <= set(sheet.header):
        text = f"There is a header ({_listed(sheet.header)}), but the net was trained on {len(wanted)} columns without one."
        raise DataError(Diagnostic(sheet.head(), f"{text} Put the columns in the order of the training table, then remove the first line."))
    errors = [*_missing(sheet, names, label), *_twice(sheet, wanted)]
    if errors:
        raise DataError(*errors)
    place = {name: k for k, name in enumerate(sheet.header)}
    return [place[name] for name in names], place[label] if label else None


def all_columns(sheet: Sheet, label: int | None) -> list[int]:
    """The positions of all columns except the label. DataError if there are none, or if two have the same name."""
    found = [k for k in range(len(sheet.header)) if k != label]
    if not found:
        raise DataError(f"{sheet.path}: There is no column besides the label.")
    if errors := _twice(sheet, sheet.header):
        raise DataError(*errors)
    return found


def column_place(sheet: Sheet, column: str, field: str = "label_column") -> int:
    """The position of the column with this name or number. DataError if there is none."""
    if column in sheet.header:
        return sheet.header.index(column)
    number = index(column)
    if number is not None and -len(sheet.header) <= number < len(sheet.header):
        return number % len(sheet.header)
    raise DataError(f"{sheet.path}: There is no column {column!r} (`{field}`). {near(column, sheet.header)}", field=field)


def numbers(sheet: Sheet, chosen: Sequence[int]) -> tuple[np.ndarray, list[Diagnostic]]:
    """The chosen columns as float32 (rows, columns), and an error for each column that contains cells that are not numbers."""
    found, errors = np.zeros((len(sheet.rows), len(chosen)), np.float32), list[Diagnostic]()
    for k, column in enumerate(chosen):
        values = sheet.numbers(column)
        if values is not None:
            found[:, k] = values
        else:
            errors += sheet.errors(column, [r for r, row in enumerate(sheet.rows) if not is_number(row[column])], "Expected a number.")
    return found, errors


def read_columns(path: Path, names: Sequence[str], label: str = "", classes: Sequence[str] = ()) -> np.ndarray:
    """Read the columns of these names from a table, as float32 (rows, columns).

    Columns are matched as in `matched`. DataError lists missing columns and cells that are not numbers.

    A table without a header may also contain the `label` column, in the same position as in the training table. All its cells must then
    be names in `classes`.
    """
    sheet = read_sheet(path, names)
    there = label if label in sheet.header and len(sheet.header) == len(names) + 1 and not sheet.named else ""
    if there:
        cells = {row[sheet.header.index(label)] for row in sheet.rows}
        there = label if all(cell in classes or whole(cell) in classes for cell in cells) else ""
    rows, errors = numbers(sheet, matched(sheet, names, there)[0])
    if errors:
        raise DataError(*errors)
    return rows


def _by_place(sheet: Sheet, names: Sequence[str], label: str) -> tuple[list[int], int | None]:
    order = sorted([*names, *([label] if label else [])], key=lambda name: int(name[1:]))
    if len(sheet.header) != len(order) or (label and tuple(order) != places(len(order))):
        counts = f"{len(sheet.header)} columns without a header; the net was trained on {len(order)}{' with the label' if label else ''}"
        raise DataError(
            Diagnostic(sheet.head(), f"There are {counts}. Without a header, netc can only match columns by their number and order.")
        )
    return [order.index(name) for name in names], order.index(label) if label else None


def _missing(sheet: Sheet, names: Sequence[str], label: str) -> list[Diagnostic]:
    """An error for each name that is not in the header.

    Only the errors that are displayed get suggestions, because the search for similar names is slow.
    """
    there, known = set(sheet.header), {*names, label}
    others, errors = [name for name in sheet.header if name not in known], list[Diagnostic]()
    for name in (*names, *([label] if label else [])):
        if name in there:
            continue
        text = f"There is no column {name!r}, which {'is the label' if name == label else 'the net reads'}."
        if len(errors) >= MAX_ERRORS:
            errors.append(Diagnostic(sheet.head(), text))
            continue
        suggestion = near(name, others or sheet.header)
        place = sheet.head(sheet.header.index(suggestion.near[0]) if others and suggestion else 0)
        errors.append(Diagnostic(place, text, suggestion))
    return errors


def _twice(sheet: Sheet, names: Sequence[str]) -> list[Diagnostic]:
    """An error for each name that the header contains more than once."""
    errors, counts = [], Counter(sheet.header)
    for name in (name for name in dict.fromkeys(names) if counts[name] > 1):
        second = [k for k, other in enumerate(sheet.header) if other == name][1]
        text = f"{counts[name]} columns are called {name!r}. Give each a name of its own."
        errors.append(Diagnostic(sheet.head(second), text))
    return errors


def _listed(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
