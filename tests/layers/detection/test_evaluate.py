"""DetectionEvaluate: against a straight program, for any batch size, and its errors."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from netc import registry
from netc.graph.ir import Value, constant, op
from netc.layers.context import Context
from netc.registry import layer
from tests.layers.detection.average_precision import each
from tests.layers.nets import about, forward
from tests.layers.test_errors import check_error

VERSIONS = ("11point", "MaxIntegral", "Integral")


def scene(seed: int, images: int = 6, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Detections near objects and anywhere, and the objects of some images, some of them difficult; rows of -1 are empty."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 0.6, (5 * images, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.1, 0.4, corners.shape)], 1)
    image, label = rng.integers(0, images, len(boxes)), rng.integers(1, classes - 1, len(boxes))
    objects = np.column_stack([image, label, np.zeros(len(boxes)), boxes, rng.random(len(boxes)) < 0.3])
    objects[::7] = -1
    near = np.repeat(np.arange(len(boxes)), 3)
    moved = boxes[near] + rng.normal(0, 0.04, (len(near), 4))
    detections = np.column_stack([image[near], label[near], rng.random(len(near)), moved])
    detections[::5, 1] = rng.integers(1, classes, len(detections[::5]))
    detections[::11] = [2, -1, -1, -1, -1, -1, -1]
    return detections.astype(np.float32), objects.astype(np.float32)


@about("DetectionEvaluate")
@pytest.mark.parametrize("difficult", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", range(4))
def test_values(version: str, difficult: bool, seed: int) -> None:
    detections, objects = scene(seed)
    fields = f"num_classes: 4, ap_version: {version}, evaluate_difficult_gt: {str(difficult).lower()}, top: [m, each]"
    found = forward(f"DetectionEvaluate: {{bottom: [d, o], {fields}}}", d=detections[None, None], o=objects[None, None])
    wanted = np.array(each(detections, objects, 4, version, difficult))
    np.testing.assert_allclose(found["each"], np.nan_to_num(wanted), atol=1e-6)
    assert found["m"] == pytest.approx(np.nanmean(wanted), abs=1e-6) and 0.1 < found["m"] < 0.9


def test_no_detection_and_perfect_ones() -> None:
    _, objects = scene(0)
    text = "DetectionEvaluate: {bottom: [d, o], num_classes: 4, name: m}"
    nothing = np.array([[[[0, -1, -1, -1, -1, -1, -1]]]], np.float32)
    assert forward(text, d=nothing, o=objects[None, None])["m"] == 0
    there = objects[objects[:, 0] >= 0]
    perfect = np.column_stack([there[:, :2], np.ones(len(there)), there[:, 3:7]]).astype(np.float32)
    assert forward(text, d=perfect[None, None], o=objects[None, None])["m"] == pytest.approx(1)


def test_no_object_counts_as_found_twice() -> None:
    box = [0.1, 0.1, 0.5, 0.5]
    objects = np.array([[0, 1, 0, *box, 0], [0, 1, 1, 0.6, 0.6, 0.9, 0.9, 0]], np.float32)
    detections = np.array([[0, 1, 0.9, *box], [0, 1, 0.8, *box], [0, 1, 0.7, 0.6, 0.6, 0.9, 0.9]], np.float32)
    found = forward("DetectionEvaluate: {bottom: [d, o], num_classes: 2, name: m}", d=detections, o=objects)
    assert found["m"] == pytest.approx((1 + 2 / 3) / 2)


@pytest.fixture
def guess() -> Iterator[None]:
    """A layer that moves the boxes of a label blob and gives them scores: functions of the boxes alone."""
    with registry.scoped():

        @layer("Guess", bottoms=(1, 1), tops=(1, 1))
        def _guess(ctx: Context, label: Value) -> Value:
            rows = op.Reshape(label, [-1, 8], shape=("R", 8))
            columns = [op.Slice(rows, [k], [k + 1], [1], shape=("R", 1)) for k in range(8)]
            x = op.Sin(columns[3] * 91.0 + columns[4] * 57.0 + columns[6] * 33.0)
            shifted = [columns[k] + x * np.float32(0.08 * (k - 4)) for k in range(3, 7)]
            there = op.GreaterOrEqual(columns[0], 0.0)
            named = op.Where(there, columns[1], constant(np.float32(-1)))
            made = op.Concat(columns[0], named, op.Abs(op.Cos(columns[5] * 40.0)), *shifted, axis=1, shape=("R", 7))
            return op.Unsqueeze(made, [0, 1])

        yield


NET = """
name: judged
layers:
- AnnotatedData: {{source: shape_boxes, batch_size: {batch}}}
- Guess: {{bottom: label, top: d}}
- DetectionEvaluate: {{bottom: [d, label], num_classes: 4, evaluate_difficult_gt: false, ap_version: {version}, top: [m, each]}}
- InnerProduct: {{bottom: data, num_output: 1, name: ip}}
- Reduction: {{bottom: ip, name: loss, loss_weight: 1}}
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_a_test_set_has_one_value_for_all_batch_sizes(version: str, tmp_path: Path, guess: None) -> None:
    from netc.commands.test import test

    found = []
    for batch in (400, 100, 7):
        file = tmp_path / f"net{batch}.yaml"
        file.write_text(NET.format(batch=batch, version=version))
        found.append(test(str(file)))
    assert found[0]["m"] == found[1]["m"] == found[2]["m"]
    assert found[0]["each"] == found[1]["each"] == found[2]["each"]
    assert isinstance(found[0]["m"], float) and 0.05 < found[0]["m"] < 0.95


INPUTS = {"d": np.zeros((1, 1, 3, 7), np.float32), "o": np.zeros((1, 1, 2, 8), np.float32)}


@pytest.mark.parametrize("fields, at, said", [
    ("bottom: [d, o]", None, "`num_classes` is missing"),
    ("bottom: [d, o], num_classes: 3, ap_version: 12point", "ap_version", "Expected 11point, MaxIntegral, Integral"),
    ("bottom: [d, o], num_classes: 3, overlap_threshold: 2", "overlap_threshold", "Expected above 0 and at most 1"),
    ("num_classes: 3, bottom: [o, o]", "o,", "Expected rows of 7 numbers"),
])  # fmt: skip
def test_errors(fields: str, at: str | None, said: str) -> None:
    check_error(f"DetectionEvaluate: {{{fields}, name: m}}", at, said, INPUTS)
