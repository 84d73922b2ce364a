"""Which column of a table has the paths of images."""

from pathlib import Path

import pytest

from netc.data import image_column
from netc.data.image_column import SAMPLE, find_image_column

PHOTOS = ("a/1.png", "a/2.JPG", "b/3.jpeg", "x y.png", "a,b.png")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in PHOTOS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


FOUND: dict[str, tuple[str, str | None]] = {
    "simple": ("path,kind\na/1.png,x\na/2.JPG,y\n", "path"),
    "label first": ("kind,path\nx,a/1.png\ny,a/2.JPG\n", "path"),
    "semicolons": ("kind;n;path\nx;1;a/1.png\ny;2;x y.png\n", "path"),
    "quotes": ('kind,path\nx,"a,b.png"\ny,a/1.png\n', "path"),
    "no header": ("a/1.png,x\na/2.JPG,y\n", "#0"),
    "byte order mark": ("\ufeffpath,kind\na/1.png,x\n", "path"),
    "as on Windows": ("path,kind\na\\1.png,x\nb\\3.jpeg,y\n", "path"),
    "a gap": ("path,kind,n\n,x,1\na/1.png,y,2\n", "path"),
    "some are missing": ("path,kind,n\na/1.png,x,1\na/none.png,y,2\n", "path"),
    "all are missing, and there is nothing else": ("path,kind\nnone.png,x\nno.png,y\n", "path"),
    "all are missing, in a table of more": ("path,kind,n\nnone.png,x,1\nno.png,y,2\n", None),
    "not all are images": ("path,kind,n\na/1.png,x,1\nunknown,y,2\n", None),
    "numbers": ("a,b\n1,2\n", None),
    "empty": ("", None),
    "only a header": ("path,kind\n", None),
    "two columns of images": ("left,right,n\na/1.png,a/2.JPG,1\n", "left"),
    "not a text": ("path,kind\n\udcff.png,x\n", None),
}


@pytest.mark.parametrize("case", FOUND)
def test_the_column_is_found_by_its_content(photos: Path, case: str) -> None:
    text, wanted = FOUND[case]
    (photos / "list.csv").write_bytes(text.encode(errors="surrogateescape"))
    assert image_column(photos / "list.csv") == wanted


def test_tabs_and_other_files(photos: Path) -> None:
    (photos / "list.tsv").write_text("path\tkind\na/1.png\tx\n")
    assert image_column(photos / "list.tsv") == "path"
    (photos / "list.txt").write_text("path,kind\na/1.png,x\n")
    assert image_column(photos / "list.txt") is image_column(photos / "none.csv") is image_column(photos) is None


def test_paths_from_a_folder_beside_the_table(photos: Path) -> None:
    (photos / "list.csv").write_text("kind,n,path\nx,1,3.jpeg\ny,2,4.jpeg\n")
    found = find_image_column(photos / "list.csv")
    assert found is not None and found.folders == (photos / "b",) and found.others == ("kind", "n")


def test_the_same_names_in_several_folders(photos: Path) -> None:
    """The folder of the part that the table is named after, or of the training images; else it is not clear."""
    for name in ("test_images", "train_images"):
        (photos / name).mkdir()
        for k in range(2):
            (photos / name / f"{k}.jpg").touch()
    for table, folders in (("train.csv", ["train_images"]), ("labels.csv", ["train_images"]), ("test.csv", ["test_images"])):
        (photos / table).write_text("n,kind,path\n1,x,0.jpg\n2,y,1.jpg\n")
        found = find_image_column(photos / table)
        assert found is not None and [folder.name for folder in found.folders] == folders
    (photos / "test_images").rename(photos / "c")
    (photos / "train_images").rename(photos / "d")
    found = find_image_column(photos / "train.csv")
    assert found is not None and [folder.name for folder in found.folders] == ["c", "d"]
    (photos / "d" / "1.jpg").unlink()
    found = find_image_column(photos / "train.csv")
    assert found is not None and [folder.name for folder in found.folders] == ["c"]


def test_only_the_start_of_a_large_table_is_read(photos: Path) -> None:
    with (photos / "list.csv").open("w") as file:
        file.write("path,kind\n" + "a/1.png,é\n" * SAMPLE + "not an image,x\n")
    assert image_column(photos / "list.csv") == "path"
