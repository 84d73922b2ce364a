"""Everything that explains a model of a table on some rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from netc.errors import SpecError, near
from netc.predict.explain.association import Pair, associated, groups
from netc.predict.explain.contributions import Contributions, contributions
from netc.predict.explain.dependence import Dependence, dependence
from netc.predict.explain.importance import Importance, importances
from netc.predict.explain.judge import Judge, judge, targets
from netc.predict.model import Model
from netc.predict.raw.rows import chosen_rows, opened
from netc.random import permutation
from netc.table.reading import RawColumn, RawTable, number_sql, text_sql

LABEL = "label/"  # begins the name of a label among the values
MOST_CURVES, MOST_AVERAGED = 12, 500  # columns with a partial dependence, and rows that it averages over
FREE_TEXT = "text"  # a column type whose values are not compared
FIRST = 3  # rows with contributions, if none are named


@dataclass(frozen=True)
class Asked:
    """What to explain: the label, the largest number of rows, the repeats of a permutation, numbers of single rows, the seed,
    and the query of a database."""

    label: str | None = None
    most_rows: int = 5000
    repeats: int = 5
    rows: tuple[int, ...] = ()
    seed: int = 0
    query: str = ""


@dataclass(frozen=True, eq=False)
class Explanation:
    """A model, explained on rows of a table. `numbers` are the numbers of the rows, `target` the labels of those in `labelled`."""

    model: Model
    judge: Judge
    asked: Asked
    table: str
    table_rows: int
    numbers: np.ndarray
    values: Mapping[str, np.ndarray]
    target: np.ndarray | None
    labelled: np.ndarray = field(repr=False)

    def _outputs(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.model.blocks(values)

    def scores(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the explained scores (N, scores) of raw values."""
        return self.judge.scores(self._outputs(values))

    @cached_property
    def _known(self) -> dict[str, np.ndarray]:
        return {name: array[self.labelled] for name, array in self.values.items()}

    @cached_property
    def _unchanged(self) -> np.ndarray:
        return self.scores(self._known)

    def loss(self, values: Mapping[str, np.ndarray]) -> float:
        """Return the loss on the labelled rows with these values. Without labels, how much the scores differ from the unchanged ones."""
        found = self._outputs(values)
        if self.target is None:
            return float(np.abs(self.judge.scores(found) - self._unchanged).mean())
        return self.judge.loss(found, self.target)

    @property
    def loss_name(self) -> str:
        """What the importance of a column is measured in."""
        return "mean change of the score" if self.target is None else f"increase of the {self.judge.loss_name}"

    @cached_property
    def start(self) -> float:
        """The loss on the unchanged rows."""
        return self.loss(self._known)

    @cached_property
    def importances(self) -> list[Importance]:
        """The importance of each column, the largest first."""
        return importances(self._known, self.loss, [(c.name,) for c in self.model.raw_columns], self.asked.repeats, self.asked.seed)

    @cached_property
    def pairs(self) -> list[Pair]:
        """The pairs of columns that tell much about each other, the strongest first."""
        return associated(self.model.raw_columns, self.values)

    @cached_property
    def joint(self) -> list[Importance]:
        """The importance of columns that tell about each other, exchanged together."""
        return importances(self._known, self.loss, groups(self.pairs), self.asked.repeats, self.asked.seed)

    @cached_property
    def dependences(self) -> list[Dependence]:
        """The partial dependence on the most important columns."""
        by_name = {c.name: c for c in self.model.raw_columns}
        sample = np.sort(permutation(self.asked.seed, "explain/average", len(self.numbers))[:MOST_AVERAGED])
        columns = [by_name[importance.columns[0]] for importance in self.importances]
        found = (dependence(c, self.values, sample, self.scores) for c in [c for c in columns if c.rule.type != FREE_TEXT][:MOST_CURVES])
        return [d for d in found if d is not None]

    @cached_property
    def contributions(self) -> list[Contributions]:
        """The contributions of the columns in single rows."""
        asked = self.asked.rows or tuple(self.numbers[:FIRST].tolist())
        places = np.searchsorted(self.numbers, asked).tolist()
        return contributions(self.model.raw_columns, self.values, places, asked, self.scores)


def explained(model: Model, source: str, asked: Asked) -> Explanation:
    """Read rows of a table and return what explains a model on them.

    SpecError if the model does not take raw columns, if a row or the label is not there, or if the table has no rows to judge by.
    """
    if not model.raw_columns:
        raise SpecError(f"{model.path}: The model takes no raw columns of a table. `netc explain` needs such a model.")
    judged = judge(model.session.ort.get_outputs(), model.metadata, model.labels, str(model.path))
    with opened(source, model.reading_options(asked.query)) as raw:
        wrong = [k for k in asked.rows if k >= raw.rows]
        if wrong:
            raise SpecError(f"{raw.name}: There is no row {wrong[0]:,}. The table has {raw.rows:,} rows, from 0.")
        labels = _labels(raw, judged, asked.label)
        drawn = permutation(asked.seed, "explain/rows", raw.rows)[: asked.most_rows]
        numbers = np.unique(np.concatenate([drawn, np.array(asked.rows, drawn.dtype)]))
        found = chosen_rows(raw, model.raw_columns, numbers, {LABEL + name: _label_sql(raw, judged, c) for name, c in labels.items()})
        values = {c.name: found[c.name] for c in model.raw_columns}
        target, known = None, np.ones(len(numbers), bool)
        if labels:
            target, known = targets(judged, {name: found[LABEL + name] for name in labels}, raw.name)
        return Explanation(model, judged, asked, raw.name, raw.rows, numbers, values, target, known)


def _labels(raw: RawTable, judged: Judge, asked: str | None) -> dict[str, RawColumn]:
    """Return the columns with the labels, by the names of the model; none if the table lacks them. SpecError if it lacks the asked one."""
    stored = {column.name: column for column in raw.columns}
    if asked is None:
        return {name: stored[name] for name in judged.labels} if judged.labels and set(judged.labels) <= set(stored) else {}
    if asked not in stored:
        raise SpecError(f"{raw.name}: There is no column {asked!r} for the label. {near(asked, stored)}")
    if len(judged.labels) > 1:
        raise SpecError(f"{raw.name}: The model has {len(judged.labels)} labels: {', '.join(judged.labels)}. --label names one column.")
    return {next(iter(judged.labels), asked): stored[asked]}


def _label_sql(raw: RawTable, judged: Judge, column: RawColumn) -> str:
    if judged.task == "classes":
        return text_sql(column)
    number = number_sql(column, raw.dialect)
    if judged.task == "labels":
        text = f"lower({text_sql(column)})"
        return f"coalesce({number}, case when {text} in ('true', 'yes') then 1 when {text} in ('false', 'no') then 0 end)"
    return number
