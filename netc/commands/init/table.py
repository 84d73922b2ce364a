"""A starter net for a table: types and reasons of its columns, what to predict, and the settings for its size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from netc.commands.init import nets, table_net
from netc.commands.init.starter import Starter, Wanted
from netc.errors import DataError, Diagnostic, SpecError, near
from netc.table.inference import infer
from netc.table.leaks import COPIED, Score, judged, leaks, scores, strong
from netc.table.profile import ColumnProfile, profile
from netc.table.reading import RawTable, ReadingOptions, open_table
from netc.table.rules import Choice, gaps
from netc.table.target import Target, looks_like_label, target

SUFFIXES = {".csv", ".tsv", ".psv", ".jsonl", ".ndjson", ".parquet", ".pq", ".arrow", ".feather", ".xlsx", ".sqlite", ".sqlite3"}
PACKED = {".gz", ".zst", ".bz2", ".xz"}
MOST_LISTED = 40  # columns that are offered as label
MOST_NOTES = 8


def recognise(wanted: Wanted) -> bool:
    """Whether the data is a table: by the suffix of a file, by an address, or as the user names a label."""
    if wanted.is_named or wanted.path.is_dir() or not _is_utf8(wanted.data):
        return False
    if wanted.is_address or wanted.query:
        return True
    suffixes = [suffix.lower() for suffix in Path(wanted.data).suffixes if suffix.lower() not in PACKED]
    known = bool(suffixes) and suffixes[-1] in SUFFIXES
    return (known or bool(wanted.labels)) and (wanted.path.is_file() or "*" in wanted.data)


def _is_utf8(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:  # no net file can have this name
        return False


def starter(wanted: Wanted) -> Starter:
    """A net that predicts the labels from the other columns. SpecError offers the columns if no label is named."""
    with open_table(wanted.data if wanted.is_address else str(wanted.path), options=ReadingOptions(query=wanted.query)) as raw:
        _check_labels(raw, wanted)
        columns = profile(raw)
        labels = [columns.pop(name) for name in wanted.labels]
        goal = target(raw.name, labels)
        found = _plan(raw, goal, labels, list(columns.values()))
    written = table_net.Table(
        wanted.source, raw.rows - max(label.missing for label in labels), goal, found.choices, wanted.parts, wanted.query
    )
    about = nets.About(wanted.target.stem, str(wanted.target), wanted.source, raw.rows)
    return Starter(table_net.text(about, written), _summary(raw, goal, found.choices), found.notes)


@dataclass(frozen=True)
class Plan:
    """How the net reads each column, and what the user should know."""

    choices: tuple[Choice, ...]
    notes: tuple[str, ...]


def _check_labels(raw: RawTable, wanted: Wanted) -> None:
    """SpecError if there is no label, or one that the table lacks."""
    names = [column.name for column in raw.columns]
    absent = [name for name in wanted.labels if name not in names]
    unknown = [Diagnostic(None, f"{wanted.data}: There is no column {name!r}.", near(name, names)) for name in absent]
    if unknown:
        raise SpecError(*unknown)
    repeated = [name for k, name in enumerate(wanted.labels) if name in wanted.labels[:k]]
    if repeated:
        raise SpecError(f"{wanted.data}: `--label {repeated[0]}` is given twice.")
    if len(names) < 2:
        raise DataError(f"{wanted.data}: There is one column, {names[0]!r}. Expected a label and one column or more to predict it from.")
    if not wanted.labels:
        raise SpecError(Diagnostic(None, f"{wanted.data}: Name the column to predict, with --label COLUMN.", details=_offered(raw)))


def _offered(raw: RawTable) -> tuple[str, ...]:
    """The columns of a table as lines: type, distinct values, gaps, and which looks most like a label."""
    columns = list(profile(raw).values())
    choices = infer(raw, columns)
    ranks = [looks_like_label(column, column is columns[-1]) for column in columns]
    best = ranks.index(max(ranks)) if max(ranks) else -1
    wide = max(len(column.name) for column in columns[:MOST_LISTED])
    lines = [
        f"{column.name:<{wide}}  {_described(column, choice)}" + "  <- looks like a label" * (k == best)
        for k, (column, choice) in enumerate(zip(columns, choices, strict=True))
        if k < MOST_LISTED or k == best
    ]
    more = len(columns) - MOST_LISTED
    return (*lines, f"and {more:,} more columns") if more > 0 else tuple(lines)


def _described(column: ColumnProfile, choice: Choice) -> str:
    """The type of a column, its distinct values and its gaps."""
    values = f"{column.distinct:,} value{'s' * (column.distinct != 1)}"
    return ", ".join([choice.type or choice.reason.split(":")[0], values, *([gaps(column)] if column.missing else [])])


def _plan(raw: RawTable, goal: Target, labels: Sequence[ColumnProfile], columns: Sequence[ColumnProfile]) -> Plan:
    """The columns that the net reads, without those that tell the label. DataError if none is left."""
    kept = [value for label in labels for value, _ in label.common]
    choices = infer(raw, columns, kept)
    read = {choice.name for choice in choices if choice.type}
    told, doubtful = dict[str, Score](), dict[str, Score]()
    for label in labels:
        candidates = [column for column in columns if column.filled and column.distinct + bool(column.missing) > 1]
        found = scores(raw, label, goal.task != "NUMBERS", [column for column in candidates if column.name in read])
        leaked = leaks(found, {column.name for column in columns if column.distinct <= COPIED})
        told |= {score.column: score for score in leaked}
        doubtful |= {score.column: score for score in strong(found)}
    choices = [judged(choice, told.get(choice.name), doubtful.get(choice.name)) for choice in choices]
    if not any(choice.type for choice in choices):
        reasons = "; ".join(f"{c.name!r}: {c.reason}" for c in choices[:MOST_NOTES])
        raise DataError(f"{raw.name}: No column is left to predict {', '.join(map(repr, goal.names))} from. {reasons}.")
    return Plan(tuple(choices), _notes(goal, choices))


def _notes(goal: Target, choices: Sequence[Choice]) -> tuple[str, ...]:
    """One line each: warnings, then the columns that the net does not read."""
    ignored = [f"'{choice.name}' is not read: {choice.reason}" for choice in choices if not choice.type]
    read = [f"'{choice.name}': {choice.note}" for choice in choices if choice.note]
    lines = [*goal.notes, *read, *ignored]
    if len(lines) <= MOST_NOTES + 1:
        return tuple(lines)
    return (*lines[:MOST_NOTES], f"{len(lines) - MOST_NOTES} more such notes are in the net file")


def _summary(raw: RawTable, goal: Target, choices: Sequence[Choice]) -> str:
    """The data in a few words."""
    types = [choice.type for choice in choices if choice.type]
    counted = ", ".join(f"{types.count(kind)} {kind}" for kind in dict.fromkeys(types))
    return f"{raw.rows:,} rows of {table_net.columns_of(len(types))} ({counted}), and {goal.what} to predict"
