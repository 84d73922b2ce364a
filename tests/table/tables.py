"""Tables for tests, written as CSV files."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from netc.table.reading import RawTable, open_table

Cells = Sequence[object]
ROWS = 600


def write_table(path: Path, columns: Mapping[str, Cells]) -> Path:
    """Write columns as a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def raw_table(folder: Path, columns: Mapping[str, Cells]) -> RawTable:
    """The columns as an open table."""
    return open_table(str(write_table(folder / "table.csv", columns)))


def customers(rows: int = ROWS) -> dict[str, Cells]:
    """A column of each kind that `netc init` distinguishes, and a label `left` that depends on `age` and `plan`."""
    random = np.random.default_rng(0)
    age, plan, spent = random.integers(18, 80, rows), random.choice(["basic", "pro", "team"], rows), random.gamma(2, 30, rows)
    left = age + 20 * (plan == "pro") + random.normal(0, 10, rows) > 60
    words = ["the", "room", "was", "good", "bad", "clean", "dirty", "and", "food", "very", "slow", "staff", "kind"]
    return {
        "customer": [10_000 + k for k in range(rows)],
        "age": age.tolist(),
        "plan": plan.tolist(),
        "spent": [f"{x:.2f}" if k % 7 else "" for k, x in enumerate(spent)],
        "member": random.choice(["yes", "no"], rows).tolist(),
        "since": [f"{y}-{m:02d}-{d:02d}" for y, m, d in random.integers((2019, 1, 1), (2024, 13, 29), (rows, 3))],
        "review": [" ".join(random.choice(words, 9)) for _ in range(rows)],
        "zip": [f"{k:05d}" for k in random.integers(400, 430, rows)],
        "name": [f"Name{k * 7919 % rows}" for k in range(rows)],
        "country": ["FR"] * rows,
        "notes": ["x" if k == 5 else "" for k in range(rows)],
        "years": age.tolist(),
        "reason": ["price" if x else "" for x in left],
        "left": ["yes" if x else "no" for x in left],
    }
