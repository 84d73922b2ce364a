"""Images and labels from a table: one column of a text file has the paths of the images, another one their labels."""

import os
from collections.abc import Sequence
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.data.class_folders import PARTS, part_of
from netc.data.columns import column_place
from netc.data.decoding import in_memory, skips
from netc.data.image_column import image_path, is_image
from netc.data.order import held_out
from netc.data.sheet import Sheet, read_sheet
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.data.sources.csv import label_top, targets
from netc.data.sources.image_folder import MEMORY, images_of
from netc.data.sources.masks import Masks, check_sizes, in_columns
from netc.errors import DataError, Diagnostic
from netc.registry import source


@source("images in a table", noun="images", channels="RGB")
def image_table(request: Request) -> Table:
    """Images, and the class or the number in `label_column` of a Data layer with `image_column`; other columns are ignored.

    Images are resized to resize_height x resize_width; without these, all must be of the same size.
    """
    param, sheet = request.layer.data_param, read_listing(request.path)
    column = column_place(sheet, param.image_column, "image_column")
    label = _label(sheet, column, request)
    paths, errors = _paths(sheet, column, _folder(request), skips(request))
    parts, unknown = _parts(sheet, request)
    errors += unknown
    tops, labels = list[TopSpec](), list[np.ndarray]()
    classes: tuple[str, ...] = ()
    if label is not None and (cells := [row[label] for row in sheet.rows]) and all(map(is_image, cells)):
        return _with_masks(request, sheet, column, label, (paths, parts, errors))
    if label is not None:
        found, classes, wrong = targets(sheet, label, request)
        errors += wrong
        trained = parts["TRAIN"] if parts else held_out(len(found), param.test_fraction, "TRAIN")
        tops, labels = [label_top(found, trained)], [found]
    if errors:
        raise DataError(*sorted(errors, key=lambda d: d.position))
    images = images_of(request, paths)

    def load() -> tuple[Column, ...]:
        small = len(paths) * prod(images.shape) <= MEMORY
        return (in_memory(images, len(paths), skips(request)) if small else images), *labels

    named = sheet.header[label] if label is not None else ""
    validated = bool(parts) and parts["VALIDATION"] is not parts["TEST"]
    described = Description(
        sheet.path.name, (TopSpec("float32", images.shape), *tops), len(paths), classes, sha256=sheet.sha256, label=named,
        has_validation=validated,
    )  # fmt: skip
    return Table(
        described, load, has_test_rows=bool(parts), all_phases=True, parts=parts, notes=images.left_out.notes,
        place=partial(_place, sheet, column, label),
    )  # fmt: skip


def _with_masks(
    request: Request, sheet: Sheet, column: int, label: int, found: tuple[tuple[Path, ...], dict[str, np.ndarray], list[Diagnostic]]
) -> Table:
    """Images whose labels are paths of images too: masks. `found` are the images, the parts, and errors."""
    paths, parts, errors = found
    pairs, wrong = _paths(sheet, label, _folder(request), skip=False)
    if errors or wrong:
        raise DataError(*sorted([*errors, *wrong], key=lambda d: d.position))
    if sizes := check_sizes(paths, pairs):
        raise DataError(*sizes)
    images = images_of(request, paths)
    masks = Masks(pairs, images.shape[1:], images.workers)
    described = Description(
        sheet.path.name, (TopSpec("float32", images.shape), masks.top), len(paths), request.classes or (), sha256=sheet.sha256,
        label=sheet.header[label], has_validation=bool(parts) and parts["VALIDATION"] is not parts["TEST"],
    )  # fmt: skip
    return Table(
        described, lambda: in_columns(images, masks, skips(request)), has_test_rows=bool(parts), all_phases=True, parts=parts,
        notes=images.left_out.notes, place=partial(_place, sheet, column, label),
    )  # fmt: skip


