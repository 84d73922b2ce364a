"""Clusters, against scikit-learn and against numbers computed by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.compiler.compilation import load
from netc.compiler.program import checked
from netc.training.step import LocalStep
from tests.layers.nets import about, forward

RNG = np.random.default_rng(0)
BLOBS = np.concatenate([RNG.normal(size=(40, 3)) + offset for offset in ([0, 0, 0], [9, 0, 0], [0, 9, 3])]).astype(np.float32)
STATES = ("starts", "moves", "counts", "inertia", "score", "step")


def net(folder: Path, rows: Any, batch: int, fields: str = "num_output: 3", epochs: int = 30, seed: int = 0, more: str = "") -> Any:
    """The centers and the carried states after training on `rows`."""
    np.savez(folder / "rows.npz", data=np.asarray(rows, np.float32))
    text = f"layers:\n  - Data: {{source: rows.npz, top: data, batch_size: {batch}}}\n{more}  - KMeans: {{{fields}}}\n"
    (folder / "net.yaml").write_text(f"name: clusters\n{text}solver: {{base_lr: 1, max_epoch: {epochs}, random_seed: {seed}}}\n")
    step = LocalStep(checked(load(str(folder / "net.yaml"))), folder, 1, {})
    with step:
        for iteration in range(step.max_iter):
            step.load(iteration)
            step.advance(1.0)
    return {name.removeprefix("kmeans1.").removesuffix(".train"): array for name, array in step.arrays().items()}


def squares(rows: Any, centers: Any) -> Any:
    return ((np.asarray(rows, np.float64)[:, None] - centers) ** 2).sum(2)


def test_tops_are_those_of_the_nearest_center() -> None:
    centers = RNG.normal(size=(4, 6)).astype(np.float32)
    rows = RNG.normal(size=(5, 2, 3))
    found = forward("KMeans: {bottom: x, num_output: 4, top: [a, b, c]}", "TEST", {"kmeans1.centers": centers}, x=rows)
    expected = squares(rows.reshape(5, 6), centers)
    assert found["a"].dtype == np.int64
    np.testing.assert_array_equal(found["a"], expected.argmin(1))
    np.testing.assert_allclose(found["b"], np.sqrt(expected), rtol=1e-5)
    np.testing.assert_allclose(found["c"], expected.min(1).mean(), rtol=1e-5)


def test_a_large_offset_does_not_blur_distances() -> None:
    centers = 1e4 + RNG.normal(size=(4, 6)).astype(np.float32)
    rows = (1e4 + RNG.normal(size=(50, 6))).astype(np.float32)
    found = forward("KMeans: {bottom: x, num_output: 4, top: [a, b]}", "TEST", {"kmeans1.centers": centers}, x=rows)
    np.testing.assert_allclose(found["b"], np.sqrt(squares(rows, centers.astype(np.float64))), rtol=1e-3)


@about("KMeans")
@pytest.mark.parametrize("batch", [120, 40, 32, 7])
def test_it_finds_the_clusters_whatever_the_batch_size(tmp_path: Path, batch: int) -> None:
    found = net(tmp_path, BLOBS, batch)
    means = np.sort([BLOBS[k : k + 40].mean(0) for k in (0, 40, 80)], 0)
    np.testing.assert_allclose(np.sort(found["centers"], 0), means, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["score"], squares(BLOBS, found["centers"]).min(1).sum(), rtol=1e-4)


@pytest.mark.parametrize("batch", [50, 32])
def test_an_epoch_is_one_iteration_of_scikit_learn(tmp_path: Path, batch: int) -> None:
    """From the centers that the first steps have chosen, whatever the batch size."""
    cluster = pytest.importorskip("sklearn.cluster")
    rows = RNG.normal(size=(100, 4)).astype(np.float32)
    waited = -(-5 * batch // 100)  # epochs in which the 5 centers are chosen
    chosen = net(tmp_path, rows, batch, "num_output: 5, n_init: 4", waited)["starts"]
    moved = net(tmp_path, rows, batch, "num_output: 5, n_init: 4", waited + 3)
    for before, after in zip(chosen, moved["starts"], strict=True):
        assert all((before[k] == rows).all(1).any() for k in range(5))
        expected = cluster.KMeans(5, init=before, n_init=1, max_iter=3, tol=0).fit(rows).cluster_centers_
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(moved["centers"], moved["starts"][moved["score"].argmin()])
