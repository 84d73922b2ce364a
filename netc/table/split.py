"""Which rows of a table are for training, validation and testing.

All draws depend on the seed of the split and on the rows, and on nothing else. So they are the same on every machine, and a row is in the
same fold in every run.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netc import netc_pb2 as pb
from netc.errors import DataError, Diagnostic
from netc.random import permutation

PARTS = ("TRAIN", "VALIDATION", "TEST")
MOST_NAMED = 3  # classes in a note


@dataclass(frozen=True)
class Rows:
    """The rows to split, and what decides: their class, group, or time, one value for each row of the table."""

    numbers: np.ndarray
    classes: np.ndarray | None = None
    groups: np.ndarray | None = None  # -1: a group of its own
    times: np.ndarray | None = None


def parts_of(param: pb.TableSplitParameter, rows: Rows, name: str) -> Mapping[str, np.ndarray]:
    """Return the sorted row numbers of each part. DataError if a part that is asked for is empty. `name` is that of the table.

    Of n rows, round(n * test) are for testing and round(n * validation) for validation. With folds, testing has one of them. Groups stay
    together, so the parts have at most this many rows.
    """
    count = len(rows.numbers)
    order = _order(param, rows)
    _check_folds(param, rows, name)
    if param.folds:
        testing = np.arange(count) % param.folds == param.fold if rows.groups is None else _group_folds(param, rows, order) == param.fold
    elif rows.groups is not None:
        testing = _groups_within(rows.groups[rows.numbers[order]], _share(param.test, count))
    else:
        testing = _evenly(count, _share(param.test, count), rows.times is not None)
    tested, rest = order[testing], order[~testing]
    wanted = _share(param.validation, count)
    if rows.groups is not None:
        validating = _groups_within(rows.groups[rows.numbers[rest]], wanted)
    else:
        validating = _evenly(len(rest), wanted, rows.times is not None)
    found = {"TRAIN": rest[~validating], "VALIDATION": rest[validating], "TEST": tested}
    _check(param, rows, found, name)
    return {part: np.sort(rows.numbers[places]) for part, places in found.items()}


def split_errors(param: pb.TableParameter) -> list[Diagnostic]:
    """Errors of the fields of a split, whatever the table has."""
    split, errors = param.split, []

    def error(text: str, field: str = "split") -> None:
        errors.append(Diagnostic(None, text, field=field))

    for field in ("test", "validation"):
        if not 0 <= getattr(split, field) < 1:
            error(f"`{field}` is {getattr(split, field):g}. Expected a number from 0 to 1.")
    if split.test + split.validation >= 1 and split.test < 1 and split.validation < 1:
        error(f"`test` and `validation` are {split.test + split.validation:g} together, which leaves no rows for training.")
    ways = [f"`{name}`" for name in ("group", "time", "column") if getattr(split, name)]
    ways += ["`stratify`"] if split.stratify else []
    if len(ways) > 1:
        error(f"{' and '.join(ways)} cannot be combined. Use one of them.")
    if split.column and (split.test or split.validation or split.folds):
        error("`column` names the part of each row. Remove `test`, `validation` and `folds`.")
    if split.HasField("folds") and split.folds < 2:
        error(f"`folds` is {split.folds}. Expected 2 or more.")
    if split.folds and split.time:
        error("`folds` and `time` cannot be combined. Remove one of them.")
    if split.HasField("fold") and split.fold >= split.folds:
        error(f"`fold` is {split.fold}. " + (f"Expected 0 to {split.folds - 1}." if split.folds else "It needs `folds`."))
    for field, own in (("test_source", split.test or split.folds), ("validation_source", split.validation)):
        if getattr(param, field) and (own or split.column):
            error(f"`{field}` is set, and `split` chooses rows for the same part. Remove one of them.", field)
    return errors


def parts_by_name(codes: np.ndarray, words: np.ndarray) -> tuple[dict[str, np.ndarray], list[int]]:
    """The rows of each part as a column names them, and the words that name no part."""
    names = {"train": "TRAIN", "training": "TRAIN", "validation": "VALIDATION", "valid": "VALIDATION", "val": "VALIDATION",
             "dev": "VALIDATION", "test": "TEST", "testing": "TEST"}  # fmt: skip
    parts = [names.get(str(word).lower(), "") for word in words]
    found = {part: np.flatnonzero(np.isin(codes, [k for k, p in enumerate(parts) if p == part])) for part in PARTS}
    return found, [k for k, part in enumerate(parts) if not part]


def _order(param: pb.TableSplitParameter, rows: Rows) -> np.ndarray:
    """The places of the rows in the order in which they are dealt out: by time, by class and at random, or at random."""
    mixed = permutation(param.seed, "split", len(rows.numbers))
    if rows.times is not None:
        return np.argsort(rows.times[rows.numbers], kind="stable")
    if rows.classes is not None:
        return mixed[np.argsort(rows.classes[rows.numbers[mixed]], kind="stable")]
    return mixed


def _share(fraction: float, count: int) -> int:
    """round(count * fraction), of the decimal number that the net file has, not of the float32 next to it."""
    return round(count * float(f"{fraction:.7g}"))


def _evenly(count: int, chosen: int, last: bool) -> np.ndarray:
    """Which of `count` places are chosen: the last ones, or evenly spaced ones. So each class has its share, up to one row."""
    places = np.arange(count, dtype=np.int64)
    return places >= count - chosen if last else (places + 1) * chosen // max(1, count) > places * chosen // max(1, count)


def _groups_within(groups: np.ndarray, most: int) -> np.ndarray:
    """Which rows, in this order, belong to the chosen groups: each group that still fits into `most` rows."""
    named = _numbered(groups)
    sizes = np.bincount(named)
    chosen, left = np.zeros(len(sizes), bool), most
    for group in range(len(sizes)):
        if sizes[group] <= left:
            chosen[group] = True
            left -= int(sizes[group])
    found: np.ndarray = chosen[named]
    return found


def _group_folds(param: pb.TableSplitParameter, rows: Rows, order: np.ndarray) -> np.ndarray:
    """The fold of each row, in this order. The largest group is dealt out first, to the fold with the fewest rows."""
    assert rows.groups is not None
    named = _numbered(rows.groups[rows.numbers[order]])
    sizes = np.bincount(named)
    filled, fold = np.zeros(param.folds, np.int64), np.zeros(len(sizes), np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold[group] = np.argmin(filled)
        filled[fold[group]] += sizes[group]
    found: np.ndarray = fold[named]
    return found


def _numbered(groups: np.ndarray) -> np.ndarray:
    """Groups numbered in the order of their first rows. Rows without a group are groups of their own."""
    alone = groups < 0
    own = np.where(alone, groups.max(initial=-1) + 1 + np.cumsum(alone), groups)
    _, first, inverse = np.unique(own, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    found: np.ndarray = rank[inverse]
    return found


def _check_folds(param: pb.TableSplitParameter, rows: Rows, name: str) -> None:
    """DataError if a fold would have no rows."""
    what, most = ("rows", len(rows.numbers)) if rows.groups is None else ("groups", len(np.unique(_numbered(rows.groups[rows.numbers]))))
    if param.folds > most:
        raise DataError(f"{name}: {param.folds} folds need as many {what}, got {most:,}.", field="split")


def _check(param: pb.TableSplitParameter, rows: Rows, found: Mapping[str, np.ndarray], name: str) -> None:
    count, groups = (
        len(rows.numbers),
        f" in {len(np.unique(_numbered(rows.groups[rows.numbers])))} groups" if rows.groups is not None else "",
    )
    asked = {"TEST": f"`test` of {param.test:g}" if param.test and not param.folds else "",
             "VALIDATION": f"`validation` of {param.validation:g}" if param.validation else "", "TRAIN": "`split`"}  # fmt: skip
    of = {"TEST": "for testing", "VALIDATION": "for validation", "TRAIN": "for training"}
    errors = [
        Diagnostic(None, f"{name}: A {text} of {count:,} rows{groups} leaves no row {of[part]}.", field="split")
        for part, text in asked.items()
        if text and not len(found[part])
    ]
    if errors:
        raise DataError(*errors)


def absent(classes: np.ndarray, training: np.ndarray, names: tuple[str, ...], name: str) -> list[str]:
    """A note on the classes that no training row has."""
    there = np.bincount(classes[training], minlength=len(names))
    without = [names[k] for k in np.flatnonzero(there[: len(names)] == 0)]
    shown = ", ".join(map(repr, without[:MOST_NAMED])) + (f" and {len(without) - MOST_NAMED} more" if len(without) > MOST_NAMED else "")
    return [f"{name}: no training row has the class {shown}"] if without else []
