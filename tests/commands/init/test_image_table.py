"""Starter nets for tables that list images."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc import api
from tests.small_nets import netc
from tests.some import some


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """40 images in photos/img, whose brightness tells their class and a number; the current folder is above."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    Path("photos/img").mkdir(parents=True)
    for k in range(40):
        pixels = random.integers(0, 60, (12, 12, 3)) + 4 * k
        Image.fromarray(pixels.astype(np.uint8)).save(f"photos/img/{k}.png")
    return tmp_path


def listed(path: str, header: str, row: str, rows: range = range(40)) -> None:
    """A table whose rows are `row` with {k}, {kind} and {number} filled in."""
    lines = [row.format(k=k, kind="dark" if k < 20 else "bright", number=k / 4 + 0.1, x=k % 3) for k in rows]
    Path(path).write_text("\n".join([*([header] if header else []), *lines]) + "\n")


def trained(path: str, *options: str) -> str:
    result = netc("train", path, "--no-publish", *options)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_classes(here: Path) -> None:
    listed("photos/photos.csv", "path,width,kind", "img/{k}.png,{x},{kind}")
    result = netc("init", "net.yaml", "--data", "photos/photos.csv", "--label", "kind")
    assert result.stdout.startswith("net.yaml is written, for 40 images of 2 classes. "), result.output
    assert result.stderr == "netc: The net predicts 'kind' from the images alone. Not read: 1 column (width).\n"
    source = some(api.load("net.yaml").train_net.layers[0].source)
    assert source.classes == ("bright", "dark") and source.rows == 32
    assert float(trained("net.yaml").split(" iterations: accuracy ")[-1].split(",")[0]) >= 0.75


def test_a_number_to_predict_and_the_published_model(here: Path) -> None:
    listed("list.csv", "number;file", "{number};photos/img/{k}.png")
    result = netc("init", "list.csv")
    assert "list.yaml is written, for 40 images and the number 'number' to predict. " in result.stdout, result.output
    out = netc("train", "list.yaml", "--publish", "--set", "solver.max_epoch=60")
    assert float(out.stdout.split(" iterations: ")[-1].split("r2 ")[1].split(",")[0]) > 0.9, out.output
    found = netc("predict", "list", "photos/img/4.png", "photos/img/36.png")
    low, high = (float(line.split()[-1].strip("[]")) for line in found.stdout.splitlines()[:2])
    assert abs(low - 1.1) < 1.2 and abs(high - 9.1) < 1.2, found.stdout


def test_a_table_without_a_header_in_another_folder(here: Path) -> None:
    listed("photos/list.csv", "", "{kind},img/{k}.png")
    Path("nets").mkdir()
    result = netc("init", "photos/list.csv", "-o", "nets/a.yaml")
    assert result.exit_code == 0 and "40 images of 2 classes" in result.stdout, result.output
    assert "source: ../photos/list.csv, " in Path("nets/a.yaml").read_text() and netc("check", "nets/a.yaml").exit_code == 0


def test_paths_from_a_folder_beside_the_table(here: Path) -> None:
    listed("photos/list.csv", "kind,path", "{kind},{k}.png")
    result = netc("init", "photos/list.csv")
    assert result.exit_code == 0 and result.stderr == "netc: The paths start from photos/img.\n"
    assert "root_folder: photos/img" in Path("list.yaml").read_text()
    assert "accuracy" in trained("list.yaml", "--set", "solver.max_epoch=1")


def test_paths_in_several_folders(here: Path) -> None:
    listed("photos/list.csv", "kind,path", "{kind},{k}.png")
    shutil.copytree("photos/img", "photos/more")
    result = netc("init", "photos/list.csv")
    assert result.exit_code == 2 and "are in several folders: photos/img, photos/more. Move the table into one of them." in result.stderr


def test_the_name_of_a_column_may_say_that_it_is_the_label(here: Path) -> None:
    listed("photos/list.csv", "a,path,Label,b", "{x},img/{k}.png,{kind},{number}")
    result = netc("init", "photos/list.csv")
    assert "predicts 'Label' from the images alone. Not read: 2 columns (a, b)." in result.stderr and result.exit_code == 0


def test_a_column_may_name_the_parts(here: Path) -> None:
    rows = [f"img/{k}.png,{'dark' if k < 20 else 'bright'},{'test' if k % 4 == 1 else 'val' if k % 4 == 2 else 'train'}" for k in range(40)]
    Path("photos/list.csv").write_text("\n".join(["path,kind,split", *rows]))
    result = netc("init", "photos/list.csv", "--label", "kind")
    assert result.exit_code == 0 and not result.stderr and "for 40 images of 2 classes" in result.stdout, result.output
    assert "part_column: split" in Path("list.yaml").read_text() and "test_batch_size: 10" in Path("list.yaml").read_text()
    described = some(api.load("list.yaml").train_net.layers[0].source)
    assert described.rows == 20 and described.has_validation and described.set_apart
    assert "accuracy" in trained("list.yaml", "--set", "solver.max_epoch=2")


def test_whole_numbers_that_differ_in_most_rows_are_predicted(here: Path) -> None:
    listed("photos/list.csv", "path,age", "img/{k}.png,{k}", range(16))
    result = netc("init", "photos/list.csv")
    assert "for 16 images and the number 'age' to predict" in result.stdout and "regression: true" in Path("list.yaml").read_text()
    assert "rmse" in trained("list.yaml", "--set", "solver.max_epoch=1")


def test_rare_classes_are_named(here: Path) -> None:
    listed("photos/list.csv", "path,kind", "img/{k}.png,{kind}", range(21))
    assert "netc: Less than 3 images: class 'bright'." in netc("init", "photos/list.csv").stderr


REFUSED = {
    "Choose the column to predict with --label NAME. The columns are n, m, kind.": ("path,n,m,kind", "img/{k}.png,1,2,{kind}", []),
    "'kinds' is not one of its columns. Did you mean 'kind'?": ("path,n,kind", "img/{k}.png,1,{kind}", ["--label", "kinds"]),
    "'path' has the images.": ("path,n,kind", "img/{k}.png,1,{kind}", ["--label", "path"]),
    "--label is given 2 times. A net for images predicts one column.": (
        "path,n,kind",
        "img/{k}.png,1,{kind}",
        ["--label=n", "--label=kind"],
    ),
    "Column 'path' has images, and there is no other column. Add one with their labels.": ("path", "img/{k}.png", []),
    "All rows have the same 'kind', 'a'. A classifier needs two classes or more.": ("path,kind", "img/{k}.png,a", []),
    "Column 'title' has 40 different texts in 40 rows, so they are hardly classes.": ("path,title", "img/{k}.png,t{k}", []),
    "40 of 40 cells are wrong, 40 of them different: lines 2, 3, 4, 5, 6, ....": ("path,kind", "none{k}.png,{kind}", []),
    "Column 'kind' is empty. Expected the name of a class.": ("path,kind", "img/{k}.png,", []),
}


@pytest.mark.parametrize("message", REFUSED)
def test_tables_that_are_refused(here: Path, message: str) -> None:
    header, row, options = REFUSED[message]
    listed("photos/list.csv", header, row)
    result = netc("init", "photos/list.csv", *options)
    assert result.exit_code == 2 and message in result.stderr and not Path("list.yaml").exists(), result.output
