"""The labels of a table's rows: classes, numbers, or several labels that are true or false; and the weights of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from netc import netc_pb2 as pb
from netc.data.cells import CODE, in_order, whole
from netc.errors import DataError, Diagnostic, near
from netc.table.cells import Codes, Column, Numbers, Wanted
from netc.table.columns.define import Cells
from netc.table.reading import RawColumn, RawTable, number_sql, quoted, text_sql
from netc.table.wrong import Wrong, cell_error

MOST_CLASSES = 20  # different whole numbers that are classes
MOST_WRONG = 0.1  # share of a label's different texts that may be no numbers, beside fractions
LARGEST = 3.4e38  # just below the largest float32
YES, NO = ("true", "yes", "y", "t", "1", "on"), ("false", "no", "n", "f", "0", "off")
CLASSES, NUMBERS, LABELS = pb.TableParameter.CLASSES, pb.TableParameter.NUMBERS, pb.TableParameter.LABELS


@dataclass(frozen=True)
class Labels:
    """The labels of all rows: classes as unsigned integers, or float32 numbers or 0 and 1 for each label column.

    `known` is false for rows without label. `classes` are the names of the classes, and for several
    labels the names of the label columns.
    """

    array: np.ndarray
    known: np.ndarray
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelColumn:
    """A label column: its cells as `texts`, None if there are too many different ones, and as numbers."""

    name: str
    texts: Codes | None
    numbers: np.ndarray
    missing: np.ndarray

    @cached_property
    def words(self) -> list[str]:
        """The different texts, sorted."""
        return self.texts.words.tolist() if self.texts else []

    @cached_property
    def values(self) -> np.ndarray:
        """The number of each word; NaN for others."""
        assert self.texts is not None
        codes, first = np.unique(self.texts.cells, return_index=True)
        found: np.ndarray = self.numbers[first][codes >= 0]
        return found

    def errors(self, raw: RawTable, rows: np.ndarray, wanted: str) -> list[Diagnostic]:
        """The error for the labels of some rows, none if there are no rows."""
        wrong = Wrong()
        wrong.add(rows)
        return [cell_error(raw, self.name, wrong, f"{len(self.missing):,} labels", wanted)] if len(rows) else []


def wanted_labels(raw: RawTable, labels: Sequence[RawColumn]) -> dict[str, Wanted]:
    """The cells to read for label columns, each as a text and as a number."""
    texts = {f"label {c.name}": Wanted(c.name, Cells(text_sql(c)), "string") for c in labels}
    return texts | {f"number {c.name}": Wanted(c.name, Cells(number_sql(c, raw.dialect)), "float64") for c in labels}


def label_columns(raw: RawTable, labels: Sequence[RawColumn], cells: Mapping[str, Column]) -> list[LabelColumn]:
    """The label columns, read as `wanted_labels`."""
    made = []
    for column in labels:
        texts, numbers = cells[f"label {column.name}"], cells[f"number {column.name}"]
        assert isinstance(numbers, Numbers)
        if isinstance(texts, Codes):
            made.append(LabelColumn(column.name, texts, numbers.cells, texts.missing()))
            continue
        missing = np.concatenate([chunk["x"] for chunk in raw.chunks({"x": f"{quoted(column.name)} is null"})])
        made.append(LabelColumn(column.name, None, numbers.cells, missing))
    return made


def wanted_weight(raw: RawTable, column: RawColumn) -> Wanted:
    """The cells to read for a column of weights: numbers that are not negative. A row of weight 0 does not count."""
    value = number_sql(column, raw.dialect)
    test = f"{value} is null or not ({value} >= 0 and isfinite({value}))"
    return Wanted(column.name, Cells(value, test, "Expected 0 or a positive number."), "float64", ranged=True)


def labels_of(raw: RawTable, columns: Sequence[LabelColumn], task: int, classes: Sequence[str]) -> Labels:
    """Return the labels. `classes` are the names of the classes, if they are known. DataError lists the columns with wrong labels."""
    known = ~np.logical_or.reduce([column.missing for column in columns])
    if not known.any():
        raise DataError(f"{raw.name}: No row has a label in {', '.join(repr(c.name) for c in columns)}.", field="label")
    if task == CLASSES:
        return _classes(raw, columns[0], classes)
    found = [_truths(raw, column) if task == LABELS else _numbers(raw, column) for column in columns]
    if errors := [error for _, wrong in found for error in wrong]:
        raise DataError(*errors)
    array = np.stack([values for values, _ in found], axis=1) if len(found) > 1 or task == LABELS else found[0][0]
    array[~known] = 0
    return Labels(array.astype(np.float32), known, tuple(column.name for column in columns) if task == LABELS else ())


def task_of(param: pb.TableParameter, columns: Sequence[LabelColumn]) -> int:
    """What the labels are: what the net file states, or what follows from their values."""
    if param.HasField("task"):
        return int(param.task)
    if len(columns) > 1:
        truths = all(column.texts and word.lower() in (*YES, *NO) for column in columns for word in column.words or [""])
        return LABELS if truths else NUMBERS
    return NUMBERS if not param.classes and _holds_numbers(columns[0]) else CLASSES


def task_errors(param: pb.TableParameter) -> list[Diagnostic]:
    """Errors of the fields that state what the labels are."""
    errors = []
    if len(param.label) > 1 and (param.classes or (param.HasField("task") and param.task == CLASSES)):
        text = f"Classes need one label column, got {len(param.label)}: {', '.join(param.label)}."
        errors.append(Diagnostic(None, text, field="classes" if param.classes else "task"))
    elif param.classes and param.HasField("task") and param.task != CLASSES:
        errors.append(Diagnostic(None, "`classes` needs the task CLASSES.", field="classes"))
    if param.classes and len(set(param.classes)) < max(2, len(param.classes)):
        errors.append(Diagnostic(None, "`classes` needs two or more different names.", field="classes"))
    if param.weight and not param.label:
        errors.append(Diagnostic(None, "`weight` needs a `label`.", field="weight"))
    return errors


def _holds_numbers(column: LabelColumn) -> bool:
    """Whether a label is a number to predict, and not the name of a class."""
    if column.texts is None:
        return True
    measures = np.array([not CODE.match(word) for word in column.words], bool) & np.isfinite(column.values)
    fractions = bool((column.values[measures] % 1 != 0).any())
    if not measures.all():
        return fractions and float(np.mean(~measures)) <= MOST_WRONG
    return fractions or len(set(column.values.tolist())) > MOST_CLASSES


def _classes(raw: RawTable, column: LabelColumn, classes: Sequence[str]) -> Labels:
    """Labels that are classes. Whole numbers have one form: 1.0 is the class 1."""
    if column.texts is None:
        raise DataError(f"{raw.name}: The label {column.name!r} has too many different values for classes.", field="label")
    words = column.words
    names = [whole(word) or word for word in words] if all(map(whole, classes or words)) else words
    found = tuple(classes) or tuple(in_order(set(names)))
    if len(found) < 2:
        raise DataError(f"{raw.name}: The label {column.name!r} has one value, {found[0]!r}. Expected two or more.", field="label")
    number = {name: k for k, name in enumerate(found)}
    unseen = [k for k, name in enumerate(names) if name not in number]
    if unseen:
        wanted = f"Expected {' or '.join(map(repr, found)) if len(found) <= MOST_CLASSES else f'one of {len(found)} classes'}."
        (error,) = column.errors(raw, np.flatnonzero(np.isin(column.texts.cells, unseen)), wanted)
        raise DataError(replace(error, suggestion=near(names[unseen[0]], found) or None) if len(unseen) == 1 else error)
    of_word = np.array([*(number[name] for name in names), 0], np.min_scalar_type(len(found)))
    return Labels(of_word[column.texts.cells], ~column.missing, found)


def _numbers(raw: RawTable, column: LabelColumn) -> tuple[np.ndarray, list[Diagnostic]]:
    with np.errstate(invalid="ignore"):
        wrong = ~column.missing & ~(np.abs(column.numbers) < LARGEST)
    return np.array(column.numbers), column.errors(raw, np.flatnonzero(wrong), "Expected a number.")


def _truths(raw: RawTable, column: LabelColumn) -> tuple[np.ndarray, list[Diagnostic]]:
    """1 and 0 for a column of true and false."""
    if column.texts is None:
        return np.zeros(len(column.missing)), column.errors(raw, np.flatnonzero(~column.missing), "Expected true or false.")
    wrong = [k for k, word in enumerate(column.words) if word.lower() not in (*YES, *NO)]
    values = np.array([*(float(word.lower() in YES) for word in column.words), 0.0])
    return values[column.texts.cells], column.errors(raw, np.flatnonzero(np.isin(column.texts.cells, wrong)), "Expected true or false.")
