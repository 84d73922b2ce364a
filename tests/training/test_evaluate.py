"""Metrics and losses of a whole test set: the same whatever its batches, and as plain NumPy makes them of all rows at once."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc as netc_package
from netc import api
from netc.commands.test import test_command as whole_set
from netc.compiler.compilation import Compilation
from netc.errors import Place, SpecError
from netc.net.model import TEST
from netc.net.resolve import resolve
from netc.runtime import snapshot
from netc.spec import parse_yaml
from netc.spec.job import load_job
from netc.training.evaluate import monitored_value
from tests.small_nets import log, netc

ROWS, BATCHES = 300, (300, 50, 10, 7, 1)
RANDOM = np.random.default_rng(3)


def scores(folder: Path, layers: list[str], batch: int, **arrays: Any) -> dict[str, Any]:
    """What a test gives of a net whose blobs are arrays of a file, at a test batch."""
    np.savez(folder / "rows.npz", **arrays)
    tops = ", ".join(arrays)
    text = f"layers:\n  - Data: {{source: rows.npz, top: [{tops}], batch_size: {batch}, test_batch_size: {batch}}}\n" + "".join(
        f"  - {x}\n" for x in layers
    )
    (folder / "net.yaml").write_text("name: whole\n" + text)
    return whole_set(Compilation.of(load_job(str(folder / "net.yaml"))), "cpu", 1, [], None)


def area(margin: np.ndarray, hit: np.ndarray) -> float:
    """The share of pairs in order, by all pairs."""
    over = margin[hit][:, None] - margin[~hit][None, :]
    return float((over > 0).mean() + (over == 0).mean() / 2)


@pytest.mark.parametrize("batch", BATCHES)
def test_auc_of_scores_with_ties(tmp_path: Path, batch: int) -> None:
    score, label = RANDOM.integers(0, 12, ROWS).astype(np.float32), RANDOM.integers(0, 2, ROWS)
    found = scores(tmp_path, ["AUC: {bottom: [score, label], name: auc}"], batch, score=score, label=label)
    assert found["auc"] == pytest.approx(area(score, label == 1), abs=1e-9)


@pytest.mark.parametrize("batch", BATCHES)
def test_auc_of_a_score_for_each_class_without_rows_that_are_ignored(tmp_path: Path, batch: int) -> None:
    score, label = RANDOM.normal(size=(ROWS, 3)).astype(np.float32), RANDOM.integers(0, 3, ROWS)
    label[::7] = 255
    layers = ["AUC: {bottom: [score, label], positive: 2, ignore_label: 255, name: auc}"]
    found = scores(tmp_path, layers, batch, score=score, label=label)
    kept = label != 255
    margin = score[:, 2] - score[:, :2].max(1)
    assert found["auc"] == pytest.approx(area(margin[kept], label[kept] == 2), abs=1e-9)


def test_auc_takes_no_square_of_the_rows(tmp_path: Path) -> None:
    score = np.arange(100_000, dtype=np.float32)
    label = (np.arange(100_000) % 3 == 0).astype(np.int64)
    found = scores(tmp_path, ["AUC: {bottom: [score, label], name: auc}"], 100_000, score=score, label=label)
    assert 0.49 < found["auc"] < 0.51


@pytest.mark.parametrize("batch", BATCHES)
def test_r2_and_rmse(tmp_path: Path, batch: int) -> None:
    label = RANDOM.normal(1e4, 3, ROWS).astype(np.float32)
    guess = label + RANDOM.normal(0, 2, ROWS).astype(np.float32)
    found = scores(tmp_path, ["R2: {bottom: [guess, label], top: [r2, rmse]}"], batch, guess=guess, label=label)
    y, p = label.astype(np.float64), guess.astype(np.float64)
    assert found["rmse"] == pytest.approx(np.sqrt(((y - p) ** 2).mean()), rel=1e-9)
    assert found["r2"] == pytest.approx(1 - ((y - p) ** 2).sum() / ((y - y.mean()) ** 2).sum(), rel=1e-9)


@pytest.mark.parametrize("batch", BATCHES)
def test_accuracy_of_each_class_where_classes_stand_in_order(tmp_path: Path, batch: int) -> None:
    """Batches of one class each would make the mean of batches a tenth of the share. A class without labels has none."""
    score, label = RANDOM.normal(size=(ROWS, 4)).astype(np.float32), np.sort(RANDOM.integers(0, 3, ROWS))
    layers = ["Accuracy: {bottom: [score, label], top: [accuracy, per_class]}"]
    found = scores(tmp_path, layers, batch, score=score, label=label)
    right = score.argmax(1) == label
    assert found["accuracy"] == pytest.approx(right.mean(), abs=1e-12)
    assert found["per_class"][:3] == pytest.approx([right[label == k].mean() for k in range(3)], abs=1e-12)
    assert found["per_class"][3] is None


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("normalization", ["VALID", "FULL", "BATCH_SIZE", "NONE"])
def test_losses_by_what_they_are_divided_by(tmp_path: Path, batch: int, normalization: str) -> None:
    score, label = RANDOM.normal(size=(ROWS, 3, 2)).astype(np.float32), RANDOM.integers(0, 3, (ROWS, 2))
    label[:40] = -1
    options = f"normalization: {normalization}, ignore_label: -1, name: loss"
    found = scores(tmp_path, [f"SoftmaxWithLoss: {{bottom: [score, label], {options}}}"], batch, score=score, label=label)
    each = np.log(np.exp(score.astype(np.float64)).sum(1)) - np.take_along_axis(score, np.maximum(label, 0)[:, None], 1)[:, 0]
    count = {"VALID": (label >= 0).sum(), "FULL": label.size, "BATCH_SIZE": ROWS, "NONE": 1}[normalization]
    assert found["loss"] == pytest.approx(each[label >= 0].sum() / count, rel=1e-5)


@pytest.mark.parametrize("batch", BATCHES)
def test_other_losses(tmp_path: Path, batch: int) -> None:
    a, b = (RANDOM.normal(size=(ROWS, 3)).astype(np.float32) for _ in range(2))
    target, label, similar = RANDOM.random((ROWS, 3)).astype(np.float32), RANDOM.integers(0, 3, ROWS), RANDOM.integers(0, 2, ROWS)
    layers = [
        "EuclideanLoss: {bottom: [a, b], name: euclidean, loss_weight: 2}", "HingeLoss: {bottom: [a, label], name: hinge}",
        "SigmoidCrossEntropyLoss: {bottom: [a, target], name: cross}", "ContrastiveLoss: {bottom: [a, b, similar], name: pairs}",
    ]  # fmt: skip
    found = scores(tmp_path, layers, batch, a=a, b=b, target=target, label=label, similar=similar)
    side = np.where(np.arange(3) == label[:, None], 1, -1)
    x, distance = a.astype(np.float64), ((a - b) ** 2).sum(1, dtype=np.float64)
    short = np.maximum(1 - np.sqrt(distance), 0) ** 2
    expected = {
        "euclidean": distance.mean() / 2,
        "hinge": np.maximum(1 - side * x, 0).sum(1).mean(),
        "cross": (np.maximum(x, 0) - x * target + np.log1p(np.exp(-abs(x)))).sum(1).mean(),
        "pairs": np.where(similar, distance, short).mean() / 2,
    }
    assert {n: found[n] for n in expected} == pytest.approx(expected, rel=1e-5)
    assert found["loss"] == pytest.approx(2 * expected["euclidean"] + sum(v for n, v in expected.items() if n != "euclidean"), rel=1e-5)


PINNED = """\
name: pinned
layers:
  - Data: {{source: rows.npz, batch_size: 8, test_batch_size: {batch}}}
  - Reshape: {{bottom: data, top: halves, shape: {{dim: [{rows}, 2]}}}}
  - Reshape: {{bottom: label, top: labels, shape: {{dim: [{rows}]}}}}
  - InnerProduct: {{bottom: halves, num_output: 3, weight_filler: xavier}}
  - Accuracy: {{bottom: [ip1, labels]}}
  - SoftmaxWithLoss: {{bottom: [ip1, labels]}}
