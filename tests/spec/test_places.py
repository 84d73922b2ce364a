"""Where the paths of a net file start: its own folder, and in Caffe's files the current folder first."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc.compiler.compilation import load
from netc.data import open as open_source
from netc.errors import SpecError
from netc.training.input_files import moved_to
from netc.training.weights import match_weights
from tests.small_nets import netc

NET = """\
name: "paths"
layer { name: "data" type: "%s" top: "data" top: "label" %s }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
IMAGES = 'image_data_param { source: "data/list.txt" batch_size: 2 new_height: 4 new_width: 4 %s }'


def hdf5(root: Path, value: float) -> tuple[str, str]:
    h5py = pytest.importorskip("h5py")
    (root / "data").mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "data/a.h5", "w") as file:
        file["data"], file["label"] = np.full((4, 3), value, np.float32), np.zeros(4, np.float32)
    (root / "data/list.txt").write_text("data/a.h5\n")
    return "HDF5Data", 'hdf5_data_param { source: "data/list.txt" batch_size: 2 }'


def lmdb(root: Path, value: float, source: str = "data/db") -> tuple[str, str]:
    pytest.importorskip("lmdb")
    from netc.data.datum import to_datum
    from netc.data.sources.lmdb import write_datums

    (root / "data").mkdir(parents=True, exist_ok=True)
    write_datums(root / "data/db", [(str(k).encode(), to_datum(np.full((1, 2, 2), int(value), np.uint8), 0)) for k in range(4)])
    return "Data", f'data_param {{ source: "{source}" batch_size: 2 backend: LMDB }}'


def database_file(root: Path, value: float) -> tuple[str, str]:
    return lmdb(root, value, "data/db/data.mdb")


def images(root: Path, value: float, line: str = "data/a.png", more: str = "") -> tuple[str, str]:
    (root / "data").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (int(value),) * 3).save(root / "data/a.png")
    (root / "data/list.txt").write_text(f"{line} 0\n{line} 1\n")
    return "ImageData", IMAGES % more


def images_below(root: Path, value: float) -> tuple[str, str]:
    return images(root, value, "a.png", 'root_folder: "data/"')


def images_with_slash(root: Path, value: float) -> tuple[str, str]:
    return images(root, value, "/a.png", 'root_folder: "data"')


def windows(root: Path, value: float) -> tuple[str, str]:
    (root / "data").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (int(value),) * 3).save(root / "data/a.png")
    (root / "data/windows.txt").write_text("# 0\ndata/a.png\n3\n4\n4\n2\n1 0.9 0 0 2 2\n0 0.1 1 1 3 3\n")
    return "WindowData", 'transform_param { crop_size: 3 } window_data_param { source: "data/windows.txt" batch_size: 4 }'


Make = Callable[[Path, float], tuple[str, str]]
MAKERS = [hdf5, lmdb, database_file, images, images_below, images_with_slash, windows]


