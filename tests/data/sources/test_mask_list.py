"""ImageSegData and DenseImageData: lists of images and masks."""

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from netc import data
from netc import netc_pb2 as pb
from netc.data import TopSpec
from netc.errors import DataError
from tests.data.sources.test_masks import MASK, save
from tests.layers.nets import about

DENSE = 'type: "DenseImageData" dense_image_data_param { source: "list.txt" batch_size: 2 %s }'
SEGMENTED = 'type: "ImageSegData" image_data_param { source: "list.txt" batch_size: 2 %s }'


def layer(text: str, tops: int = 2, transform: str = "") -> pb.LayerParameter:
    return text_format.Parse(
        f'name: "data" transform_param {{ {transform} }} {text}', pb.LayerParameter(top=["data", "label", "size"][:tops])
    )


def whole(layer: pb.LayerParameter, base: Path) -> tuple[data.Description, list[np.ndarray]]:
    """All rows of a layer in TEST."""
    described = data.describe(layer, "TEST", base)
    message = layer.image_data_param if layer.type == "ImageSegData" else layer.dense_image_data_param
    message.batch_size = described.rows or 0
    return described, list(data.open(layer, "TEST", 0, base).batch(0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five color images whose red channel is ten times the mask, and a list of the pairs."""
    for k, mask in enumerate(MASK):
        save(tmp_path / f"images/{k}.png", np.stack([10 * mask, mask, mask], -1), "RGB")
        save(tmp_path / f"masks/{k}.png", mask, "LP"[k % 2])
    (tmp_path / "list.txt").write_text("".join(f"images/{k}.png masks/{k}.png\n" for k in range(5)))
    return tmp_path


@about("ImageSegData", "DenseImageData")
@pytest.mark.parametrize("text", [DENSE % "", SEGMENTED % "label_type: PIXEL"])
def test_pairs(folder: Path, text: str) -> None:
    described, (x, y, *size) = whole(layer(text, 3 if "Seg" in text else 2), folder)
    assert described.tops[:2] == (TopSpec("float32", (3, 6, 8)), TopSpec("int64", (1, 6, 8), mask=True))
    np.testing.assert_array_equal(y[:, 0], MASK)
    np.testing.assert_array_equal(x[:, 2], 10 * MASK)  # red is last
    assert [s.tolist() for s in size] == [[[[[6.0, 8.0]]]] * 5] * len(size)


@pytest.mark.parametrize("text", [DENSE % "new_height: 3 new_width: 4", SEGMENTED % "label_type: PIXEL new_height: 3 new_width: 4"])
def test_masks_are_resized_by_the_nearest_pixel(folder: Path, text: str) -> None:
    x, y = whole(layer(text), folder)[1][:2]
    assert x.shape == (5, 3, 3, 4) and y.shape == (5, 1, 3, 4) and set(np.unique(y)) <= {0, 1, 2, 3}


def test_enets_smaller_masks(folder: Path) -> None:
    described, (x, y) = whole(layer(DENSE % "label_divide_factor: 2"), folder)
    assert x.shape == (5, 3, 6, 8) and y.shape == (5, 1, 3, 4) and not described.tops[1].mask


def test_masks_move_with_their_images(folder: Path) -> None:
    source = data.open(layer(SEGMENTED % "label_type: PIXEL", transform="crop_size: 4 mirror: true"), "TRAIN", 0, folder)
    for step in range(6):
        x, y = source.batch(step)[:2]
        assert x.shape == (2, 3, 4, 4)
        np.testing.assert_array_equal(x[:, 2], 10 * y[:, 0])


def test_a_label_for_all_pixels_and_none(folder: Path) -> None:
    (folder / "list.txt").write_text("images/0.png 3\nimages/1.png 7\n")
    y = whole(layer(SEGMENTED % ""), folder)[1][1]
    np.testing.assert_array_equal(y, np.broadcast_to(np.reshape([3, 7], (2, 1, 1, 1)), (2, 1, 6, 8)))
    (folder / "list.txt").write_text("images/0.png\nimages/1.png\n")
    assert set(whole(layer(SEGMENTED % "label_type: NONE"), folder)[1][1].reshape(-1)) == {255}


@pytest.mark.parametrize("text, listing, wanted", [
    (DENSE % "", "images/0.png\n", "Expected an image and its mask, got 'images/0.png'"),
    (SEGMENTED % "", "images/0.png masks/0.png\n", "Expected a whole number for each image, got 'masks/0.png'"),
    (DENSE % "", "\n", "The file lists no images"), (DENSE % "new_height: 3", "a b\n", "`new_height` is set and `new_width` is not"),
    (DENSE % "", "images/0.png masks/9.png\n", "masks/9.png"), (DENSE % "label_divide_factor: 0", "a b\n", "must be at least 1"),
])  # fmt: skip
def test_lists_that_are_wrong(folder: Path, text: str, listing: str, wanted: str) -> None:
    (folder / "list.txt").write_text(listing)
    with pytest.raises(DataError, match=wanted):
        whole(layer(text), folder)


def test_a_mask_of_another_size(folder: Path) -> None:
    save(folder / "masks/1.png", np.zeros((6, 7), np.uint8))
    with pytest.raises(DataError, match="The mask is 6 x 7, and its image"):
        whole(layer(DENSE % ""), folder)
