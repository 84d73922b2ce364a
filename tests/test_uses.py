"""Nets for everyday uses against scikit-learn on the same rows: what each reaches is in the first lines of its file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.predict.model import Model
from tests.benchmarks.clusters import KMEANS, scores
from tests.conftest import DATA, ROOT, ZOO, needs_data, needs_zoo
from tests.data.layers import data_layer
from tests.small_nets import log, netc
from tests.some import some

pytest.importorskip("sklearn", reason="pip install scikit-learn")


def rows(name: Any) -> Iterator[Any]:
    """Training rows and labels, test rows and labels."""
    for phase in ("TRAIN", "TEST"):
        source = data.open(data_layer(name, 1), phase, 0)
        every = np.arange(some(source.rows))
        yield from (source.stored(0, every).reshape(some(source.rows), -1), source.stored(1, every))


def trained(name: Any, folder: Any) -> Any:
    """The last line of the log of a net of nets/ that is trained and published."""
    result = netc("train", ROOT / f"nets/{name}.yaml", "--runs", folder / "runs", "--zoo", folder / "zoo")
    assert result.exit_code == 0, result.stderr
    return log(folder / f"runs/{name}/1")[-1]


def test_cancer_is_found_as_by_a_logistic_regression(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y, tested, label = rows("breast_cancer")
    theirs = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y).score(tested, label)
    ours = trained("breast_cancer", tmp_path)
    assert ours["accuracy"] >= theirs - 0.01 and ours["auc"] >= 0.99


def test_a_progression_is_foretold_as_by_least_squares(tmp_path: Path) -> None:
    """And a .csv of patients is read, its columns by their names in any order."""
    from sklearn.linear_model import LinearRegression

    x, y, tested, label = rows("diabetes")
    ours = trained("regression", tmp_path)
    assert ours["r2"] >= LinearRegression().fit(x, y).score(tested, label) - 0.02 and 40 < ours["rmse"] < 52
    columns = data.describe(data_layer("diabetes"), "TRAIN").columns
    order = [*range(5, 10), *range(5)]
    lines = [",".join(["patient", *(columns[k] for k in order)]), *(",".join(["7", *(str(row[k]) for k in order)]) for row in tested[:3])]
    (tmp_path / "patients.csv").write_text("\n".join(lines))
    result = netc("predict", "regression", tmp_path / "patients.csv", "--from", tmp_path / "zoo")
    assert result.exit_code == 0, result.stderr
    found = [line.split(": progression ") for line in result.stdout.splitlines()]
    model = Model(tmp_path / "zoo/regression/1.0.0")
    np.testing.assert_allclose([float(v) for _, v in found], model(tested[:3])["progression"][:, 0], rtol=1e-4)
    assert [name for name, _ in found] == [f"{tmp_path / 'patients.csv'}[{k}]" for k in range(3)]


def test_outliers_have_larger_errors_than_by_components(tmp_path: Path) -> None:
    """Digits of 0 are none of the training rows; they are told from others better than by eight components."""
    from sklearn.decomposition import PCA
    from sklearn.metrics import roc_auc_score

    x, y, tested, label = rows("digits")
    normal = PCA(8).fit(x[y > 0] / 16)
    away = ((tested / 16 - normal.inverse_transform(normal.transform(tested / 16))) ** 2).sum(1)
    ours = trained("outliers", tmp_path)
    assert ours["auc"] >= 0.99 > roc_auc_score(label == 0, away)
    score = Model(tmp_path / "zoo/outliers/1.0.0")(tested.reshape(-1, 1, 8, 8))["score"]
    assert roc_auc_score(label == 0, score) == pytest.approx(ours["auc"], abs=1e-5)


def test_wines_are_clustered_as_by_scikit_learn(tmp_path: Path) -> None:
    """And the published model assigns a wine to its nearest center."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    x, y, tested, label = rows("wine")
    mean, deviation = x.mean(0), x.std(0)
    theirs = KMeans(3, n_init=10, random_state=0).fit((x - mean) / deviation)
    ours = trained("kmeans", tmp_path)
    assert ours.keys() == {"event", "iteration", "loss", "ari", "inertia"}
    model = Model(tmp_path / "zoo/kmeans/1.0.0")
    found, standard = model(tested), (tested - mean) / deviation
    assert ours["ari"] == pytest.approx(adjusted_rand_score(label, theirs.predict(standard)), abs=0.01)
    assert ours["inertia"] == pytest.approx(-theirs.score(standard) / len(tested), rel=1e-3)
    assert adjusted_rand_score(theirs.labels_, model(x)["cluster"]) == pytest.approx(1)
    assert adjusted_rand_score(label, found["cluster"]) == pytest.approx(ours["ari"])
    np.testing.assert_array_equal(found["cluster"], found["distance"].argmin(1))


def test_tumours_are_outliers_as_by_scikit_learn(tmp_path: Path) -> None:
    from sklearn.metrics import roc_auc_score
    from sklearn.neighbors import NearestNeighbors

    x, y, tested, label = rows("breast_cancer")
    mean, deviation = x.mean(0), x.std(0)
    near = NearestNeighbors(n_neighbors=5).fit(((x - mean) / deviation)[y > 0])
    theirs = near.kneighbors((tested - mean) / deviation)[0].mean(1)
    ours = trained("nearest", tmp_path)
    np.testing.assert_allclose(Model(tmp_path / "zoo/nearest/1.0.0")(tested)["score"], theirs, rtol=1e-3)
    assert ours["auc"] == pytest.approx(roc_auc_score(label == 0, theirs), abs=1e-5)


@pytest.mark.parametrize("name, clusters", [("digits", 10), ("wine", 3)])
def test_k_means_matches_labels_as_that_of_scikit_learn(tmp_path: Path, name: str, clusters: int) -> None:
    """Adjusted Rand index, means of ten seeds."""
    from sklearn import datasets
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    found = getattr(datasets, f"load_{name}")()
    x = (found.data - found.data.mean(0)) / (found.data.std(0) if name == "wine" else 16)
    theirs = [adjusted_rand_score(found.target, KMeans(clusters, n_init=10, random_state=seed).fit(x).labels_) for seed in range(10)]
    ours = [scores(KMEANS.format(batch=len(x), clusters=clusters, epochs=60), seed, rows=(x, found.target))["ari"] for seed in range(10)]
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.01)


@needs_zoo
@needs_data("mnist")
def test_codes_serve_few_labels_better_than_pixels(tmp_path: Path) -> None:
    """Of the denoising autoencoder, which knows no label: 100 labels, three draws."""
    from sklearn.linear_model import LogisticRegression

    zoo, made = ZOO / "denoising_autoencoder/1.0.1", tmp_path / "codes.npz"
    given = [
        "--weights",
        zoo / "start.safetensors",
        "--set",
        "layers.data.top=[data, label]",
        "--blobs",
        "data,code,label",
        "--iterations",
        "30",
        "-o",
        made,
    ]
    result = netc("extract-features", ROOT / "nets/denoising_autoencoder.yaml", *given, NETC_DATA=str(DATA))
    assert result.exit_code == 0, result.stderr
    found = dict(np.load(made))
    label, gains = found["label"].astype(int), []
    for order in (np.random.default_rng(seed).permutation(len(label)) for seed in range(3)):
        fitted, tested = order[:100], order[-2000:]
        pixels, codes = (
            LogisticRegression(max_iter=100, tol=0.01).fit(rows[fitted], label[fitted]).score(rows[tested], label[tested])
            for rows in (found["data"].reshape(len(label), -1), found["code"])
        )
        gains.append(codes - pixels)
    assert np.mean(gains) > 0.015, gains
