"""Augmentation of the rows of a layer: what depends on what, the order of the operations, how often and how far they go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from netc import data
from netc import netc_pb2 as pb
from netc.data.source import Request, TopSpec
from netc.data.transforms import color
from netc.data.transforms.checks import AUGMENTATIONS, unfinished
from netc.data.transforms.geometry import Window, moved
from netc.data.transforms.luck import PER_REGION, Luck, central, region
from netc.data.transforms.rows import Transform, transform
from netc.errors import DataError
from tests.data.layers import data_layer

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 3, 14, 17), dtype=np.uint8)
ALL = "rotation: 20 random_resized_crop { } mirror: true vertical_flip: true color_jitter { brightness: 0.4 contrast: 0.4 saturation: 0.4 "
ALL += "hue: 0.1 } random_grayscale: 0.2 random_erasing { } crop_size: 9 mean_value: 100 scale: 0.01"
ROWS = {
    "mirror": "mirror: true",
    "pad": "pad: 2 pad_mode: REFLECT",
    "vertical_flip": "vertical_flip: true",
    "rotation": "rotation: 30 mean_value: 9",
    "random_resized_crop": "random_resized_crop { scale: [0.3, 1] }",
    "color_jitter": "color_jitter { brightness: 0.4 contrast: 0.4 saturation: 0.4 hue: 0.2 }",
    "random_grayscale": "random_grayscale: 0.5",
    "random_erasing": "random_erasing { p: 0.7 }",
    "mixup_alpha": "mixup_alpha: 0.4",
    "cutmix_alpha": "cutmix_alpha: 1 mixup_alpha: 1",
    "all": ALL + " mixup_alpha: 0.2 cutmix_alpha: 1",
}
Batches = Callable[..., list[np.ndarray]]


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    """batches(transform, count, size, ...) -> one array for each top: `count` shuffled training rows in batches of `size`."""
    np.savez(tmp_path / "images.npz", data=IMAGES, label=np.arange(12))

    def make(param: str, count: int = 24, size: int = 4, phase: str = "TRAIN", seed: int = 0) -> list[np.ndarray]:
        opened = data.open(data_layer("images.npz", size, transform=param), phase, seed, tmp_path)
        parts = [opened.batch(k) for k in range(count // size)]
        return [np.concatenate(top) for top in zip(*parts, strict=True)]

    return make


def test_every_augmentation_has_a_row() -> None:
    assert set(AUGMENTATIONS) == set(ROWS) - {"all"}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_depends_on_seed_and_number_alone(batches: Batches, name: str) -> None:
    first = batches(ROWS[name])
    for other in (batches(ROWS[name], size=3), batches(ROWS[name], size=8), batches(ROWS[name] + " workers: 3", size=1)):
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert not np.array_equal(first[0], batches(ROWS[name], seed=1)[0])
    one, two = (first[0][part][np.argsort(first[1][part])] for part in (slice(0, 12), slice(12, 24)))
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("name", ROWS)
def test_testing_only_crops_and_normalises(batches: Batches, name: str) -> None:
    plain = " ".join(text for text in ("crop_size: 9 mean_value: 100 scale: 0.01", "mean_value: 9") if text in ROWS[name])
    plain = plain if name == "all" else "mean_value: 9" if name == "rotation" else ""
    got, wanted = batches(ROWS[name], 12, phase="TEST"), batches(plain, 12, phase="TEST")
    assert len(got) == 2 and all(np.array_equal(a, b) for a, b in zip(got, wanted, strict=True))


def transform_of(param: str, channels: str = "RGB", phase: str = "TRAIN", base: Path = Path(".")) -> Transform:
    layer = pb.LayerParameter(name="d")
    text_format.Parse(param, layer.transform_param)
    return transform(Request(layer, phase, 5, base), TopSpec("float32", IMAGES.shape[1:]), channels)


def test_the_order_of_the_operations() -> None:
    """Rotate, crop and resize, flip, jitter, gray, normalise, erase: step by step for each row."""
    luck, first = Luck(5, "d"), 40
    got, _ = transform_of(ALL)(IMAGES, first)
    halves, turns = luck.halves(first, 12), luck.uniform("rotation", 1, first, 12)
    crops, jitter = luck.uniform("random_resized_crop", PER_REGION, first, 12), luck.uniform("color_jitter", 5, first, 12)
    flips, erased = luck.uniform("vertical_flip", 1, first, 12), luck.uniform("random_erasing", PER_REGION + 1, first, 12)
    gray = 0
    for k, image in enumerate(IMAGES):
        box = region(crops[k], (14, 17), (0.08, 1), (3 / 4, 4 / 3), whole=True) or central((14, 17), (3 / 4, 4 / 3))
        window = Window(*box, float(2 * turns[k, 0] - 1) * 20, bool(halves[k, 2] >> 31), bool(flips[k, 0] > 0.5))
        made = moved(image, window, (9, 9), "constant", np.full((3, 1, 1), 100, np.float32)).copy()
        for change, value in ((color.brighten, 0.6), (color.contrast, 0.6), (color.saturate, 0.6)):
            change(made, value + 0.8 * jitter[k, (color.brighten, color.contrast, color.saturate).index(change)])
        color.shift_hue(made, 0.2 * jitter[k, 3] - 0.1)
        if jitter[k, 4] < 0.2:
            color.decolor(made)
            gray += 1
        made = (made - 100) * np.float32(0.01)
        if erased[k, 0] < 0.5 and (hole := region(erased[k, 1:], (9, 9), (0.02, 0.33), (0.3, 3.3), whole=False)):
            made[:, hole[0] : hole[0] + hole[2], hole[1] : hole[1] + hole[3]] = 0
        assert np.abs(got[k] - made).max() < 1e-5
    assert gray


def test_bgr_images_change_as_rgb_ones() -> None:
    param = "color_jitter { saturation: 0.5 hue: 0.3 contrast: 0.2 } random_grayscale: 0.3"
    rgb, bgr = transform_of(param)(IMAGES, 0)[0], transform_of(param, "BGR")(np.ascontiguousarray(IMAGES[:, ::-1]), 0)[0]
    assert np.array_equal(rgb, bgr[:, ::-1])


@pytest.mark.parametrize("param", ["mirror: true", "pad: 3", "pad: 2 pad_mode: EDGE", "crop_size: 6 vertical_flip: true"])
def test_masks_move_with_their_images(param: str) -> None:
    masks = IMAGES[:, 0].astype(np.int64)
    images, (moved_masks,) = transform_of(param)(IMAGES, 8, [masks])
    assert moved_masks.dtype == np.int64 and np.array_equal(images[:, 0], moved_masks)
    _, (same,) = transform_of(param.replace("crop_size: 6", ""), phase="TEST")(IMAGES, 8, [masks])
    assert np.array_equal(same, masks)
    _, (one_channel,) = transform_of(param)(IMAGES, 8, [masks[:, None]])
    assert np.array_equal(one_channel[:, 0], moved_masks)


@pytest.mark.parametrize(
    "param", ["rotation: 40 pad_mode: EDGE", "random_resized_crop { }", "rotation: 9 random_resized_crop { } crop_size: 8"]
)
def test_masks_keep_their_classes(param: str) -> None:
    """A mask that is 1 on the right half follows an image that is brighter there. No pixel of it is between the classes."""
    right = np.broadcast_to(np.arange(17) > 8, (12, 14, 17)).astype(np.int64)
    images = np.broadcast_to(255 * right[:, None], (12, 3, 14, 17)).astype(np.uint8)
    got, (masks,) = transform_of(param)(images, 0, [right])
    assert set(np.unique(masks)) <= {0, 1}
    clear = np.abs(got[:, 0] - 127.5) > 80
    assert np.mean((got[:, 0] > 127.5)[clear] == masks[clear]) > 0.97 and clear.mean() > 0.8


def test_a_mean_image_moves_with_its_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", IMAGES[0])
    rows = np.broadcast_to(IMAGES[:1], IMAGES.shape)
    for param in ("rotation: 30", "random_resized_crop { }", "vertical_flip: true mirror: true crop_size: 7", "pad: 3 rotation: 5"):
        got, _ = transform_of(f'{param} mean_file: "mean.npy"', base=tmp_path)(rows, 0)
        assert np.abs(got).max() < 1e-3


def test_what_lies_beyond_the_border_is_zero_after_normalisation() -> None:
    rows = np.full_like(IMAGES, 200)
    got, _ = transform_of("rotation: 45 mean_value: [10, 20, 30] scale: 0.5")(rows, 0)
    inside = np.array([190, 180, 170], np.float32).reshape(3, 1, 1) / 2
    assert np.all((got >= -1e-4) & (got <= inside + 1e-4)) and np.mean(np.abs(got) < 1e-4) > 0.02


def test_shares_of_random_changes() -> None:
    rows, first = np.repeat(IMAGES, 100, axis=0), 0

    def share(param: str, wanted: Callable[[np.ndarray], np.ndarray]) -> float:
        return float(np.mean(np.all(transform_of(param)(rows, first)[0] == wanted(rows), axis=(1, 2, 3))))

    assert share("vertical_flip: true", lambda x: x[:, :, ::-1]) == pytest.approx(0.5, abs=0.05)
    assert share("random_erasing { p: 0.3 }", lambda x: x) == pytest.approx(0.7, abs=0.05)
    gray = transform_of("random_grayscale: 0.2")(rows, first)[0]
    assert np.mean(np.all(gray[:, 0] == gray[:, 2], axis=(1, 2))) == pytest.approx(0.2, abs=0.04)
    holes = np.mean(transform_of("random_erasing { p: 1 scale: [0.1, 0.2] }")(np.full_like(rows, 9), first)[0] == 0, axis=(1, 2, 3))
    assert 0.07 < holes.min() < 0.12 < 0.18 < holes.max() < 0.23 and np.mean(holes) == pytest.approx(0.15, abs=0.01)


def test_regions_have_the_area_and_the_ratio_that_are_asked_for() -> None:
    found = [region(u, (300, 400), (0.2, 0.5), (0.5, 2), whole=True) for u in Luck(0, "x").uniform("f", PER_REGION, 0, 400)]
    boxes = np.array([box for box in found if box])
    area, ratio = boxes[:, 2] * boxes[:, 3] / 120000, boxes[:, 3] / boxes[:, 2]
    assert len(boxes) > 390 and 0.19 < area.min() < 0.22 < 0.48 < area.max() < 0.51 and 0.49 < ratio.min() < 0.55 < 1.8 < ratio.max() < 2.02
    assert np.all(boxes[:, :2] >= 0) and np.all(boxes[:, 0] + boxes[:, 2] <= 300) and np.all(boxes[:, 1] + boxes[:, 3] <= 400)
    assert region(np.full(PER_REGION, 0.5), (10, 400), (1, 1), (1, 1), whole=True) is None
    assert central((10, 400), (0.75, 1.5)) == (0, 192, 10, 15) and central((400, 10), (0.5, 2)) == (190, 0, 20, 10)


@pytest.mark.parametrize(
    "param, field, message",
    [
        ("pad: 2 random_resized_crop { }", "pad", "`pad` and `random_resized_crop` both choose the region"),
        ("random_resized_crop { scale: 0.5 }", "random_resized_crop", r"scale: \[0.5\].*Expected two numbers, the lowest and the highest"),
        ("random_erasing { ratio: [2, 1] }", "random_erasing", r"ratio: \[2, 1\].*Expected two numbers"),
        ("crop_size: 20 random_erasing { scale: 1 }", "crop_size", "larger than the images, which are 14x17"),
    ],
)
def test_errors(batches: Batches, param: str, field: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        batches(param)
    assert caught.value.diagnostics[0].field == field


def test_all_errors_are_listed(batches: Batches) -> None:
    with pytest.raises(DataError) as caught:
        batches("crop_size: 20 random_erasing { scale: 1 } random_resized_crop { ratio: 1 }")
    assert [d.field for d in caught.value.diagnostics] == ["crop_size", "random_resized_crop", "random_erasing"]


@pytest.mark.parametrize(
    "rows, param, message",
    [
        (np.zeros((4, 1, 5, 5), np.uint8), "color_jitter { hue: 0.1 }", r"hue}` needs images of three channels, but these have 1"),
        (np.zeros((4, 2, 5, 5), np.uint8), "random_grayscale: 0.1", "`random_grayscale` needs images of three channels, but these have 2"),
        (np.zeros((4, 3, 5, 5), np.float32), "color_jitter { contrast: 0.1 }", "needs images of bytes, from 0 to 255, but .* are float32"),
        (np.zeros((4, 7), np.float32), "vertical_flip: true", r"`vertical_flip` needs images .channels, height, width., but"),
        (np.zeros((4, 7), np.float32), "cutmix_alpha: 1", "`cutmix_alpha` needs images"),
        (np.zeros((4, 7), np.float32), "random_erasing { }", "`random_erasing` needs images"),
    ],
)
def test_rows_that_cannot_be_augmented(tmp_path: Path, rows: np.ndarray, param: str, message: str) -> None:
    np.savez(tmp_path / "x.npz", data=rows, label=np.arange(4))
    with pytest.raises(DataError, match=message):
        data.open(data_layer("x.npz", transform=param), "TRAIN", 0, tmp_path).batch(0)


def test_workers_do_not_change_what_is_wrong(tmp_path: Path) -> None:
    """An error on a thread is that of the calling thread."""
    layer: Any = data_layer("x.npz", transform="workers: 2 rotation: 5")
    np.savez(tmp_path / "x.npz", data=np.zeros((4, 3, 600, 600), np.uint8), label=np.arange(4))
    opened = data.open(layer, "TRAIN", 0, tmp_path)
    assert opened.batch(0)[0].shape == (2, 3, 600, 600)


def test_a_source_that_cuts_its_images_out_only_mirrors_them() -> None:
    unfinished("x", pb.TransformationParameter(mirror=True, crop_size=4, scale=2))
    with pytest.raises(DataError, match="`rotation` cannot change them") as caught:
        unfinished("x", pb.TransformationParameter(mirror=True, rotation=4))
    assert caught.value.diagnostics[0].field == "rotation"


def test_too_many_workers(batches: Batches) -> None:
    with pytest.raises(DataError, match="`workers` is 5,000. Expected at most 256"):
        batches("workers: 5000")
