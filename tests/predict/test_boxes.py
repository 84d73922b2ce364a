"""Predictions of boxes: pixels of the picture for every way of resizing, tables, JSON, and pictures."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from PIL import Image

from netc import netc_pb2 as pb
from netc.data.detection.boxes import within
from netc.data.detection.fitting import Fit, in_image, is_fit
from netc.data.detection.resizing import resized
from netc.errors import DataError
from netc.predict.boxes import BoxPrediction, detects, found_boxes, outlined
from netc.predict.results import FORMS
from netc.predict.rows import Reading

LABELS = ["background", "cat", "dog"]
ROWS = np.array([[0, 2, 0.6, 0.5, 0.5, 1.2, 1], [0, 1, 0.9, 0.1, 0.2, 0.3, 0.4], [0, 1, 0.4, 0, 0, 1, 1], [0, -1, -1, -1, -1, -1, -1]])
METADATA: dict[str, Any] = {"boxes": ["found"]}
MODES = {
    "warp": (pb.ResizeParameter(height=30, width=20), (30, 20)),
    "crop": (pb.ResizeParameter(height=30, width=20), (24, 14)),
    "pad": (pb.ResizeParameter(height=30, width=20, resize_mode="FIT_LARGE_SIZE_AND_PAD"), (30, 20)),
    "small": (pb.ResizeParameter(height=30, width=20, resize_mode="FIT_SMALL_SIZE"), (20, 20)),
}


def picture(folder: Path, name: str = "a.png", size: tuple[int, int] = (40, 60)) -> str:
    """A picture in a folder."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return str(folder / name)


def prediction(path: str, least: float | None = None, rows: np.ndarray = ROWS) -> BoxPrediction:
    return found_boxes(path, {"found": rows[None, None]}, METADATA, LABELS, (30, 20), least)


def test_objects_in_pixels_of_the_picture(tmp_path: Path) -> None:
    found = prediction(picture(tmp_path)).found
    assert [(one.name, one.label, one.score) for one in found] == [("cat", 1, 0.9), ("dog", 2, 0.6)]
    np.testing.assert_allclose([one.corners for one in found], [[6, 8, 18, 16], [30, 20, 60, 40]])
    assert len(prediction(picture(tmp_path), least=0.3).found) == 3 and detects(METADATA) and not detects({})


def test_an_array_has_parts_and_no_picture() -> None:
    found = prediction("rows.npy[0]")
    np.testing.assert_allclose(found.found[0].corners, [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(DataError, match="Boxes can only be drawn into pictures"):
        _ = found.picture


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(40, 60), (90, 50), (30, 20)])
def test_the_way_back_is_that_of_the_input(mode: str, size: tuple[int, int]) -> None:
    """A box of an image, moved as testing moves it and back, is the same up to the pixels that whole sizes round."""
    param, shape = MODES[mode]
    fit, box = Fit(param, shape), np.array([[1, 0, 0.45, 0.42, 0.55, 0.58, 0]], np.float32)
    image = np.random.default_rng(0).integers(0, 256, (3, *size)).astype(np.uint8)
    assert fit.image(image).shape == (3, *shape)
    whole = resized(image, param, None)
    height, width = whole.image.shape[1:]
    top, left = (height - shape[0]) // 2, (width - shape[1]) // 2
    moved = within(within(box, whole.region), (left / width, top / height, (left + shape[1]) / width, (top + shape[0]) / height))
    np.testing.assert_allclose(in_image(moved[:, 2:6], fit.region(*size)), box[:, 2:6], atol=1e-5)


def test_a_model_reads_pictures_as_its_test_did(tmp_path: Path) -> None:
    from netc.data import LeftOut

    param = pb.ResizeParameter(height=12, width=10, interp_mode=["LINEAR"], resize_mode="FIT_LARGE_SIZE_AND_PAD")
    said = {"resize_param": MessageToDict(param, preserving_proto_field_name=True), "channels": "BGR"}
    assert is_fit(said["resize_param"]) and not is_fit({"height": 3}) and not is_fit("x") and not is_fit({"hight": 3})
    path = picture(tmp_path)
    ((_, row),) = Reading(("N", 3, 12, 10), 0, said, None, LeftOut()).rows(path)
    pixels = np.asarray(Image.open(path)).transpose(2, 0, 1)[::-1]
    np.testing.assert_array_equal(row, resized(pixels, param, None).image)


def test_text_tables_and_json(tmp_path: Path) -> None:
    first, none = prediction(picture(tmp_path)), prediction(picture(tmp_path, "b.png"), least=0.95)
    assert first.text.splitlines()[0].endswith("a.png: cat 0.9000 at 6 8 18 16") and none.text.endswith("b.png: no objects")
    lines = FORMS[".csv"]([first, none]).decode().splitlines()
    assert (
        lines[0] == "input,class,score,xmin,ymin,xmax,ymax"
        and len(lines) == 3
        and lines[2].split(",")[1:] == ["dog", "0.6", *["30", "20", "60", "40"]]
    )
    said = json.loads(FORMS[".json"]([first, none]))
    assert said[1]["objects"] == [] and said[0]["objects"][0] == {
        "class": "cat",
        "score": 0.9,
        "xmin": 6,
        "ymin": 8,
        "xmax": 18,
        "ymax": 16,
    }
    with pytest.raises(DataError, match="There are no objects to write"):
        FORMS[".csv"]([none])


def test_boxes_are_drawn_at_their_place(tmp_path: Path) -> None:
    path = picture(tmp_path, size=(80, 120))
    drawn = np.asarray(Image.open(io.BytesIO(prediction(path).picture)).convert("RGB")).astype(int)
    before = np.asarray(Image.open(path)).astype(int)
    assert drawn.shape == before.shape
    changed = (drawn != before).any(2)
    x1, y1, x2, y2 = 60, 40, 120, 80  # of the dog
    assert (
        changed[y1:y2, x2 - 1].mean() > 0.9 and changed[y2 - 1, x1:x2].mean() > 0.9 and not changed[y1 + 18 : y2 - 4, x1 + 4 : x2 - 4].any()
    )
    assert np.asarray(outlined(np.zeros((1, 9, 9), np.uint8), ())).shape == (9, 9, 3)
