"""How well one column alone predicts the label: a rule learned on half of the rows and measured on the other half."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from netc.table.profile import TOGETHER, ColumnProfile, sampled
from netc.table.reading import RawTable, number_sql, text_sql
from netc.table.rules import Choice

BINS = 24  # intervals of a number
PRIOR = 1.0  # rows of the whole table that each value counts besides its own
PERFECT = 0.95  # AUC, or R2, of a column that tells the label
COPIED = 50  # a column with at most so many values may be the label in other words
COPY = 0.9995  # of a column that is the label in other words
LEAST = {"AUC": 0.55, "R2": 0.05}  # of the best other column, if it tells more than chance
APART = 4.0  # such a column makes at most a fourth of the mistakes of the next best column


@dataclass(frozen=True)
class Score:
    """How well a column alone predicts the label, on rows that its rule has not seen: 0.5 is chance for AUC, 0 for R2."""

    column: str
    value: float
    measure: str

    def __str__(self) -> str:
        return f"{self.measure} {self.value:.2f}" if self.value < 0.995 else f"{self.measure} {self.value:.3g}"


def scores(raw: RawTable, label: ColumnProfile, classes: bool, columns: Sequence[ColumnProfile]) -> list[Score]:
    """Return the score of each column, the best first. `classes`: the label is a class, else a number."""
    stored = {column.name: column for column in raw.columns}
    rows = sampled(raw.rows)
    answer = text_sql(stored[label.name]) if classes else number_sql(stored[label.name], raw.dialect)
    where = " and ".join(filter(None, (rows, f"({answer}) is not null")))

    (answers,) = _read(raw, [_key(answer) if classes else answer], where)
    wanted = _one_hot(answers) if classes else answers[:, None]
    found = []
    for start in range(0, len(columns), TOGETHER):
        some = columns[start : start + TOGETHER]
        cells = [number_sql(stored[c.name], raw.dialect) if c.is_numeric else _key(text_sql(stored[c.name])) for c in some]
        for column, read in zip(some, _read(raw, cells, where), strict=True):
            groups = _intervals(read) if column.is_numeric else read
            found.append(Score(column.name, _measured(groups, wanted, classes), "AUC" if classes else "R2"))
    return sorted(found, key=lambda score: -score.value)


def _read(raw: RawTable, cells: Sequence[str], where: str) -> list[np.ndarray]:
    """The values of SQL expressions in the rows where `where` is true."""
    chunks = list(raw.chunks({str(k): sql for k, sql in enumerate(cells)}, where=where))
    return [np.concatenate([chunk[str(k)] for chunk in chunks]) for k in range(len(cells))]


def leaks(found: Sequence[Score], copies: Collection[str] = ()) -> list[Score]:
    """Return the columns that tell the label, and stand apart from all others: at most a third of the columns.

    A column that is merely good is not one of them: in an easy problem, several columns are. If nothing else tells more than chance, the
    column is kept, as it may be all there is to learn from. A column of `copies` has few values; if it makes no mistakes, it is a leak
    whatever the others are.
    """
    perfect = [score for score in found if score.column in copies and score.value >= COPY]
    perfect = perfect if len(perfect) < len(found) else []
    for count in range(len(found) // 3, 0, -1):
        last, following = found[count - 1], found[count]
        apart = 1 - following.value >= APART * (1 - last.value) and following.value >= LEAST[last.measure]
        if last.value >= PERFECT and apart:
            return list(found[:count]) + [score for score in perfect if score not in found[:count]]
    return perfect


def strong(found: Sequence[Score]) -> list[Score]:
    """Return the columns that nearly tell the label."""
    return [score for score in found if score.value >= PERFECT]


def judged(choice: Choice, told: Score | None, doubtful: Score | None) -> Choice:
    """Return the choice, if the column tells the label, or nearly tells it."""
    if told:
        return Choice(choice.name, "", f"alone tells the label ({told})")
    if doubtful:
        warning = f"It alone nearly tells the label ({doubtful}). If it is known only after the label, move it to `ignore`."
        return replace(choice, note=" ".join(filter(None, (choice.note, warning))))
    return choice


def _key(text: str) -> str:
    """SQL of a BIGINT that is the same for equal texts only."""
    return f"(hash({text}) >> 1)::BIGINT"


def _one_hot(keys: np.ndarray) -> np.ndarray:
    """The most frequent classes, at most 10, as columns of 0 and 1."""
    values, codes, counts = np.unique(keys, return_inverse=True, return_counts=True)
    often = np.argsort(-counts, kind="stable")[: 1 if len(values) == 2 else 10]
    hot: np.ndarray = (codes[:, None] == often).astype(np.float64)
    return hot


def _intervals(x: np.ndarray) -> np.ndarray:
    """The interval of each number between quantiles; -1 for a gap."""
    known = np.sort(x[np.isfinite(x)])
    edges = np.unique(known[np.linspace(0, len(known) - 1, BINS + 1).astype(int)]) if len(known) else known
    found: np.ndarray = np.where(np.isfinite(x), np.searchsorted(edges, x, side="right"), -1)
    return found


def _measured(groups: np.ndarray, wanted: np.ndarray, classes: bool) -> float:
    """The mean score over two halves of the rows, each predicted by the mean of its group in the other half."""
    _, codes = np.unique(groups, return_inverse=True)
    odd = np.arange(len(codes)) * 0x9E3779B1 % 2**32 >= 2**31
    score = _auc if classes else _r2
    found = [score(_means(codes, wanted, learned)[codes[~learned]], wanted[~learned]) for learned in (odd, ~odd)]
    return float(np.mean(found))


def _means(codes: np.ndarray, wanted: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """The mean of `wanted` for each code, on the learned rows."""
    count = np.bincount(codes[learned], minlength=codes.max() + 1)
    mean = wanted[learned].mean(0) if learned.any() else np.zeros(wanted.shape[1])
    sums = np.stack([np.bincount(codes[learned], w, minlength=len(count)) for w in wanted[learned].T], 1)
    means: np.ndarray = (sums + PRIOR * mean) / (count[:, None] + PRIOR)
    return means


def _auc(predicted: np.ndarray, wanted: np.ndarray) -> float:
    """The mean over the classes of the probability that a row of the class has the higher prediction; ties count half."""
    found = []
    for p, w in zip(predicted.T, wanted.T, strict=True):
        positive = w.sum()
        if 0 < positive < len(w):
            _, code, counts = np.unique(p, return_inverse=True, return_counts=True)
            rank = np.cumsum(counts) - (counts - 1) / 2
            found.append((rank[code[w == 1]].sum() - positive * (positive + 1) / 2) / (positive * (len(w) - positive)))
    return float(np.mean(found)) if found else 0.5


def _r2(predicted: np.ndarray, wanted: np.ndarray) -> float:
    total = float(((wanted - wanted.mean(0)) ** 2).sum()) if len(wanted) else 0.0
    return 1 - float(((wanted - predicted) ** 2).sum()) / total if total else 0.0
