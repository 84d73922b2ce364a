"""A small table with gaps and its net, for tests where the table is not the point."""

from pathlib import Path

import numpy as np

from tests.small_nets import netc

NET = """\
name: people
layers:
  - Table:
      source: people.csv
      label: kind
      split: {test: 0.2, validation: 0.15}
      format: {missing: ["-"]}
      batch_size: 32
      test_batch_size: 64
      columns: {age: number, town: category, wage: number, Sex: category}
  - Encode
  - InnerProduct: {num_output: 16, weight_filler: xavier}
  - TanH
  - InnerProduct: {num_output: 2, weight_filler: xavier}
  - Accuracy
  - SoftmaxWithLoss
solver: {type: Adam, base_lr: 0.01, momentum: 0.9, max_iter: 150, display: 100}
licence: unknown
dataset_licence: unknown
"""
NUMBERS = """\
name: wages
layers:
  - Table:
      source: people.csv
      label: pay
      split: {test: 0.2}
      batch_size: 32
      test_batch_size: 64
      columns: {age: number, town: category, Sex: category}
  - Encode
  - InnerProduct: {num_output: 16, weight_filler: xavier}
  - ReLU
  - InnerProduct: {num_output: 1, weight_filler: xavier}
  - EuclideanLoss: {bottom: [ip2, label]}
solver: {type: Adam, base_lr: 0.01, momentum: 0.9, max_iter: 200, display: 100}
licence: unknown
dataset_licence: unknown
"""
COLUMNS = ("age", "town", "wage", "Sex", "kind")


def people(rows: int = 600, seed: int = 0) -> dict[str, list[str]]:
    """The cells of each column. `kind` depends on the age and the town; `wage` and `Sex` are noise."""
    random = np.random.default_rng(seed)
    age = random.integers(18, 90, rows).astype(float)
    age[random.uniform(size=rows) < 0.1] = np.nan
    town = random.choice(["Rome", "Oslo", "Łódź", ""], rows, p=[0.4, 0.3, 0.2, 0.1])
    kind = np.where(np.nan_to_num(age, nan=50) + 30 * (town == "Oslo") + random.normal(0, 5, rows) > 60, "yes", "no")
    columns = (
        ["" if np.isnan(a) else f"{a:g}" for a in age], town.tolist(),
        [f"{w:.2f}" for w in random.normal(2000, 300, rows)], random.choice(["f", "m"], rows).tolist(), kind.tolist(),
    )  # fmt: skip
    return dict(zip(COLUMNS, columns, strict=True))


def write_table(path: Path, columns: dict[str, list[str]], delimiter: str = ",") -> Path:
    """Write a table as a text file."""
    rows = zip(*columns.values(), strict=True)
    path.write_text("".join(delimiter.join(row) + "\n" for row in [tuple(columns), *rows]), "utf-8")
    return path


def people_model(folder: Path, net: str = NET) -> Path:
    """The folder of a published model of `people`, trained in `folder`: of `kind`, or of the number `pay`, which is 1 + age / 50."""
    cells = people()
    cells["pay"] = [f"{1 + float(age or 50) / 50:.2f}" for age in cells["age"]]
    write_table(folder / "people.csv", cells)
    (folder / "people.yaml").write_text(net)
    result = netc("train", folder / "people.yaml", "--runs", folder / "runs", "--zoo", folder / "zoo")
    assert result.exit_code == 0, result.output
    return next((folder / "zoo").glob("*/1.0.0"))
