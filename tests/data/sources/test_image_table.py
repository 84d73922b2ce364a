"""Images that a table lists."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.data import Learned, Tables, TopSpec, rows_said
from netc.errors import DataError
from tests.data.layers import data_layer
from tests.data.sources.test_image_folder import save, whole
from tests.some import some


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four red images of 4 x 6 pixels in two folders, and a table of them with a class and a number."""
    for k, name in enumerate(["a/0.png", "a/1.png", "b/2.png", "b/3.png"]):
        save(tmp_path / "in" / name, (4, 6, 3), (10 * k, 0, 0))
    (tmp_path / "in" / "list.csv").write_text("path,kind,size\nb/3.png,cat,1.5\na/1.png,dog,2\na/0.png,cat,3\nb/2.png,dog,7.5\n")
    return tmp_path


def test_classes_in_the_order_of_the_table(photos: Path) -> None:
    description, x, y = whole(data_layer("in/list.csv", image_column="path", label_column="kind", shuffle=False), "TRAIN", photos)
    assert description.tops == (TopSpec("float32", (3, 4, 6)), TopSpec("int64", ())) and description.classes == ("cat", "dog")
    assert x[:, 0, 1, 2].tolist() == [30, 10, 0, 20] and y.tolist() == [0, 1, 0, 1] and description.noun == "images"


def test_a_number_to_predict_has_a_mean_over_the_training_rows(photos: Path) -> None:
    layer = data_layer("in/list.csv", image_column="path", label_column="size", test_fraction=0.5, shuffle=False)
    description, x, y = whole(layer, "TRAIN", photos)
    assert y.dtype == np.float32 and description.tops[1].mean == (float(y.mean()),) and len(y) == 2
    test = whole(data_layer("in/list.csv", image_column="path", label_column="size", test_fraction=0.5, shuffle=False), "TEST", photos)
    assert sorted([*y.tolist(), *test[2].tolist()]) == [1.5, 2, 3, 7.5] and test[0].tops == description.tops


def test_other_files_are_read_by_the_classes_of_the_training_rows(photos: Path) -> None:
    save(photos / "more" / "0.png", (4, 6), 5)  # grey: it gets the channels of the training images
    (photos / "more" / "list.csv").write_text("n,kind,path\n1,dog,0.png\n")
    layer = data_layer("in/list.csv", image_column="path", label_column="kind", test_source="more/list.csv")
    description, x, y = whole(layer, "TEST", photos)
    assert y.tolist() == [1] and x.shape == (1, 3, 4, 6) and description.classes == ("cat", "dog")
    (photos / "more" / "list.csv").write_text("n,kind,path\n1,cow,0.png\n2,dog,1.png\n")
    with pytest.raises(DataError) as caught:
        data.describe(layer, "TEST", photos)
    assert [str(d).split("more/", 1)[1] for d in caught.value.diagnostics] == [
        "list.csv:2:3: Column 'kind' is 'cow'. Expected the name of a class. Known names: cat, dog.",
        f"list.csv:3:7: Column 'path' is '1.png'. Expected the path of an image, from the folder {photos}/more.",
    ]


def test_numbers_to_predict_stay_numbers_in_other_files(photos: Path) -> None:
    """A trained net reads whole numbers as it read fractions, and keeps their mean; its weights say so."""
    fields: dict[str, Any] = {"image_column": "path", "label_column": "size"}
    known = Learned.of(data.describe(data_layer("in/list.csv", **fields), "TRAIN", photos))
    assert Learned.from_json(rows_said({"data": known})["data"]) == known
    (photos / "in" / "more.csv").write_text("path,size\na/0.png,1\na/1.png,2\n")
    layer = data_layer("in/more.csv", **fields)
    assert data.describe(layer, "TRAIN", photos).tops[1].dtype == "int64"
    top = Tables(photos).reader(layer, "TRAIN", known).description.tops[1]
    assert top.dtype == "float32" and top.mean == (3.5,)


def test_a_folder_that_the_paths_start_from(photos: Path) -> None:
    (photos / "in" / "list.csv").rename(photos / "list.csv")
    layer = data_layer("list.csv", image_column="path", label_column="kind", root_folder="in")
    assert some(data.describe(layer, "TRAIN", photos).rows) == 4


