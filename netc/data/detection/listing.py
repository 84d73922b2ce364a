"""Boxes in a table: a row for each object, with the path of the image, the class and the corners in pixels.

The names of the columns are those that common tools write. A row with empty corners is an image without objects. A table without a header
has path, xmin, ymin, xmax, ymax and class, in this order.
"""

from pathlib import Path

from netc.data.cells import is_number
from netc.data.detection.voc import SIDES, Objects
from netc.data.image_column import is_image
from netc.data.sheet import Sheet, read_sheet
from netc.errors import DataError, Diagnostic

NAMES = {
    "path": ("path", "image", "image_path", "filename", "file_name", "file", "img", "img_path"),
    "label": ("label", "class", "class_name", "name", "category"),
    "xmin": ("xmin", "x_min", "x1", "left"),
    "ymin": ("ymin", "y_min", "y1", "top"),
    "xmax": ("xmax", "x_max", "x2", "right"),
    "ymax": ("ymax", "y_max", "y2", "bottom"),
    "difficult": ("difficult",),
}
WITHOUT_HEADER = ("path", *SIDES, "label")
REQUIRED = tuple(name for name in NAMES if name != "difficult")


def read_listing(path: Path) -> dict[str, Objects]:
    """The objects of each image by its path, in the order of the table. DataError lists all cells that are wrong."""
    sheet = read_sheet(path, is_header=lambda first: not any(map(is_image, first)))
    column = _columns(sheet)
    found: dict[str, list[int]] = {}
    errors = []
    for row, cells in enumerate(sheet.rows):
        found.setdefault(cells[column["path"]], [])
        if any(cells[column[side]] for side in SIDES) or cells[column["label"]]:
            found[cells[column["path"]]].append(row)
    used = sorted(row for rows in found.values() for row in rows)
    for side in SIDES:
        wrong = [row for row in used if not is_number(sheet.rows[row][column[side]])]
        errors += sheet.errors(column[side], wrong, "Expected a number of pixels.")
    errors += sheet.errors(column["label"], [row for row in used if not sheet.rows[row][column["label"]]], "Expected the name of a class.")
    errors += sheet.errors(column["path"], [k for k, cells in enumerate(sheet.rows) if not cells[column["path"]]], "Expected a path.")
    if errors:
        raise DataError(*errors)
    return {name: _objects(sheet, column, rows) for name, rows in found.items()}


def _objects(sheet: Sheet, column: dict[str, int], rows: list[int]) -> Objects:
    cells = [sheet.rows[row] for row in rows]
    corners = tuple(tuple(float(own[column[side]]) for side in SIDES) for own in cells)
    flags = tuple("difficult" in column and own[column["difficult"]].lower() in ("1", "true", "yes") for own in cells)
    return Objects(tuple(own[column["label"]] for own in cells), corners, flags)


def _columns(sheet: Sheet) -> dict[str, int]:
    """The position of each column. DataError lists those that are missing."""
    if not sheet.named:
        if len(sheet.header) != len(WITHOUT_HEADER):
            text = f"There is no header, and {len(sheet.header)} columns. Expected {', '.join(WITHOUT_HEADER)}."
            raise DataError(Diagnostic(sheet.head(), text))
        return {name: k for k, name in enumerate(WITHOUT_HEADER)}
    header = [name.strip().lower() for name in sheet.header]
    found = {name: header.index(alias) for name, aliases in NAMES.items() for alias in aliases[::-1] if alias in header}
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        text = f"The table of boxes has no column {', '.join(map(repr, missing))}. It has {', '.join(sheet.header)}."
        raise DataError(Diagnostic(sheet.head(), text))
    return found