"""


def pinned(folder: Path, batch: int, rows: int) -> tuple[Any, list[str]]:
    """The scores of a net that makes two rows of each, and what is noted; its batch cannot be symbolic."""
    random = np.random.default_rng(0)
    np.savez(folder / "rows.npz", data=random.normal(size=(20, 4)).astype(np.float32), label=random.integers(0, 3, (20, 2)))
    (folder / "net.yaml").write_text(PINNED.format(batch=batch, rows=rows))
    notes: list[str] = []
    return whole_set(Compilation.of(load_job(str(folder / "net.yaml"))), "cpu", 1, [], None, notes.append), notes


def test_the_short_batch_of_a_net_that_pins_its_batch(tmp_path: Path) -> None:
    """It is tested by the net for a batch of that size."""
    at_once, _ = pinned(tmp_path, 20, -1)
    for batch in (8, 3, 1):
        found, notes = pinned(tmp_path, batch, -1)
        assert notes == [] and found == pytest.approx(at_once, rel=1e-6)


def test_rows_that_a_net_cannot_take_are_named(tmp_path: Path) -> None:
    _, notes = pinned(tmp_path, 8, 16)
    assert notes == [f"{tmp_path / 'net.yaml'}: the last 4 of 20 test rows are skipped: the net only takes batches of 8 rows"]


def test_what_a_run_says_of_each_class(tmp_path: Path) -> None:
    """On the terminal, in the log, in its record and by `netc test`; a monitor must be one number."""
    label = np.arange(60) % 2
    np.savez(tmp_path / "rows.npz", data=np.stack([label, 1 - label], 1).astype(np.float32), label=label)
    path = tmp_path / "net.yaml"
    path.write_text("""\
