"""Metrics of classes and probabilities: scikit-learn's values, of one batch and of a full test set whatever its batches."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.errors import DataError, SpecError
from netc.graph.emit import emit
from netc.graph.passes import simplify
from tests.layers.nets import about, evaluate, forward, net, states
from tests.runtime.test_kernel_table import without_kernel
from tests.training.test_evaluate import scores

M = pytest.importorskip("sklearn.metrics", reason="pip install scikit-learn")
BATCHES = (300, 77, 10, 1)
RANDOM = np.random.default_rng(0)
ROWS = 300
Found = Mapping[str, Any]


def softmax(x: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    return shares.astype(np.float32)


TWO, CLASSES = softmax(RANDOM.normal(size=(ROWS, 2)) * 2), np.sort(RANDOM.integers(0, 2, ROWS))
ONE = np.round(TWO[:, 1], 2)  # with ties
MANY, LABEL = softmax(RANDOM.normal(size=(ROWS, 5))), np.sort(RANDOM.integers(0, 3, ROWS))  # two classes without rows
MANY[:, 4] = 0  # and one that is never predicted
MARKS, LIKELY = RANDOM.integers(0, 2, (ROWS, 4)), np.round(RANDOM.random((ROWS, 4)), 2).astype(np.float32)
MARKS[:, 2] = 0


def measured(folder: Path, batch: int, *cases: tuple[str, np.ndarray, np.ndarray]) -> list[Found]:
    """The tops `a` and `b` of metrics over a test set, for (layer, predictions, labels), compared with those of one batch of all rows."""
    layers: list[str] = []
    arrays: dict[str, np.ndarray] = {}
    for k, (layer, prediction, label) in enumerate(cases):
        name, _, fields = layer.partition(": ")
        tops = f"a{k}" if name in ("LogLoss", "BrierScore", "CalibrationError") else f"[a{k}, b{k}]"
        layers.append(f"{name}: {{bottom: [p{k}, l{k}], top: {tops}{fields and ', ' + fields}}}")
        arrays |= {f"p{k}": prediction, f"l{k}": label}
    scored, graph = scores(folder, layers, batch, **arrays), forward("\n".join(layers), "TEST", {}, **arrays)
    for name, value in scored.items():
        kept = [v for v in value if v is not None] if isinstance(value, list) else [value]
        made = graph[name].reshape(-1)
        known = [v is not None for v in value] if isinstance(value, list) else [True]
        np.testing.assert_allclose(made[known], kept, rtol=1e-6, atol=1e-6)
    return [{top: scored.get(f"{top}{k}") for top in "ab"} for k in range(len(cases))]


def ece(p: np.ndarray, hit: np.ndarray, bins: int = 10) -> float:
    """By scikit-learn's calibration_curve, weighted by the rows of each interval."""
    from sklearn.calibration import calibration_curve

    frequency, mean = calibration_curve(hit, p, n_bins=bins)
    rows = np.bincount(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p), minlength=bins)
    return float((np.abs(frequency - mean) * rows[rows > 0]).sum() / len(p))


TOP = MANY[:, :4].max(1), MANY[:, :4].argmax(1) == LABEL
CASES: list[tuple[str, np.ndarray, np.ndarray, Callable[[], float]]] = [
    ("LogLoss", TWO, CLASSES, lambda: M.log_loss(CLASSES, TWO)),
    ("LogLoss", ONE, CLASSES, lambda: M.log_loss(CLASSES, ONE)),
    ("LogLoss", MANY, LABEL, lambda: -np.log(np.clip(MANY[np.arange(ROWS), LABEL].astype(float), 1.2e-7, 1)).mean()),
    ("BrierScore", TWO, CLASSES, lambda: M.brier_score_loss(CLASSES, TWO[:, 1])),
    ("BrierScore", ONE[:, None], CLASSES, lambda: M.brier_score_loss(CLASSES, ONE)),
    ("BrierScore", MANY, LABEL, lambda: ((MANY - np.eye(5)[LABEL]) ** 2).sum(1).mean()),
    ("CalibrationError: positive: 1", TWO, CLASSES, lambda: ece(TWO[:, 1], CLASSES)),
    ("CalibrationError: positive: 1, bins: 7", ONE, CLASSES, lambda: ece(ONE, CLASSES, 7)),
    ("CalibrationError", MANY, LABEL, lambda: ece(TOP[0], TOP[1])),
    ("AveragePrecision", ONE, CLASSES, lambda: M.average_precision_score(CLASSES, ONE)),
    ("AveragePrecision", TWO, CLASSES, lambda: M.average_precision_score(CLASSES, TWO[:, 1])),
    ("AveragePrecision: positive: 2", MANY, LABEL, lambda: M.average_precision_score(LABEL == 2, MANY[:, 2])),
    ("AveragePrecision", LIKELY, MARKS + [0, 0, 1, 0], lambda: M.average_precision_score(MARKS + [0, 0, 1, 0], LIKELY)),
    ("AveragePrecision", LIKELY, MARKS,
     lambda: sum(M.average_precision_score(MARKS[:, k], LIKELY[:, k]) for k in (0, 1, 3)) / 4),
]  # fmt: skip


