"""Short runs of small nets of every kind, whose pages the tests read."""

from pathlib import Path

import numpy as np
import pytest

from tests import recurrent_nets, small_trees
from tests.small_nets import NET, netc, write_small

CODER = """\
name: coder
layers:
  - Data: {source: small.npz, top: data, batch_size: 20, test_fraction: 0.2}
  - RBM: {num_output: 24, visible: GAUSSIAN, weight_filler: {type: gaussian, std: 0.05}}
  - InnerProduct: {name: code, num_output: 6, weight_filler: xavier}
  - InnerProduct: {name: decode, num_output: 144, weight_filler: xavier}
  - EuclideanLoss: {bottom: [decode, data], name: error}
solver: {pretrain: [{layer: rbm1, max_iter: 20, base_lr: 0.01}], type: Adam, base_lr: 0.003, momentum: 0.9, max_iter: 40,
  test_interval: 20, display: 5, watch_interval: 10}
"""
MACHINE = """\
name: machine
layers:
  - Data: {source: small.npz, batch_size: 20, test_fraction: 0.2}
  - RBM: {num_output: 24, visible: GAUSSIAN, weight_filler: {type: gaussian, std: 0.05}, top: [hidden, loss, error]}
solver: {base_lr: 0.01, max_iter: 20, display: 5}
"""
NUMBERS = """\
name: numbers
layers:
  - Data: {source: numbers.npz, batch_size: 20, test_batch_size: 7, test_fraction: 0.2}
  - InnerProduct: {num_output: 1, weight_filler: xavier}
  - EuclideanLoss: {bottom: [ip1, label]}
  - R2: {bottom: [ip1, label], top: [r2, rmse]}
solver: {base_lr: 0.1, max_iter: 60, display: 20}
"""

SCENES = """\
name: scenes
layers:
  - Data: {source: scenes.npz, batch_size: 20, test_batch_size: 7, test_fraction: 0.2}
  - Convolution: {num_output: 3, kernel_size: 3, pad: 1, weight_filler: xavier}
  - SoftmaxWithLoss
  - MeanIoU: {bottom: [conv1, label], top: [mean_iou, iou]}
solver: {type: Adam, base_lr: 0.01, max_iter: 20, display: 5}
"""

PEOPLE = """\
name: people
layers:
  - Table: {source: people.csv, label: kind, columns: {age: number, town: category, since: date}, split: {test: 0.3}, batch_size: 20}
  - Encode
  - InnerProduct: {num_output: 2, weight_filler: xavier}
  - SoftmaxWithLoss
  - Accuracy
solver: {type: Adam, base_lr: 0.02, momentum: 0.9, max_iter: 40, display: 20}
"""
PRICES = """\
name: prices
layers:
  - Table: {source: people.csv, label: [price, rent], columns: {age: number, town: category}, split: {test: 0.3}, batch_size: 20}
  - Encode
  - InnerProduct: {num_output: 2, weight_filler: xavier}
  - EuclideanLoss: {bottom: [ip1, label]}
  - R2: {bottom: [ip1, label]}
solver: {type: Adam, base_lr: 0.02, momentum: 0.9, max_iter: 40, display: 20}
"""
DAYS = """\
name: days
layers:
  - Table: {source: days.csv, label: x, columns: {day: {type: date, parts: [weekday]}, x: number},
      series: {time: day, steps: 14, horizon: 3}, split: {test: 0.3}, batch_size: 20, top: [data, label, past, ahead]}
  - Relative: {bottom: past, top: relative}
  - Flatten: {bottom: relative, top: recent}
  - InnerProduct: {bottom: recent, num_output: 3, weight_filler: xavier}
  - Relative: {bottom: [ip1, past], inverse: true, top: forecast}
  - Relative: {bottom: [label, past], top: target}
  - EuclideanLoss: {bottom: [ip1, target], top: loss}
  - R2: {bottom: [forecast, label]}
solver: {type: Adam, base_lr: 0.01, momentum: 0.9, max_iter: 60, display: 20}
"""


def write_tables(folder: Path) -> None:
    """Write tables and their nets: classes, numbers, and a series."""
    rng = np.random.default_rng(0)
    people = ["kind,age,town,since,price,rent"]
    for k in range(120):
        age, town = rng.integers(20, 60), rng.choice(["Rome", "Oslo", "Lima"])
        kind = "old" if age + rng.normal() * 5 > 40 else "young"
        people.append(f"{kind},{'' if k == 3 else age},{town},2020-01-{k % 28 + 1:02},{2 * age + rng.normal():.2f},{age % 7}")
    (folder / "people.csv").write_text("\n".join(people) + "\n")
    days = [
        f"{np.datetime64('2020-01-01') + np.timedelta64(k, 'D')},{'' if k == 50 else f'{5 * (k % 7) + rng.normal():.2f}'}"
        for k in range(150)
        if k != 90
    ]
    (folder / "days.csv").write_text("day,x\n" + "\n".join(days) + "\n")
    for name, text in (("people", PEOPLE), ("prices", PRICES), ("days", DAYS)):
        (folder / f"{name}.yaml").write_text(text)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`runs/` with small/1 and small/2 (images by class; another rate), and a run of each other kind of net: trees, texts, series, ..."""
    folder = tmp_path_factory.mktemp("report")
    net = NET.replace("max_iter", "watch_interval: 20, max_iter").replace("Accuracy", "Accuracy: {top: [accuracy, of_class]}")
    small = write_small(folder, net)
    small_trees.write_trees(folder, small_trees.NET.replace("name: small", "name: trees"), "trees.yaml")
    recurrent_nets.write_letters(folder)
    (folder / "one.csv").write_text("b\n" + "".join(f"{10 * np.sin(k / 3):.4f}\n" for k in range(120)))
    write_tables(folder)
    (folder / "coder.yaml").write_text(CODER)
    (folder / "machine.yaml").write_text(MACHINE)
    (folder / "numbers.yaml").write_text(NUMBERS)
    (folder / "scenes.yaml").write_text(SCENES)
    rows = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    np.savez(folder / "numbers.npz", data=rows, label=rows.sum(1, keepdims=True))
    scenes = np.random.default_rng(0).integers(0, 3, (60, 8, 10), dtype=np.uint8)
    np.savez(folder / "scenes.npz", data=80 * scenes[:, None], label=scenes)
    series = recurrent_nets.SERIES.replace("t.csv", "one.csv").replace("test_fraction: 0.2", "test_fraction: 0.3")
    (folder / "series.yaml").write_text(series.replace("max_iter", "display: 50, max_iter"))
    commands: list[tuple[str | Path, ...]] = [(small,), (small, "--set", "solver.base_lr=0.05")]
    commands += [
        (folder / f"{name}.yaml",)
        for name in ("coder", "machine", "numbers", "trees", "letters", "series", "people", "prices", "days", "scenes")
    ]
    for command in commands:
        result = netc("train", *command, "--no-publish", "--runs", folder / "runs")
        assert result.exit_code == 0 and "report.html" in result.stdout, result.output
    return folder / "runs"
