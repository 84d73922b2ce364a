"""Choose how a net reads each column of a table, with reasons."""

from collections.abc import Iterable, Sequence

from netc import netc_pb2 as pb
from netc.table.profile import ColumnProfile, profile
from netc.table.reading import RawColumn, RawTable
from netc.table.rules import RULES, Choice, Seen


def infer(raw: RawTable, profiles: Sequence[ColumnProfile], kept: Iterable[str] = ()) -> list[Choice]:
    """Return a choice for each column, by the first rule of `RULES` that has one. Equal columns are read once.

    `kept` are texts that cannot mean a gap, since they are values of a label. If all columns have many gaps, or values that are nearly
    unique, the net reads them nevertheless.
    """
    found = _choices(raw, profiles, frozenset(kept), strict=True)
    return found if any(c.type for c in found) else _choices(raw, profiles, frozenset(kept), strict=False)


def _choices(raw: RawTable, profiles: Sequence[ColumnProfile], kept: frozenset[str], strict: bool) -> list[Choice]:
    found, first = list[Choice](), dict[int, str]()
    for column in profiles:
        seen = Seen(raw, column, kept, strict)
        choice = next(c for c in (rule(seen) for rule in RULES) if c)
        if choice.type and (same := first.setdefault(column.fingerprint, column.name)) != column.name:
            choice = Choice(column.name, "", f"the same as column '{same}'")
        found.append(choice)
    return found


def infer_rules(raw: RawTable, param: pb.TableParameter) -> list[pb.ColumnParameter]:
    """The columns that a Table layer reads if it names none: all without another role that a net can learn from."""
    split = param.split
    labels = () if param.HasField("series") else param.label  # a series reads its own past
    others = {*labels, param.weight, split.group, split.column, *(column.name for column in param.ignore)}
    columns = [column for column in raw.columns if column.name not in others]
    kept = _values(raw, [c for c in raw.columns if c.name in set(param.label)])
    choices = infer(raw, [*profile(raw, columns).values()], kept) if columns else []
    return [pb.ColumnParameter(name=c.name, type=c.type, format=c.format or None) for c in choices if c.type]


def _values(raw: RawTable, labels: Sequence[RawColumn]) -> list[str]:
    found = profile(raw, labels) if labels else {}
    return [value for column in found.values() for value, _ in column.common]
