"""Mixup and cutmix: which rows are mixed, with which shares, and what becomes of the labels."""

from pathlib import Path

import numpy as np
import pytest

from netc import data
from netc import netc_pb2 as pb
from netc.data.source import TopSpec
from netc.data.transforms.mixing import beta_quantile, mixed_tops
from netc.errors import DataError
from tests.data.layers import data_layer

ROWS = np.stack([np.full((2, 6, 8), 10.0 * k, np.float32) for k in range(10)])

LABELS = np.arange(10)


def opened(folder: Path, param: str, size: int = 4, label: np.ndarray = LABELS) -> data.Source:
    np.savez(folder / "x.npz", data=ROWS, label=label)
    return data.open(data_layer("x.npz", size, transform=param, shuffle=False), "TRAIN", 0, folder)


def test_mixup_mixes_neighbours(tmp_path: Path) -> None:
    source = opened(tmp_path, "mixup_alpha: 1")
    assert [top.dtype for top in source.description.tops] == ["float32", "int64", "int64", "float32"]
    shares = []
    for k in range(40):
        images, label, partner, share = source.batch(k)
        assert np.all(label ^ 1 == partner) and np.all((share >= 0.5) & (share <= 1))
        assert np.abs(images - (10 * (share * label + (1 - share) * partner)).reshape(-1, 1, 1, 1)).max() < 1e-3
        shares += share.tolist()
    assert np.mean(shares) == pytest.approx(0.75, abs=0.04)  # Beta(1, 1) is uniform


def test_cutmix_pastes_a_rectangle_of_the_neighbour(tmp_path: Path) -> None:
    source, seen = opened(tmp_path, "cutmix_alpha: 1"), []
    for k in range(40):
        for image, label, partner, share in zip(*source.batch(k), strict=True):
            own = image == 10 * label
            assert np.all(own | (image == 10 * partner)) and own.mean() == pytest.approx(share, abs=1e-6)
            for part in (own[0], ~own[0]):
                rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
                seen.append(len(rows) * len(columns) == part.sum())
    assert np.mean(seen) >= 0.5 and {True} <= set(seen)


def test_an_odd_batch_reads_its_neighbours_beyond_it(tmp_path: Path) -> None:
    source = opened(tmp_path, "mixup_alpha: 0.5", size=1)
    assert [int(source.batch(k)[1][0]) + int(source.batch(k)[2][0]) for k in range(4)] == [1, 1, 5, 5]


def test_numbers_are_mixed_themselves(tmp_path: Path) -> None:
    targets = np.arange(10, dtype=np.float32)
    for label in (targets, np.stack([targets, 2 * targets], 1)):
        images, mixed = opened(tmp_path, "mixup_alpha: 1", label=label).batch(0)
        assert np.abs(images[:, 0, 0, 0] / 10 - mixed.reshape(4, -1)[:, 0]).max() < 1e-5
        assert np.all(mixed != np.round(mixed)) and mixed.shape[1:] == label.shape[1:]


def test_rows_without_labels_and_rows_that_are_no_images(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ROWS[:, 0, 0])
    layer = data_layer("x.npy", 4, tops=("data",), transform="mixup_alpha: 1", shuffle=False)
    (rows,) = data.open(layer, "TRAIN", 0, tmp_path).batch(0)
    assert rows.shape == (4, 8) and len(np.unique(rows)) == 4


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 2.0, 50.0])
def test_quantiles_of_the_beta_distribution(alpha: float) -> None:
    u = np.linspace(0.001, 0.999, 999)
    got = beta_quantile(alpha, u)
    exact = {0.5: np.sin(np.pi * u / 2) ** 2, 1.0: u}
    if alpha in exact:
        assert np.abs(got - exact[alpha]).max() < 1e-5
    if alpha == 2:
        assert np.abs(3 * got**2 - 2 * got**3 - u).max() < 1e-6
    drawn = np.quantile(np.random.default_rng(0).beta(alpha, alpha, 400_000), u)
    assert np.abs(got - drawn).max() < 0.012 and np.all(np.diff(got) >= 0) and np.abs(got + got[::-1] - 1).max() < 1e-12


IMAGE, LABEL = TopSpec("float32", (3, 8, 8)), TopSpec("int64", ())


@pytest.mark.parametrize(
    "tops, message",
    [
        ((IMAGE, TopSpec("int64", (3,))), "`mixup_alpha` needs one label for each row, but a label has the shape 3"),
        ((IMAGE, LABEL, LABEL), "the layer has 3 tops. Use the first two only"),
        ((IMAGE, TopSpec("int64", (8, 8), mask=True)), "one label for each image, but the labels are masks"),
        ((TopSpec("float32", (5, 8), batch_axis=1), LABEL), "rows of one size each, not sequences"),
    ],
)
def test_tops_that_cannot_be_mixed(tops: tuple[TopSpec, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        mixed_tops(pb.TransformationParameter(mixup_alpha=1), tops)


def test_only_training_rows_are_mixed(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", data=ROWS, label=np.zeros((10, 3), int))
    layer = data_layer("x.npz", transform="mixup_alpha: 1")
    assert len(data.describe(layer, "TEST", tmp_path).tops) == 2
    with pytest.raises(DataError):
        data.describe(layer, "TRAIN", tmp_path)
