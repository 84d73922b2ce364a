"""`netc report`: one run, several, figures as JSON, one chart alone."""

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from netc.commands.report import folders, opened
from netc.errors import SpecError
from netc.training import record
from tests.small_nets import NET, log, netc, write_small
from tests.some import some


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """small/1, and small/2 with another rate and a ReLU less."""
    folder = tmp_path_factory.mktemp("report")
    path = write_small(folder)
    assert netc("train", path, "--no-publish", "--runs", folder / "runs").exit_code == 0
    (folder / "small.yaml").write_text(NET.replace("  - ReLU\n", "").replace("base_lr: 0.02", "base_lr: 0.05"))
    assert netc("train", path, "--no-publish", "--runs", folder / "runs").exit_code == 0
    return folder / "runs"


def test_one_run_is_written_again_as_it_was_left(runs: Path) -> None:
    page = runs / "small/1/report.html"
    before = page.read_text()
    page.unlink()
    result = netc("report", runs / "small/1")
    assert result.exit_code == 0 and page.read_text() == before
    line = log(runs / "small/1")[-1]
    lines = result.stdout.splitlines()
    assert lines[0] == f"report {page}" and lines[1] == f"accuracy {line['accuracy']:.4f}, loss {line['loss']:.4f}"
    assert re.fullmatch(r"60 iterations in \d\.\d s, [\d,]+ rows per second", lines[-1])


def test_a_run_is_named_by_its_folder_its_nets_or_that_of_all(runs: Path) -> None:
    assert folders(str(runs / "small/1")) == [runs / "small/1"] and folders(str(runs / "small")) == [runs / "small/2"]
    assert folders(str(runs)) == [runs / "small/1", runs / "small/2"]
    assert "no such folder. Did you mean 'small'?" in netc("report", runs / "smal").stderr
    (runs.parent / "empty").mkdir()
    result = netc("report", runs.parent / "empty")
    assert result.exit_code == 2 and "the folder contains no runs" in result.stderr


def test_several_runs_are_compared_on_the_terminal_and_on_a_page(runs: Path) -> None:
    result = netc("report", runs)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0][:5] == ["run", "accuracy", "loss", "best", "at"] and rows[-1] == ["comparison", str(runs / "small/comparison.html")]
    ends = [log(runs / name)[-1] for name in ("small/1", "small/2")]
    assert [row[:3] for row in rows[1:3]] == [
        [name, f"{e['accuracy']:.4f}", f"{e['loss']:.4f}"] for name, e in zip(("small/1", "small/2"), ends, strict=True)
    ]
    text = (runs / "small/comparison.html").read_text()
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", text)]
    assert ["solver.base_lr", "0.02", "0.05"] in cells and ["layer.relu1.type", "ReLU", ""] in cells
    assert not any(row and row[0] == "solver.momentum" for row in cells)
    assert all(text.count(f'data-series="{name}"') == 3 for name in ("small/1", "small/2"))


def test_figures_as_json(runs: Path) -> None:
    one = json.loads(netc("report", runs / "small/1", "--json").stdout)
    line = log(runs / "small/1")[-1]
    assert one["scores"] == {"accuracy": line["accuracy"], "loss": line["loss"]} and one["iterations"] == 60
    assert one["ended"] == "max_iter" and one["seconds"] > 0 and one["rows_per_second"] > 0 and one["parameters"] == 1826
    assert [r["run"] for r in json.loads(netc("report", runs, "--json").stdout)] == [str(runs / "small/1"), str(runs / "small/2")]


def test_a_chart_alone_has_its_numbers_and_its_colours(runs: Path, tmp_path: Path) -> None:
    result = netc("report", runs / "small/1", "--picture", "learning rate", "-o", tmp_path / "x.svg")
    assert result.exit_code == 0 and result.stdout == f"picture {tmp_path}/x.svg\n"
    space = "{http://www.w3.org/2000/svg}"
    root = ElementTree.parse(tmp_path / "x.svg").getroot()
    line = next(p for p in root.iter(f"{space}path") if p.get("class") == "line")
    points = np.array([p.split() for p in some(line.get("d"))[1:].split("L")], float)
    low, high, start, end = map(float, some(root.get("data-y")).split())
    rates = low + (points[:, 1] - start) / (end - start) * (high - low)
    np.testing.assert_allclose(rates, [s["lr"] for s in log(runs / "small/1") if s["event"] == "train"], atol=(high - low) / 500)
    assert "prefers-color-scheme: dark" in some(root.findtext(f"{space}style"))
    assert "has no chart 'learning'. Did you mean 'learning rate'?" in netc("report", runs / "small/1", "--picture", "learning").stderr


def test_a_run_whose_data_is_gone_has_the_rest_of_its_page(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--set", "solver.max_iter=2").exit_code == 0
    (tmp_path / "small.npz").unlink()
    result = netc("report", tmp_path / "runs/small")
    assert (
        result.exit_code == 0
        and "the report has no sections that need the net, its states or its data: " in result.stdout
        and "small.npz" in result.stdout
    )
    text = (tmp_path / "runs/small/1/report.html").read_text()
    assert "<h2>Curves</h2>" in text and "Confusion" not in text
    for file in (tmp_path / "runs/small/1/snapshots").iterdir():
        file.unlink()
    write_small(tmp_path)
    assert "this run has no snapshot that can be read" in netc("report", tmp_path / "runs/small").stdout


def test_a_run_that_was_resumed_has_parts(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs").exit_code == 0
    for name in ("iter_00000040", "iter_00000060"):
        (tmp_path / f"runs/small/1/snapshots/{name}.safetensors").unlink()
    assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume").exit_code == 0
    known = record.read(tmp_path / "runs/small/1")
    assert [p.steps for p in some(known).parts] == [60, 40] and some(known).reason == "max_iter" and some(known).iteration == 60
    assert "Part 2, from" in (tmp_path / "runs/small/1/report.html").read_text()


def test_states_are_those_of_the_models_that_was_chosen(runs: Path) -> None:
    run, why = opened(runs / "small/1")
    assert why == "" and run.classified is not None
    right = (run.classified.predicted == run.classified.labels).mean()
    assert right == pytest.approx(log(runs / "small/1")[-1]["accuracy"])


def test_no_folder_at_all() -> None:
    with pytest.raises(SpecError, match="no such folder"):
        folders("/nowhere/at/all")


def test_a_pass_over_the_test_rows_ends_at_its_limit(runs: Path) -> None:
    run, _ = opened(runs / "small/1")
    assert len(some(run.classified).labels) == 40 and len(some(replace(run, limit=0.0).classified).labels) == 16
