"""A net on the mixed table, trained for a moment and published; and rows that it has not seen."""

import csv
from pathlib import Path

import numpy as np

from netc.table.columns.define import MISSING_INT
from tests.small_nets import netc
from tests.table.mixed import KINDS, Arrays, raw_rows

NET = """\
name: mixed
licence: CC0-1.0
dataset_licence: CC0-1.0
layers:
  - Table:
      source: mixed.csv
      label: bought
      columns: {columns}
      split: {{test: 0.2, validation: 0.2}}
      batch_size: 32
  - Encode
  - InnerProduct: {{num_output: 8, weight_filler: xavier}}
  - ReLU
  - InnerProduct: {{num_output: 2, weight_filler: xavier}}
  - SoftmaxWithLoss
  - Accuracy: {{bottom: [ip2, label]}}
solver: {{type: Adam, base_lr: 0.01, max_epoch: 2, test_interval: 10}}
"""


def write_csv(path: Path, raw: Arrays, label: np.ndarray) -> None:
    """Write raw rows, with empty cells for gaps and dates in ISO 8601."""
    times = raw["when"].astype("datetime64[s]").astype(str)
    when = np.where(raw["when"] == MISSING_INT, "", times)
    cells = {**raw, "when": when, "bought": label}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(cells)
        for row in zip(*cells.values(), strict=True):
            writer.writerow("" if isinstance(cell, float) and np.isnan(cell) else cell for cell in row)


def unseen_rows(rows: int) -> Arrays:
    """Raw rows with gaps, values that no training row has, and extreme ones."""
    raw, rng = raw_rows(rows, seed=7), np.random.default_rng(8)
    odd = {"O": ["", "never seen", "\u00df \u20ac", "YES", "a, b! c"], "i": [MISSING_INT, -(10**11), 10**11, 0],
           "f": [np.nan, 1e30, -1e30, np.inf, 0.0]}  # fmt: skip
    for name, cells in raw.items():
        chosen = rng.random(rows) < 0.15
        cells[chosen] = rng.choice(np.array(odd[cells.dtype.kind], cells.dtype), int(chosen.sum()))
        raw[name] = cells
    return raw


def write_net(folder: Path, net: str = NET) -> Path:
    """Write the table and a net file."""
    raw = raw_rows(600)
    label = np.where(np.nan_to_num(raw["age"]) + (raw["sex"] == "male") * 10 > 33, "yes", "no")
    write_csv(folder / "mixed.csv", raw, label)
    columns = ", ".join(f"{name}: {kind}" for name, kind in KINDS.items())
    (folder / "mixed.yaml").write_text(net.format(columns=f"{{{columns}}}"))
    return folder / "mixed.yaml"


def publish(folder: Path) -> Path:
    """Train the net and return the folder of the published model."""
    done = netc("train", write_net(folder), "--zoo", folder / "zoo", "--runs", folder / "runs")
    assert done.exit_code == 0, done.output
    return folder / "zoo" / "mixed" / "1.0.0"
