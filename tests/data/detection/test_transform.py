"""Boxes follow every transformation of their image, and all that is random is a function of seed, epoch and row."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc import netc_pb2 as pb
from netc.data import describe
from netc.data.detection.boxes import label_blob, overlaps, within
from netc.data.detection.distortion import distorted, saturated
from netc.data.detection.noise import NOISE, blurred, equalized, eroded, noisy
from netc.data.detection.resizing import resized
from netc.data.detection.sampling import drawn_region, numbers_needed, regions, satisfied
from netc.data.transforms.color import RGB
from netc.errors import DataError
from tests.data.detection import scenes
from tests.data.detection.scenes import layer, opened, voc

SAMPLERS = """batch_sampler { max_sample: 1 max_trials: 1 }
batch_sampler { sampler { min_scale: 0.3 max_scale: 1 min_aspect_ratio: 0.5 max_aspect_ratio: 2 }
  sample_constraint { min_jaccard_overlap: 0.3 } max_sample: 1 max_trials: 50 }"""
MOVES = "expand_param { prob: 0.5 max_expand_ratio: 2 } mirror: true emit_constraint { emit_type: CENTER }"
MODES = {
    "warp": "resize_param { height: 80 width: 60 }",
    "pad": "resize_param { resize_mode: FIT_LARGE_SIZE_AND_PAD height: 90 width: 60 }",
    "crop": "resize_param { resize_mode: FIT_SMALL_SIZE height: 70 width: 90 } crop_h: 60 crop_w: 50",
    "square": "resize_param { height: 80 width: 80 } crop_size: 64",
}


@pytest.fixture
def white(tmp_path: Path) -> Path:
    """Black images with a white box each."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for k in range(12):
        height, width = rng.integers(60, 120, 2)
        x1, y1 = rng.integers(0, width // 2), rng.integers(0, height // 2)
        x2, y2 = rng.integers(x1 + 20, width + 1), rng.integers(y1 + 20, height + 1)
        image = np.zeros((height, width, 3), np.uint8)
        image[y1:y2, x1:x2] = 255
        Image.fromarray(image).save(tmp_path / "images" / f"{k}.png")
        (tmp_path / "images" / f"{k}.xml").write_text(voc([("box", (x1, y1, x2, y2))], (height, width)))
    return tmp_path / "images"


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("mode", MODES)
def test_boxes_follow_the_pixels(mode: str, phase: str, white: Path) -> None:
    """The white pixels fill the box, up to two pixels at its sides."""
    source = opened(white, phase, annotated=SAMPLERS, transform=f"{MODES[mode]} {MOVES}", batch=12)
    seen = 0
    for step in range(4):
        images, label = source.batch(step)
        for row in label.reshape(-1, 8)[label.reshape(-1, 8)[:, 0] >= 0]:
            bright = images[int(row[0]), 0] > 128
            height, width = bright.shape
            x1, y1, x2, y2 = row[3:7] * [width, height, width, height]
            rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
            assert max(abs(columns[0] - x1), abs(columns[-1] + 1 - x2), abs(rows[0] - y1), abs(rows[-1] + 1 - y2)) <= 2.5
            seen += 1
    assert seen > 15 if phase == "TRAIN" else seen >= 30


def test_a_row_is_a_function_of_seed_and_epoch(white: Path) -> None:
    fields = {"annotated": SAMPLERS, "transform": f"{MODES['warp']} {MOVES} distort_param {{ brightness_prob: 1 brightness_delta: 30 }}"}
    whole = opened(white, "TRAIN", 3, batch=12, **fields)
    parts = opened(white, "TRAIN", 3, batch=4, **fields)
    for epoch in range(2):
        images = np.concatenate([parts.batch(3 * epoch + k)[0] for k in range(3)])
        np.testing.assert_array_equal(whole.batch(epoch)[0], images)
    single, label = whole.seen(5, 1)
    order = whole.numbers(1).tolist().index(5)
    np.testing.assert_array_equal(single[0], whole.batch(1)[0][order])
    np.testing.assert_array_equal(label[0, 0, :, 1:], whole.batch(1)[1][0, 0, order : order + 1, 1:])
    again = opened(white, "TRAIN", 3, batch=12, **fields)
    np.testing.assert_array_equal(again.batch(7)[1], whole.batch(7)[1])
    assert (opened(white, "TRAIN", 4, batch=12, **fields).batch(7)[0] != whole.batch(7)[0]).any()
    workers = opened(white, "TRAIN", 3, batch=12, annotated=SAMPLERS, transform=fields["transform"] + " workers: 1")
    np.testing.assert_array_equal(workers.batch(7)[0], whole.batch(7)[0])


def test_the_last_batch_of_a_test_is_short(white: Path) -> None:
    source = opened(white, batch=5)
    assert [source.batch(k)[0].shape[0] for k in range(3)] == [5, 5, 2]
    assert [source.batch(k)[1].shape[2] for k in range(3)] == [5, 5, 2]
    assert not source.wraps


def test_normalization(white: Path) -> None:
    plain = opened(white, batch=2).batch(0)[0]
    mean = "mean_value: 10 mean_value: 20 mean_value: 30 scale: 0.5"
    normal = opened(white, batch=2, transform=f"resize_param {{ height: 20 width: 20 }} {mean}").batch(0)[0]
    np.testing.assert_allclose(normal, (plain - np.array([10, 20, 30])[:, None, None]) * 0.5)


def test_regions_fit_and_have_the_scale_and_ratio() -> None:
    u = np.random.default_rng(0).random((500, 4))
    found = regions(pb.Sampler(min_scale=0.3, max_scale=0.6, min_aspect_ratio=0.5, max_aspect_ratio=2), u)
    width, height = found[:, 2] - found[:, 0], found[:, 3] - found[:, 1]
    assert found.min() >= 0 and found.max() <= 1 + 1e-9
    scale, ratio = np.sqrt(width * height), width / height
    assert 0.3 <= scale.min() < 0.32 and 0.58 < scale.max() <= 0.6 + 1e-9
    assert 0.5 - 1e-9 <= ratio.min() < 0.55 and 1.9 < ratio.max() <= 2 + 1e-9


def test_constraints() -> None:
    box = np.array([[0.2, 0.2, 0.6, 0.6]])
    trials = np.array([[0, 0, 1, 1], [0.2, 0.2, 0.6, 0.6], [0.7, 0.7, 0.9, 0.9], [0.2, 0.2, 0.4, 0.4]])
    cases = {
        "": [True] * 4,
        "min_jaccard_overlap: 0.5": [False, True, False, False],
        "max_jaccard_overlap: 0.5": [True, False, True, True],
        "min_object_coverage: 0.9": [True, True, False, False],
        "min_sample_coverage: 0.9": [False, True, False, True],
        "min_sample_coverage: 0.9 max_object_coverage: 0.5": [False, False, False, True],
    }
    from google.protobuf import text_format

    for text, wanted in cases.items():
        assert satisfied(text_format.Parse(text, pb.SampleConstraint()), trials, box).tolist() == wanted
    none = np.zeros((0, 4))
    assert not satisfied(text_format.Parse("min_jaccard_overlap: 0.1", pb.SampleConstraint()), trials, none).any()


def test_one_of_the_found_regions_is_drawn() -> None:
    samplers = [
        pb.BatchSampler(max_sample=1, max_trials=1),
        pb.BatchSampler(max_trials=3, sampler=pb.Sampler(min_scale=0.5, max_scale=0.5)),
    ]
    u = np.random.default_rng(0).random(numbers_needed(samplers))
    found = set()
    for first in np.linspace(0, 0.999, 50):
        u[0] = first
        found.add(drawn_region(samplers, np.zeros((0, 7), np.float32), u))
    assert len(found) == 4 and (0.0, 0.0, 1.0, 1.0) in found
    impossible = pb.BatchSampler(max_trials=4, sample_constraint=pb.SampleConstraint(min_jaccard_overlap=0.9))
    assert drawn_region([impossible], np.zeros((0, 7), np.float32), u) is None


def test_boxes_of_a_region() -> None:
    boxes = np.array([[1, 0, 0.1, 0.1, 0.5, 0.5, 0], [2, 0, 0.45, 0.45, 0.9, 0.9, 1]], np.float32)
    region = (0.0, 0.0, 0.5, 0.5)
    np.testing.assert_allclose(within(boxes, region)[:, 2:6], [[0.2, 0.2, 1, 1], [0.9, 0.9, 1, 1]], atol=1e-6)
    assert within(boxes, region, pb.EmitConstraint(emit_type=pb.EmitConstraint.CENTER))[:, 0].tolist() == [1]
    little = pb.EmitConstraint(emit_type=pb.EmitConstraint.MIN_OVERLAP, emit_overlap=0.01)
    assert within(boxes, region, little)[:, 0].tolist() == [1, 2]
    little.emit_overlap = 0.1
    assert within(boxes, region, little)[:, 0].tolist() == [1]


def test_overlaps() -> None:
    a, b = np.array([[0, 0, 2, 2], [5, 5, 5, 5]]), np.array([[1, 1, 3, 3], [5, 5, 5, 5]])
    np.testing.assert_allclose(overlaps(a, b), np.array([[1 / 7, 0], [0, 0]]))


def test_the_label_blob() -> None:
    boxes = np.array([[1, 0, 0.1, 0.1, 0.5, 0.5, 0]] * 3, np.float32)
    blob = label_blob([boxes, boxes[:0]], 2)
    assert blob.shape == (1, 1, 4, 8) and blob[0, 0, :, 0].tolist() == [0, 0, -1, -1]


def test_interpolation_of_opencv_and_pillow() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(3, 4, 4) * 5
    for mode in ("LINEAR", "AREA", "NEAREST", "CUBIC", "LANCZOS4"):
        param = pb.ResizeParameter(height=2, width=2, interp_mode=[mode])
        small = resized(image, param, None).image
        assert small.shape == (3, 2, 2)
        if mode in ("LINEAR", "AREA"):  # of an image that halves, both are the mean of four pixels
            np.testing.assert_allclose(small, image.reshape(3, 2, 2, 2, 2).mean((2, 4)), atol=0.5)
        if mode == "NEAREST":
            np.testing.assert_array_equal(small, image[:, ::2, ::2])
    several = pb.ResizeParameter(height=2, width=2, interp_mode=["NEAREST", "LINEAR"])
    assert (resized(image, several, 0.9).image != resized(image, several, 0.1).image).any()


def test_padding() -> None:
    image = np.full((3, 4, 8), 7, np.uint8)
    param = pb.ResizeParameter(height=8, width=8, resize_mode="FIT_LARGE_SIZE_AND_PAD", pad_value=[1, 2, 3])
    found = resized(image, param, None)
    assert found.region == (0, -0.5, 1, 1.5) and found.image[:, 0, 0].tolist() == [1, 2, 3] and (found.image[:, 2:6] == 7).all()
    for mode in ("MIRRORED", "REPEAT_NEAREST"):
        param.pad_mode = getattr(pb.ResizeParameter, mode)
        assert (resized(image, param, None).image == 7).all()


def test_colors() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 6, 6)).astype(np.uint8)
    none = np.full(11, 0.99)
    np.testing.assert_array_equal(distorted(image, pb.DistortionParameter(), none, RGB), image)
    bright = pb.DistortionParameter(brightness_prob=1, brightness_delta=32)
    np.testing.assert_array_equal(distorted(image, bright, none * 0 + 0.75, RGB), np.minimum(image.astype(int) + 16, 255))
    half = pb.DistortionParameter(contrast_prob=1, contrast_lower=0.5, contrast_upper=0.5)
    np.testing.assert_array_equal(distorted(image, half, none, RGB), np.rint(image * 0.5))
    shuffled = distorted(image, pb.DistortionParameter(random_order_prob=1), np.append(none[:9], [0.5, 0.99]), RGB)
    np.testing.assert_array_equal(shuffled, image[::-1])
    turned = distorted(image, pb.DistortionParameter(hue_prob=1, hue_delta=180), np.append(none[:6] * 0, [1, 1, 1, 1, 1]), RGB)
    np.testing.assert_allclose(turned, image, atol=1)  # the full circle