name: classes
layers:
  - Data: {source: rows.npz, batch_size: 20, test_batch_size: 7}
  - InnerProduct: {num_output: 3, weight_filler: xavier}
  - Accuracy: {top: [accuracy, per_class]}
  - SoftmaxWithLoss
solver: {base_lr: 1, max_iter: 60, test_interval: 30}
""")
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs")
    assert result.exit_code == 0 and "per_class 1.0000 1.0000 -" in result.stdout, result.output
    run = tmp_path / "runs/classes/1"
    assert log(run)[-1]["per_class"] == [1.0, 1.0, None]
    assert json.loads((run / "run.json").read_text())["scores"]["per_class"] == [1.0, 1.0, None]
    kept = next((run / "snapshots").glob("iter_*.safetensors"))
    result = netc("test", path, "--weights", kept)
    assert "per_class: 1 1 -" in result.stdout
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--set", "solver.monitor=per_class")
    assert result.exit_code == 2 and "'per_class' has 3 numbers; expected one; it has accuracy, loss" in result.stderr


def test_scores_from_python(tmp_path: Path) -> None:
    path = _net(tmp_path)
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(snapshot.weights_bytes(api.load(str(path)).start()))
    found = netc_package.test(str(path), str(weights))
    assert found.keys() == {"auc", "loss"} and found["auc"] == 0.5


@pytest.mark.parametrize("name, more", [("loss", False), ("f1", True), ("f1_of", True), ("r2", True), ("rmse", False), ("mae", False)])
def test_which_values_of_a_monitor_are_better(name: str, more: bool) -> None:
    inputs = "  - Input: {name: data, top: [ip, label], shape: [{dim: [4, 2]}, {dim: [4]}]}\n"
    metrics = "  - F1: {bottom: [ip, label], top: [f1, f1_of]}\n  - R2: {bottom: [ip, ip], top: [r2, rmse]}\n  - MAE: {bottom: [ip, ip]}\n"
    net = resolve(parse_yaml(f"layers:\n{inputs}  - SoftmaxWithLoss: {{bottom: [ip, label]}}\n{metrics}"), TEST)
    assert net.monitored(name) == (name, more)
    assert net.monitored("") == ("f1", True)


def test_a_monitor_that_is_not_there() -> None:
    with pytest.raises(SpecError, match=r"x:1:1: the test net has no output 'f1'; it has loss"):
        monitored_value({"loss": 1.0, "per_class": [1.0]}, "f1", Place("x", 1, 1))


def test_a_batch_of_one_row_makes_no_score_of_an_output(tmp_path: Path) -> None:
    """An output with a row for each row is no number of the test set, whatever the batch."""
    score, label = RANDOM.normal(size=(ROWS, 1)).astype(np.float32), RANDOM.normal(size=(ROWS, 1)).astype(np.float32)
    layers = ["EuclideanLoss: {bottom: [score, label], name: loss}", "Sigmoid: {bottom: score, top: share}"]
    assert scores(tmp_path, layers, 1, score=score, label=label).keys() == {"loss"}


def test_the_graph_itself_says_it_of_a_batch(tmp_path: Path) -> None:
    net = api.load(str(_net(tmp_path)))
    assert "rows/auc/margin" in net.test[0].graph.outputs and "rows/auc/margin" not in net.train.graph.outputs


def _net(folder: Path) -> Path:
    np.savez(folder / "rows.npz", data=np.zeros((8, 2), np.float32), label=np.zeros(8, np.int64))
    path = folder / "net.yaml"
    path.write_text("""\
name: both
layers:
  - Data: {source: rows.npz, batch_size: 4}
  - InnerProduct: {num_output: 2, weight_filler: xavier}
  - AUC
  - SoftmaxWithLoss
solver: {base_lr: 0.1, max_iter: 1}
""")
    return path
