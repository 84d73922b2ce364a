"""Starter nets for arrays, as Keras, scikit-learn and MNIST's copies store them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import api
from tests.commands.init.test_image_table import trained
from tests.small_nets import netc
from tests.some import some

N = 120
LABEL = np.arange(N) % 3


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(*shape: int, dtype: str = "float64", label: np.ndarray = LABEL) -> np.ndarray:
    """Rows whose level tells their label."""
    levels = label.reshape(-1, *[1] * len(shape)) * 60
    found: np.ndarray = (np.random.default_rng(0).integers(0, 60, (len(label), *shape)) + levels).astype(dtype)
    return found


def last(out: str, metric: str) -> float:
    return float(out.split(" iterations: ")[-1].split(f"{metric} ")[1].split(",")[0])


KINDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "scikit-learn's": ({"X": rows(5), "y": LABEL}, "120 rows of 5 numbers of 3 classes", "arrays: [X, y], test_fraction: 0.2}"),
    "whole numbers": ({"X": rows(5, dtype="int64"), "y": LABEL}, "120 rows of 5 numbers of 3 classes", "  - Standardize"),
    "one-hot": ({"x": rows(5), "y": np.eye(3)[LABEL]}, "120 rows of 5 numbers of 3 classes", "one_hot: true"),
    "texts": ({"features": rows(5), "target": np.array(["a", "b", "c"])[LABEL]}, "of 3 classes", "arrays: [features, target]"),
    "-1 and 1": ({"x": rows(5), "y": LABEL % 2 * 2 - 1}, "120 rows of 5 numbers of 2 classes", "num_output: 2"),
    "Keras's": ({"x_train": rows(8, 8, dtype="uint8"), "y_train": LABEL.astype(np.uint8), "x_test": rows(8, 8, dtype="uint8")[:30],
                 "y_test": LABEL[:30].astype(np.uint8)}, "150 images of 3 classes",
                "test_batch_size: 30, arrays: [x_train, y_train], one_channel: true,"),
    "CIFAR's": ({"train_images": rows(8, 9, 3, dtype="uint8"), "train_labels": LABEL[:, None].astype(np.uint8),
                 "test_images": rows(8, 9, 3, dtype="uint8"), "test_labels": LABEL[:, None].astype(np.uint8)},
                "240 images of 3 classes", "channels_last: true"),
    "by position": ({"arr_0": rows(3, 8, 8), "arr_1": LABEL}, "120 images of 3 classes", "arrays: [arr_0, arr_1]"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_classes(here: Path, kind: str) -> None:
    stored, summary, text = KINDS[kind]
    np.savez("a.npz", **stored)
    result = netc("init", "a.npz")
    assert summary in result.stdout and text in Path("a.yaml").read_text(), result.output
    options = ["--set", "solver.max_epoch=15"] if "images" in summary else []
    assert last(trained("a.yaml", *options), "accuracy") >= 0.5 if kind == "-1 and 1" else 0.9


@pytest.mark.parametrize("shape, targets", [((4,), 1), ((4,), 2), ((1, 8, 8), 1)])
def test_numbers_to_predict(here: Path, shape: tuple[int, ...], targets: int) -> None:
    x = np.random.default_rng(0).normal(100, 20, (200, *shape))
    y = 1000 + 3 * x.reshape(200, -1).mean(1)
    np.savez("a.npz", x=x, y=np.stack([y, -y], 1) if targets == 2 else y[:, None])
    result = netc("init", "a.npz")
    assert ("a number" if targets == 1 else "2 numbers") + " to predict" in result.stdout, result.output
    assert last(trained("a.yaml"), "r2") > (0.9 if len(shape) == 1 else 0.3)


def test_validation_arrays(here: Path) -> None:
    parts: dict[str, Any] = {f"{role}_{part}": value for part in ("train", "val", "test") for role, value in (("x", rows(5)), ("y", LABEL))}
    np.savez("a.npz", **parts)
    assert netc("init", "a.npz").exit_code == 0
    assert some(api.load("a.yaml").train_net.layers[0].source).has_validation and last(trained("a.yaml"), "accuracy") > 0.9


def test_a_model_of_images_without_an_axis_for_channels(here: Path) -> None:
    """The published model reads such images from arrays, too."""
    np.savez("a.npz", x=rows(8, 8, dtype="uint8"), y=LABEL)
    assert netc("init", "a.npz").exit_code == 0
    assert netc("train", "a.yaml", "--publish", "--set", "solver.max_epoch=20").exit_code == 0
    np.save("rows.npy", rows(8, 8, dtype="uint8"))
    np.save("channel.npy", rows(8, 8, dtype="uint8")[:, None])
    np.save("one.npy", rows(8, 8, dtype="uint8")[1])
    found = [netc("predict", "a", name).stdout.splitlines() for name in ("rows.npy", "channel.npy", "one.npy")]
    said = [[line.split(": ")[1] for line in lines] for lines in found]
    assert said[0] == said[1] and said[2] == said[0][1:2] and [s[0] for s in said[0][:3]] == ["0", "1", "2"]


def test_the_user_names_the_labels(here: Path) -> None:
    np.savez("a.npz", x=rows(5), age=np.arange(N) / 7, kind=LABEL)
    result = netc("init", "a.npz")
    assert result.exit_code == 2 and "Name the labels with --label" in result.stderr, result.output
    result = netc("init", "a.npz", "--label", "kind")
    assert "netc: Rows: x (120x5 float64). Labels: kind (120 int64).\nnetc: Not read: age (120 float64)." in result.stderr


@pytest.mark.parametrize("side", range(1, 10))
def test_small_images(here: Path, side: int) -> None:
    """The net has as many poolings as the images allow."""
    np.savez("a.npz", x=rows(1, side, side + 5), y=LABEL)
    assert netc("init", "a.npz").exit_code == 0
    result = netc("check", "a.yaml")
    assert result.exit_code == 0, result.output


REFUSED: dict[str, dict[str, Any]] = {
    "a.npz: It has 2 rows. Expected at least 3, to hold out some of them for testing.": {"x": np.zeros((2, 3)), "y": [0, 1]},
    "the channel axis of its rows (9x8x7) is ambiguous": {"x": np.zeros((4, 9, 8, 7)), "y": [0, 1, 0, 1]},
    "Array 'x' has one number per row. Save it as a column: x[:, None].": {"x": np.arange(4), "y": [0, 1, 0, 1]},
    "Array 'x' has rows of 2x2x2x2. Expected at most 3 axes": {"x": np.zeros((4, 2, 2, 2, 2)), "y": [0, 1, 0, 1]},
    "Array 'y' has several classes per row, or none.": {"x": np.zeros((4, 2)), "y": [[0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 0]]},
    "Array 'y' has labels of 2x2. Write the net yourself.": {"x": np.zeros((4, 2)), "y": np.zeros((4, 2, 2))},
    "All labels in array 'y' are 3. A net needs labels that differ.": {"x": np.zeros((4, 2)), "y": [3] * 4},
    "There are no arrays.": {},
    "The arrays are sequences; write the net yourself": {"data": np.zeros((4, 2, 3)), "label": [0, 1, 0, 1], "length": [2] * 4},
    "There is one array, x (4x2 float64), and no labels.": {"x": np.zeros((4, 2))},
    "Array 'y_test': Row 0, 'c', is not one of the classes: a, b": {"x_train": np.zeros((4, 2)), "y_train": ["a", "b"] * 2,
                                                                   "x_test": np.zeros((1, 2)), "y_test": ["c"]},
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_arrays_that_are_refused(here: Path, message: str) -> None:
    np.savez("a.npz", **REFUSED[message])
    result = netc("init", "a.npz")
    assert result.exit_code == 2 and message in result.stderr and not Path("a.yaml").exists(), result.output


def test_rows_that_may_be_sequences(here: Path) -> None:
    np.savez("a.npz", x=rows(5, 2), y=LABEL)
    result = netc("init", "a.npz")
    assert "120 rows of 10 numbers of 3 classes" in result.stdout and "If the rows are sequences, write a net with an LSTM" in result.stderr
    assert last(trained("a.yaml"), "accuracy") > 0.9
