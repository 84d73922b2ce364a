"""CTCLoss, CTCDecode and CharacterErrorRate: torch's values, decoding and distances by hand, whole test sets, errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.errors import DataError
from tests.layers.nets import about, forward, gradient
from tests.layers.test_errors import check_error
from tests.layers.torch_values import check_torch
from tests.training.test_evaluate import scores

RNG = np.random.default_rng(0)
LABEL = np.array([[1, 2, 2], [3, -1, -1], [4, 1, -1], [2, 3, 4]])


@about("CTCLoss")
@pytest.mark.parametrize("case, bottoms, fields", [
    ("mean", "[x, label]", ""),
    ("sum", "[x, label, steps]", ", reduction: SUM"),
    ("last", "[x, label]", ", blank: -1"),
    ("long", "[x, label, steps]", ", zero_infinity: true"),
])  # fmt: skip
def test_torchs_loss(case: str, bottoms: str, fields: str) -> None:
    inputs = ("x", "label", "steps") if "steps" in bottoms else ("x", "label")
    check_torch(f"ctc/{case}", f"CTCLoss: {{bottom: {bottoms}, name: y{fields}}}", inputs)


def test_long_sequences_are_precise() -> None:
    """With equal scores the probability of no label in 2,000 steps is C^-T, and of one label T + ... ways to place it."""
    for label, ways in (([[-1]], 1.0), ([[1]], 2000 * 2001 / 2)):
        y = forward("CTCLoss: {bottom: [x, label], name: y, reduction: SUM}", x=np.zeros((2000, 1, 4)), label=label)["y"]
        assert y == pytest.approx(2000 * np.log(4) - np.log(ways), rel=1e-6)


def test_a_cont_ends_each_sequence() -> None:
    x, cont = RNG.normal(size=(8, 2, 5)), np.array([[0, 1, 1, 1, 1, 0, 0, 0], [0, 1, 1, 0, 1, 1, 1, 0]]).T
    label = [[1, 2], [3, -1]]
    for name in ("reduction: SUM", "blank: 0"):
        by_cont = forward(f"CTCLoss: {{bottom: [x, label, cont], name: y, {name}}}", x=x, label=label, cont=cont)["y"]
        by_steps = forward(f"CTCLoss: {{bottom: [x, label, steps], name: y, {name}}}", x=x, label=label, steps=[5, 3])["y"]
        assert by_cont == by_steps
    dx = gradient("CTCLoss: {bottom: [x, label, cont], name: y}", "y", np.ones(()), x=x, label=label, cont=cont)["x"]
    assert not dx[5:, 0].any() and not dx[3:, 1].any() and dx[4, 0].any() and dx[2, 1].any()


def test_lengths_instead_of_padding() -> None:
    x = RNG.normal(size=(6, 2, 5))
    padded = forward("CTCLoss: {bottom: [x, label], name: y}", x=x, label=[[1, 2], [3, -1]])["y"]
    counted = forward("CTCLoss: {bottom: [x, label, steps, n], name: y}", x=x, label=[[1, 2], [3, 4]], steps=[6, 6], n=[2, 1])["y"]
    assert padded == counted


def test_labels_that_do_not_fit_are_infinite() -> None:
    x = RNG.normal(size=(2, 1, 5))
    assert forward("CTCLoss: {bottom: [x, label], name: y}", x=x, label=[[1, 1]])["y"] == np.inf
    assert forward("CTCLoss: {bottom: [x, label], name: y, zero_infinity: true}", x=x, label=[[1, 1]])["y"] == 0


def spoken(*rows: list[int]) -> np.ndarray:
    """Scores (T, N, 5) whose best classes are these rows."""
    scores: np.ndarray = np.eye(5)[np.array(rows).T]
    return scores


@about("CTCDecode")
def test_decoding() -> None:
    x = spoken([1, 1, 0, 1, 2, 2], [0, 0, 0, 0, 0, 0], [3, 2, 3, 0, 0, 4])
    found = forward("CTCDecode: {bottom: x, top: [y, n]}", x=x)
    np.testing.assert_array_equal(found["y"], [[1, 1, 2, -1, -1, -1], [-1] * 6, [3, 2, 3, 4, -1, -1]])
    np.testing.assert_array_equal(found["n"], [3, 0, 4])
    loss = forward("CTCLoss: {bottom: [x, label], top: [loss, y]}", x=x, label=[[1], [2], [3]])
    np.testing.assert_array_equal(loss["y"], found["y"])
    last = forward("CTCDecode: {bottom: x, name: y, blank: 4}", x=x)["y"]
    np.testing.assert_array_equal(last[0], [1, 0, 1, 2, -1, -1])
    short = forward("CTCDecode: {bottom: [x, steps], name: y}", x=x, steps=[4, 6, 2])["y"]
    np.testing.assert_array_equal(short, [[1, 1, -1, -1, -1, -1], [-1] * 6, [3, 2, -1, -1, -1, -1]])


def distance(a: list[int], b: list[int]) -> int:
    """The edit distance, by its definition."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))