def test_a_table_without_a_header(photos: Path) -> None:
    (photos / "in" / "list.csv").write_text("a/0.png,cat\nb/2.png,dog\n")
    for column in ("#0", "0", "-2"):
        assert data.describe(data_layer("in/list.csv", image_column=column), "TRAIN", photos).rows == 2


def test_images_that_are_missing_are_listed_at_once(photos: Path) -> None:
    table = "path,kind\na/0.png,cat\na/x.png,dog\n,dog\n" + "".join(f"y{k}.png,cat\n" for k in range(5))
    (photos / "in" / "list.csv").write_text(table)
    layer = data_layer("in/list.csv", image_column="path")
    with pytest.raises(DataError) as caught:
        data.describe(layer, "TRAIN", photos)
    assert str(caught.value).endswith(
        f"in/list.csv:3:1: Column 'path' is 'a/x.png'. Expected the path of an image, from the folder {photos}/in. 7 of 8 cells are wrong,"
        " 7 of them different: lines 3, 4, 5, 6, 7, ...."
    )
    layer.transform_param.on_error = layer.transform_param.SKIP
    opened = data.open(layer, "TRAIN", 0, photos)
    assert opened.rows == 8 and not opened.batch(0)[0].any() and opened.skipped()[0].endswith("No such file or directory")


@pytest.mark.parametrize("words, rows", [(("train", "Test", "val", "train"), (2, 1, 1)), (("train", "train", "valid", "train"), (3, 1, 1))])
def test_a_column_that_names_the_parts(photos: Path, words: tuple[str, ...], rows: tuple[int, ...]) -> None:
    names, sizes = ("a/0.png", "a/1.png", "b/2.png", "b/3.png"), (1.5, 2.5, 3.5, 4.5)
    lines = [",".join(map(str, row)) for row in zip(names, sizes, words, strict=True)]
    (photos / "in" / "list.csv").write_text("\n".join(["path,size,part", *lines]))
    layer = data_layer("in/list.csv", 99, image_column="path", label_column="size", part_column="part")
    opened = [data.open(layer, phase, 0, photos) for phase in ("TRAIN", "VALIDATION", "TEST")]
    assert tuple(source.rows for source in opened) == rows
    labels = [set(source.stored(1, np.arange(some(source.rows))).tolist()) for source in opened]
    assert labels[0] == {s for s, w in zip(sizes, words, strict=True) if w == "train"} and not labels[0] & (labels[1] | labels[2])
    assert opened[2].description.tops[1].mean == (np.mean(list(labels[0])),)


@pytest.mark.parametrize(
    "words, message",
    [("train,training,test,odd", "Column 'part' is 'odd'. Expected train, validation or test."),
     ("test,val,test,test", "names 0 of 4 rows for training"),
     ("train,train,train,train", "Column 'part' names 4 of 4 rows for training. Expected some, not all.")],
)  # fmt: skip
def test_parts_that_are_wrong(photos: Path, words: str, message: str) -> None:
    lines = [f"{name},1,{word}" for name, word in zip(("a/0.png", "a/1.png", "b/2.png", "b/3.png"), words.split(","), strict=True)]
    (photos / "in" / "list.csv").write_text("\n".join(["path,kind,part", *lines]))
    with pytest.raises(DataError) as caught:
        data.describe(data_layer("in/list.csv", image_column="path", label_column="kind", part_column="part"), "TRAIN", photos)
    assert message in str(caught.value)


ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown column": ({"image_column": "paths"}, "There is no column 'paths' (`image_column`). Did you mean 'path'?"),
    "unknown label": ({"image_column": "path", "label_column": "kinds"}, "There is no column 'kinds' (`label_column`)."),
    "no label": ({"image_column": "path"}, "There are 2 columns besides the images. Set `label_column` to one of them: kind, size."),
    "images as label": ({"image_column": "path", "label_column": "path"}, "Column 'path' has the images. Name another `label_column`."),
    "columns": ({"image_column": "path", "columns": ["size"]}, "With `image_column` the net reads images only."),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(photos: Path, case: str) -> None:
    fields, message = ERRORS[case]
    with pytest.raises(DataError) as caught:
        Tables(photos).reader(data_layer("in/list.csv", **fields), "TRAIN")
    assert message in str(caught.value)


def test_only_tables_have_columns(photos: Path) -> None:
    with pytest.raises(DataError, match="`image_column` is for tables .* and 'in' is not a table"):
        Tables(photos).reader(data_layer("in", image_column="path"), "TRAIN")
