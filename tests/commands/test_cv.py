"""`netc cv`: each fold is an ordinary run, every row is predicted once, and a study that was stopped goes on."""

import csv
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from netc.commands.out_of_fold import Predictions, write_csv
from netc.report import cv as report
from netc.runtime import snapshot
from netc.training.folder import BEST
from tests.small_nets import netc, netc_process

NET = """\
name: small
layers:
  - Table: {source: small.csv, label: outcome, columns: {x: number, kind: category}, split: {test: 0.2, validation: 0.2}, batch_size: 16}
  - Encode
  - InnerProduct: {num_output: 2, weight_filler: xavier}
  - SoftmaxWithLoss
  - Accuracy
solver: {type: AdamW, base_lr: 0.01, max_iter: 60, test_interval: 20, snapshot: 20, display: 20}
"""
ROWS = 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cv")
    random = np.random.default_rng(0)
    lines = ["x,kind,outcome"]
    for k in range(ROWS):
        label = int(random.integers(0, 2))
        lines.append(f"{random.normal(label):.3f},{'ab'[int(random.integers(0, 2))]},{'' if k == 3 else ['no', 'yes'][label]}")
    (made / "small.csv").write_text("\n".join(lines) + "\n")
    (made / "small.yaml").write_text(NET)
    return made


