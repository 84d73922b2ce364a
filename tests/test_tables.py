"""A table with its columns in another order gives the same numbers, wherever a net reads it; a renamed column is named."""

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from netc import Model
from netc.runtime import snapshot
from netc.spec import load
from tests.small_nets import netc

NET = """\
name: tables
layers:
  - Data: {source: train.csv, test_source: test.csv, batch_size: 20}
  - Standardize
  - InnerProduct: {name: first, num_output: 8, weight_filler: xavier}
  - ReLU
  - InnerProduct: {name: last, num_output: 2, weight_filler: xavier}
  - Accuracy
  - SoftmaxWithLoss
solver: {type: Adam, base_lr: 0.01, max_iter: 60, test_interval: 30}
licence: unknown
dataset_licence: unknown
"""
ORDERS = {"": ("a", "b", "c", "kind"), "_shuffled": ("id", "kind", "c", "a", "b")}


def write_tables(folder: Path) -> None:
    """train.csv and test.csv, the same with other orders of columns and one more, and with a column that is called otherwise."""
    random = np.random.default_rng(0)
    for name, rows in (("train", 200), ("test", 100)):
        x = random.normal(size=(rows, 3)) * [1, 10, 100] + [0, 5, 50]
        cells = {c: [f"{v:.4f}" for v in x[:, k]] for k, c in enumerate("abc")}
        cells |= {"kind": ["yes" if v[0] + (v[1] - 5) / 30 > 0 else "no" for v in x], "id": [f"row {k}" for k in range(rows)]}
        for suffix, columns in ORDERS.items():
            lines = [",".join(columns), *(",".join(cells[c][k] for c in columns) for k in range(rows))]
            (folder / f"{name}{suffix}.csv").write_text("\n".join(lines) + "\n")
        plain = (folder / f"{name}.csv").read_text()
        (folder / f"{name}_renamed.csv").write_text(plain.replace("a,b,c", "a,bb,c", 1))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables, a net that has learned from one, and the zoo that it is published in."""
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder)
    assert run(folder, NET).exit_code == 0
    return folder


def run(folder: Path, text: str, *more: Any, name: str = "net.yaml") -> Result:
    (folder / name).write_text(text)
    return netc("train", folder / name, "--runs", folder / "runs", "--zoo", folder / "zoo", "--quiet", *more)


def weights(folder: Path, kind: str = "snapshot") -> Path:
    if kind == "published":
        return folder / "zoo/tables/1.0.0/start.safetensors"
    return folder / "runs/tables/1/snapshots/best.safetensors"


def scores_of(folder: Path, text: str, file: Path) -> dict[str, str]:
    (folder / "other.yaml").write_text(text)
    result = netc("test", folder / "other.yaml", "--weights", file)
    assert result.exit_code == 0, result.stderr
    return dict(line.split(": ") for line in result.stdout.splitlines())


def shuffled(text: str, training: bool = True) -> str:
    text = text.replace("test.csv", "test_shuffled.csv")
    return text.replace("source: train.csv", "source: train_shuffled.csv") if training else text


@pytest.mark.parametrize("kind", ["snapshot", "published"])
@pytest.mark.parametrize("training", [False, True])
def test_tests_on_weights(trained: Path, training: bool, kind: str) -> None:
    want = scores_of(trained, NET, weights(trained))
    assert float(want["accuracy"]) > 0.85
    assert scores_of(trained, shuffled(NET, training), weights(trained, kind)) == want


def test_means_and_deviations_are_those_that_the_net_learned_with(trained: Path, tmp_path: Path) -> None:
    """Though the file of the training rows is another by now."""
    for path in trained.glob("*.csv"):
        shutil.copy(path, tmp_path)
    (tmp_path / "train.csv").write_text("c,a,b,kind\n9,9,9,no\n1,2,1,yes\n")
    assert scores_of(tmp_path, NET, weights(trained)) == scores_of(trained, NET, weights(trained))


@pytest.mark.parametrize("key", ["test_source", "validation_source"])
def test_tests_during_training(trained: Path, tmp_path: Path, key: str) -> None:
    write_tables(tmp_path)
    net = NET.replace(
        "test_source: test.csv", f"test_source: test.csv, {key}: test.csv" if key != "test_source" else "test_source: test.csv"
    )
    scores = []
    for text in (net, net.replace(f"{key}: test.csv", f"{key}: test_shuffled.csv")):
        result = run(tmp_path, text, "--no-publish")
        assert result.exit_code == 0, result.stderr
        scores.append(result.stdout)
    assert scores[0] == scores[1] and "accuracy 0.9" in scores[0]


def test_a_data_layer_of_its_own_for_testing(trained: Path, tmp_path: Path) -> None:
    """It has the columns, the classes and the spread of the training rows: here it lacks a class."""
    write_tables(tmp_path)
    rows = [line for line in (tmp_path / "test_shuffled.csv").read_text().splitlines() if ",no," not in line]
    (tmp_path / "one.csv").write_text("\n".join(rows))
    own = "  - Data: {source: one.csv, batch_size: 20, include: {phase: TEST}}\n"
    two = NET.replace(", test_source: test.csv, batch_size: 20}", ", batch_size: 20, include: {phase: TRAIN}}\n" + own.rstrip())
    assert float(scores_of(tmp_path, two, weights(trained))["accuracy"]) > 0.85
    result = run(tmp_path, two, "--no-publish")
    assert result.exit_code == 0 and float(result.stdout.split("accuracy ")[1].split(",")[0]) > 0.85


def test_features(trained: Path, tmp_path: Path) -> None:
    found = []
    for name, text in (("a", NET), ("b", shuffled(NET))):
        (trained / f"{name}.yaml").write_text(text)
        output = tmp_path / f"{name}.csv"
        result = netc("extract-features", trained / f"{name}.yaml", "--weights", weights(trained), "--blobs", "first,label", "-o", output)
        assert result.exit_code == 0, result.stderr
        found.append(output.read_text())
    head, first = list(csv.reader(io.StringIO(found[0])))[:2]
    assert found[0] == found[1] and head == [*(f"first.{k}" for k in range(8)), "label"] and first[8] in ("0", "1")


def test_predictions(trained: Path) -> None:
    model = Model("tables", str(trained / "zoo"))
    plain, other = (model.predict([str(trained / f"test{suffix}.csv")]) for suffix in ORDERS)
    for a, b in zip(plain, other, strict=True):
        np.testing.assert_array_equal(a.outputs["prob"], b.outputs["prob"])
    assert model.metadata["columns"] == ["a", "b", "c"] and model.metadata["label"] == "kind"
    said = (trained / "zoo/tables/1.0.0/README.md").read_text()
    assert "the columns of a table in this order: a, b, c" in said


def test_a_run_goes_on_by_names(trained: Path, tmp_path: Path) -> None:
    write_tables(tmp_path)
    assert run(tmp_path, NET.replace("max_iter: 60", "max_iter: 30"), "--no-publish").exit_code == 0
    shutil.copy(tmp_path / "train_shuffled.csv", tmp_path / "train.csv")
    assert run(tmp_path, NET, "--no-publish", "--resume").exit_code == 2  # the file is another
    result = run(tmp_path, NET, "--no-publish", "--resume", "--allow-changed")
    assert result.exit_code == 0, result.stderr
    want, got = (snapshot.read(f / "runs/tables/1/snapshots/iter_00000060.safetensors").states for f in (trained, tmp_path))
    assert want.keys() == got.keys() and all(np.array_equal(want[k], got[k]) for k in want)
    shutil.copy(tmp_path / "train_renamed.csv", tmp_path / "train.csv")
    result = run(tmp_path, NET.replace("max_iter: 60", "max_iter: 90"), "--no-publish", "--resume", "--allow-changed")
    assert result.exit_code == 2 and "There is no column 'b', which the net reads. Did you mean 'bb'?" in result.stderr


def test_a_run_remembers_in_its_net(trained: Path) -> None:
    param = load(trained / "runs/tables/1/net.yaml").message.layer[0].data_param
    assert list(param.columns) == ["a", "b", "c"] and param.label_column == "kind" and list(param.classes) == ["no", "yes"]
    param = load(trained / "zoo/tables/1.0.0/net.yaml").message.layer[0].data_param
    assert list(param.columns) == ["a", "b", "c"] and param.label_column == "kind"


def test_learning_goes_on_from_weights(trained: Path, tmp_path: Path) -> None:
    write_tables(tmp_path)
    options = "--no-publish", "--weights", weights(trained), "--set", "solver.max_iter=1", "--set", "solver.base_lr=0"
    want = scores_of(trained, NET, weights(trained))["accuracy"]
    result = run(tmp_path, shuffled(NET), *options)
    assert result.exit_code == 0 and f"accuracy {float(want):.4f}" in result.stdout, result.stderr
    renamed = NET.replace("train.csv, test_source: test.csv", "train_renamed.csv, test_fraction: 0.2")
    result = run(tmp_path, renamed, *options)
    assert result.exit_code == 2 and "train_renamed.csv:1:3: There is no column 'b'" in result.stderr
    result = run(tmp_path, renamed.replace("name: first", "name: anew"), *options)
    assert result.exit_code == 0, result.stderr  # what reads the columns learns anew


@pytest.mark.parametrize("command", ["test", "extract-features", "predict"])
def test_a_renamed_column_is_named(trained: Path, command: str) -> None:
    (trained / "renamed.yaml").write_text(NET.replace("test.csv", "test_renamed.csv"))
    arguments = {
        "test": (trained / "renamed.yaml", "--weights", weights(trained)),
        "extract-features": (trained / "renamed.yaml", "--weights", weights(trained), "--blobs", "last", "-o", trained / "no.npz"),
        "predict": ("tables", "--from", trained / "zoo", trained / "test_renamed.csv"),
    }[command]
    result = netc(command, *arguments)
    assert result.exit_code == 2
    assert "test_renamed.csv:1:3: There is no column 'b', which the net reads. Did you mean 'bb'?" in result.stderr


GOOD = {"columns": ["a", "b", "c"], "label": "kind", "classes": ["no", "yes"], "measures": False, "spreads": []}


WRONG = [
    *(("columns", [1, 2, 3]), ("columns", None), ("classes", [None]), ("classes", ["\ud800"]), ("label", 7), ("measures", "no")),
    *(("spreads", [[1, 2]]), ("spreads", [[["x"], [1]]]), ("spreads", [[[1], [1]]]), ("spreads", 5)),
]


@pytest.mark.parametrize("said", [{"data": {"columns": 3}}, {"data": []}, {"data": None}, [], *({"data": GOOD | {k: v}} for k, v in WRONG)])
def test_damaged_knowledge_of_rows(trained: Path, tmp_path: Path, said: list[Any] | dict[str, list[Any] | dict[str, Any] | None]) -> None:
    found = snapshot.read(weights(trained))
    snapshot.write(tmp_path / "w.safetensors", found.states, found.metadata | {"rows": said})
    (trained / "d.yaml").write_text(NET)
    result = netc("test", trained / "d.yaml", "--weights", tmp_path / "w.safetensors")
    assert result.exit_code == 2 and "metadata of the snapshot is invalid" in result.stderr, result.stderr
