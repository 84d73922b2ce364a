"""Folders of images, made here."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netc import data
from netc.data import TopSpec, read_image
from netc.data.sources import image_folder
from netc.errors import DataError
from netc.netc_pb2 import LayerParameter
from tests.data.layers import columns_of, data_layer
from tests.some import some


def save(path: Path, shape: tuple[Any, ...], value: tuple[int, int, int] | int, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, red dogs and blue cats, of 4 x 6 pixels."""
    for i in range(3):
        save(tmp_path / "pets" / "dog" / f"{i}.png", (4, 6, 3), (200 + i, 0, 0))
    save(tmp_path / "pets" / "cat" / "a.PNG", (4, 6, 3), (0, 0, 100))
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "pets" / ".hidden").mkdir()
    return tmp_path


def whole(layer: LayerParameter, phase: str, base: Path) -> tuple[data.Description, np.ndarray, np.ndarray]:
    description = data.describe(layer, phase, base)
    layer.data_param.batch_size = some(description.rows)
    images, labels = data.open(layer, phase, 0, base).batch(0)
    return description, images, labels


def test_classes_files_and_pixels_in_order(folder: Path) -> None:
    description, x, y = whole(data_layer("pets", shuffle=False), "TRAIN", folder)
    assert description.tops == (TopSpec("float32", (3, 4, 6)), TopSpec("int64", ()))
    assert description.classes == ("cat", "dog") and description.rows == 4 and y.tolist() == [0, 1, 1, 1]
    assert x[:, 0, 1, 2].tolist() == [0, 200, 201, 202] and x[:, 2, 3, 5].tolist() == [100, 0, 0, 0]


def test_too_many_to_keep_are_decoded_when_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = data.open(data_layer("pets", 3), "TRAIN", 0, folder)
    monkeypatch.setattr(image_folder, "MEMORY", 100)
    asked = data.open(data_layer("pets", 3), "TRAIN", 0, folder)
    assert isinstance(columns_of(asked)[0], image_folder.Images) and isinstance(columns_of(kept)[0], np.ndarray)
    assert all(np.array_equal(a.batch(i)[0], b.batch(i)[0]) for a, b in [(kept, asked)] for i in range(4))


def test_grey_stays_grey_unless_forced(tmp_path: Path) -> None:
    save(tmp_path / "g" / "a" / "0.png", (2, 2), 7)
    for transform, channels in (("", 1), ("force_color: true", 3), ("force_gray: true", 1)):
        description, x, _ = whole(data_layer("g", transform=transform), "TRAIN", tmp_path)
        assert description.tops[0].shape == (channels, 2, 2) and np.unique(x).tolist() == [7]
    save(tmp_path / "g" / "b" / "0.png", (2, 2, 3), 9)
    assert data.describe(data_layer("g"), "TRAIN", tmp_path).tops[0].shape == (3, 2, 2)


def test_sizes_differ(folder: Path) -> None:
    save(folder / "pets" / "dog" / "big.jpg", (9, 9, 3), 50, quality=95)
    with pytest.raises(DataError, match=r"big.jpg is 9 x 9.. Set `resize_height` and `resize_width`"):
        data.describe(data_layer("pets"), "TRAIN", folder)
    layer = data_layer("pets", transform="resize_height: 8 resize_width: 5 crop_size: 3")
    description, x, _ = whole(layer, "TRAIN", folder)
    assert description.tops[0].shape == x.shape[1:] == (3, 3, 3)


def test_train_and_test_folders(folder: Path) -> None:
    (folder / "pets").rename(folder / "train")
    save(folder / "test" / "dog" / "x.png", (4, 6, 3), 1)
    description, _, y = whole(data_layer("."), "TEST", folder)
    assert description.rows == 1 and description.classes == ("cat", "dog") and y.tolist() == [1]
    assert data.describe(data_layer("."), "TRAIN", folder).rows == 4
    save(folder / "test" / "cow" / "x.png", (4, 6, 3), 1)
    with pytest.raises(DataError, match="test: The training images have no classes cow"):
        data.describe(data_layer("."), "TEST", folder)


def test_another_folder_for_tests(folder: Path) -> None:
    save(folder / "other" / "dog" / "x.png", (4, 6, 3), 1)
    assert whole(data_layer("pets", test_source="other"), "TEST", folder)[2].tolist() == [1]


@pytest.mark.parametrize("transform", ["", "resize_height: 4 resize_width: 6 force_color: true"])
def test_every_image_that_cannot_be_decoded_is_named(folder: Path, transform: str) -> None:
    (folder / "pets" / "cat" / "bad.png").write_bytes(b"not an image")
    good = (folder / "pets" / "dog" / "0.png").read_bytes()
    (folder / "pets" / "dog" / "empty.jpg").touch()
    with pytest.raises(DataError, match=r"(?s)Cannot decode .*cat/bad.png.*Cannot decode .*dog/empty.jpg"):
        data.open(data_layer("pets", transform=transform), "TRAIN", 0, folder)
    for name in ("cat/bad.png", "dog/empty.jpg"):
        (folder / "pets" / name).unlink()
    (folder / "pets" / "dog" / "short.png").write_bytes(good[:-30])
    with pytest.raises(DataError, match=r"Cannot decode .*dog/short.png"):
        data.open(data_layer("pets", transform=transform), "TRAIN", 0, folder)


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 1000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(
        DataError, match="deep.png: its pixels have more than 8 bits per channel .Pillow's mode 'I(;16)?'.. Convert it to 8 bits"
    ):
        read_image(tmp_path / "deep.png", 1)


