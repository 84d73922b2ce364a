"""What is in a table: type, statistics and distribution of each column, what it tells about a label, and warnings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from netc.errors import Diagnostic, SpecError, near
from netc.table.distribution import Distribution, Groups, distributions, groups
from netc.table.inference import infer
from netc.table.leaks import COPIED, Score, judged, leaks, scores, strong
from netc.table.period import Period, period
from netc.table.profile import ColumnProfile, profile
from netc.table.reading import RawTable, quoted
from netc.table.reading.store import CELLS
from netc.table.rules import Choice
from netc.table.similar import Pair, similar
from netc.table.target import Target, target

MOST_HASHED = 20_000_000  # cells among which repeated rows are counted


@dataclass(frozen=True)
class ColumnView:
    """A column: its statistics over all rows, how a net reads it, its distribution in the sampled rows by the label.

    `score` is how well it alone predicts the label; None for the label and without one.
    """

    profile: ColumnProfile
    choice: Choice
    distribution: Distribution | None
    score: Score | None = None
    period: Period | None = None

    @property
    def name(self) -> str:
        """The name of the column."""
        return self.profile.name


@dataclass(frozen=True, eq=False)
class Overview:
    """A table. Charts, scores and pairs are those of `sample` rows that are spread over it; all else is of all rows."""

    name: str
    rows: int
    sample: int
    columns: tuple[ColumnView, ...]
    groups: Groups
    pairs: tuple[Pair, ...]
    warnings: tuple[str, ...]
    label: str = ""
    goal: Target | None = None
    unread: Mapping[str, str] = field(default_factory=dict)  # reasons why a net would not read a column

    @property
    def measure(self) -> str:
        """The measure of the scores: AUC for classes, R2 for numbers, empty without a label."""
        return next((view.score.measure for view in self.columns if view.score), "")


def overview(raw: RawTable, label: str = "", stated: Sequence[Choice] = (), now: datetime | None = None) -> Overview:
    """Look at a table. `stated` is how a net says that it reads columns.

    SpecError if the label is not one of the columns, DataError if it cannot be one.
    """
    names = [column.name for column in raw.columns]
    if label and label not in names:
        raise SpecError(Diagnostic(None, f"{raw.name}: There is no column {label!r}.", near(label, names)))
    profiles = profile(raw)
    goal = target(raw.name, [profiles[label]]) if label else None
    choices = _choices(raw, profiles, label, goal, stated)
    answered = profiles.get(label)
    split = groups(raw, answered, goal is not None and goal.is_class)
    drawn = distributions(raw, [(profiles[name], choices[name]) for name in names], split)
    others = [column for column in profiles.values() if column.name != label]
    told = _scores(raw, answered, goal, others)
    choices = _judged(choices, told, others, {choice.name for choice in stated})
    end = int(((now or datetime.now(UTC)) + timedelta(days=1)).timestamp())
    periods = {name: period(raw, profiles[name], choice, end) for name, choice in choices.items() if choice.type == "date"}
    views = [ColumnView(profiles[name], choices[name], drawn.get(name), told.get(name), periods.get(name)) for name in names]
    unread = {name: choice.reason for name, choice in choices.items() if not choice.type and name != label}
    warnings = [*(goal.notes if goal else ()), *_noted(choices), *_dated(periods), *_repeated(raw)]
    return Overview(raw.name, raw.rows, len(split.codes), tuple(views), split, tuple(similar(raw, others)), tuple(warnings), label, goal,
                    unread)  # fmt: skip


def _choices(
    raw: RawTable, profiles: Mapping[str, ColumnProfile], label: str, goal: Target | None, stated: Sequence[Choice],
) -> dict[str, Choice]:  # fmt: skip
    """How a net reads each column: as it states, or as `netc init` decides. The label has the type that its task says."""
    kept = [value for value, _ in profiles[label].common] if label else []
    found = {choice.name: choice for choice in infer(raw, [c for c in profiles.values() if c.name != label], kept)}
    if goal:
        found[label] = Choice(label, "category" if goal.is_class else "number", goal.what)
    return found | {choice.name: choice for choice in stated if choice.name in found and choice.name != label and _differ(found, choice)}


def _differ(found: Mapping[str, Choice], stated: Choice) -> bool:
    own = found[stated.name]
    return (own.type, own.format) != (stated.type, stated.format)


def _scores(raw: RawTable, label: ColumnProfile | None, goal: Target | None, others: Sequence[ColumnProfile]) -> dict[str, Score]:
    if label is None or goal is None:
        return {}
    varied = [column for column in others if column.filled and column.distinct + bool(column.missing) > 1]
    return {score.column: score for score in (scores(raw, label, goal.is_class, varied) if varied else [])}


def _judged(
    choices: Mapping[str, Choice], told: Mapping[str, Score], columns: Sequence[ColumnProfile], stated: Collection[str],
) -> dict[str, Choice]:  # fmt: skip
    """The choices, of which those of columns that tell the label change, unless a net states them."""
    found = [score for score in told.values() if choices[score.column].type]
    leaked = leaks(found, {column.name for column in columns if column.distinct <= COPIED}) if found else []
    sure, doubtful = {score.column: score for score in leaked}, {score.column: score for score in strong(found)}
    return {name: choice if name in stated else judged(choice, sure.get(name), doubtful.get(name)) for name, choice in choices.items()}


def _dated(periods: Mapping[str, Period | None]) -> list[str]:
    """Warnings of dates that are hardly meant."""
    found = []
    for name, seen in periods.items():
        if seen and seen.early:
            found.append(
                f"'{name}': {_dates(seen.early)} before 1900-01-02. Perhaps {'they stand' if seen.early > 1 else 'it stands'} for a gap."
            )
        if seen and seen.future:
            found.append(f"'{name}': {_dates(seen.future)} in the future.")
    return found


def _dates(count: int) -> str:
    return f"{count:,} date{'s are' if count != 1 else ' is'}"


def _noted(choices: Mapping[str, Choice]) -> list[str]:
    return [f"'{name}': {choice.note}" for name, choice in choices.items() if choice.note]


def _repeated(raw: RawTable) -> list[str]:
    """A warning if rows are repeated, unless the table is too large to compare them."""
    if raw.rows * len(raw.columns) > MOST_HASHED:
        return []
    cells = ", ".join(quoted(column.name) for column in raw.columns)
    ((count,),) = raw.query(f"select count(*) - count(distinct h) from (select hash({cells}) as h from {CELLS})")
    return [f"{count:,} row{'s are' if count != 1 else ' is'} equal to an earlier one."] if count else []
