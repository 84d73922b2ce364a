"""DiceLoss, SigmoidDiceLoss and MeanIoU: recorded values, whole test sets, errors; and losses of pixels."""

from pathlib import Path

import numpy as np
import pytest

from netc.errors import DataError
from tests.layers.nets import about, forward
from tests.layers.test_errors import check_error
from tests.layers.torch_values import check_torch
from tests.training.test_evaluate import scores

RNG = np.random.default_rng(0)
ROWS = 11
X, LABEL = RNG.normal(size=(ROWS, 4, 3, 5)).astype(np.float32), RNG.integers(0, 3, (ROWS, 3, 5))


@about("DiceLoss", "SigmoidDiceLoss")
@pytest.mark.parametrize("case, layer", [
    ("classes", "DiceLoss: {bottom: [x, label], name: y}"),
    ("weights", "DiceLoss: {bottom: [x, label], name: y, class_weight: [1, 2, 0.5]}"),
    ("masks", "SigmoidDiceLoss: {bottom: [x, label], name: y, smooth: 0.5, ignore_label: 2}"),
])  # fmt: skip
def test_dice(case: str, layer: str) -> None:
    check_torch(f"dice/{case}", layer, ("x", "label"))


def test_perfect_and_wrong_masks() -> None:
    label = np.array([[[0, 1], [1, 0]]])
    for sure, wanted in ((40, 0), (-40, 1)):
        x = sure * np.stack([1 - label, label], 1)
        assert forward("DiceLoss: {bottom: [x, label], name: y, smooth: 0}", x=x, label=label)["y"] == pytest.approx(wanted, abs=1e-6)


