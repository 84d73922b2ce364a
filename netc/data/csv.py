"""A table of numbers in a text file: every column a feature, one of them the label.

The delimiter is the one of `,` `;` and tab that the first line has most of. The first line is a header if it holds no
number, or if label_column names one of its cells. Labels that are text, or integers, are classes, numbered in sorted
order; other numbers, and integers of very many values, are float32 targets.
"""

import csv as text_csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.data.order import held_out
from netc.data.series import Spread, series_table, spread, training_windows
from netc.data.source import Description, Request, Table, TopSpec
from netc.errors import DataError, Fault, line_of, near
from netc.registry import source

MOST_CLASSES = 20  # different integers that are classes in however small a table


@dataclass(frozen=True)
class Sheet:
    """The cells of a file with the line that each row stands on. `header` names the columns, by number if need be."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    sha256: str
    text: tuple[str, ...]  # the file's lines

    def place(self, row: int, column: int) -> str:
        """`file:line:column` of a cell; that of its row where cells stand in quotes."""
        line = self.text[self.lines[row] - 1]
        cells = line.split(_delimiter(line))
        before = sum(len(cell) + 1 for cell in cells[:column]) if len(cells) == len(self.header) else 0
        return f"{self.path}:{self.lines[row]}:{before + 1}"


@source(".csv")
def csv(request: Request) -> Table:
    """Features (columns) as float32, and the label unless the layer has one top and names no label_column."""
    stat = request.path.stat()
    named = request.layer.data_param.label_column
    sheet = _sheet(request.path, named, stat.st_mtime_ns, stat.st_size)
    if request.layer.data_param.steps:
        return _windows(request, sheet, _label(sheet, named or "-1"))
    label = None if len(request.layer.top) == 1 and not named else _label(sheet, named or "-1")
    features, faults = _features(sheet, label)
    trained = held_out(len(features), request.layer.data_param.test_fraction, "TRAIN")
    mean, std = spread(features[trained])
    tops, columns = [TopSpec("float32", features.shape[1:], mean=mean, std=std)], [features]
    classes: tuple[str, ...] = ()
    if label is not None:
        targets, classes, wrong = _targets(sheet, label, request)
        of_label = Spread((), ()) if targets.dtype == np.int64 else spread(targets[trained][:, None])
        tops, columns = [*tops, TopSpec(str(targets.dtype), (), mean=of_label.mean, std=of_label.std)], [*columns, targets]
        faults += wrong
    if faults:
        raise DataError(*sorted(faults, key=line_of))
    names = tuple(name for k, name in enumerate(sheet.header) if k != label)
    description = Description(sheet.path.name, tuple(tops), len(sheet.rows), classes, sha256=sheet.sha256, columns=names)
    return Table(description, lambda: tuple(columns), place=lambda top, row: sheet.place(row, label if top and label is not None else 0))


def _windows(request: Request, sheet: Sheet, target: int) -> Table:
    """With `steps`: windows of all columns, whose label is the next value of the label column."""
    rows, faults = _features(sheet, None)
    if faults:
        raise DataError(*sorted(faults, key=line_of))
    _, trained = training_windows(request, sheet.path.name, len(rows))
    described = Description(sheet.path.name, (), len(rows), columns=sheet.header, sha256=sheet.sha256)
    return series_table(request, described, target, spread(rows[:trained]), lambda: rows)


@lru_cache(maxsize=4)
def _sheet(path: Path, label_column: str, modified: int, size: int) -> Sheet:
    # `modified` and `size` are there for the cache: a file that changed is read again.
    content = path.read_bytes()
    try:
        lines = content.decode("utf-8-sig").splitlines(keepends=True)
        first = next((line for line in lines if line.strip()), "")
        reader = text_csv.reader(lines, delimiter=_delimiter(first), skipinitialspace=True, strict=True)
        rows = [(reader.line_num, tuple(cell.strip() for cell in row)) for row in reader if any(map(str.strip, row))]
    except (UnicodeDecodeError, text_csv.Error) as e:
        raise DataError(f"{path}: not a table in UTF-8 text: {e}") from e
    if not rows:
        raise DataError(f"{path}: the file is empty")
    header = tuple(str(i) for i in range(len(rows[0][1])))
    if (label_column in rows[0][1] and not _is_number(label_column)) or not any(map(_is_number, rows[0][1])):
        header = rows.pop(0)[1]
    wrong = [
        Fault(f"{path}:{line}:1", f"{len(row)} cells; expected {len(header)}, as in the first line")
        for line, row in rows
        if len(row) != len(header)
    ]
    if wrong:
        raise DataError(*wrong)
    return Sheet(path, header, tuple(row for _, row in rows), tuple(n for n, _ in rows), sha256(content).hexdigest(), tuple(lines))


def read_columns(path: Path, names: tuple[str, ...]) -> np.ndarray:
    """(rows, columns) of a table: the columns of these names, or all where there are as many. DataError for what is no number."""
    stat = path.stat()
    sheet = _sheet(path, names[0], stat.st_mtime_ns, stat.st_size)
    chosen = range(len(names)) if len(sheet.header) == len(names) else [_label(sheet, name) for name in names]
    part = replace(sheet, header=names, rows=tuple(tuple(row[i] for i in chosen) for row in sheet.rows))
    rows, faults = _features(part, None)
    if faults:
        raise DataError(*sorted(faults, key=line_of))
    return rows


def _label(sheet: Sheet, column: str) -> int:
    if column in sheet.header:
        return sheet.header.index(column)
    if column.lstrip("-").isdigit() and -len(sheet.header) <= int(column) < len(sheet.header):
        return int(column) % len(sheet.header)
    raise DataError(f"{sheet.path}: there is no column {column!r} (label_column); {near(column, sheet.header)}")


def _features(sheet: Sheet, label: int | None) -> tuple[np.ndarray, list[Fault]]:
    columns = [i for i in range(len(sheet.header)) if i != label]
    if not columns:
        raise DataError(f"{sheet.path}: there is no column besides the label")
    cells = [[row[i] for i in columns] for row in sheet.rows]
    if all(map(_are_numbers, cells)):
        return np.array(cells, np.float32).reshape(len(cells), len(columns)), []
    faults = [
        Fault(sheet.place(k, i), f"column {sheet.header[i]!r} {_named(cell)}; expected a number")
        for k, row in enumerate(cells)
        for i, cell in zip(columns, row, strict=True)
        if not _is_number(cell)
    ]
    return np.zeros((len(cells), len(columns)), np.float32), faults


def _targets(sheet: Sheet, label: int, request: Request) -> tuple[np.ndarray, tuple[str, ...], list[Fault]]:
    cells, place = [row[label] for row in sheet.rows], f"column {sheet.header[label]!r}"
    numbers, classes = _are_numbers(cells), request.classes
    if numbers and (classes == () or (classes is None and _are_measures(cells, request.layer.data_param))):
        return np.array(cells, np.float32), (), []
    if numbers and _are_whole(cells):
        cells = [str(int(float(cell))) for cell in cells]
    if classes is None:
        classes = tuple(sorted({*cells} - {""}, key=int if numbers else None))
    number = {name: i for i, name in enumerate(classes)}
    faults = [
        Fault(
            sheet.place(k, label),
            f"{place} {_named(cell)}; " + (near(cell, classes) if cell and classes else f"expected a {'class' if classes else 'number'}"),
        )
        for k, cell in enumerate(cells)
        if cell not in number
    ]
    return np.array([number.get(cell, 0) for cell in cells], np.int64), classes, faults


def _are_measures(cells: Sequence[str], param: pb.DataParameter) -> bool:
    """Whether numbers are to be foretold themselves, rather than being the names of classes."""
    many = len(set(cells)) > max(MOST_CLASSES, len(cells) / 4)
    return not _are_whole(cells) or (param.regression if param.HasField("regression") else many)


def _named(cell: str) -> str:
    return f"is {cell!r}" if cell else "is empty"


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _is_number(cell: str) -> bool:
    return _are_numbers((cell,))


def _are_numbers(cells: Iterable[str]) -> bool:
    try:
        return all(abs(number) < 3.4e38 for number in map(float, cells))
    except ValueError:
        return False


def _are_whole(cells: Iterable[str]) -> bool:
    return all(float(cell).is_integer() for cell in cells)
