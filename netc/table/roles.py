"""What a net does with each column of a table: it reads it, predicts it, weighs or splits rows by it, or ignores it."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from netc import netc_pb2 as pb
from netc.data.fitted import FittedColumn
from netc.errors import DataError, Diagnostic, near
from netc.registry import column_type
from netc.table.columns.define import class_of
from netc.table.reading import RawColumn, RawTable


@dataclass(frozen=True)
class Roles:
    """The rules of the columns that a net reads, with what is stored of each; the labels; and notes on what is unused."""

    rules: tuple[tuple[pb.ColumnParameter, RawColumn], ...]
    labels: tuple[RawColumn, ...]
    weight: RawColumn | None
    group: RawColumn | None
    time: RawColumn | None
    part: RawColumn | None
    notes: tuple[str, ...]


def roles_of(raw: RawTable, param: pb.TableParameter, known: Iterable[FittedColumn] = (), splits: bool = True) -> Roles:
    """Return the roles of a table's columns. DataError lists every column that is missing or has two roles.

    `known` are the columns that a net with weights reads. `splits`: the rows are split into parts.
    """
    by_name = {column.name: column for column in raw.columns}
    known = tuple(known)
    rules = _rules(param, known)
    errors = [*_stated_errors(param), *_other_types(param, known)]
    wanted = [("columns", rule.name) for rule in rules] + [("label", name) for name in param.label]
    split = {name: getattr(param.split, name) for name in ("group", "time", "column")} if splits else {}
    wanted += [(field, name) for field, name in (("weight", param.weight), *(("split", name) for name in split.values())) if name]
    errors += _missing(raw, wanted, by_name)
    if not rules and not errors:
        errors.append(Diagnostic(None, f"{raw.name}: There are no columns to read, besides the label and ignored ones.", field="columns"))
    if errors:
        raise DataError(*errors)
    notes = [f"{raw.name} has no column {i.name!r}, which `ignore` names" for i in param.ignore if i.name not in by_name and splits]
    return Roles(
        tuple((rule, by_name[rule.name]) for rule in rules), tuple(by_name[name] for name in param.label), by_name.get(param.weight),
        by_name.get(split.get("group", "")), by_name.get(split.get("time", "")), by_name.get(split.get("column", "")), tuple(notes),
    )  # fmt: skip


def _rules(param: pb.TableParameter, known: tuple[FittedColumn, ...]) -> list[pb.ColumnParameter]:
    """The rules of the columns to read: those of weights, or those of the layer."""
    stated = {rule.name: rule for rule in param.columns}
    if known:
        return [stated.get(column.name) or pb.ColumnParameter(name=column.name, type=column.type) for column in known]
    return list(param.columns)


def _stated_errors(param: pb.TableParameter) -> list[Diagnostic]:
    """Errors of what the net file states, whatever the table has."""
    errors = []
    for rule in param.columns:
        if rule.type not in column_type:
            text = f"Column {rule.name!r} has the type {rule.type!r}. Expected {', '.join(sorted(column_type))}."
            errors.append(Diagnostic(None, text, near(rule.type, column_type) or None, "columns"))
        else:
            errors += class_of(rule).errors(rule)
    read, labels = [rule.name for rule in param.columns], list(param.label)
    for name, count in Counter(read).items():
        if count > 1:
            errors.append(Diagnostic(None, f"Column {name!r} is named {count} times.", field="columns"))
    for name in dict.fromkeys(labels):
        if name in read and not param.HasField("series"):
            errors.append(Diagnostic(None, f"The label {name!r} is also one of the columns that the net reads.", field="columns"))
        if labels.count(name) > 1:
            errors.append(Diagnostic(None, f"The label {name!r} is named {labels.count(name)} times.", field="label"))
    ignored = {column.name for column in param.ignore}
    for name in dict.fromkeys([*read, *labels, param.weight]):
        if name and name in ignored:
            errors.append(Diagnostic(None, f"`ignore` names {name!r}, which the net uses.", field="ignore"))
    if param.weight and param.weight in (*read, *labels):
        errors.append(Diagnostic(None, f"The weight {param.weight!r} is also a column that the net reads or its label.", field="weight"))
    return errors


def _other_types(param: pb.TableParameter, known: Iterable[FittedColumn]) -> list[Diagnostic]:
    """An error for each column that the net file and the weights read differently."""
    types = {column.name: column.type for column in known}
    return [
        Diagnostic(None, f"Column {rule.name!r} has the type {rule.type!r} in the net file and {types[rule.name]!r} in the weights. "
                   f"Set the type {types[rule.name]!r}, or train the net anew.", field="columns")
        for rule in param.columns if types.get(rule.name, rule.type) != rule.type
    ]  # fmt: skip


def _missing(raw: RawTable, wanted: Iterable[tuple[str, str]], there: Collection[str]) -> list[Diagnostic]:
    """An error for each column that the table lacks."""
    return [
        Diagnostic(None, f"{raw.name}: There is no column {name!r}.", near(name, there), field)
        for field, name in dict.fromkeys(wanted)
        if name not in there
    ]