@about("LogLoss", "BrierScore", "CalibrationError", "AveragePrecision")
@pytest.mark.parametrize("batch", BATCHES)
def test_probabilities(tmp_path: Path, batch: int) -> None:
    found = [f["a"] for f in measured(tmp_path, batch, *(case[:3] for case in CASES))]
    assert found == pytest.approx([expected() for *_, expected in CASES], abs=1e-6)


KINDS = [("F1", M.f1_score), ("Precision", M.precision_score), ("Recall", M.recall_score)]


@about("F1", "Precision", "Recall")
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("layer, reference", KINDS)
def test_classes(tmp_path: Path, layer: str, reference: Callable[..., Any], batch: int) -> None:
    predicted = MANY.argmax(1)
    macro, micro, positive, threshold = measured(
        tmp_path, batch, (layer, MANY, LABEL), (f"{layer}: average: MICRO", MANY, LABEL), (f"{layer}: positive: 1", TWO, CLASSES),
        (f"{layer}: positive: 1, threshold: 0.3", ONE, CLASSES),
    )  # fmt: skip
    assert macro["a"] == pytest.approx(reference(LABEL, predicted, average="macro", zero_division=0), abs=1e-6)
    each = reference(LABEL, predicted, average=None, zero_division=0, labels=range(5))
    asked = {"F1": np.ones(4), "Precision": np.ones(4), "Recall": np.bincount(LABEL, minlength=4)}[layer]
    assert [v or 0 for v in macro["b"]] == pytest.approx(each, abs=1e-6)
    assert [v is None for v in macro["b"]] == [*(asked == 0), True]
    assert micro["a"] == pytest.approx(reference(LABEL, predicted, average="micro"), abs=1e-6)
    assert positive["a"] == pytest.approx(reference(CLASSES, TWO.argmax(1)), abs=1e-6)
    assert threshold["a"] == pytest.approx(reference(CLASSES, np.float32(0.3) <= ONE), abs=1e-6)


@about("MultiLabelAccuracy")
@pytest.mark.parametrize("batch", BATCHES)
def test_several_labels(tmp_path: Path, batch: int) -> None:
    likely = LIKELY.copy()
    likely[:, 2] = 0  # a label that neither occurs nor is predicted
    predicted = (np.float32(0.4) <= LIKELY).astype(int)
    cases = [(f"{layer}: average: {average}", likely, MARKS) for layer, _ in KINDS for average in ("MACRO", "MICRO")]
    *found, right = measured(tmp_path, batch, *cases, ("MultiLabelAccuracy: threshold: 0.4", LIKELY, MARKS))
    expected = [
        reference(MARKS, likely >= 0.5, average=average, zero_division=0) for _, reference in KINDS for average in ("macro", "micro")
    ]
    assert [f["a"] for f in found] == pytest.approx(expected, abs=1e-6)
    assert right["a"] == pytest.approx(M.accuracy_score(MARKS, predicted), abs=1e-6)
    assert right["b"] == pytest.approx(1 - M.hamming_loss(MARKS, predicted), abs=1e-6)


def test_a_class_with_no_hits_has_no_average_precision(tmp_path: Path) -> None:
    several, one = measured(tmp_path, 77, ("AveragePrecision", LIKELY, MARKS), ("AveragePrecision", ONE, 0 * CLASSES))
    assert several["b"][2] is None and one["a"] == 0


