"""Clusters, against scikit-learn and against numbers computed by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc.compiler.compilation import load
from netc.compiler.lower import lower
from netc.compiler.program import Program, checked
from netc.errors import SpecError
from netc.layers import whole
from netc.training.step import LocalStep
from tests.layers import nets
from tests.layers.nets import about, forward, gradient

RNG = np.random.default_rng(0)
BLOBS = np.concatenate([RNG.normal(size=(40, 3)) + offset for offset in ([0, 0, 0], [9, 0, 0], [0, 9, 3])]).astype(np.float32)


def compiled(folder: Path, rows: Any, batch: int | str, layers: str, solver: str = "max_epoch: 1", label: Any = None) -> Program:
    """A net on `rows`, read in batches of that size; `batch` may have other fields of the data layer after it."""
    np.savez(folder / "rows.npz", data=np.asarray(rows, np.float32), label=np.zeros(len(rows), np.int64) if label is None else label)
    text = f"layers:\n  - Data: {{source: rows.npz, batch_size: {batch}}}\n  - {layers}\n"
    (folder / "net.yaml").write_text(f"name: clusters\n{text}solver: {{{solver}}}\n")
    return checked(load(str(folder / "net.yaml")))


def trained(
    folder: Path, rows: Any, batch: int | str, layers: str, epochs: int = 30, seed: int = 0, more: str = "", label: Any = None
) -> Any:  # fmt: skip
    """The states after training on `rows`, by their names in the layer."""
    program = compiled(folder, rows, batch, layers, f"max_epoch: {epochs}, random_seed: {seed}{more}", label)
    step = LocalStep(program, folder, 1, {})
    with step:
        for iteration in range(step.max_iter):
            step.load(iteration)
            step.advance(1.0)
    return {name.partition(".")[2].removesuffix(".train"): array for name, array in step.arrays().items()}


def squares(rows: Any, centers: Any) -> Any:
    return ((np.asarray(rows, np.float64)[:, None] - centers) ** 2).sum(2)


@about("KMeans")
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
    centers = (1e4 + RNG.normal(size=(4, 6))).astype(np.float32)
    rows = (1e4 + RNG.normal(size=(50, 6))).astype(np.float32)
    found = forward("KMeans: {bottom: x, num_output: 4, top: [a, b]}", "TEST", {"kmeans1.centers": centers}, x=rows)
    np.testing.assert_allclose(found["b"], np.sqrt(squares(rows, centers.astype(np.float64))), rtol=1e-3)


@pytest.mark.parametrize("batch", [120, 40, 32, 7])
def test_it_finds_the_clusters_whatever_the_batch_size(tmp_path: Path, batch: int) -> None:
    found = trained(tmp_path, BLOBS, batch, "KMeans: {num_output: 3}")
    means = np.sort([BLOBS[k : k + 40].mean(0) for k in (0, 40, 80)], 0)
    np.testing.assert_allclose(np.sort(found["centers"], 0), means, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["score"].min(), squares(BLOBS, found["centers"]).min(1).sum(), rtol=1e-4)


@pytest.mark.parametrize("batch", [50, 32])
@pytest.mark.parametrize("more", ["", ", iter_size: 2"])
def test_an_epoch_is_one_iteration_of_scikit_learn(tmp_path: Path, batch: int, more: str) -> None:
    """From the centers that the first steps have chosen, whatever the batch size."""
    cluster = pytest.importorskip("sklearn.cluster")
    rows = RNG.normal(size=(100, 4)).astype(np.float32)
    waited = -(-5 * batch // 100)  # epochs in which the 5 centers are chosen
    layer = "KMeans: {num_output: 5, n_init: 4}"
    chosen = trained(tmp_path, rows, batch, layer, waited, more=more)["starts"]
    moved = trained(tmp_path, rows, batch, layer, waited + 3, more=more)
    for before, after in zip(chosen, moved["starts"], strict=True):
        assert len(np.unique(before, axis=0)) == 5 and all((center == rows).all(1).any() for center in before)
        expected = cluster.KMeans(5, init=before, n_init=1, max_iter=3, tol=0).fit(rows).cluster_centers_
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(moved["centers"], moved["starts"][moved["score"].argmin()])


@pytest.mark.parametrize("seed", range(3))
def test_several_starts_reach_the_inertia_of_scikit_learn(tmp_path: Path, seed: int) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    digits = pytest.importorskip("sklearn.datasets").load_digits().data[:500] / 16
    found = trained(tmp_path, digits, 250, "KMeans: {num_output: 10}", 40, seed)
    expected = cluster.KMeans(10, n_init=10, random_state=seed).fit(digits).inertia_
    assert squares(digits, found["centers"]).min(1).sum() < 1.005 * expected


def test_clusters_are_not_named_after_classes(tmp_path: Path) -> None:
    """But a classifier's outputs are."""
    label = np.arange(120) % 3
    (tmp_path / "rows.csv").write_text("a,b,kind\n" + "".join(f"{a},{b},{'xyz'[k]}\n" for (a, b, _), k in zip(BLOBS, label, strict=True)))
    head, end = "layers:\n  - Data: {source: rows.csv, batch_size: 40}\n", "solver: {base_lr: 0.1, max_epoch: 1}\n"
    ari = "  - AdjustedRandIndex: {include: {phase: TEST}}\n"
    texts = {"  - KMeans: {num_output: 3}\n": (), "  - KMeans: {num_output: 3}\n" + ari: (),
            "  - InnerProduct: {num_output: 3}\n  - SoftmaxWithLoss\n": ("x", "y", "z"),
            "  - Nearest: {bottom: [data, label], rows: 120}\n": ("x", "y", "z")}  # fmt: skip
    for layers, classes in texts.items():
        (tmp_path / "net.yaml").write_text(head + layers + end)
        assert checked(load(str(tmp_path / "net.yaml"))).classes == classes


