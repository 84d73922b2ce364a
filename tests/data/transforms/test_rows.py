"""Pad, crop, mirror, mean, scale and deviation, on images whose pixels say where they were."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc import netc_pb2 as pb
from netc.errors import DataError
from tests.data.layers import data_layer
from tests.some import some

IMAGES = np.arange(6 * 2 * 5 * 7, dtype=np.uint8).reshape(6, 2, 5, 7)


@pytest.fixture
def batch(tmp_path: Path) -> Callable[..., np.ndarray]:
    """batch(transform, phase, iteration, ...) -> the images of one batch of two, in file order."""
    np.savez(tmp_path / "images.npz", data=IMAGES, label=np.arange(6))

    def make(transform: str, phase: str = "TRAIN", iteration: int = 0, size: int = 2, seed: int = 0) -> np.ndarray:
        layer = data_layer("images.npz", size, transform=transform, shuffle=False)
        opened = data.open(layer, phase, seed, tmp_path)
        values = opened.batch(iteration)[0]
        assert values.dtype == np.float32 and values.shape[1:] == opened.description.tops[0].shape
        return values

    return make


def test_untouched_pixels_are_0_to_255(batch: Callable[..., np.ndarray]) -> None:
    assert np.array_equal(batch(""), IMAGES[:2])


def test_mean_before_scale_and_deviation_after(batch: Callable[..., np.ndarray]) -> None:
    want = (IMAGES[:2] - np.array([10, 20], np.float32).reshape(2, 1, 1)) * np.float32(0.5) / np.array([2, 4], np.float32).reshape(2, 1, 1)
    assert np.allclose(batch("mean_value: 10 mean_value: 20 scale: 0.5 std_value: 2 std_value: 4"), want)
    assert np.array_equal(batch("mean_value: 3"), IMAGES[:2].astype(np.float32) - 3)


def test_central_crop_without_mirror_in_test(batch: Callable[..., np.ndarray]) -> None:
    assert np.array_equal(batch("crop_size: 4 mirror: true", "TEST"), IMAGES[:2, :, 0:4, 1:5])


def windows(image: np.ndarray, size: int) -> Iterator[tuple[tuple[int, int, bool], np.ndarray]]:
    for y in range(image.shape[1] - size + 1):
        for x in range(image.shape[2] - size + 1):
            for flip in (False, True):
                window = image[:, y : y + size, x : x + size]
                yield (y, x, flip), (window[..., ::-1] if flip else window)


def test_training_crops_everywhere_and_mirrors_half(batch: Callable[..., np.ndarray]) -> None:
    seen = []
    for iteration in range(300):
        values = batch("crop_size: 4 mirror: true", iteration=iteration)
        for row, values_of_row in enumerate(values):
            image = IMAGES[(2 * iteration + row) % 6]
            (found,) = [where for where, window in windows(image, 4) if np.array_equal(window, values_of_row)]
            seen.append(found)
    assert {(y, x) for y, x, _ in seen} == {(y, x) for y in range(2) for x in range(4)}
    assert abs(np.mean([flip for *_, flip in seen]) - 0.5) < 0.08


def test_mirror_alone_keeps_the_size(batch: Callable[..., np.ndarray]) -> None:
    values = batch("mirror: true", size=6)
    flipped = [np.array_equal(v, i[..., ::-1]) for v, i in zip(values, IMAGES, strict=True)]
    assert all(f or np.array_equal(v, i) for f, v, i in zip(flipped, values, IMAGES, strict=True)) and any(flipped)


def test_luck_belongs_to_the_row_not_to_the_batch(batch: Callable[..., np.ndarray]) -> None:
    param = "crop_size: 3 mirror: true"
    assert np.array_equal(
        np.concatenate([batch(param, iteration=i) for i in range(6)]), np.concatenate([batch(param, iteration=i, size=4) for i in range(3)])
    )
    assert not np.array_equal(batch(param, size=6, seed=1), batch(param, size=6, seed=2))


def test_a_mean_file_is_cropped_and_mirrored_with_its_image(batch: Callable[..., np.ndarray], tmp_path: Path) -> None:
    blob = pb.BlobProto(data=IMAGES[0].ravel().tolist(), num=1, channels=2, height=5, width=7)
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    np.save(tmp_path / "mean.npy", IMAGES[0])
    for name in ("mean.binaryproto", "mean.npy"):
        # The other images differ from the first by a constant, so that only a mean moved in step leaves one value.
        values = batch(f'crop_size: 4 mirror: true mean_file: "{name}"', size=3)
        assert [np.unique(v).tolist() for v in values] == [[0], [70], [140]]


@pytest.mark.parametrize("mode, numpy_mode", [("CONSTANT", "constant"), ("REFLECT", "reflect"), ("EDGE", "edge")])
@pytest.mark.parametrize("crop", [0, 4])
def test_padding_gives_room_for_a_crop_anywhere(batch: Callable[..., np.ndarray], mode: Any, numpy_mode: Any, crop: int) -> None:
    param = f"pad: 2 pad_mode: {mode} mirror: true crop_size: {crop} mean_value: 10 mean_value: 20"
    normalised = IMAGES - np.array([10, 20], np.float32).reshape(2, 1, 1)
    padded = np.pad(normalised, [(0, 0), (0, 0), (2, 2), (2, 2)], mode=numpy_mode)  # a constant is 0 after normalisation
    height, width = (crop, crop) if crop else IMAGES.shape[2:]
    seen = set()
    for iteration in range(200):
        for row, values in enumerate(batch(param, iteration=iteration)):
            image = padded[(2 * iteration + row) % 6]
            for y in range(image.shape[1] - height + 1):
                for x in range(image.shape[2] - width + 1):
                    window = image[:, y : y + height, x : x + width]
                    seen |= {(y, x)} if np.array_equal(values, window) or np.array_equal(values, window[..., ::-1]) else set()
    rows, columns = (9 - height + 1, 11 - width + 1)
    assert seen >= {(y, x) for y in range(rows) for x in range(columns)} if not crop else len(seen) > 40
    assert np.array_equal(batch(param, "TEST"), batch(f"crop_size: {crop} mean_value: 10 mean_value: 20", "TEST"))


def test_a_mean_image_is_padded_with_its_rows(batch: Callable[..., np.ndarray], tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", IMAGES[0])
    for mode in ("REFLECT", "EDGE"):
        values = batch(f'pad: 2 pad_mode: {mode} mean_file: "mean.npy"', size=3)
        assert [np.unique(v).tolist() for v in values] == [[0], [70], [140]]
    seen = {tuple(np.unique(v).tolist()) for k in range(20) for v in batch('pad: 2 mean_file: "mean.npy"', size=3, iteration=2 * k)}
    assert {(0,), (0, 70), (0, 140), (70,), (140,)} >= seen > {(0,), (0, 70), (0, 140)}


def test_normalisation_for_a_net_that_crops_elsewhere(tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", IMAGES[0])
    param = pb.TransformationParameter(mean_file="mean.npy", scale=2, crop_size=4)
    norm = data.normalisation(param, (2, 4, 4), tmp_path, cropped=True)
    assert np.array_equal(some(norm.mean), IMAGES[0][:, 0:4, 1:5]) and norm.factor == 2
    assert data.normalisation(pb.TransformationParameter(), (3,)).mean is None


def test_columns_are_normalised_each_by_its_own(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", data=np.array([[1, 2], [3, 4]], np.float32), label=np.arange(2))
    layer = data_layer("t.npz", transform="mean_value: 1 mean_value: 2 std_value: 2 std_value: 1", shuffle=False)
    assert data.open(layer, "TRAIN", 0, tmp_path).batch(0)[0].tolist() == [[0, 0], [1, 2]]


@pytest.mark.parametrize(
    "transform, message",
    [
        ("pad: 5", "`pad` is 5. Expected less than the side of the crop, which is 5x7"),
        ("pad: 4 crop_size: 4", "`pad` is 4. Expected less than the side of the crop, which is 4x4"),
        ("crop_size: 6", "`crop_size` is 6, larger than the images, which are 5x7"),
        ("mean_value: 1 mean_value: 2 mean_value: 3", "`mean_value` has 3 values. Expected 1 or 2, one per channel"),
        (
            "resize_height: 4 resize_width: 4",
            r"`resize_height` and `resize_width` are for image files. The rows of this source have the shape .2, 5, 7",
        ),
        ("std_value: 0", "`std_value` is 0. Expected a number above 0"),
        ('mean_file: "no.npy"', "There is no file or folder 'no.npy'."),
        (
            'mean_file: "small.npy"',
            r"small.npy is 2x2, but the rows are 2x5x7. `netc data mean` makes one that fits; `mean_value` takes one number per channe",
        ),
        ('mean_file: "small.npy" mean_value: 1', "transform_param has both `mean_file` and `mean_value`. Remove one of them"),
    ],
)
def test_errors(batch: Callable[..., np.ndarray], tmp_path: Path, transform: str, message: str) -> None:
    np.save(tmp_path / "small.npy", np.zeros((2, 2)))
    with pytest.raises(DataError, match=message):
        batch(transform)


def test_what_needs_images_or_floats_says_so(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", data=np.zeros((2, 3)), label=np.arange(2))
    np.savez(tmp_path / "i.npz", data=np.zeros((2, 3), int), label=np.arange(2))
    with pytest.raises(DataError, match=r"`crop_size` needs images .channels, height, width., but a row has the shape .3,"):
        data.describe(data_layer("t.npz", transform="crop_size: 2"), "TRAIN", tmp_path)
    with pytest.raises(DataError, match="the first top is int64"):
        data.describe(data_layer("i.npz", transform="scale: 2"), "TRAIN", tmp_path)
