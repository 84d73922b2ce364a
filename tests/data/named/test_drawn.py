"""Data sets that netc draws: the same bytes everywhere, no digit of a test line in training."""

from hashlib import sha256

import numpy as np
import pytest

from netc.commands.datasets import fetch, where
from netc.data import Tables
from netc.data.named.drawn import below
from tests.data.layers import columns_of, data_layer
from tests.data.named.records import builtin

HASHES = {
    ("shapes", "TRAIN"): "09c0b91d8f0a2dd4b0ba35305d5b1d12d8d887db7a7bf1e8bfdc118e993cc1a0",
    ("shapes", "TEST"): "c91a07a7c055bb5abd2ad2fea6e2216a58ff28a7baaef79e0090bd060de2e7ed",
    ("digit_lines", "TRAIN"): "f5c628a195b56690a90578cc6b0358d021620accfe4a6893f1c564c50ab90cdf",
    ("digit_lines", "TEST"): "b5c2714fb3d7801a7a369abd0574cb079216613026a77ea7cb0c390e86471bc4",
}


def columns(name: str, phase: str) -> tuple[np.ndarray, np.ndarray]:
    first, second = columns_of(Tables().reader(data_layer(name), phase).open(0))
    return np.asarray(first), np.asarray(second)


@pytest.mark.parametrize("name, phase", HASHES)
def test_bytes(name: str, phase: str) -> None:
    images, labels = columns(name, phase)
    record = builtin(name)
    assert images.shape == (record.rows[phase], *record.tops[0].shape) and labels.shape == (record.rows[phase], *record.tops[1].shape)
    assert sha256(images.tobytes() + labels.astype(np.int64).tobytes()).hexdigest() == HASHES[name, phase]


def test_shapes_have_all_classes() -> None:
    _, masks = columns("shapes", "TEST")
    shares = np.bincount(masks.reshape(-1), minlength=4) / masks.size
    assert len(shares) == 4 and shares.min() > 0.05 and shares[0] > 0.6


def test_labels_of_lines() -> None:
    _, labels = columns("digit_lines", "TRAIN")
    lengths = (labels >= 0).sum(1)
    assert set(lengths) == set(range(1, 9)) and set(labels[labels >= 0]) == set(range(10))
    for row, length in zip(labels, lengths, strict=True):
        assert (row[length:] == -1).all()


def test_nothing_to_download() -> None:
    assert where(builtin("shapes")) == "present: netc draws it"
    assert list(fetch(["shapes"])) == ["shapes: netc draws it; there is nothing to download"]
    assert [below(n, 4) for n in (0, 2**30 - 1, 2**30, 2**32 - 1)] == [0, 0, 1, 3]
