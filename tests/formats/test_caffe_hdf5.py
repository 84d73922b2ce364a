"""Caffe's HDF5 snapshots: names with slashes, which Caffe cannot write, and files that are damaged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.errors import SpecError
from netc.formats import caffe_hdf5
from netc.formats.caffe_weights import read_state, read_weights

h5py = pytest.importorskip("h5py", reason="HDF5 files need h5py: pip install netc[caffe]")
X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_names_with_slashes(tmp_path: Path) -> None:
    path = tmp_path / "m.caffemodel.h5"
    caffe_hdf5.write_model(path, ["a", "a/b", "c"], {"a": [X], "a/b": [X + 1, X + 2], "c": [None]}, {"a": [X], "a/b": [X, X]})
    found = read_weights(path)
    assert sorted(found) == ["a", "a/b"]
    np.testing.assert_array_equal(found["a/b"][1], X + 2)
    with h5py.File(path) as file:
        assert sorted(file) == ["data", "diff"] and list(file["data/c"]) == []


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda f: f.pop("data"), "it is damaged"),
        (lambda f: f["data/a"].move("0", "1"), r"layer 'a' has the blobs \[1\]"),
        (lambda f: f["data/a"].create_dataset("1", data=np.bytes_("x")), "'/data/a/1' holds no numbers"),
        (lambda f: f["data/a"].create_dataset("1", (1 << 16, 1 << 16), "<f4"), "'/data/a/1' claims 17,179,869,184 bytes; 0 are stored"),
    ],
)
def test_what_is_wrong_with_a_model(change: Callable[..., Any], wanted: str, tmp_path: Path) -> None:
    path = tmp_path / "m.caffemodel.h5"
    caffe_hdf5.write_model(path, ["a"], {"a": [X]}, None)
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(SpecError, match=rf"m.caffemodel.h5: It is not an HDF5 snapshot of Caffe, or it is damaged: .*{wanted}|{wanted}"):
        read_weights(path)


def test_a_state_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "s.solverstate.h5"
    caffe_hdf5.write_state(path, 3, "m.caffemodel.h5", 1, [X])
    found = read_state(path)
    assert (found.iteration, found.learned_net, found.current_step) == (3, "m.caffemodel.h5", 1)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(SpecError, match="it is damaged"):
        read_state(path)