def padded(rows: list[list[int]], width: int) -> np.ndarray:
    return np.array([row + [-1] * (width - len(row)) for row in rows])


@about("CharacterErrorRate")
@pytest.mark.parametrize("wide, narrow", [(6, 4), (4, 6), (1, 3), (3, 1)])
def test_edit_distances(wide: int, narrow: int) -> None:
    rows = [[RNG.integers(0, 3, RNG.integers(0, width + 1)).tolist() for width in (wide, narrow)] for _ in range(30)]
    a, b = ([row[k] for row in rows] for k in (0, 1))
    found = forward("CharacterErrorRate: {bottom: [p, label], name: y}", p=padded(a, wide), label=padded(b, narrow))["y"]
    assert found == pytest.approx(sum(map(distance, a, b)) / sum(map(len, b)), rel=1e-6)


@pytest.mark.parametrize("batch", [11, 4, 1])
def test_whole_test_sets(tmp_path: Path, batch: int) -> None:
    """The share of wrong characters and the loss are those of all rows, in batches of any size."""
    x = RNG.normal(size=(11, 6, 5)).astype(np.float32)
    label = np.where(np.arange(3) < RNG.integers(1, 4, (11, 1)), RNG.integers(1, 5, (11, 3)), -1)
    layers = ["Permute: {bottom: x, top: s, order: [1, 0, 2]}", "CTCLoss: {bottom: [s, label], top: [loss, text]}",
              "CharacterErrorRate: {bottom: [text, label], name: cer}"]  # fmt: skip
    found = scores(tmp_path, layers, batch, x=x, label=label)
    wanted = forward("\n".join(layers[1:]), s=x.transpose(1, 0, 2), label=label)
    assert (found["loss"], found["cer"]) == (pytest.approx(float(wanted["loss"]), rel=1e-5), pytest.approx(float(wanted["cer"]), rel=1e-6))


@pytest.mark.parametrize("label, sentence", [
    ([[0, -1, -1]] * 11, r"contains 0 \(11 times.* whole numbers from 0 to 4, or -1, which is ignored .* of which 0 is the blank"),
    ([[5, -1, -1]] * 11, "contains 5"),
    ([[1, 1, 1]] * 11, "contains 1 .* and 4 time steps: one for each label, and one between equal labels"),
])  # fmt: skip
def test_labels_that_a_loss_refuses(tmp_path: Path, label: list[list[int]], sentence: str) -> None:
    x: Any = np.zeros((11, 4, 5), np.float32)
    with pytest.raises(DataError, match=sentence):
        scores(tmp_path, ["Permute: {bottom: x, top: s, order: [1, 0, 2]}", "CTCLoss: {bottom: [s, y]}"], 4, x=x, y=np.array(label))


@pytest.mark.parametrize("layer, at, said", [
    ("CTCLoss: {bottom: [x, v]}", "bottom", "x is 2x3x4x4. Expected time x rows x classes."),
    ("CTCLoss: {bottom: [t, w]}", "w]", "w is 5. For t, which is 4x2x5, expected 2 rows of labels."),
    ("CTCLoss: {bottom: [t, v], blank: 5}", "blank", "`blank` is 5, but t has scores for 5 classes."),
    ("CTCLoss: {bottom: [t, v], blank: -6}", "blank", "`blank` is -6, but t has scores for 5 classes."),
    ("CTCLoss: {bottom: [t, v, w]}", "w]", "w is 5. Expected one number for each of 2 rows."),
    ("CTCLoss: {bottom: [t, v, v]}", "v]", "v is 2x3. A cont is time x rows, which are 4x2."),
    ("CTCDecode: {bottom: v}", "bottom", "v is 2x3. Expected time x rows x classes."),
    ("CharacterErrorRate: {bottom: [v, w]}", "w]", "w is 5. Expected rows x labels."),
])  # fmt: skip
def test_errors(layer: str, at: str, said: str) -> None:
    inputs = {"x": np.ones((2, 3, 4, 4)), "v": np.ones((2, 3)), "w": np.ones(5), "t": np.ones((4, 2, 5))}
    check_error(layer, at, said, inputs)
