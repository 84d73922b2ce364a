"""`netc data list` and `netc data show`: what a net will see, in the terminal, as a page and as a picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc.commands.show import look, terminal
from netc.report.blocks import picture, side_by_side, sparkline
from tests.commands.init.test_starters import folder_of_images
from tests.conftest import ROOT, needs_data
from tests.small_nets import netc, write_small


def test_the_list_says_where_each_set_is(tmp_path: Path) -> None:
    result = netc("data", "list", NETC_DATA=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    cifar = lines.index(next(line for line in lines if line.startswith("cifar10 ")))
    assert "170 MB; netc data fetch cifar10; none stated" in lines[cifar + 1]
    (tmp_path / "tinyshakespeare.txt").write_text("here")
    assert f"present: {tmp_path};" in netc("data", "list", NETC_DATA=str(tmp_path), XDG_CACHE_HOME=str(tmp_path)).stdout


def test_a_folder_of_images_of_unlike_sizes(tmp_path: Path) -> None:
    photos = folder_of_images(tmp_path / "photos")
    Image.fromarray(np.zeros((50, 41, 3), np.uint8)).save(photos / "dark" / "large.png")
    result = netc("data", "show", photos)
    assert result.exit_code == 0 and "rows, train  21" in result.stdout and "3x28x28; 0 to 2" in result.stdout
    assert "dark            11" in result.stdout and "rows, test   none; test_fraction" in result.stdout
    dark = [line[:28] for line in result.stdout.splitlines() if line.startswith(" ") and len(line) >= 58]
    assert dark and not set("".join(dark)) & set("#%@")


def test_a_page_and_a_picture(tmp_path: Path) -> None:
    photos = folder_of_images(tmp_path / "photos")
    for name in ("a.html", "a.png"):
        assert netc("data", "show", photos, "-o", tmp_path / name).stdout == f"{tmp_path / name} is written\n"
    sheet = np.asarray(Image.open(tmp_path / "a.png"))
    bright, dark = sheet[: len(sheet) // 2, 100:], sheet[len(sheet) // 2 :, 100:]
    assert np.median(bright) > 150 > 100 > np.median(dark)
    page = (tmp_path / "a.html").read_text()
    assert "<th>rows, train</th><td>20</td>" in page and "data:image/png;base64," in page and "http" not in page
    result = netc("data", "show", "nets/iris.csv", "-o", tmp_path / "b.png")
    assert result.exit_code == 2 and "are not images; use a .html file" in result.stderr
    assert "as .html or .png" in netc("data", "show", photos, "-o", tmp_path / "a.pdf").stderr


def test_a_table_has_a_line_a_column() -> None:
    result = netc("data", "show", ROOT / "nets/iris.csv", "--label", "species")
    lines = result.stdout.splitlines()
    column = next(line for line in lines if line.startswith("petal_length"))
    assert column.split()[1:5] == ["number", "0", "%", "43"] and "1 to 6.9, mean" in column
    assert any(line.startswith("species ") and "setosa (50)" in line for line in lines)


def test_a_net_shows_what_its_transforms_leave(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    found = look(path)
    assert found.title == f"small.npz as {path} reads it" and dict(found.facts)["rows, train"] == "160"
    assert netc("data", "show", path, "--layer", "dat").exit_code == 2
    assert "Did you mean 'data'?" in netc("data", "show", path, "--layer", "dat").stderr
    assert "--layer selects a data layer of a net file" in netc("data", "show", tmp_path / "small.npz", "--layer", "data").stderr


def test_a_database_and_a_folder_without_images(tmp_path: Path) -> None:
    photos = folder_of_images(tmp_path / "photos")
    (tmp_path / "list.txt").write_text("".join(f"{name}/{k}.png {n}\n" for n, name in enumerate(("dark", "bright")) for k in range(10)))
    assert netc("data", "convert-imageset", f"{photos}/", tmp_path / "list.txt", tmp_path / "lmdb").exit_code == 0
    result = netc("data", "show", tmp_path / "lmdb")
    assert result.exit_code == 0 and "rows, train  20" in result.stdout and "3x30x40" in result.stdout, result.output
    (tmp_path / "empty").mkdir()
    assert "empty: There are no folders of images, one per class" in netc("data", "show", tmp_path / "empty").stderr


@needs_data("mnist")
def test_mnist_has_a_picture_of_every_class() -> None:
    lines = terminal(look("mnist"), colour=False, width=100)
    assert "rows, train  60,000" in "\n".join(lines) and sum(line.count("@") for line in lines) > 200
    assert any(line.startswith("0 ") and "1 " in line and "2 " in line for line in lines)  # three beside each other


@pytest.mark.parametrize(
    "name, word", [("sst", "├── "), ("sst_sentences", "positive: "), ("tinyshakespeare", "First Citizen:"), ("sunspots", "▆")]
)
def test_trees_texts_and_series(name: str, word: str) -> None:
    result = netc("data", "show", name)
    if result.exit_code == 1 and "is not here" in result.stderr:
        pytest.skip(result.stderr)
    assert result.exit_code == 0 and word in result.stdout


def test_names_that_are_near() -> None:
    result = netc("data", "show", "mnits")
    assert result.exit_code == 2 and "Did you mean 'mnist'?" in result.stderr


def test_pictures_as_characters() -> None:
    image = np.zeros((1, 4, 3), np.uint8)
    image[0, :2, 0] = 255
    assert picture(image, colour=False) == ["@  ", "   "]
    assert picture(image, colour=True)[0].startswith("\x1b[38;2;255;255;255;48;2;255;255;255m▀\x1b[38;2;0;0;0")
    wide = picture(np.full((3, 100, 200), 255, np.uint8), colour=False)
    assert {len(line) for line in wide} == {32} and len(wide) == 8
    lines = side_by_side([("one", ["ab"]), ("two", ["cd", "ef"]), ("three", ["gh"])], [3, 3, 3], 8)
    assert lines == ["one  two", "ab  cd", "     ef", "", "thr", "gh", ""]


def test_sparklines() -> None:
    assert sparkline([0, 1, 2, 7]) == "▁▂▃█" and sparkline([3, 3]) == "▁▁" and sparkline([]) == ""
    assert len(sparkline(np.arange(1000), 50)) == 50
    assert sparkline(np.arange(8)) == "▁▂▃▄▅▆▇█"


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 3))
    rows[3, 0], rows[4, 0], rows[:, 1] = np.nan, np.inf, np.nan
    np.savez(tmp_path / "t.npz", data=rows, label=np.arange(20) % 3 - 1)
    result = netc("data", "show", tmp_path / "t.npz")
    assert result.exit_code == 0 and "22 values are NaN or infinite" in result.stdout, result.stderr
    lines = result.stdout.splitlines()
    at = next(k for k, line in enumerate(lines) if line.startswith("column"))
    first, second = lines[at + 1 : at + 3]
    finite = rows[np.isfinite(rows[:, 0]), 0]
    assert first.split()[1:5] == [f"{v:.5g}" for v in (finite.min(), finite.max(), finite.mean(), finite.std())]
    assert second.split()[1:5] == ["nan"] * 4 and "-1              7" in result.stdout
    np.savez(tmp_path / "i.npz", data=np.full((5, 1, 4, 4), np.nan), label=np.full(5, 10**15))
    result = netc("data", "show", tmp_path / "i.npz")
    assert result.exit_code == 0 and "no finite values" in result.stdout and str(10**15) in result.stdout


def test_images_that_a_table_lists_and_arrays_of_any_names(tmp_path: Path) -> None:
    folder_of_images(tmp_path / "photos")
    lines = [f"photos/{path.parent.name}/{path.name},{path.parent.name}" for path in sorted((tmp_path / "photos").glob("*/*.png"))]
    (tmp_path / "list.csv").write_text("\n".join(["path,kind", *lines]))
    result = netc("data", "show", tmp_path / "list.csv")
    assert result.exit_code == 0 and "3x30x40" in result.stdout and "bright" in result.stdout, result.output
    np.savez(tmp_path / "a.npz", x_train=np.zeros((6, 4)), y_train=list("aabbcc"), x_test=np.zeros((2, 4)), y_test=["a", "b"])
    result = netc("data", "show", tmp_path / "a.npz")
    assert result.exit_code == 0 and "rows, test   2" in result.stdout and "int64, one number; 0 to 2" in result.stdout, result.output


def test_a_net_of_a_table_shows_its_columns(tmp_path: Path) -> None:
    lines = [f"{k / 4},{'ab'[k % 2]},2024-01-{1 + k % 28:02d},{['no', 'yes'][k % 2]}" for k in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["x,kind,day,outcome", *lines]) + "\n")
    columns = "columns: {x: number, kind: category, day: date}"
    (tmp_path / "t.yaml").write_text(f"layers:\n  - Table: {{source: t.csv, label: outcome, {columns}, shuffle: false, batch_size: 8}}\n")
    result = netc("data", "show", tmp_path / "t.yaml")
    shown = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert shown["x"].split()[1:5] == ["number", "0", "%", "60"] and shown["day"].split()[1] == "date"
    assert shown["outcome"].split()[1] == "label" and "no (30)" in shown["outcome"]


def test_masks_and_texts(tmp_path: Path) -> None:
    """Masks stand below their images; the labels of a line are its text."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "m.npz", data=rng.integers(0, 255, (3, 3, 8, 8), dtype=np.uint8), label=np.full((3, 8, 8), 1, np.uint8))
    np.savez(tmp_path / "t.npz", data=rng.integers(0, 255, (3, 1, 8, 8), dtype=np.uint8), label=np.array([[2, 0, -1]] * 3))
    shown = netc("data", "show", tmp_path / "m.npz")
    assert shown.exit_code == 0 and "image" in shown.stdout and "mask" in shown.stdout
    assert netc("data", "show", tmp_path / "m.npz", "-o", tmp_path / "m.png").exit_code == 0
    assert "2 0" in netc("data", "show", tmp_path / "t.npz").stdout
