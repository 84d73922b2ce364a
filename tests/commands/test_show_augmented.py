"""`netc data show --augmented`: the rows that training reads in its first epochs, as a page."""

import re
from pathlib import Path

import numpy as np
import pytest

from netc import data
from netc.commands.show_augmented import look
from tests.data.layers import data_layer
from tests.small_nets import netc

NET = """\
name: photos
layers:
  - Data: {{source: photos.npz, batch_size: 4, test_fraction: 0.2{}}}
  - InnerProduct: {{num_output: 3, weight_filler: xavier}}
  - SoftmaxWithLoss
solver: {{base_lr: 0.1, max_iter: 1, random_seed: 3}}
"""
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 3, 20, 24), dtype=np.uint8)
CLASSES = np.array(["ant", "bee", "cow"])[np.arange(30) % 3]


def net(folder: Path, fields: str, images: np.ndarray = IMAGES, label: np.ndarray = CLASSES) -> str:
    np.savez(folder / "photos.npz", data=images, label=label)
    (folder / "net.yaml").write_text(NET.format(fields and ", " + fields))
    return str(folder / "net.yaml")


def test_the_page_shows_what_training_reads(tmp_path: Path) -> None:
    path = net(tmp_path, "pad: 2, mirror: true, mean_value: [10, 20, 30], scale: 0.5")
    found = look(path)
    assert found.seed == 3 and [sample.label for sample in found.samples[::4]] == ["ant", "bee", "cow"]
    layer = data_layer("photos.npz", 24, transform="pad: 2 mirror: true mean_value: [10, 20, 30] scale: 0.5", test_fraction=0.2)
    source = data.open(layer, "TRAIN", 3, tmp_path)
    for epoch in range(3):
        read, numbers = source.batch(epoch)[0], source.numbers(epoch)
        for sample in found.samples:
            wanted = read[numbers == sample.row][0] * 2 + np.array([10, 20, 30]).reshape(3, 1, 1)
            assert np.array_equal(sample.epochs[epoch].pixels, wanted.transpose(1, 2, 0).astype(np.uint8))
            assert np.array_equal(sample.stored, source.stored(0, np.array([sample.row]))[0].transpose(1, 2, 0))


def test_labels_and_shares_of_mixed_rows(tmp_path: Path) -> None:
    path = net(tmp_path, "mixup_alpha: 1, cutmix_alpha: 1")
    for sample in look(path).samples:
        for picture in sample.epochs:
            parts = [re.fullmatch(r"(\d+) % (ant|bee|cow)", line) for line in picture.captions]
            assert 1 <= len(parts) <= 2 and abs(sum(int(part[1]) for part in parts if part) - 100) <= 1
            assert any(part and part[2] == sample.label for part in parts) or len(parts) == 1
    result = netc("data", "show", path, "--augmented", "-o", tmp_path / "a.html")
    assert result.stdout == f"{tmp_path / 'a.html'} is written\n"
    page = (tmp_path / "a.html").read_text()
    assert "both labels and their shares" in page and "<code>mixup_alpha: 1</code>" in page and page.count("<img") == 10 * 8


def test_numbers_and_gray_images(tmp_path: Path) -> None:
    gray = IMAGES[:, :1].astype(np.float32) / 255
    path = net(tmp_path, "vertical_flip: true", gray, np.linspace(0, 1, 30))
    (tmp_path / "net.yaml").write_text(
        (tmp_path / "net.yaml")
        .read_text()
        .replace("3, weight", "1, weight")
        .replace("SoftmaxWithLoss", "EuclideanLoss: {bottom: [ip1, label]}")
    )
    sample = look(path).samples[1]
    assert sample.stored.shape == (20, 24, 1) and sample.epochs[0].captions == (f"{float(sample.label):.3g}",)


@pytest.mark.parametrize(
    "fields, images, message",
    [
        ("", IMAGES, "Layer 'data': It does not augment its rows. Add `mirror: true`"),
        ("mixup_alpha: 1", IMAGES.reshape(30, -1), "Layer 'data': Its rows are not images of one or three channels"),
        ("mirror: true", IMAGES[:, :2], "Layer 'data': Its rows are not images of one or three channels"),
    ],
)
def test_what_cannot_be_shown(tmp_path: Path, fields: str, images: np.ndarray, message: str) -> None:
    result = netc("data", "show", net(tmp_path, fields, images), "--augmented", "-o", tmp_path / "a.html")
    assert result.exit_code != 0 and message in result.stderr and not (tmp_path / "a.html").exists()


def test_it_needs_a_net_and_writes_a_page(tmp_path: Path) -> None:
    assert "--augmented needs a net file" in netc("data", "show", tmp_path, "--augmented").stderr
    result = netc("data", "show", net(tmp_path, "mirror: true"), "--augmented", "-o", tmp_path / "a.png")
    assert result.exit_code == 2 and ".html" in result.stderr


def test_large_images_are_embedded_as_small_ones(tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 256, (30, 3, 230, 180), dtype=np.uint8)
    assert netc("data", "show", net(tmp_path, "mirror: true", large), "--augmented", "-o", tmp_path / "a.html").exit_code == 0
    page = (tmp_path / "a.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 10 * 8 and 'width="81" height="104"' in page