def test_scores_in_place_of_probabilities(tmp_path: Path) -> None:
    for layer in ("LogLoss", "BrierScore", "CalibrationError", "AveragePrecision"):
        with pytest.raises(DataError, match=r"'p' .* contains .* \(probabilities: read the second top of the loss, or a Softmax"):
            scores(tmp_path, [f"{layer}: {{bottom: [p, label], top: a}}"], 10, p=3 * TWO, label=CLASSES)


def test_an_interval_contains_its_upper_edge() -> None:
    found = forward("CalibrationError: {bottom: [p, label], top: a, positive: 1, bins: 2}", "TEST", p=[0.5, 0.55], label=[1, 0])["a"]
    assert found == pytest.approx((0.5 + 0.55) / 2)


@pytest.mark.parametrize("value, count", [(np.nan, 0), (2.0, 8)])
def test_a_net_that_diverged_is_reported_elsewhere(value: float, count: int) -> None:
    inputs = {"x": np.ones((4, 3)), "label": np.zeros(4)}
    made = net("InnerProduct: {bottom: x, num_output: 2}\nLogLoss: {bottom: [ip1, label]}", "TEST", inputs)
    held = {name: np.full_like(array, value) for name, array in states(made).items()}
    assert evaluate(made, {"wrong": made.graph.outputs["guard/log_loss/1"]}, inputs, held)["wrong"][0] == count


def test_a_threshold_wants_probabilities_and_the_most_probable_class_does_not(tmp_path: Path) -> None:
    for prediction, label in ((3 * ONE, CLASSES), (3 * LIKELY, MARKS)):
        with pytest.raises(DataError, match="probabilities: read the second top"):
            scores(tmp_path, ["F1: {bottom: [p, label]}"], 10, p=prediction, label=label)
    found = scores(tmp_path, ["F1: {bottom: [p, label], name: f1}"], 10, p=np.log(MANY + 1e-9), label=LABEL)["f1"]
    assert found == pytest.approx(M.f1_score(LABEL, MANY.argmax(1), average="macro"), abs=1e-6)
    several, one = (scores(tmp_path, ["AveragePrecision: {bottom: [p, label], name: a}"], 10, p=np.log(p + 0.01), label=label)["a"]
                    for p, label in ((LIKELY, MARKS + [0, 0, 1, 0]), (ONE, CLASSES)))  # fmt: skip
    assert several == pytest.approx(M.average_precision_score(MARKS + [0, 0, 1, 0], LIKELY), abs=1e-6)
    assert one == pytest.approx(M.average_precision_score(CLASSES, ONE), abs=1e-6)


@pytest.mark.parametrize("layer, sentence", [
    ("F1: {bottom: [p, label], positive: 3}", "`positive` 3 of 3 classes."), ("LogLoss: {bottom: [p, p]}", "p is 4x3. Expected one label"),
    ("AveragePrecision: {bottom: [p, label], positive: 3}", "`positive` 3 of 3 classes."),
    ("CalibrationError: {bottom: [p, label], positive: 3}", "`positive` 3 of 3 classes."),
    ("CalibrationError: {bottom: [p, label], bins: 0}", "`bins` is 0. Expected 1 or more."),
    ("MultiLabelAccuracy: {bottom: [p, label]}", "p 4x3 and label 4 must have the same number of labels."),
])  # fmt: skip
def test_what_does_not_fit(layer: str, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        forward(layer, "TEST", p=np.zeros((4, 3)), label=np.zeros(4))


@pytest.mark.parametrize("layer", ["LogLoss", "BrierScore", "CalibrationError", "F1", "AveragePrecision", "MultiLabelAccuracy", "RMSE",
                                   "MAE", "Deviance", "PinballLoss"])  # fmt: skip
def test_a_metric_has_cuda_kernels(layer: str) -> None:
    several = layer not in ("LogLoss", "BrierScore", "CalibrationError")
    made = net(f"{layer}: {{bottom: [p, label], top: a}}", "TEST", {"p": MARKS, "label": MARKS if several else CLASSES})
    assert without_kernel(emit(simplify(made.graph), "cuda", functions=False)) == []