@pytest.fixture(scope="module")
def study(folder: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(folder)
    result = netc("cv", "small.yaml", "--folds", 3)
    os.chdir(before)
    assert result.exit_code == 0, result.output
    yield folder / "runs" / "small-cv" / "1"


def test_folds_equal_runs_by_hand(folder: Path, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for fold in range(3):
        sets = ("--set", "layers.data.split.folds=3", "--set", f"layers.data.split.fold={fold}")
        assert netc("train", "small.yaml", *sets, "--no-publish", "--runs", f"hand{fold}").exit_code == 0
        one, other = study / f"fold{fold}" / "small" / "1", folder / f"hand{fold}" / "small" / "1"
        assert (one / "log.jsonl").read_text() == (other / "log.jsonl").read_text()
        ours, theirs = (snapshot.read(str(run / "snapshots" / BEST)) for run in (one, other))
        assert {name: a.tobytes() for name, a in ours.states.items()} == {name: a.tobytes() for name, a in theirs.states.items()}


def test_every_row_with_a_label_is_predicted_once(folder: Path, study: Path) -> None:
    rows = list(csv.DictReader((study / "out_of_fold.csv").read_text().splitlines()))
    cells = list(csv.DictReader((folder / "small.csv").read_text().splitlines()))
    assert [int(row["row"]) for row in rows] == [k + 1 for k in range(ROWS) if k != 3]
    assert {row["fold"] for row in rows} == {"0", "1", "2"}
    assert all(row["outcome"] == cells[int(row["row"]) - 1]["outcome"] for row in rows)
    assert list(rows[0]) == ["row", "fold", "outcome", "prob.no", "prob.yes", "class"]
    for fold in range(3):
        own = [row for row in rows if row["fold"] == str(fold)]
        right = [(float(row["prob.yes"]) > float(row["prob.no"])) == (row["outcome"] == "yes") for row in own]
        scores = json.loads((study / f"fold{fold}" / "small" / "1" / "run.json").read_text())["scores"]
        assert np.mean(right) == pytest.approx(scores["accuracy"])


def test_the_mean_and_the_deviation_are_those_of_the_folds(study: Path) -> None:
    scores = [json.loads((study / f"fold{k}" / "small" / "1" / "run.json").read_text())["scores"]["loss"] for k in range(3)]
    page = (study / "report.html").read_text()
    assert f"{np.mean(scores):.4f}" in page and f"± {np.std(scores, ddof=1):.4f}" in page
    assert "confusion matrix" in page and "of 89 rows are predicted correctly" in page


def test_a_complete_study_is_not_continued(folder: Path, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    result = netc("cv", "small.yaml", "--folds", 3, "--jobs", 2)
    assert result.exit_code == 0 and "in runs/small-cv/2" in result.output
    assert (folder / "runs/small-cv/2/out_of_fold.csv").read_text() == (study / "out_of_fold.csv").read_text()


def test_a_study_that_was_killed_goes_on(folder: Path, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    command = ("cv", "small.yaml", "--folds", 3, "--runs", "killed")
    killed, place = netc_process(*command, cwd=folder), folder / "killed" / "small-cv" / "1"
    deadline = time.monotonic() + 120
    while not list(place.glob("fold1/small/1/snapshots/iter_*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    first = (place / "fold0" / "small" / "1" / "run.json").stat().st_mtime_ns
    result = netc(*command)
    assert result.exit_code == 0 and "continued in killed/small-cv/1" in result.output and "fold 0: complete" in result.output
    assert (place / "fold0" / "small" / "1" / "run.json").stat().st_mtime_ns == first
    assert (place / "out_of_fold.csv").read_text() == (study / "out_of_fold.csv").read_text()
    assert [p.name for p in place.parent.iterdir()] == ["1"]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (("split: {test", "split: {time: x, test"), "It cannot be split into folds: `split.time` decides which rows are for testing."),
        (("label: outcome", "label: outcom"), "There is no column 'outcom'. Did you mean 'outcome'?"),
        (("num_output: 2", "num_output: 1"), "num_output"),
        (("Encode", "Enocde"), "There is no layer type 'Enocde'."),
    ],
)
def test_errors_come_before_the_first_fold(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], wanted: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "wrong.yaml").write_text(NET.replace(*change))
    result = netc("cv", "wrong.yaml", "--runs", tmp_path / "runs")
    assert result.exit_code == 2 and wanted in result.output and not (tmp_path / "runs").exists()


def test_a_net_without_a_table_and_too_many_folds(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert "needs a net with one Table layer, got 0" in netc("cv", "logistic", "--runs", tmp_path / "runs").output
    result = netc("cv", "small.yaml", "--folds", 99, "--runs", tmp_path / "runs")
    assert result.exit_code == 2 and "99 folds need as many rows, got 89." in result.output


def test_without_validation_rows_a_note_says_what_that_means(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    result = netc("cv", "small.yaml", "--folds", 2, "--set", "layers.data.split.validation=0", "--runs", tmp_path)
    assert result.exit_code == 0 and "the test rows of a fold also choose its best iteration" in result.output


def test_a_fold_that_fails_ends_the_command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    sets = ("--set", "solver.base_lr=1e38", "--set", "solver.type=SGD")
    result = netc("cv", "small.yaml", "--folds", 2, *sets, "--runs", tmp_path)
    assert result.exit_code == 1 and "fold 0 failed" in result.output and "snapshot" in result.output


def test_numbers_and_several_outputs_have_columns(tmp_path: Path) -> None:
    def of(fold: int, rows: list[int]) -> Predictions:
        values = np.array(rows, np.float32)
        outputs = {"y": values[:, None] + np.float32(0.1), "two": np.stack([values, -values], 1)}
        return Predictions(fold, np.array(rows), (), {"y": values, "z": values * 2}, outputs)

    write_csv(tmp_path / "o.csv", [of(0, [2, 0]), of(1, [1])])
    lines = ["row,fold,y,z,predicted y,two.0,two.1", "1,0,0.0,0.0,0.1,0.0,-0.0", "2,1,1.0,2.0,1.1,1.0,-1.0", "3,0,2.0,4.0,2.1,2.0,-2.0"]
    assert (tmp_path / "o.csv").read_text().splitlines() == lines


def test_the_page_of_numbers_shows_their_error() -> None:
    text = report.page("net", [], np.array([1.0, 2.0]), np.array([1.0, 4.0]), ())
    assert "RMSE of 2 rows is 1.4142" in text