def test_saturation() -> None:
    image = np.array([200, 100, 150], np.float32).reshape(3, 1, 1)
    np.testing.assert_array_equal(saturated(image, 0).reshape(3), [200, 200, 200])
    np.testing.assert_array_equal(saturated(image, 1.5).reshape(3), [200, 50, 125])
    np.testing.assert_array_equal(saturated(image, 5).reshape(3), [200, 0, 100])  # a pure color


def test_noise() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 12, 12)).astype(np.uint8)
    u = np.random.default_rng(1).random(NOISE) * 0.5
    for name in ("hist_eq", "inverse", "decolorize", "gauss_blur", "jpeg", "posterize", "erode"):
        param = pb.NoiseParameter(prob=1)
        setattr(param, name, 50 if name == "jpeg" else True)
        found = noisy(image, param, u)
        assert found.shape == image.shape and found.dtype == np.uint8 and (found != image).any(), name
    np.testing.assert_array_equal(noisy(image, pb.NoiseParameter(prob=0, inverse=True), u), image)
    salt = pb.NoiseParameter(prob=1, saltpepper=True, saltpepper_param=pb.SaltPepperParameter(fraction=0.2, value=[255]))
    assert 10 < (noisy(image // 2, salt, u) == 255).all(0).sum() <= 28
    flat = np.full((3, 9, 9), 90, np.uint8)
    for change in (blurred, equalized, eroded):
        np.testing.assert_array_equal(change(flat), flat)


@pytest.mark.parametrize("transform, annotated, sentence", [
    ("resize_param { height: 20 }", "", "without a width"),
    ("resize_param { resize_mode: FIT_SMALL_SIZE height: 20 width: 20 }", "", "FIT_SMALL_SIZE gives images of different sizes"),
    ("resize_param { height: 20 width: 20 } crop_size: 30", "", "The crop of 30 x 30 does not fit into the resized images, 20 x 20"),
    ("resize_param { height: 20 width: 20 } crop_h: 30", "", "Only one of `crop_h` and `crop_w`"),
    ("resize_param { height: 20 width: 20 height_scale: 3 }", "", "`height_scale` and `width_scale` are not supported"),
    ("resize_param { height: 20 width: 20 prob: 0.5 }", "", "`prob` of `resize_param` is 0.5"),
    ("resize_param { height: 20 width: 20 } noise_param { clahe: true }", "", "`noise_param: {clahe: true}` is not supported"),
    ("resize_param { height: 20 width: 20 } rotation: 9", "", "`rotation` does not move boxes"),
    ("mirror: true", "", "The images have 3 sizes .* Add a `resize_param`"),
    ("", "batch_sampler { sampler { min_scale: 0.5 max_scale: 0.3 } }", "scales from 0.5 to 0.3"),
    ("", "batch_sampler { sampler { min_aspect_ratio: 0 } }", "ratios from 0 to 1"),
])  # fmt: skip
def test_errors(transform: str, annotated: str, sentence: str, tmp_path: Path) -> None:
    folder = scenes.write_voc(tmp_path / "set")
    with pytest.raises(DataError, match=sentence):
        describe(layer(folder, transform=transform, annotated=annotated), "TRAIN")
