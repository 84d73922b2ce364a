"""`netc init`: the net that it writes trains."""

import numpy as np
import pytest
from PIL import Image

from netc import api
from netc.commands.facts import silence
from tests.conftest import ROOT
from tests.small_nets import netc, write_arrays


def folder_of_images(folder):
    """Ten images of each of two classes, one dark, one bright."""
    random = np.random.default_rng(0)
    for name, low in (("dark", 0), ("bright", 150)):
        (folder / name).mkdir(parents=True)
        for k in range(10):
            Image.fromarray(random.integers(low, low + 100, (30, 40, 3), dtype=np.uint8)).save(folder / name / f"{k}.png")
    return folder


@pytest.mark.parametrize("kind", ["csv", "npz", "folder"])
def test_the_net_for_a_data_set_learns_it(tmp_path, kind):
    source = {
        "csv": lambda: ROOT / "nets" / "iris.csv",
        "npz": lambda: write_arrays(tmp_path, 50),
        "folder": lambda: folder_of_images(tmp_path / "photos"),
    }[kind]()
    result = netc("init", tmp_path / "new.yaml", "--data", source)
    assert result.exit_code == 0 and f"netc train {tmp_path / 'new.yaml'}" in result.stdout
    program = api.load(str(tmp_path / "new.yaml"))
    assert silence(program.job) == [], "a starter says what publishing asks for"
    assert program.train.loss.type and program.train_net.layers[0].source.rows == {"csv": 120, "npz": 40, "folder": 16}[kind]
    options = ["--no-publish", "--runs", tmp_path / "runs", "--set", "solver.max_epoch=" + ("50" if kind == "csv" else "1")]
    result = netc("train", tmp_path / "new.yaml", *options)
    assert result.exit_code == 0, result.stderr
    if kind == "csv":
        assert float(result.stdout.split("iterations: accuracy ")[1].split(",")[0]) >= 0.9


def test_the_net_for_mnist_is_well_without_data(tmp_path):
    assert netc("init", tmp_path / "new.yaml").exit_code == 0
    result = netc("check", tmp_path / "new.yaml", NETC_DATA="", XDG_CACHE_HOME=str(tmp_path))
    assert result.exit_code == 0 and "64x1x28x28 64" in result.stdout


def test_a_file_that_is_there_stays(tmp_path):
    (tmp_path / "net.yaml").write_text("mine")
    result = netc("init", tmp_path / "net.yaml")
    assert result.exit_code == 2 and "is there already" in result.stderr and (tmp_path / "net.yaml").read_text() == "mine"


def test_sources_that_no_net_can_be_made_for(tmp_path):
    np.savez(tmp_path / "real.npz", data=np.zeros((4, 3), np.float32), label=np.zeros(4, np.float32))
    result = netc("init", tmp_path / "net.yaml", "--data", tmp_path / "real.npz")
    assert result.exit_code == 2 and "its labels are no classes" in result.stderr
    result = netc("init", tmp_path / "net.yaml", "--data", "mnst")
    assert result.exit_code == 2 and "did you mean 'mnist'" in result.stderr or "mnist" in result.stderr
    result = netc("init", tmp_path / "no" / "net.yaml")
    assert result.exit_code == 1 and "cannot be written" in result.stderr
    assert not (tmp_path / "net.yaml").exists()


def test_a_text(tmp_path):
    (tmp_path / "t.txt").write_text("to be or not to be\n" * 300)
    assert netc("init", tmp_path / "t.yaml", "--data", tmp_path / "t.txt").exit_code == 0
    result = netc("check", tmp_path / "t.yaml")
    assert result.exit_code == 0 and "64x32x8" in result.stdout


def test_sequences_have_no_starter(tmp_path):
    result = netc("init", tmp_path / "v.yaml", "--data", "japanese_vowels")
    assert result.exit_code == 2 and "its rows are sequences" in result.stderr
