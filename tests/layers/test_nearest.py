"""Nearest, against scikit-learn and against distances computed by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.errors import SpecError
from netc.runtime.session import Session
from tests.layers.nets import about, forward
from tests.layers.test_cluster import compiled, squares, trained

RNG = np.random.default_rng(0)
STORED, ROWS = RNG.normal(size=(20, 6)).astype(np.float32), RNG.normal(size=(5, 2, 3))
HELD = {"nearest1.rows": STORED, "nearest1.count": [20.0]}
LABELS = RNG.integers(0, 3, 20)


@about("Nearest")
def test_distances_of_the_nearest_stored_rows() -> None:
    found = forward("Nearest: {bottom: x, rows: 20, k: 4, top: [mean, kth]}", "TEST", HELD, x=ROWS)
    expected = np.sort(np.sqrt(squares(ROWS.reshape(5, 6), STORED)), 1)[:, :4]
    np.testing.assert_allclose(found["mean"], expected.mean(1), rtol=1e-5)
    np.testing.assert_allclose(found["kth"], expected[:, 3], rtol=1e-5)


def test_a_stored_row_is_at_distance_zero() -> None:
    held = {"nearest1.rows": STORED + 1000, "nearest1.count": [20.0]}
    found = forward("Nearest: {bottom: x, rows: 20, k: 1}", "TEST", held, x=(STORED + 1000)[3:5])
    np.testing.assert_array_equal(found["nearest1"], [0, 0])


def test_empty_slots_do_not_count() -> None:
    held = {"nearest1.rows": STORED, "nearest1.count": [2.0]}
    found = forward("Nearest: {bottom: x, rows: 20, k: 4, top: [mean, kth]}", "TEST", held, x=ROWS)
    expected = np.sqrt(squares(ROWS.reshape(5, 6), STORED[:2]))
    np.testing.assert_allclose(found["mean"], expected.mean(1), rtol=1e-5)
    np.testing.assert_allclose(found["kth"], expected.max(1), rtol=1e-5)


@pytest.mark.parametrize("phase", ["TEST", "TRAIN"])
def test_classes_are_those_of_scikit_learn(phase: str) -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    held = {**HELD, "nearest1.labels": LABELS}
    line = "Nearest: {bottom: [x, label], rows: 20, num_output: 3, top: [votes, mean, kth]}"
    found = forward(line, phase, held, x=ROWS, label=np.zeros(5))
    model = neighbors.KNeighborsClassifier(5).fit(STORED, LABELS)
    np.testing.assert_allclose(found["votes"], model.predict_proba(ROWS.reshape(5, 6)), rtol=1e-6)
    np.testing.assert_allclose(found["mean"], model.kneighbors(ROWS.reshape(5, 6))[0].mean(1), rtol=1e-5)


def test_numbers_are_those_of_scikit_learn() -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    targets = RNG.normal(size=20)
    found = forward("Nearest: {bottom: [x, label], rows: 20}", "TEST", {**HELD, "nearest1.labels": targets}, x=ROWS, label=np.zeros(5))
    expected = neighbors.KNeighborsRegressor(5).fit(STORED, targets).predict(ROWS.reshape(5, 6))
    np.testing.assert_allclose(found["nearest1"], expected, rtol=1e-5)


def by_row(array: Any) -> Any:
    return array[np.lexsort(array.T)]


@pytest.mark.parametrize("batch", [40, 20, 16, 7])
@pytest.mark.parametrize("epochs", [1, 3])
def test_the_first_epoch_stores_each_row_once(tmp_path: Path, batch: int, epochs: int) -> None:
    rows, label = RNG.normal(size=(40, 3)).astype(np.float32), np.arange(40)
    found = trained(tmp_path, rows, batch, "Nearest: {bottom: [data, label], rows: 40, num_output: 40}", epochs, label=label)
    assert found["count"] == 40
    np.testing.assert_array_equal(found["rows"], rows[found["labels"][:, 0].astype(int)])
    np.testing.assert_array_equal(by_row(found["rows"]), by_row(rows))


@pytest.mark.parametrize("batch", [40, 16])
def test_a_sample_is_spread_over_the_rows(tmp_path: Path, batch: int) -> None:
    rows = np.arange(40, dtype=np.float32)[:, None]
    source = "Nearest: {rows: 7, k: 2}"
    found = trained(tmp_path, rows, f"{batch}, shuffle: false", source, 2)
    assert found["count"] == 7
    np.testing.assert_array_equal(found["rows"][:, 0], [5, 11, 17, 22, 28, 34, 39])
    assert trained(tmp_path, rows, batch, "Nearest: {rows: 100, k: 2}", 2)["count"] == 40


def test_a_deployed_net_needs_no_labels(tmp_path: Path) -> None:
    program = compiled(tmp_path, STORED, 20, "Nearest: {bottom: [data, label], rows: 20, num_output: 3}", label=LABELS)
    held = {**HELD, "nearest1.labels": LABELS[:, None]}
    model = Session(program.deploy_model({n: np.asarray(a, np.float32) for n, a in held.items()}))
    assert list(model.inputs) == ["data"]
    (votes,) = model.run({"data": STORED[:2]}).values()
    near = squares(STORED[:2], STORED).argsort(1)[:, :5]
    np.testing.assert_allclose(votes, np.eye(3)[LABELS[near]].mean(1), rtol=1e-6)


def test_selected_rows_are_stored_once(tmp_path: Path) -> None:
    rows, label = RNG.normal(size=(40, 3)).astype(np.float32), (np.arange(40) % 3 > 0).astype(np.int64)
    layers = "Filter: {bottom: [data, label], top: x}\n  - Nearest: {rows: 30, k: 2}"
    found = trained(tmp_path, rows, 10, layers, 3, label=label)
    assert found["count"] == label.sum()
    np.testing.assert_array_equal(by_row(found["rows"][: label.sum()]), by_row(rows[label > 0]))
    with pytest.raises(SpecError, match="`batch_size` must divide the 40 training rows, so that none is stored twice"):
        trained(tmp_path, rows, 16, layers)


ERRORS = [
    ("Nearest", "`rows` is missing. Add the number of training rows to store. The training set has 40: `rows: 40` stores all."),
    ("Nearest: {rows: 4}", "`k` is 5, but there are 4 stored rows."),
    ("Nearest: {rows: 40000000}", "40,000,000 rows of 3 numbers are 120,000,000 numbers. It stores at most 100,000,000."),
    ("Nearest: {bottom: [data, label], rows: 40}", "`num_output` is missing: the number of classes in 'label'"),
]


@pytest.mark.parametrize(("layer", "text"), ERRORS)
def test_errors(tmp_path: Path, layer: str, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        trained(tmp_path, RNG.normal(size=(40, 3)), 10, layer)
    assert text in str(caught.value)