def read_listing(path: Path) -> Sheet:
    """The cells of a table that lists images. The first line is a header unless a cell in it is an image."""
    return read_sheet(path, is_header=lambda first: not any(map(is_image, first)))


def listed_images(layer: pb.LayerParameter, base: str | Path) -> tuple[Path, ...]:
    """The images that a layer lists. DataError names the rows whose image is missing."""
    request = Request(layer, "TRAIN", base=Path(base), source=layer.data_param.source)
    sheet = read_listing(request.path)
    paths, errors = _paths(sheet, column_place(sheet, layer.data_param.image_column, "image_column"), _folder(request), skip=False)
    if errors:
        raise DataError(*errors)
    return paths


def names_parts(cells: Sequence[str]) -> bool:
    """Whether each cell names a part: train, validation or test. Some rows are for training and some are not."""
    found = {part_of(cell) for cell in set(cells)}
    return None not in found and "TRAIN" in found and len(found) > 1


def _parts(sheet: Sheet, request: Request) -> tuple[dict[str, np.ndarray], list[Diagnostic]]:
    """The rows of each phase, by the column that names them, and an error for cells that name no part.

    VALIDATION and TEST stand in for each other. Another file than that of the training rows has one part.
    """
    stated = request.layer.data_param.part_column
    if not stated or request.learned:
        return {}, []
    column = column_place(sheet, stated, "part_column")
    named = [part_of(row[column]) for row in sheet.rows]
    errors = sheet.errors(column, [k for k, part in enumerate(named) if part is None], "Expected train, validation or test.")
    rows = {phase: np.array([k for k, part in enumerate(named) if part == phase], np.int64) for phase in PARTS}
    if not errors and not (len(rows["TRAIN"]) and len(rows["TRAIN"]) < len(named)):
        text = f"Column {sheet.header[column]!r} names {len(rows['TRAIN']):,} of {len(named):,} rows for training. Expected some, not all."
        errors.append(Diagnostic(sheet.head(column), text))
    for phase, other in (("TEST", "VALIDATION"), ("VALIDATION", "TEST")):
        if not len(rows[phase]):
            rows[phase] = rows[other]
    return rows, errors


def _place(sheet: Sheet, column: int, label: int | None, top: int, row: int) -> str:
    return str(sheet.place(row, label if top and label is not None else column))


def _folder(request: Request) -> Path:
    """The folder that the paths start from."""
    root = request.layer.data_param.root_folder
    return request.base / Path(root).expanduser() if root else request.path.parent


def _label(sheet: Sheet, column: int, request: Request) -> int | None:
    """The position of the label; None if the layer has one top and names no label."""
    stated, others = request.layer.data_param.label_column, [k for k in range(len(sheet.header)) if k != column]
    if not stated and len(request.layer.top) == 1:
        return None
    if not stated and len(others) != 1:
        names = ", ".join(sheet.header[k] for k in others)
        text = f"Set `label_column` to one of them: {names}." if others else "netc needs a column of labels."
        raise DataError(Diagnostic(sheet.head(), f"There are {len(others)} columns besides the images. {text}", field="label_column"))
    label = column_place(sheet, stated) if stated else others[0]
    if label == column:
        text = f"Column {sheet.header[label]!r} has the images. Name another `label_column`."
        raise DataError(Diagnostic(sheet.head(label), text, field="label_column"))
    return label


def _paths(sheet: Sheet, column: int, folder: Path, skip: bool) -> tuple[tuple[Path, ...], list[Diagnostic]]:
    """The image of each row, and an error for all rows whose image is missing, unless these are skipped."""
    cells = [row[column] for row in sheet.rows]
    paths = tuple(image_path(folder, cell) for cell in cells)
    wrong = [] if skip else [k for k, path in enumerate(paths) if not cells[k] or not os.path.isfile(path)]
    return paths, sheet.errors(column, wrong, f"Expected the path of an image, from the folder {folder}.")
