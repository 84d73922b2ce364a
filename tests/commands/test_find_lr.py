"""`netc find-lr`: what it finds, draws and leaves behind, and what it rejects."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.small_nets import NET, netc, write_small

KMEANS = """\
name: clusters
layers:
  - Data: {source: small.npz, batch_size: 16, top: data}
  - KMeans: {num_output: 3}
solver: {max_iter: 10}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path)
    return tmp_path


def test_a_rate_is_found_and_nothing_else_is_written(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    one, two = (netc("find-lr", "small.yaml", "--json", "--threads", 1) for _ in range(2))
    assert one.exit_code == 0 and one.stdout == two.stdout
    found = json.loads(one.stdout)
    assert found["net"] == "small" and found["type"] == "SGD"
    assert 1e-4 < found["recommended"] <= found["lowest"] / 10 and found["diverged"]
    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"]) < 100
    assert sorted(folder.rglob("*")) == before


def test_the_seed_decides(folder: Path) -> None:
    one, two = (netc("find-lr", "small.yaml", "--json", "--set", f"solver.random_seed={k}").stdout for k in (1, 2))
    assert json.loads(one)["losses"][0] != json.loads(two)["losses"][0]


def test_the_table_names_what_was_found() -> None:
    result = netc("find-lr", "small.yaml")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["rate", "loss"] and 10 < len(lines) < 22
    assert sum(line.endswith("lowest") for line in lines) == sum(line.endswith("steepest fall") for line in lines) == 1
    assert lines[-1].startswith("Recommended: base_lr: ")


def test_the_schedule_and_the_rate_of_the_net_have_no_effect() -> None:
    plain = netc("find-lr", "small.yaml", "--json").stdout
    options = ("--set", "solver.lr_policy=onecycle", "--set", "solver.base_lr=7", "--set", "solver.ema=0.9")
    assert netc("find-lr", "small.yaml", "--json", *options).stdout == plain


def test_a_net_without_a_rate(folder: Path) -> None:
    (folder / "small.yaml").write_text(NET.replace("base_lr: 0.02, ", ""))
    assert netc("find-lr", "small.yaml").exit_code == 0


def test_the_picture_shows_both_curves_and_the_marks(folder: Path) -> None:
    result = netc("find-lr", "small.yaml", "--save", "rates.svg")
    assert result.stdout.splitlines()[-1] == "picture rates.svg"
    root = ElementTree.fromstring((folder / "rates.svg").read_text())
    texts = [t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any(t.startswith("recommended ") for t in texts) and any(t.startswith("lowest ") for t in texts)
    assert {"loss", "smoothed", "learning rate (SGD)", "1e-7"} <= set(texts)
    assert "nan" not in (folder / "rates.svg").read_text().lower()


def test_rates_that_are_all_too_high() -> None:
    result = netc("find-lr", "small.yaml", "--from", 100, "--to", 1e6)
    assert result.exit_code == 0 and "The loss did not fall at any rate. It diverged at" in result.stdout


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--from", 0), "The lowest rate must be above 0, not 0."),
        (("--from", "nan"), "The lowest rate must be above 0, not nan."),
        (("--to", "inf"), "The highest rate must be above 0 and at most 1e+30, not inf."),
        (("--from", 1, "--to", 0.1), "The lowest rate, 1, must be below the highest one, 0.1."),
        (("--iterations", 5), "5 iterations are too few for a curve. Use at least 20."),
        (("--save", "rates.png"), ".svg"),
        (("--save", "missing/rates.svg"), "missing"),
    ],
)
def test_options_that_are_wrong(options: tuple[object, ...], text: str) -> None:
    result = netc("find-lr", "small.yaml", *options)
    assert result.exit_code in (1, 2) and text in result.stderr and "Traceback" not in result.output


def test_all_wrong_options_are_listed() -> None:
    result = netc("find-lr", "small.yaml", "--from", -1, "--to", -2, "--iterations", 0)
    assert result.exit_code == 2 and len([line for line in result.stderr.splitlines() if "must" in line or "too few" in line]) == 3


def test_a_net_that_learns_without_gradients(folder: Path) -> None:
    (folder / "clusters.yaml").write_text(KMEANS)
    result = netc("find-lr", "clusters.yaml")
    assert result.exit_code == 2 and "needs no learning rate" in result.stderr