def iou(predicted: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """The intersection over union of each class, NaN for a class without pixels."""
    both, either = ([f(predicted == c, label == c).sum() for c in range(classes)] for f in (np.logical_and, np.logical_or))
    with np.errstate(invalid="ignore"):
        shares: np.ndarray = np.divide(both, either)
    return shares


@about("MeanIoU")
@pytest.mark.parametrize("batch", [11, 4, 1])
def test_mean_iou_of_all_rows(tmp_path: Path, batch: int) -> None:
    """No label and few predictions are of class 3; in small batches some classes do not occur."""
    x = X - np.array([0, 0, 0, 3])[:, None, None].astype(np.float32)
    label = np.where(RNG.random(LABEL.shape) < 0.1, 9, LABEL)
    marks, masks = RNG.random((ROWS, 1, 3, 5)).astype(np.float32), LABEL % 2
    layers = ["MeanIoU: {bottom: [x, label], ignore_label: 9, top: [m, each]}",
              "MeanIoU: {bottom: [x, label], ignore_label: 9, positive: 1, name: p}",
              "MeanIoU: {bottom: [marks, masks], threshold: 0.3, top: [b, two]}"]  # fmt: skip
    found = scores(tmp_path, layers, batch, x=x, label=label, marks=marks, masks=masks)
    wanted = iou(np.where(label == 9, 9, x.argmax(1)), label, 4)
    assert (found["m"], found["p"]) == (pytest.approx(np.nanmean(wanted), rel=1e-6), pytest.approx(wanted[1], rel=1e-6))
    np.testing.assert_allclose(np.array(found["each"], float), wanted, rtol=1e-6)
    np.testing.assert_allclose(found["two"], iou((marks[:, 0] >= np.float32(0.3)).astype(int), masks, 2), rtol=1e-6)
    alone = forward("MeanIoU: {bottom: [x, label], ignore_label: 9, top: [m, each]}", x=x, label=label)
    np.testing.assert_allclose(alone["each"], np.nan_to_num(wanted), rtol=1e-6)
    assert alone["m"] == pytest.approx(np.nanmean(wanted), rel=1e-6)


@pytest.mark.parametrize("batch", [11, 3])
def test_losses_of_pixels_over_all_rows(tmp_path: Path, batch: int) -> None:
    layers = [f"{layer}, name: l{k}, top: l{k}}}" for k, layer in enumerate([
        "DiceLoss: {bottom: [x, label]", "FocalLoss: {bottom: [x, label], ignore_label: 2",
        "SoftmaxWithLoss: {bottom: [x, label], label_smoothing: 0.1",
    ])]  # fmt: skip
    found = scores(tmp_path, layers, batch, x=X, label=LABEL)
    for k, layer in enumerate(layers):
        assert found[f"l{k}"] == pytest.approx(float(forward(layer, x=X, label=LABEL)[f"l{k}"]), rel=1e-5)


def test_smoothing_and_focus_of_pixels() -> None:
    """Both average over the pixels. torch.nn.functional.cross_entropy gives the same numbers for images."""
    logs = X - np.log(np.exp(X).sum(1, keepdims=True))
    own = np.take_along_axis(logs, LABEL[:, None], 1)[:, 0]
    smooth = forward("SoftmaxWithLoss: {bottom: [x, label], label_smoothing: 0.1, name: y}", x=X, label=LABEL)["y"]
    assert smooth == pytest.approx(-(0.9 * own + 0.1 * logs.mean(1)).mean(), rel=1e-5)
    focal = forward("FocalLoss: {bottom: [x, label], name: y}", x=X, label=LABEL)["y"]
    assert focal == pytest.approx(-((1 - np.exp(own)) ** 2 * own).mean(), rel=1e-5)
    last = forward("SoftmaxWithLoss: {bottom: [x, label], label_smoothing: 0.1, axis: 3, name: y}", x=X.transpose(0, 2, 3, 1), label=LABEL)[
        "y"
    ]
    assert last == pytest.approx(float(smooth), rel=1e-5)


@pytest.mark.parametrize("layer, at, said", [
    ("DiceLoss: {bottom: [v, l]}", "bottom", "v is 2x3. Expected rows x two or more classes x pixels."),
    ("DiceLoss: {bottom: [one, y]}", "bottom", "one is 2x1x4x4. Expected rows x two or more classes x pixels. SigmoidDiceLoss is for"),
    ("DiceLoss: {bottom: [x, l]}", "l]", "l is 2. For x, which is 2x3x4x4, expected 2x4x4: a label a pixel."),
    ("DiceLoss: {bottom: [x, y], class_weight: [1, 2]}", "class_weight", "There are 2 `class_weight` for 3 classes."),
    ("DiceLoss: {bottom: [x, y], smooth: -1}", "smooth", "smooth is 0 or more, not -1"),
    ("SigmoidDiceLoss: {bottom: [v, l]}", "bottom", "v is 2x3. Expected rows x masks x pixels."),
    ("SigmoidDiceLoss: {bottom: [x, y]}", "bottom", "x 2x3x4x4 and y 2x4x4 differ in size."),
    ("MeanIoU: {bottom: [v, l]}", "bottom", "v is 2x3. Expected rows x classes x pixels."),
    ("MeanIoU: {bottom: [x, y], positive: 3}", "positive", "`positive` is 3, but there are 3 classes."),
    ("MeanIoU: {bottom: [x, l]}", "l]", "l is 2. For x, which is 2x3x4x4, expected 2x4x4: a label a pixel."),
])  # fmt: skip
def test_errors(layer: str, at: str, said: str) -> None:
    inputs = {"x": np.ones((2, 3, 4, 4)), "one": np.ones((2, 1, 4, 4)), "v": np.ones((2, 3)), "l": np.ones(2), "y": np.ones((2, 4, 4))}
    check_error(layer, at, said, inputs)


@pytest.mark.parametrize("layer", ["DiceLoss: {bottom: [x, y], top: loss}", "MeanIoU: {bottom: [x, y]}"])
def test_labels_that_are_no_class(tmp_path: Path, layer: str) -> None:
    with pytest.raises(DataError, match=r"'y' of TEST contains 255 .* whole numbers from 0 to 3 \(x has scores for 4 classes"):
        scores(tmp_path, [layer], 4, x=X, y=np.where(LABEL == 2, 255, LABEL))
