"""The arrays of .npz files: packed the same each time, and read back; those that mean harm are in test_hostile.py."""

import time
from pathlib import Path

import numpy as np
import pytest

from netc.zoo.arrays import npz, read_arrays
from netc.zoo.vectors import samples


def test_what_is_packed_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, np.ndarray] = {
        "input.batch/data": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "scalar": np.array(3, np.float32),
        "turned": np.arange(6).reshape(2, 3).T,
        "none": np.zeros((0, 4), np.int64),
        "zeros": np.zeros(100_000, np.float32),
    }
    data = npz({name: np.asarray(array) for name, array in given.items()})
    assert len(data) < 5000
    (tmp_path / "a.npz").write_bytes(data)
    found = read_arrays(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as loaded:
        for name, array in given.items():
            assert np.array_equal(found[name], array) and np.array_equal(loaded[name], array) and found[name].dtype == array.dtype
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert npz({name: np.asarray(array) for name, array in given.items()}) == data


@pytest.mark.parametrize(
    "size, wanted", [(0, []), (1, [0]), (64, list(range(64))), (65, [k * 65 // 64 for k in range(64)]), (6400, list(range(0, 6400, 100)))]
)
def test_samples_are_taken_evenly(size: int, wanted: list[int]) -> None:
    assert samples(np.arange(size).reshape(-1, 1)).tolist() == wanted
