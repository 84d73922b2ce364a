"""`netc init`: the net that it writes trains."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netc import api
from netc.predict.model import Model
from netc.zoo.model_info import missing_licences
from tests.small_nets import netc, write_arrays
from tests.some import some


def folder_of_images(folder: Path) -> Path:
    """Ten images of each of two classes, one dark, one bright."""
    random = np.random.default_rng(0)
    for name, low in (("dark", 0), ("bright", 150)):
        (folder / name).mkdir(parents=True)
        for k in range(10):
            Image.fromarray(random.integers(low, low + 100, (30, 40, 3), dtype=np.uint8)).save(folder / name / f"{k}.png")
    return folder


@pytest.mark.parametrize("kind", ["npz", "folder"])
def test_the_net_for_a_data_set_learns_it(tmp_path: Path, kind: str) -> None:
    makers: dict[str, Callable[[], Path]] = {
        "npz": lambda: write_arrays(tmp_path, 50),
        "folder": lambda: folder_of_images(tmp_path / "photos"),
    }
    result = netc("init", tmp_path / "new.yaml", "--data", makers[kind]())
    assert result.exit_code == 0 and f"netc train {tmp_path / 'new.yaml'}" in result.stdout
    program = api.load(str(tmp_path / "new.yaml"))
    assert missing_licences(program.compilation) == [], "a starter says what publishing asks for"
    assert some(program.train.loss).type and some(program.train_net.layers[0].source).rows == {"npz": 40, "folder": 16}[kind]
    result = netc("train", tmp_path / "new.yaml", "--no-publish", "--runs", tmp_path / "runs", "--set", "solver.max_epoch=1")
    assert result.exit_code == 0, result.stderr


def test_the_net_for_mnist_is_well_without_data(tmp_path: Path) -> None:
    assert netc("init", tmp_path / "new.yaml").exit_code == 0
    result = netc("check", tmp_path / "new.yaml", NETC_DATA="", XDG_CACHE_HOME=str(tmp_path))
    assert result.exit_code == 0 and "64x1x28x28 64" in result.stdout


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("mine")
    result = netc("init", tmp_path / "net.yaml")
    assert result.exit_code == 2 and "exists already" in result.stderr and (tmp_path / "net.yaml").read_text() == "mine"


def test_sources_that_no_net_can_be_made_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "real.npz", data=np.zeros((4, 3), np.float32), label=np.zeros(4, np.float32))
    result = netc("init", tmp_path / "net.yaml", "--data", tmp_path / "real.npz")
    assert result.exit_code == 2 and "All labels in array 'label' are 0.0. A net needs labels that differ" in result.stderr
    result = netc("init", tmp_path / "net.yaml", "--data", "mnst")
    assert result.exit_code == 2 and "Did you mean 'mnist'" in result.stderr or "mnist" in result.stderr
    result = netc("init", tmp_path / "no" / "net.yaml")
    assert result.exit_code == 1 and "Cannot write" in result.stderr
    assert not (tmp_path / "net.yaml").exists()


def test_a_text(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("to be or not to be\n" * 300)
    assert netc("init", tmp_path / "t.yaml", "--data", tmp_path / "t.txt").exit_code == 0
    result = netc("check", tmp_path / "t.yaml")
    assert result.exit_code == 0 and "64x32x8" in result.stdout


def test_sequences_have_no_starter(tmp_path: Path) -> None:
    result = netc("init", tmp_path / "v.yaml", "--data", "japanese_vowels")
    assert result.exit_code == 2 and "the rows are sequences" in result.stderr


def test_images_of_unlike_sizes_are_cut_alike_in_training_and_in_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of data is called as the model; `predict` still finds the model, and cuts the middle out as the net's tests do."""
    photos = folder_of_images(tmp_path / "photos")
    for k, size in enumerate([(80, 70), (60, 90)]):
        Image.fromarray(np.full((*size, 3), 20, np.uint8)).save(photos / "dark" / f"large{k}.jpg")
    monkeypatch.chdir(tmp_path)
    result = netc("init", "photos.yaml", "--data", "photos")
    assert "for 22 images of 2 classes of different sizes, resized to 28 x 28" in result.stdout, result.output
    text = (tmp_path / "photos.yaml").read_text()
    assert "resize_height: 31, resize_width: 31, crop_size: 28, mirror: true" in text and "test_batch_size: 4," in text
    assert netc("train", "photos.yaml", "--set", "solver.max_epoch=10", "--publish").exit_code == 0
    result = netc("predict", "photos", "photos/dark/large0.jpg", "photos/bright/3.png")
    assert result.exit_code == 0, result.stderr
    assert [line.split(": ")[1].split()[0] for line in result.stdout.splitlines()] == ["dark", "bright"]
    pixels = np.asarray(Image.open("photos/bright/3.png").resize((31, 31), Image.Resampling.BILINEAR)).transpose(2, 0, 1)[:, 1:29, 1:29]
    model = Model("photos")
    expected = next(iter(model(pixels[None].astype(np.float32)).values()))[0]
    np.testing.assert_allclose(next(iter(model.predict(["photos/bright/3.png"])[0].outputs.values())), expected, rtol=1e-5)


