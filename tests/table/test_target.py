"""What a net predicts follows from the label."""

from pathlib import Path

import numpy as np
import pytest

from netc.errors import DataError
from netc.table.profile import profile
from netc.table.target import Target, looks_like_label, target
from tests.table.tables import Cells, raw_table

R = np.random.default_rng(5)
N = 400
ROWS: dict[str, tuple[Cells, str, str, int]] = {
    "two texts": (R.choice(["good", "bad"], N).tolist(), "CLASSES", "", 2),
    "zero and one": (R.integers(0, 2, N).tolist(), "CLASSES", "", 2),
    "two codes far apart": (R.choice([10, 9000], N).tolist(), "CLASSES", "", 2),
    "digits": (R.integers(0, 10, N).tolist(), "CLASSES", "", 10),
    "thirty codes": ([k % 30 for k in range(N)], "CLASSES", "", 30),
    "fractions": (R.normal(50, 9, N).round(2).tolist(), "NUMBERS", "", 0),
    "negative whole numbers": (R.integers(-90, 90, N).tolist(), "NUMBERS", "", 0),
    "prices": (R.normal(200_000, 30_000, N).round().astype(int).tolist(), "NUMBERS", "", 0),
    "ages": (R.integers(17, 90, N).tolist(), "NUMBERS", "", 0),
    "rings": (np.minimum(R.poisson(9, N), 25).tolist(), "NUMBERS", "", 0),
    "counts": (R.negative_binomial(1, 0.1, N).tolist(), "NUMBERS", "POISSON", 0),
    "amounts": (np.exp(R.normal(5, 1.5, N)).round(2).tolist(), "NUMBERS", "GAMMA", 0),
    "claims": (np.where(R.random(N) < 0.7, 0, R.gamma(0.5, 2000, N)).round(2).tolist(), "NUMBERS", "TWEEDIE", 0),
}


def goal(folder: Path, **labels: Cells) -> Target:
    return target("t.csv", [*profile(raw_table(folder, {"k": range(len(next(iter(labels.values())))), **labels})).values()][1:])


@pytest.mark.parametrize("kind", ROWS)
def test_the_task_and_the_loss(tmp_path: Path, kind: str) -> None:
    cells, task, loss, classes = ROWS[kind]
    found = goal(tmp_path, y=cells)
    assert (found.task, found.loss, found.classes) == (task, loss, classes), found


def test_several_labels(tmp_path: Path) -> None:
    x, y = R.normal(size=(2, N)).round(3).tolist()
    assert goal(tmp_path, a=x, b=y).task == "NUMBERS"
    assert goal(tmp_path, a=R.choice(["yes", "no"], N).tolist(), b=R.integers(0, 2, N).tolist()).task == "LABELS"
    with pytest.raises(DataError, match="Column 'b' is neither"):
        goal(tmp_path, a=x, b=R.choice(["p", "q", "r"], N).tolist())


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([""] * N, "is empty in all 400 rows"),
        (["no"] * N, "has one value, 'no'"),
        (range(N), "counts the rows"),
        ([f"2020-01-{k % 28 + 1:02d}" for k in range(N)], "has dates"),
        ([f"name {k}" for k in range(N)], "is nearly unique: 400 values in 400 rows"),
    ],
)
def test_columns_that_cannot_be_labels(tmp_path: Path, cells: Cells, words: str) -> None:
    with pytest.raises(DataError, match=words):
        goal(tmp_path, y=cells)


def test_warnings(tmp_path: Path) -> None:
    assert goal(tmp_path, y=["" if k % 4 == 0 else k % 3 for k in range(N)]).notes == ("100 rows without 'y' are left out.",)
    (rare,) = goal(tmp_path, y=["odd" if k < 2 else "ab"[k % 2] for k in range(N)]).notes
    assert rare.startswith("Rare classes: 'odd' has 2 rows.")
    (uneven,) = goal(tmp_path, y=["fraud" if k < 12 else "fine" for k in range(N)]).notes
    assert uneven.startswith("The class 'fraud' has 3.0% of the rows.") and "threshold" in uneven
    assert goal(tmp_path, y=["a" if k < 50 else "b" for k in range(N)]).notes == ()


def test_which_column_looks_like_a_label(tmp_path: Path) -> None:
    columns = {
        "id": range(N),
        "age": [k % 60 for k in range(N)],
        "sex": R.choice(["f", "m"], N).tolist(),
        "churn": [k % 7 for k in range(N)],
    }
    found = [*profile(raw_table(tmp_path, columns)).values()]
    ranks = [looks_like_label(column, last=column is found[-1]) for column in found]
    assert ranks[0] == 0 and ranks[1] < ranks[2] < ranks[3]
