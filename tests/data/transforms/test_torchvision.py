"""Operations on one image against values recorded from torchvision, in float32 with values from 0 to 1: equal to 1e-5."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netc.data.transforms import color
from netc.data.transforms.geometry import Window, moved
from tests.data.transforms.record_torch import ANGLES, CROPS, FACTORS, FILE, HUES, SIZES, images

CLOSE = 1e-5
WHOLE = (0, 0, 15, 18)
Operation = Callable[[np.ndarray, Any], np.ndarray]


def changed(function: Callable[..., None]) -> Operation:
    """An operation in place as a function of bytes and a parameter."""

    def apply(image: np.ndarray, value: Any) -> np.ndarray:
        made = image.astype(np.float32)
        function(made, value)
        return made

    return apply


def turned(region: tuple[int, int, int, int] = WHOLE, nearest: bool = False) -> Operation:
    return lambda image, angle: moved(image, Window(*region, angle), region[2:], "constant", nearest=nearest)


def cropped(size: tuple[int, int]) -> Operation:
    return lambda image, crop: moved(image, Window(*crop), size, "constant")


ROWS: dict[str, tuple[Operation, Any]] = {
    "rotate": (turned(), ANGLES),
    "rotate_nearest": (turned(nearest=True), ANGLES[:3]),
    "rotate_crop": (turned(CROPS[0]), ANGLES),
    "brightness": (changed(color.brighten), FACTORS),
    "contrast": (changed(color.contrast), FACTORS),
    "contrast_gray": (lambda image, value: changed(color.contrast)(image[:1], value), FACTORS),
    "saturation": (changed(color.saturate), FACTORS),
    "hue": (changed(color.shift_hue), HUES),
    "grayscale": (lambda image, _: changed(lambda made, _: color.decolor(made))(image, 0), (0,)),
    **{f"resized_crop_{size[0]}x{size[1]}": (cropped(size), CROPS) for size in SIZES},
}


def test_every_recorded_operation_has_a_row() -> None:
    assert set(np.load(FILE)) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_equals_torchvision(name: str) -> None:
    operation, values = ROWS[name]
    recorded = np.load(FILE)[name]
    assert recorded.shape[:2] == (len(values), len(images()))
    for value, wanted in zip(values, recorded, strict=True):
        for image, one in zip(images(), wanted, strict=True):
            assert np.abs(operation(image, value) / 255 - one).max() < CLOSE


def test_order_of_the_channels() -> None:
    image = images()[0].astype(np.float32)
    for function in (color.shift_hue, color.saturate, color.contrast):
        given, reversed_ = image.copy(), image[::-1].copy()
        function(given, 0.3)
        function(reversed_, 0.3, color.BGR)
        assert np.array_equal(given, reversed_[::-1])


def test_nothing_changes_at_neutral_parameters() -> None:
    image = images()[1].astype(np.float32)
    for function, value in ((color.brighten, 1.0), (color.contrast, 1.0), (color.saturate, 1.0), (color.shift_hue, 0.0)):
        assert np.abs(changed(function)(image, value) - image).max() < 1e-4
    assert np.array_equal(moved(image, Window(*WHOLE), WHOLE[2:], "constant"), image)


@pytest.mark.parametrize("border", ["constant", "reflect", "edge"])
def test_a_rotation_beyond_the_border_equals_that_of_a_wider_image(border: Any) -> None:
    image = images()[1].astype(np.float32)
    fill = np.array([10, 20, 30], np.float32).reshape(3, 1, 1)
    sides = [(0, 0), (12, 12), (12, 12)]
    if border == "constant":
        wide = np.stack([np.pad(channel, 12, constant_values=value) for channel, value in zip(image, (10, 20, 30), strict=True)])
    else:
        wide = np.pad(image, sides, mode=border)
    top, left, height, width = WHOLE
    got = moved(image, Window(*WHOLE, 33), (height, width), border, fill)
    wanted = moved(wide, Window(top + 12, left + 12, height, width, 33), (height, width), "constant")
    assert np.abs(got - wanted).max() < 1e-3
