"""What is left out of images is said by every command that reads some: how many there are, and the first."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.small_nets import netc, write_small

NET = """\
layers:
  - Data: {source: photos, batch_size: 4, shuffle: false}
  - InnerProduct: {num_output: 2, weight_filler: xavier}
  - SoftmaxWithLoss
solver: {base_lr: 0.01, momentum: 0.9, max_iter: 2}
licence: unknown
dataset_licence: unknown
"""
SAID = "5 images have an alpha channel, which is dropped: hidden pixels become visible (such as "


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of two classes, one of them with an alpha channel, and a net."""
    made = tmp_path_factory.mktemp("left_out")
    for name, channels in (("plain", 3), ("see_through", 4)):
        (made / "photos" / name).mkdir(parents=True)
        for k in range(5):
            Image.fromarray(np.full((4, 4, channels), 40 * k, np.uint8)).save(made / "photos" / name / f"{k}.png")
    write_small(made, NET, "net.yaml")
    return made


def test_it_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "list.txt").write_text("".join(f"{p.parent.name}/{p.name} 0\n" for p in sorted(folder.glob("photos/*/*.png"))))
    for arguments in (
        ("check", "net.yaml"),
        ("data", "show", "photos"),
        ("train", "net.yaml", "--no-publish"),
        ("data", "convert-imageset", "photos", "list.txt", str(folder / "db")),
    ):
        result = netc(*arguments)
        assert result.exit_code == 0, result.output
        said = [line for line in (result.stdout + result.stderr).splitlines() if SAID in line]
        assert len(said) == (2 if arguments[0] == "check" else 1), arguments  # once for each phase
        assert os.path.join("photos", "see_through", "0.png") in said[0]


def test_it_is_said_once_of_all_that_is_predicted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "deploy.yaml").write_text("layers:\n  - Input: {shape: {dim: [1, 3, 4, 4]}}\n  - Flatten\n  - Softmax\n")
    assert netc("convert", "deploy.yaml", "-o", "m.onnx").exit_code == 0
    result = netc("predict", "m.onnx", *sorted(str(p) for p in folder.glob("photos/*/*.png")))
    assert result.exit_code == 0 and result.stderr.count("note: ") == 1 and SAID in result.stderr
