"""Files that are read: plain ones, and what is told at once of what is none."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data, registry
from netc.data import plain_layer, read_blob
from netc.errors import DataError, NetcError
from netc.files import IrregularFileError, open_plain, read_file, read_text
from netc.spec.job import load_job
from netc.training.weights import load_weights
from tests.data.layers import data_layer
from tests.small_nets import netc


def test_the_bytes_and_the_text_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("é\r\nb\rc".encode())
    (tmp_path / "link").symlink_to("a")
    assert read_file(tmp_path / "link") == "é\r\nb\rc".encode() and read_text(tmp_path / "a") == "é\nb\nc"


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, kind in (("pipe", "a pipe"), ("/dev/zero", "a device")):
        with pytest.raises(IrregularFileError, match=f"it is {kind}, not a file"):
            open_plain(tmp_path / name)
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        open_plain(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "none")


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".npy", ".txt", ".mdb"])
def test_a_pipe_as_data_does_not_wait(tmp_path: Path, suffix: str) -> None:
    registry.load()
    os.mkfifo(tmp_path / f"data{suffix}")
    with pytest.raises(DataError, match="it is a pipe, not a file"):
        data.describe(data_layer(f"data{suffix}"), "TRAIN", tmp_path)
    with pytest.raises(DataError, match="it is a pipe, not a file"):
        data.describe(plain_layer(f"data{suffix}", tmp_path), "TRAIN", tmp_path)


@pytest.mark.parametrize("suffix", [".yaml", ".prototxt", ".caffemodel", ".h5", ".safetensors", ".npy", ".binaryproto"])
def test_a_pipe_as_a_net_as_weights_or_as_a_mean_does_not_wait(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    os.mkfifo(path)
    reads: dict[str, Callable[[str], object]] = {
        ".yaml": load_job,
        ".prototxt": load_job,
        ".npy": lambda p: read_blob(path),
        ".binaryproto": lambda p: read_blob(path),
        ".caffemodel": lambda p: load_weights(p, {}, {}),
        ".h5": lambda p: load_weights(p, {}, {}),
        ".safetensors": lambda p: load_weights(p, {}, {}),
    }
    with pytest.raises(NetcError, match="it is a pipe, not a file"):
        reads[suffix](str(path))


@pytest.mark.parametrize("kind, field", [("ImageData", "image_data_param"), ("HDF5Data", "hdf5_data_param"), ("TreeData", "data_param")])
def test_a_pipe_as_a_list_does_not_wait(tmp_path: Path, kind: str, field: str) -> None:
    layer = data_layer("", 1)
    layer.type = kind
    layer.tree_data_param.vocabulary_size = 9
    os.mkfifo(tmp_path / "list.txt")
    getattr(layer, field).source = "list.txt"
    getattr(layer, field).batch_size = 1
    with pytest.raises(DataError, match="it is a pipe, not a file"):
        data.describe(layer, "TRAIN", tmp_path)


def test_text_of_windows_is_read_as_any(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"a.png 3\r\n")
    np.save(tmp_path / "m.npy", np.ones((1, 2, 2), np.float32))
    assert read_blob(tmp_path / "m.npy").shape == (1, 2, 2) and read_text(tmp_path / "list.txt") == "a.png 3\n"


@pytest.mark.parametrize("arguments", [("data", "show"), ("predict",), ("check",), ("init", "x.yaml", "--data"), ("data", "mean")])
def test_what_is_too_long_for_a_name_is_an_error_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[Any, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = netc(*arguments, "a" * 300, *["x.png"] * (arguments == ("predict",)))
    assert result.exit_code == 2 and "too long" in result.stderr and "error in netc" not in result.stderr
