"""A table of numbers in a text file: every column is a feature, except for the label.

`columns.py` selects the columns, and `cells.py` defines numbers. Labels are classes, named as they are written and sorted; integers are
sorted as numbers. Labels that are fractions, or integers with very many different values, are float32 targets.
"""

from collections.abc import Sequence
from dataclasses import replace
from unicodedata import normalize

import numpy as np

from netc import netc_pb2 as pb
from netc.data.cells import MISSING, in_order, is_measure, is_number, whole
from netc.data.columns import all_columns, column_place, matched, numbers
from netc.data.order import held_out
from netc.data.series import Spread, series_table, spread, training_windows
from netc.data.sheet import SUFFIXES, Sheet, read_sheet
from netc.data.source import Description, Request, Table, TopSpec
from netc.errors import DataError, Diagnostic, near
from netc.registry import source

MOST_CLASSES = 20  # different integers that are always classes, even in a small table


@source(*SUFFIXES)
def csv(request: Request) -> Table:
    """Features (columns) as float32, and the label. There is no label if the layer has one top and no label_column."""
    sheet, columns, label = _chosen(request)
    if request.layer.data_param.steps:
        return _windows(request, sheet, columns, label)
    features, errors = numbers(sheet, columns)
    trained = held_out(len(features), request.layer.data_param.test_fraction, "TRAIN")
    mean, std = spread(features[trained])
    tops, arrays = [TopSpec("float32", features.shape[1:], mean=mean, std=std)], [features]
    classes: tuple[str, ...] = ()
    if label is not None:
        labels, classes, wrong = targets(sheet, label, request)
        tops, arrays = [*tops, label_top(labels, trained)], [*arrays, labels]
        errors += wrong
    if errors:
        raise DataError(*sorted(errors, key=lambda d: d.position))
    names = tuple(sheet.header[k] for k in columns)
    named = sheet.header[label] if label is not None else ""
    described = Description(sheet.path.name, tuple(tops), len(sheet.rows), classes, sha256=sheet.sha256, columns=names, label=named)

    def place(top: int, row: int) -> str:
        return str(sheet.place(row, label if top and label is not None else columns[0]))

    return Table(described, lambda: tuple(arrays), all_phases=True, place=place)


def _chosen(request: Request) -> tuple[Sheet, list[int], int | None]:
    """The table, the positions of its features (of all columns for a series), and the position of its label."""
    param, learned = request.layer.data_param, request.learned
    stated, names = normalize("NFC", param.label_column), tuple(normalize("NFC", name) for name in request.columns)
    label = stated or (learned.target or learned.label if learned else "")
    labelled = bool(label) or len(request.layer.top) > 1 or bool(param.steps)
    sheet = read_sheet(request.path, (*names, *([label] if label and not is_number(label) else [])))
    if learned and label == stated and sheet.named and learned.label and is_number(stated):
        label = learned.label  # a number refers to the columns of the training rows
    if not labelled:
        return sheet, matched(sheet, names)[0] if names else all_columns(sheet, None), None
    if not names:
        place = column_place(sheet, label or "-1")
        return sheet, all_columns(sheet, None if param.steps else place), place
    if not label or (is_number(label) and label not in sheet.header):
        label = sheet.header[column_place(sheet, label or "-1")]
    if param.steps:
        places = matched(sheet, names)[0]
        return sheet, places, places[_target(sheet, names, label)]
    if label in names:
        raise DataError(
            Diagnostic(sheet.head(), f"The label {label!r} is one of the columns that the net reads. Name another `label_column`.")
        )
    return sheet, *matched(sheet, names, label)


def _target(sheet: Sheet, names: Sequence[str], label: str) -> int:
    """The position, among the columns of a series, of the column to predict."""
    if label not in names:
        raise DataError(
            f"{sheet.path}: `label_column` {label!r} is not one of the columns that the net reads. {near(label, names)}",
            field="label_column",
        )
    return names.index(label)


def _windows(request: Request, sheet: Sheet, columns: Sequence[int], label: int | None) -> Table:
    """Make a table for `steps`: windows of all columns, with the next value of the label column as the label."""
    rows, errors = numbers(sheet, columns)
    if errors:
        raise DataError(*sorted(errors, key=lambda d: d.position))
    _, trained = training_windows(request, sheet.path.name, len(rows))
    names = tuple(sheet.header[k] for k in columns)
    described = Description(sheet.path.name, (), len(rows), columns=names, sha256=sheet.sha256)
    table = series_table(request, described, list(columns).index(label or 0), spread(rows[:trained]), lambda: rows)
    return replace(table, all_phases=True)


def label_top(labels: np.ndarray, trained: np.ndarray) -> TopSpec:
    """The top for labels. Those that are numbers to predict have a mean and a deviation, over the training rows."""
    of_label = Spread((), ()) if labels.dtype == np.int64 else spread(labels[trained][:, None])
    return TopSpec(str(labels.dtype), (), mean=of_label.mean, std=of_label.std)


def targets(sheet: Sheet, label: int, request: Request) -> tuple[np.ndarray, tuple[str, ...], list[Diagnostic]]:
    """The labels as numbers, the names of their classes, and an error for each invalid label."""
    cells, param, classes = [row[label] for row in sheet.rows], request.layer.data_param, request.classes
    measures = [is_measure(cell) for cell in cells]
    if classes == () or (classes is None and _foretold(cells, measures, param)):
        wrong = [k for k, cell in enumerate(cells) if not is_number(cell)]
        errors = sheet.errors(label, wrong, f"Expected a number{'' if param.regression else ', as in the other rows'}.")
        return np.array([0 if errors else float(cell) for cell in cells], np.float32), (), errors
    names = [whole(cell) or cell for cell in cells] if _are_whole(cells if classes is None else classes) else cells
    if classes is None:
        classes = tuple(in_order({*names} - {""}))
    number = {name: i for i, name in enumerate(classes)}
    wrong = [k for k, name in enumerate(names) if name not in number]
    suggestion = near(names[wrong[0]], classes) if wrong and names[wrong[0]] and classes else None
    errors = sheet.errors(label, wrong, "Expected the name of a class.", suggestion)
    return np.array([number.get(name, 0) for name in names], np.int64), classes, errors


def _are_whole(cells: Sequence[str]) -> bool:
    return all(whole(cell) for cell in cells)


def _foretold(cells: Sequence[str], measures: Sequence[bool], param: pb.DataParameter) -> bool:
    """Whether labels are numeric targets, and not the names of classes.

    Numbers with a few cells that are not numbers, such as gaps, are targets with errors and not classes.
    """
    if param.HasField("regression") and param.regression:
        return True
    fractions = any(measure and not float(cell).is_integer() for cell, measure in zip(cells, measures, strict=True))
    if not all(measures):
        rest = {cell.lower() for cell, measure in zip(cells, measures, strict=True) if not measure}
        return any(measures) and (fractions or {""} < rest | {""} <= MISSING | {""})
    many = len({whole(cell) or cell for cell in cells}) > max(MOST_CLASSES, len(cells) / 4)
    return fractions or (many and not param.HasField("regression"))
