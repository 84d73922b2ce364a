"""Each kind of data that `netc init` knows has a row: data of that kind, which no other kind recognises first."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from netc import registry
from netc.commands.init import KINDS, Wanted
from tests.commands.init.test_starters import folder_of_images
from tests.data.detection import scenes
from tests.small_nets import write_arrays
from tests.table.tables import customers, write_table


def list_of(photos: Path) -> Path:
    """A table of images and their classes."""
    lines = ["path,kind", *(f"{path.relative_to(photos)},{path.parent.name}" for path in sorted(photos.glob("*/*.png")))]
    (photos / "list.csv").write_text("\n".join(lines))
    return photos / "list.csv"


def folder_of_texts(folder: Path) -> Path:
    for kind in "ab":
        (folder / kind).mkdir(parents=True)
        (folder / kind / "1.txt").write_text("a text")
    return folder


def text_in(path: Path) -> Path:
    path.write_text("to be or not to be\n" * 99)
    return path


def days_in(path: Path) -> Path:
    lines = [f"{date(2024, 1, 1) + timedelta(k)},{k * k % 17 / 2 + 0.1}" for k in range(100)]
    path.write_text("\n".join(["day,sold", *lines]))
    return path


LABELS = {"series": ("sold",), "arrays": ("label",)}  # a label that the user names
ROWS: dict[str, Callable[[Path], Path]] = {
    "boxes": lambda folder: scenes.write_voc(folder / "boxes"),
    "images in a table": lambda folder: list_of(folder_of_images(folder / "photos")),
    "texts": lambda folder: folder_of_texts(folder / "texts"),
    "images": lambda folder: folder_of_images(folder / "photos"),
    "arrays": write_arrays,
    "series": lambda folder: days_in(folder / "days.csv"),
    "table": lambda folder: write_table(folder / "table.csv", customers()),
    "described": lambda folder: text_in(folder / "a.txt"),
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_kind_recognises_its_data(tmp_path: Path, kind: str) -> None:
    registry.load()
    wanted = Wanted(str(ROWS[kind](tmp_path)), tmp_path / "net.yaml", LABELS.get(kind, ()))
    assert next(k.name for k in KINDS if k.recognise(wanted)) == kind


@pytest.mark.parametrize("data", ["mnist", "there_is_none.csv", "there_is_none"])
def test_only_the_last_kind_takes_what_is_named_or_missing(tmp_path: Path, data: str) -> None:
    registry.load()
    assert [k.name for k in KINDS if k.recognise(Wanted(data, tmp_path / "net.yaml"))] == [KINDS[-1].name]


@pytest.mark.parametrize("file", ["data.mdb", "CURRENT", "MANIFEST-000001"])
def test_a_database_is_no_folder_of_images_or_texts(tmp_path: Path, file: str) -> None:
    folder_of_images(tmp_path / "db")
    folder_of_texts(tmp_path / "db" / "more")
    (tmp_path / "db" / file).touch()
    assert [k.name for k in KINDS if k.recognise(Wanted(str(tmp_path / "db"), tmp_path / "net.yaml"))] == [KINDS[-1].name]


def test_every_kind_has_a_row() -> None:
    assert list(ROWS) == [kind.name for kind in KINDS]