def test_read_image_resizes(tmp_path: Path) -> None:
    save(tmp_path / "i.png", (4, 6, 3), (1, 2, 3))
    image = read_image(tmp_path / "i.png", 3, 2, 5)
    assert image.dtype == np.uint8 and image.shape == (3, 2, 5) and image[:, 1, 4].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "transform, message",
    [
        ("resize_height: 3", "Only one of `resize_height` and `resize_width` is set. Set both or neither"),
        ("force_color: true force_gray: true", "Both `force_color` and `force_gray` are set. Remove one of them"),
    ],
)
def test_errors(folder: Path, transform: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        data.describe(data_layer("pets", transform=transform), "TRAIN", folder)


def test_no_images(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(
        DataError,
        match="test_no_images0: There are no folders of images, one per class .searched for .apng .bmp .dib .gif .jfif .jpe .jpeg .jpg ",
    ):
        data.describe(data_layer("."), "TRAIN", tmp_path)


SKIP = "on_error: SKIP"


@pytest.mark.parametrize("memory", [image_folder.MEMORY, 1])
def test_what_cannot_be_decoded_is_skipped_where_that_is_asked_for(folder: Path, memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_folder, "MEMORY", memory)
    (folder / "pets" / "cat" / "bad.png").write_bytes(b"not an image")
    good = (folder / "pets" / "dog" / "2.png").read_bytes()
    (folder / "pets" / "dog" / "2.png").write_bytes(good[:-30])  # its header is whole
    source = data.open(data_layer("pets", 5, transform=SKIP, shuffle=False), "TRAIN", 0, folder)
    assert source.rows == 5 and isinstance(columns_of(source)[0], image_folder.Images) == (memory == 1)
    x, y = source.batch(0)
    # cat/a, cat/bad, dog/0, dog/1, dog/2: what follows a bad one stands in for it, with its own label, around the end
    assert x[:, 0, 1, 2].tolist() == [0, 200, 200, 201, 0] and y.tolist() == [0, 1, 1, 1, 0]
    assert [text.split("pets/")[1].split(":")[0] for text in source.skipped()] == ["cat/bad.png", "dog/2.png"]
    again = data.open(data_layer("pets", 2, transform=SKIP, shuffle=False), "TRAIN", 0, folder)
    assert np.array_equal(again.batch(2)[0], np.concatenate([x[4:], x[:1]]))  # as after a resume: nothing hangs on what was read before


def test_a_row_set_apart_for_tests_never_stands_in(folder: Path) -> None:
    for k in range(12):
        save(folder / "pets" / "dog" / f"{k}.png", (4, 6, 3), (k + 1, 1, 1))
    for k in (1, 4, 5):
        (folder / "pets" / "dog" / f"{k}.png").write_bytes(b"")
    layer = data_layer("pets", 1, transform=SKIP + " resize_height: 4 resize_width: 6 force_color: true", test_fraction=0.5, shuffle=False)
    seen = {}
    for phase in ("TRAIN", "TEST"):
        source = data.open(layer, phase, 0, folder)
        seen[phase] = {float(source.batch(k)[0][0, 0, 0, 0]) for k in range(some(source.rows))}
    assert not seen["TRAIN"] & seen["TEST"] and len(seen["TRAIN"] | seen["TEST"]) == 10


def test_nothing_that_can_be_decoded(folder: Path) -> None:
    for path in (folder / "pets").rglob("?.*"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="None of the 4 images can be opened. The first is "):
        data.describe(data_layer("pets", transform=SKIP), "TRAIN", folder)
    with pytest.raises(DataError, match="a.PNG. it is not an image in one of the formats BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP"):
        data.open(data_layer("pets", transform=SKIP + " resize_height: 4 resize_width: 6 force_color: true"), "TRAIN", 0, folder).batch(0)


def test_names_of_classes_that_no_list_of_labels_can_hold(folder: Path) -> None:
    """Found before the run: labels.txt is UTF-8, a class a line."""
    for name in (b"caf\xe9", b"two\nlines", b"tab\there", "line\u2028break".encode()):
        save(folder / "pets" / os.fsdecode(name) / "a.png", (4, 6, 3), 1)
    with pytest.raises(DataError) as caught:
        data.describe(data_layer("pets"), "TRAIN", folder)
    assert len(caught.value.diagnostics) == 4
    assert "pets: The class name 'caf\\udce9' is not UTF-8. Rename it" in str(caught.value)
    assert "'two\\nlines' is empty, or contains a line break or a control character" in str(caught.value)


def test_images_in_formats_that_are_not_read_are_counted(folder: Path) -> None:
    for name in ("x.heic", "y.AVIF"):
        (folder / "pets" / "dog" / name).touch()
    save(folder / "pets" / "cat" / "b.jfif", (4, 6, 3), 9, format="JPEG")
    source = data.open(data_layer("pets", 1), "TRAIN", 0, folder)
    assert source.rows == 5
    assert source.notes() == [f"2 images have a format that netc does not read: skipped (such as {folder}/pets/dog/x.heic)"]


def test_images_that_changed_are_looked_at_again(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "photos" / name / "1.png")
    assert image_folder.common_size(tmp_path / "photos") == (8, 8)
    for name in "ab":
        Image.new("L", (6, 9)).save(tmp_path / "photos" / name / "1.png")
    assert image_folder.common_size(tmp_path / "photos") == (9, 6)