ERRORS = [
    ("KMeans", 40, "`num_output` is missing. Add the number of clusters, for example `num_output: 10`."),
    ("KMeans: {num_output: 3, n_init: 0}", 40, "`n_init` must be at least 1."),
    ("KMeans: {num_output: 121}", 40, "There are 121 clusters, but only 120 training rows."),
    ("KMeans: {num_output: 3}", 121, "The batch size is 121, but there are only 120 training rows. Set `batch_size: 120`."),
    ("Filter: {bottom: [data, label], top: x}\n  - KMeans: {num_output: 3}", 50, "must divide the 120 training rows, for example"),
    ("ClusterAssignment", 40, "`num_output` is missing"),
    ("ClusterAssignment: {num_output: 3, freedom: 0}", 40, "`freedom` must be above 0, not 0."),
]


@pytest.mark.parametrize(("layers", "batch", "text"), ERRORS)
def test_errors(tmp_path: Path, layers: str, batch: int, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        trained(tmp_path, BLOBS, batch, layers)
    assert text in str(caught.value)


def test_selected_rows_are_clustered(tmp_path: Path) -> None:
    """A Filter below leaves only two of the groups."""
    label = np.arange(120) < 80
    found = trained(
        tmp_path, BLOBS, 30, "Filter: {bottom: [data, label], top: x}\n  - KMeans: {num_output: 2}", label=label.astype(np.int64)
    )
    means = np.sort([BLOBS[k : k + 40].mean(0) for k in (0, 40)], 0)
    np.testing.assert_allclose(np.sort(found["centers"], 0), means, rtol=1e-4, atol=1e-5)


@about("ClusterAssignment")
@pytest.mark.parametrize("freedom", [1, 2.5])
def test_similarities_are_those_of_students_t(freedom: float) -> None:
    centers, rows = RNG.normal(size=(4, 6)).astype(np.float32), RNG.normal(size=(5, 2, 3))
    line = f"ClusterAssignment: {{bottom: x, num_output: 4, freedom: {freedom}, top: [q, i]}}"
    found = forward(line, "TEST", {"clusters1.centers": centers}, x=rows)
    expected = (1 + squares(rows.reshape(5, 6), centers) / freedom) ** (-(freedom + 1) / 2)
    np.testing.assert_allclose(found["q"], expected / expected.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(found["i"], squares(rows.reshape(5, 6), centers).min(1).mean(), rtol=1e-5)


def test_a_stage_of_pretraining_starts_the_centers_by_k_means(tmp_path: Path) -> None:
    found = trained(tmp_path, BLOBS, 40, "ClusterAssignment: {num_output: 3, top: [q, inertia]}\n  - Silence: {bottom: q}")
    means = np.sort([BLOBS[k : k + 40].mean(0) for k in (0, 40, 80)], 0)
    np.testing.assert_allclose(np.sort(found["centers"], 0), means, rtol=1e-4, atol=1e-5)


def divergence(q: Any, shares: Any) -> Any:
    target = q * q / shares
    target = target / target.sum(1, keepdims=True)
    return target, (target * np.log(target / q)).sum(1).mean()


@about("DECLoss")
def test_dec_loss_is_the_divergence_from_the_target() -> None:
    q = RNG.dirichlet(np.ones(3), 8)
    line = "DECLoss: {bottom: x, top: l, moving_average_fraction: 0.9}"
    held = {"loss.shares": [3.0, 4.0, 5.0], "loss.weight": [12.0]}
    after = 0.9 * np.array([3.0, 4, 5]) + q.mean(0)
    found = forward(line, "TRAIN", held, x=q)
    np.testing.assert_allclose(found["next/loss.shares"], after, rtol=1e-5)
    np.testing.assert_allclose(found["next/loss.weight"], [0.9 * 12 + 1])
    np.testing.assert_allclose(found["l"], divergence(q, after / (0.9 * 12 + 1))[1], rtol=1e-4)
    np.testing.assert_allclose(forward(line, "TEST", held, x=q)["l"], divergence(q, np.array([3, 4, 5]) / 12)[1], rtol=1e-4)
    np.testing.assert_allclose(forward(line, "TEST", x=q)["l"], divergence(q, 1 / 3)[1], rtol=1e-4)  # before training, equal shares


def test_the_gradient_of_dec_loss_holds_the_target() -> None:
    q = RNG.dirichlet(np.ones(3), 8)
    got = gradient("DECLoss: {bottom: x, top: l}", "l", 1, x=q)["x"]
    np.testing.assert_allclose(got, -divergence(q, q.mean(0))[0] / q / 8, rtol=1e-4)


PARTITIONS = [([0, 0, 1, 1], [5, 5, 9, 9]), ([0, 0, 0, 1, 2, 2], [0, 0, 1, 1, 2, 2]), ([0, 1, 2], [0, 1, 2]), ([0, 0, 0], [1, 1, 1]),
              (list(RNG.integers(0, 4, 50)), list(RNG.integers(-2, 3, 50))), ([0, 0, 0], [0, 1, 2])]  # fmt: skip


@about("AdjustedRandIndex")
@pytest.mark.parametrize(("found", "label"), PARTITIONS)
def test_adjusted_rand_index_is_scikit_learns(found: Any, label: Any) -> None:
    expected = pytest.importorskip("sklearn.metrics").adjusted_rand_score(label, found)
    got = forward("AdjustedRandIndex: {bottom: [x, label], top: a}", "TEST", x=found, label=label)["a"]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    scores = np.eye(5)[np.array(found)]
    np.testing.assert_allclose(forward("AdjustedRandIndex: {bottom: [x, label], top: a}", "TEST", x=scores, label=label)["a"], got)
    (of_all,) = whole.adjusted_rand(pb.LayerParameter(), {"cluster": np.array(found), "label": np.array(label)})
    np.testing.assert_allclose(of_all, expected, atol=1e-12)


def test_adjusted_rand_index_needs_a_number_a_row() -> None:
    with pytest.raises(SpecError, match="Expected one number for each row. label is of shape 3x2"):
        forward("AdjustedRandIndex: {bottom: [x, label], top: a}", "TEST", x=[0, 1, 2], label=np.zeros((3, 2)))
    with pytest.raises(SpecError, match="x 3 and label 2 differ in size"):
        forward("AdjustedRandIndex: {bottom: [x, label], top: a}", "TEST", x=[0, 1, 2], label=[0, 1])


SYMBOLIC = [
    ("KMeans: {bottom: x, num_output: 3, top: [a, b, c]}", {"x": RNG.normal(size=(5, 2, 3))}),
    ("ClusterAssignment: {bottom: x, num_output: 3, top: [a, b]}", {"x": RNG.normal(size=(5, 2, 3))}),
    ("DECLoss: {bottom: x, top: a}", {"x": RNG.dirichlet(np.ones(3), 5)}),
    ("AdjustedRandIndex: {bottom: [x, label], top: a}", {"x": RNG.normal(size=(5, 3)), "label": [0, 1, 2, 1, 0]}),
    ("Nearest: {bottom: [x, label], rows: 9, num_output: 3, top: [a, b, c]}", {"x": RNG.normal(size=(5, 2, 3)), "label": [0, 1, 2, 1, 0]}),
]


@pytest.mark.parametrize(("line", "inputs"), SYMBOLIC, ids=lambda v: v.partition(":")[0] if isinstance(v, str) else "")
def test_any_batch_gives_the_same(line: str, inputs: dict[str, Any]) -> None:
    fixed = nets.net(line, "TEST", inputs)
    free = lower(fixed.net, "N")
    held = {n: RNG.uniform(1, 4, a.shape).round() for n, a in nets.states(fixed).items()}
    names = [n for n in fixed.net.outputs if n not in inputs]
    got, expected = (nets.evaluate(low, {n: low.versions[n][-1] for n in names}, inputs, held) for low in (free, fixed))
    for name in names:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-5, atol=1e-6)
