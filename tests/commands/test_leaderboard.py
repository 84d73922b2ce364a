"""`netc leaderboard`: runs in order, one table for each data set."""

import csv
import io
import json
from pathlib import Path

import pytest

from netc import netc_pb2 as pb
from netc.commands.leaderboard import boards, is_lower_better
from netc.errors import SpecError
from tests.small_nets import NET, netc, write_small
from tests.small_tables import NET as PEOPLE
from tests.small_tables import people, write_table


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of a net for images, two of them short, one of a net without accuracy, and two of a table."""
    folder = tmp_path_factory.mktemp("runs")
    path = write_small(folder)
    for settings in (("max_iter=2",), ("max_iter=60",), ("max_iter=2", "random_seed=7")):
        trained(path, folder, *settings)
    trained(write_small(folder, NET.replace("name: small", "name: bare").replace("  - Accuracy\n", ""), "bare.yaml"), folder, "max_iter=2")
    write_table(folder / "people.csv", people())
    (folder / "people.yaml").write_text(PEOPLE)
    trained(str(folder / "people.yaml"), folder / "deep")
    (folder / "people.yaml").write_text(PEOPLE.replace("test: 0.2", "test: 0.5"))
    trained(str(folder / "people.yaml"), folder / "deep", "max_iter=1")
    return folder


def trained(net: str, folder: Path, *settings: str) -> None:
    changes = [part for setting in settings for part in ("--set", f"solver.{setting}")]
    result = netc("train", net, "--no-publish", "--runs", folder / "runs", *changes)
    assert result.exit_code == 0, result.output


def test_the_best_is_first_and_data_sets_are_apart(runs: Path) -> None:
    result = netc("leaderboard", runs)
    assert result.exit_code == 0, result.stderr
    people, images = sorted(result.stdout.strip().split("\n\n"))
    assert people.splitlines()[0] == "people.csv, label kind: 2 runs by accuracy (higher is better)"
    assert "The runs have different test rows" in people and "different test rows" not in images
    assert [line.split()[:3] for line in people.splitlines()[2:4]] == [
        ["1", str(runs / "deep/runs/people/1"), "people"],
        ["2", str(runs / "deep/runs/people/2"), "people"],
    ]
    first, head, *rows = images.splitlines()
    assert first == "small.npz: 4 runs by loss (lower is better)" and head.split()[:5] == ["run", "net", "seed", "loss", "accuracy"]
    losses = [float(row.split()[4]) for row in rows]
    assert losses == sorted(losses) and [row.split()[3] for row in rows].count("7") == 1
    assert sum(row.split()[5] == "-" for row in rows) == 1


def test_a_metric_by_name(runs: Path) -> None:
    (board,) = [b for b in boards([str(runs)], "accuracy") if b.data == "small.npz"]
    scores = [entry.scores.get("accuracy") for entry in board.entries]
    assert scores[3] is None and scores[:3] == sorted(filter(None, scores), reverse=True)
    assert list(board.notes) == ["1 run without a score 'accuracy' is at the end."]
    with pytest.raises(SpecError, match=r"No run has a score 'acuracy'\. Did you mean 'accuracy'"):
        boards([str(runs)], "acuracy")


def test_files(runs: Path, tmp_path: Path) -> None:
    printed = json.loads(netc("leaderboard", runs, "--json").stdout)
    assert netc("leaderboard", runs, "-o", tmp_path / "b.json").stdout == ""
    assert json.loads((tmp_path / "b.json").read_text()) == printed
    assert netc("leaderboard", runs, "-o", tmp_path / "b.csv").exit_code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "b.csv").read_text())))
    assert [r["run"] for r in rows] == [run["run"] for board in printed for run in board["runs"]]
    assert [float(r["loss"]) for r in rows] == [run["scores"]["loss"] for board in printed for run in board["runs"]]
    (long,) = [run for board in printed for run in board["runs"] if run["iterations"] == 60]
    assert long["rows_read"] == 60 * 16 and long["ended"] == "max_iter" and long["seconds"] > 0
    refused = netc("leaderboard", runs, "-o", tmp_path / "b.txt")
    assert refused.exit_code == 2 and "netc writes a leaderboard as .json, .csv or .tsv" in refused.stderr


def test_no_runs(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "There are no runs"), (tmp_path / "none", "There is no such folder")):
        result = netc("leaderboard", path)
        assert result.exit_code == 2 and said in result.stderr


@pytest.mark.parametrize("name, lower", [
    ("loss", True), ("rmse", True), ("error", True), ("other", True), ("accuracy", False), ("auc", False), ("r2", False),
])  # fmt: skip
def test_the_direction_of_scores(name: str, lower: bool) -> None:
    """The layer knows, whatever the score is called; else the name tells."""
    net = pb.NetParameter(layer=[pb.LayerParameter(type="MAE", top=["other"]), pb.LayerParameter(type="R2", top=["r2", "rmse"])])
    assert is_lower_better(name, net) is lower


def test_a_study_of_folds_is_one_row(tmp_path: Path) -> None:
    write_table(tmp_path / "people.csv", people(200))
    (tmp_path / "people.yaml").write_text(PEOPLE.replace("max_iter: 150", "max_iter: 20"))
    assert netc("cv", tmp_path / "people.yaml", "--folds", 3, "--runs", tmp_path / "runs").exit_code == 0
    trained(str(tmp_path / "people.yaml"), tmp_path)
    (board,) = json.loads(netc("leaderboard", tmp_path, "--json").stdout)
    study, run = sorted(board["runs"], key=lambda r: r["run"].count("-cv") == 0)
    assert study["run"] == str(tmp_path / "runs/people-cv/1") and study["folds"] == 3 and run["folds"] is None
    folds = [
        json.loads(path.read_text())["scores"]["loss"] for path in sorted((tmp_path / "runs/people-cv/1").glob("fold*/people/1/run.json"))
    ]
    assert study["scores"]["loss"] == pytest.approx(sum(folds) / 3) and study["deviations"]["loss"] > 0 == len(run["deviations"])
    assert "±" in netc("leaderboard", tmp_path).stdout and board["notes"] == [
        "The runs have different test rows, so their scores differ by chance too."
    ]