def test_images_of_numbers_that_are_no_bytes(tmp_path: Path) -> None:
    write_arrays(tmp_path, 50)
    assert netc("init", tmp_path / "net.yaml", "--data", tmp_path / "small.npz").exit_code == 0
    assert "mean_value: 0.4" in (tmp_path / "net.yaml").read_text() and "Convolution" in (tmp_path / "net.yaml").read_text()


def test_images_with_their_channels_last(tmp_path: Path) -> None:
    """They are turned round in training and in predictions; where both ends may be channels, nothing is guessed."""
    random = np.random.default_rng(0)
    label = np.arange(60) % 2
    images = random.integers(0, 80, (60, 9, 8, 3)).astype(np.uint8) + (label * 120)[:, None, None, None].astype(np.uint8)
    np.savez(tmp_path / "a.npz", data=images, label=label)
    result = netc("init", tmp_path / "net.yaml", "--data", tmp_path / "a.npz")
    assert result.exit_code == 0 and "60 images of 2 classes" in result.stdout, result.stderr
    assert "channels_last: true" in (tmp_path / "net.yaml").read_text()
    more = "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo", "--set", "solver.max_epoch=20", "--publish"
    assert netc("train", tmp_path / "net.yaml", *more).exit_code == 0
    np.save(tmp_path / "rows.npy", images)
    np.save(tmp_path / "turned.npy", images.transpose(0, 3, 1, 2))
    found, other = (Model("net", str(tmp_path / "zoo")).predict([str(tmp_path / name)]) for name in ("rows.npy", "turned.npy"))
    assert np.mean([int(p.best[0][0]) == k for p, k in zip(found, label, strict=True)]) == 1
    assert [p.best for p in found] == [p.best for p in other]
    np.savez(tmp_path / "b.npz", data=images[:, :3], label=label)
    result = netc("init", tmp_path / "b.yaml", "--data", tmp_path / "b.npz")
    assert result.exit_code == 2 and "the channel axis of its rows (3x8x3) is ambiguous" in result.stderr


@pytest.mark.skipif(sys.platform == "darwin", reason="names of files are UTF-8 there")
def test_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    path.write_text("a,kind\n1,x\n2,y\n")
    for command in (("init", tmp_path / "new.yaml", "--data", path), ("data", "show", path)):
        result = netc(*command)
        assert result.exit_code == 2 and "This name is not UTF-8, so no net file can contain it" in result.stderr, result.stderr


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)])
def test_an_image_of_16_bits_is_refused_by_init_as_by_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[Any, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of_images(tmp_path / "photos")
    assert netc("init", "net.yaml", "--data", "photos").exit_code == 0
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite("photos/dark/deep.png", np.full(shape, 3000, np.uint16))
    for arguments in (("init", "other.yaml", "--data", "photos"), ("check", "net.yaml"), ("train", "net.yaml", "--no-publish")):
        result = netc(*arguments)
        assert result.exit_code == 2 and "dark/deep.png: its pixels have more than 8 bits per channel" in result.stderr
    assert not os.path.exists("other.yaml")
