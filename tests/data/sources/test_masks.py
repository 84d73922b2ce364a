"""Images with masks: folders, tables and arrays; masks move with their images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netc import data
from netc.data import TopSpec
from netc.errors import DataError
from tests.data.layers import data_layer
from tests.data.sources.test_image_folder import whole

RNG = np.random.default_rng(0)
MASK = RNG.integers(0, 4, (5, 6, 8), dtype=np.uint8)


def save(path: Path, values: np.ndarray, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    if mode == "P":
        image.putpalette([7 * k % 256 for k in range(768)])
    (image.convert(mode) if mode == "RGB" else image).save(path)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Five color images whose red channel is ten times the mask, in two folders, and a table of the pairs."""
    for k, mask in enumerate(MASK):
        save(tmp_path / "photos" / f"{k // 3}/{k}.png", np.stack([10 * mask, mask, mask], -1), "RGB")
        save(tmp_path / "masks" / f"{k // 3}/{k}.png", mask, "LP"[k % 2])
    lines = "".join(f"photos/{k // 3}/{k}.png,masks/{k // 3}/{k}.png,{'test' if k > 2 else 'train'}\n" for k in range(5))
    (tmp_path / "list.csv").write_text(f"photo,mask,part\n{lines}")
    return tmp_path


@pytest.mark.parametrize("source, fields", [
    ("photos", {"mask_folder": "masks"}),
    ("list.csv", {"image_column": "photo", "label_column": "mask"}),
])  # fmt: skip
def test_pairs(pairs: Path, source: str, fields: dict[str, Any]) -> None:
    layer = data_layer(source, shuffle=False, classes=["sky", "tree", "road", "car"], **fields)
    description, x, y = whole(layer, "TRAIN", pairs)
    assert description.tops == (TopSpec("float32", (3, 6, 8)), TopSpec("int64", (6, 8), mask=True))
    assert description.classes == ("sky", "tree", "road", "car")
    np.testing.assert_array_equal(y, MASK)
    np.testing.assert_array_equal(x[:, 0], 10 * MASK)


def test_parts_of_a_table(pairs: Path) -> None:
    fields: dict[str, Any] = {"image_column": "photo", "label_column": "mask", "part_column": "part"}
    for phase, wanted in (("TRAIN", MASK[:3]), ("TEST", MASK[3:])):
        np.testing.assert_array_equal(whole(data_layer("list.csv", shuffle=False, **fields), phase, pairs)[2], wanted)


MOVES = "mirror: true", "crop_size: 5", "crop_size: 4 mirror: true", "mirror: true pad: 2", "vertical_flip: true"


@pytest.mark.parametrize("transform", ["", *MOVES])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_masks_move_with_their_images(pairs: Path, transform: str, phase: str) -> None:
    np.savez(pairs / "rows.npz", data=np.stack([10 * MASK, MASK, MASK], 1), label=MASK)
    for layer in (data_layer("photos", mask_folder="masks", transform=transform), data_layer("rows.npz", transform=transform)):
        feed = data.open(layer, phase, 3, pairs)
        seen = [feed.batch(k) for k in range(6)]
        for x, y in seen:
            np.testing.assert_array_equal(x[:, 0], 10 * y)
        again = data.open(layer, phase, 3, pairs).batch(2)
        np.testing.assert_array_equal(again[1], seen[2][1])


def test_resizing_keeps_classes(pairs: Path) -> None:
    layer = data_layer("photos", mask_folder="masks", transform="resize_height: 12 resize_width: 16", shuffle=False)
    _, x, y = whole(layer, "TRAIN", pairs)
    assert x.shape == (5, 3, 12, 16)
    np.testing.assert_array_equal(y, MASK.repeat(2, 1).repeat(2, 2))


def test_arrays_of_bytes_and_of_integers(tmp_path: Path) -> None:
    images = RNG.integers(0, 255, (5, 3, 6, 8), dtype=np.uint8)
    for label in (MASK, MASK.astype(np.int32), MASK[:, None].astype(np.int64)):
        np.savez(tmp_path / "rows.npz", data=images, label=label)
        description, _, y = whole(data_layer("rows.npz", shuffle=False), "TRAIN", tmp_path)
        assert description.tops[1] == TopSpec("int64", label.shape[1:], mask=True) and y.dtype == np.int64
        np.testing.assert_array_equal(y, label)
    np.savez(tmp_path / "rows.npz", data=images, label=MASK[:, :5])
    assert data.describe(data_layer("rows.npz"), "TRAIN", tmp_path).tops[1] == TopSpec("float32", (5, 8))


def broken(pairs: Path, how: str) -> None:
    if how == "missing":
        (pairs / "masks/1/4.png").unlink()
    elif how == "colors":
        save(pairs / "masks/1/4.png", MASK[4], "RGB")
    elif how == "size":
        save(pairs / "masks/1/4.png", MASK[4, :5])
    elif how == "text":
        (pairs / "masks/1/4.png").write_text("no image")


@pytest.mark.parametrize("source, fields, how, said", [
    ("photos", {"mask_folder": "masks"}, "missing", "masks: 1 of 5 images of .*photos have no mask here: 1/4.png. Did you mean '1/3'"),
    ("photos", {"mask_folder": "masks"}, "colors", "masks/1/4.png: it has colors .* A mask has the numbers of classes: one channel"),
    ("photos", {"mask_folder": "masks"}, "size", "masks/1/4.png: The mask is 5 x 8, and its image .*photos/1/4.png is 6 x 8."),
    ("photos", {"mask_folder": "masks"}, "text", "masks/1/4.png: it is not an image in one of the formats"),
    ("photos", {"mask_folder": "nowhere"}, "", "nowhere: There is no such folder."),
    ("masks/0", {"mask_folder": "photos"}, "", "3 of 3 images of .* have no mask here: 0.png, 1.png, 2.png."),
    ("list.csv", {"mask_folder": "masks"}, "", "`mask_folder` is for a folder of images, and 'list.csv' is none."),
    ("list.csv", {"image_column": "photo", "label_column": "mask"}, "missing", "list.csv:6:16: Column 'mask' is 'masks/1/4.png'. Expected"),
    ("list.csv", {"image_column": "photo", "label_column": "mask"}, "size", "masks/1/4.png: The mask is 5 x 8, and its image"),
])  # fmt: skip
def test_errors(pairs: Path, source: str, fields: dict[str, Any], how: str, said: str) -> None:
    broken(pairs, how)
    with pytest.raises(DataError, match=said):
        layer = data_layer(source, **fields)
        data.Tables(pairs).reader(layer, "TRAIN").open(0).batch(0)