def net_file(folder: Path, layer: tuple[str, str]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.prototxt").write_text(NET % layer)
    return str(folder / "net.prototxt")


def first_value(path: str) -> float:
    made = load(path)
    layer = made.train_net.sources[0]
    assert layer.reader is not None
    return float(layer.reader.open(0).batch(0)[0].max())


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("place", ["current folder", "folder of the net"])
def test_both_places(make: Make, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = make(tmp_path if place == "current folder" else tmp_path / "nets/mine", 7)
    assert first_value(net_file(Path("nets/mine"), data)) == 7


@pytest.mark.parametrize("make", MAKERS)
def test_a_file_in_both_places_is_that_of_caffe_with_a_note(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "nets/mine", 3)
    path = net_file(Path("nets/mine"), make(tmp_path, 7))
    assert first_value(path) == 7
    assert any("netc reads the first one, as Caffe does." in text for text in load(path).job.warnings)


@pytest.mark.parametrize("make", MAKERS[:2] + MAKERS[3:])
def test_a_run_finds_its_data_from_anywhere(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    job = load(net_file(Path("nets/mine"), make(tmp_path, 7))).job
    moved = moved_to(tmp_path / "runs/paths/1", job.resolved(), job.places)
    if make is not hdf5:  # the lines of its list start from the current folder
        monkeypatch.chdir("/")
    (tmp_path / "runs/paths/1").mkdir(parents=True)
    assert float(open_source(moved.layer[0], "TRAIN", 0, tmp_path / "runs/paths/1").batch(0)[0].max()) == 7
    assert not os.path.isabs(moved.layer[0].image_data_param.source)


def test_a_mean_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind, param = lmdb(tmp_path, 7)
    np.save(tmp_path / "data/mean.npy", np.full((1, 2, 2), 2, np.float32))
    path = net_file(Path("nets/mine"), (kind, f'{param} transform_param {{ mean_file: "data/mean.npy" }}'))
    assert first_value(path) == 5
    (tmp_path / "data/mean.npy").rename(tmp_path / "nets/mine/mean.npy")
    with pytest.raises(SpecError, match="netc looked for 'data/mean.npy', from the current folder, and for 'nets/mine/data/mean.npy'"):
        load(path).check(needs_solver=False)
    assert first_value(net_file(Path("nets/mine"), (kind, f'{param} transform_param {{ mean_file: "mean.npy" }}'))) == 5


@pytest.mark.parametrize("make", MAKERS)
def test_the_message_names_both_places(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind, param = make(tmp_path, 7)
    path = net_file(Path("nets/mine"), (kind, param.replace('source: "data', 'source: "dta')))
    result = netc("train", path, "--set", "solver.base_lr=0.1", "--iterations", "1", "--no-publish")
    assert result.exit_code == 2 and "There is no file or folder 'dta/" in result.stderr
    assert "from the current folder, and for 'nets/mine/dta/" in result.stderr and "from that of the net" in result.stderr
    assert "LMDB" not in result.stderr.replace("backend: LMDB", "")


def test_a_yaml_net_reads_only_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hdf5(tmp_path, 7)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/net.yaml").write_text(
        "layers: [{HDF5Data: {source: data/list.txt, batch_size: 2}}, {InnerProduct: {num_output: 2}}, SoftmaxWithLoss]"
    )
    result = netc("check", "nets/net.yaml")
    assert (
        result.exit_code == 2
        and "There is no file or folder 'data/list.txt'. Paths are relative to the folder of the net." in result.stderr
    )


def test_weights_of_a_solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = net_file(Path("nets"), lmdb(tmp_path, 7))
    solver = f'net: "{path}" base_lr: 0.1 max_iter: 1 lr_policy: "fixed" snapshot_format: BINARYPROTO snapshot_prefix: "w"'
    (tmp_path / "s.prototxt").write_text(solver)
    assert netc("train", "s.prototxt", "--quiet", "--no-publish").exit_code == 0
    (tmp_path / "w_iter_1.caffemodel").rename(tmp_path / "nets/w.caffemodel")
    (tmp_path / "nets/s.prototxt").write_text(f'{solver} weights: "w.caffemodel"')
    assert load("nets/s.prototxt").job.weights == ["nets/w.caffemodel"]
    result = netc("train", "nets/s.prototxt", "--no-publish")
    assert result.exit_code == 0 and "weights nets/w.caffemodel: loaded 1 layer (ip)" in result.stdout
    made = load("nets/s.prototxt")
    assert match_weights("nets/w.caffemodel", made.states, made.layer_blobs).loaded == ("ip",)


def test_images_of_stated_size_without_their_list(tmp_path: Path) -> None:
    path = net_file(tmp_path, ("ImageData", IMAGES % "" + ' transform_param { crop_size: 3 mean_file: "nowhere.binaryproto" }'))
    result = netc("check", path)
    assert result.exit_code == 0 and "4x3x3x3" not in result.stdout and "2x3x3x3" in result.stdout
    assert "data: There is no file or folder 'data/list.txt'." in result.stdout
    assert netc("convert", path, "-o", str(tmp_path / "net.yaml")).exit_code == 0
    result = netc("train", path, "--set", "solver.base_lr=0.1", "--set", "solver.max_iter=1", "--runs", str(tmp_path / "runs"))
    assert (
        result.exit_code == 2
        and "There is no file or folder 'data/list.txt'." in result.stderr
        and not (tmp_path / "runs/paths/1").exists()
    )
    (tmp_path / "net.prototxt").write_text(NET % ("ImageData", 'image_data_param { source: "data/list.txt" batch_size: 2 }'))
    result = netc("check", path)  # without a size, nothing after the layer can be checked
    assert "There is no file or folder 'data/list.txt'." in result.stderr and "2x3" not in result.stdout
    assert result.exit_code == 0 and netc("check", path, "--data").exit_code == 2


@pytest.mark.parametrize("make", MAKERS)
def test_a_converted_net_finds_its_data(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = net_file(Path("nets/mine"), make(tmp_path, 7))
    (tmp_path / "yaml").mkdir()
    assert netc("convert", path, "-o", "yaml/net.yaml").exit_code == 0
    assert first_value("yaml/net.yaml") == 7 and str(tmp_path) not in (tmp_path / "yaml/net.yaml").read_text()
