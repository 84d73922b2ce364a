"""The drawn images with boxes: the same bytes everywhere, boxes around what is visible."""

from hashlib import sha256

import numpy as np
import pytest

from netc.data import describe
from netc.data.named.drawn_boxes import HIDDEN, LEAST, drawn_boxes
from tests.data.detection.scenes import layer
from tests.data.named.records import builtin

HASHES = {
    "TRAIN": "7b10d803d41373de32ca26c8591df8de40fdf33f8d2a042f017d6755cfada964",
    "TEST": "70a52adc88f6a1f2d2322e4fab9dea99f412b5af1f7dd05a97f7269d2b344f96",
}


@pytest.mark.parametrize("phase", HASHES)
def test_bytes(phase: str) -> None:
    data = drawn_boxes(builtin("shape_boxes"), phase)
    boxes = data.boxes()
    digest = sha256(np.stack([data.image(row) for row in range(data.count)]).tobytes() + np.concatenate(boxes).astype("<f4").tobytes())
    assert digest.hexdigest() == HASHES[phase]
    assert data.count == {"TRAIN": 2000, "TEST": 400}[phase] and 0 < LEAST < HIDDEN < 1


def test_boxes() -> None:
    data = drawn_boxes(builtin("shape_boxes"), "TEST")
    flat = np.concatenate(data.boxes())
    assert set(flat[:, 0].astype(int)) == {1, 2, 3} and len(data.classes) == 4
    assert 0.02 < flat[:, 6].mean() < 0.3 and flat[:, 2:6].min() >= 0 and flat[:, 2:6].max() <= 1
    sides = flat[:, 4:6] - flat[:, 2:4]
    assert sides.min() * 96 > 10 and np.median(sides) * 96 > 35


def test_the_parts() -> None:
    assert [describe(layer("shape_boxes"), phase).rows for phase in ("TRAIN", "TEST")] == [2000, 400]
    assert describe(layer("shape_boxes"), "TRAIN").set_apart
