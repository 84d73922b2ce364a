"""The residual nets in nets/: their sizes against those of torchvision and of the paper, and some steps of training."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.small_nets import netc

RESNET18, RESNET20 = ROOT / "nets" / "resnet18.yaml", ROOT / "nets" / "resnet20_cifar10.yaml"
# torchvision 0.29.1: models.resnet18(), the sizes of its parameters, and the products in its convolutions and its last layer for one
# image of 224 x 224.
PARAMETERS, MULTIPLY_ADDS = 11_689_512, 1_814_073_344


def write_photos(folder: Path, classes: int = 3, each: int = 8) -> Path:
    """A folder of images by class whose colour tells the class."""
    random = np.random.default_rng(0)
    for k in range(classes):
        (folder / "photos" / f"class{k}").mkdir(parents=True)
        for n in range(each):
            pixels = random.integers(0, 128, (48 + n, 56, 3), np.uint8)
            pixels[..., k] += 100
            Image.fromarray(pixels).save(folder / "photos" / f"class{k}" / f"{n}.png")
    return folder / "photos"


def sizes(net: Path, *arguments: str) -> tuple[int, int]:
    """The numbers of parameters and of multiply-adds for one row that `netc check` reports."""
    result = netc("check", net, "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    return found["parameters"], sum(layer["multiply_adds"] for layer in found["layers"])


def test_resnet18_is_that_of_torchvision(tmp_path: Path) -> None:
    assert sizes(RESNET18, "--set", f"layers.data.source={write_photos(tmp_path)}") == (PARAMETERS, MULTIPLY_ADDS)
    assert len(RESNET18.read_text().splitlines()) <= 40


def test_resnet18_trains_on_a_folder_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = {"source": write_photos(tmp_path), "batch_size": 8, "resize_height": 40, "resize_width": 40, "crop_size": 32}
    changes = [f"layers.data.{name}={value}" for name, value in small.items()]
    changes += ["layers.classes.num_output=3", "solver.base_lr=0.01", "solver.max_iter=12", "solver.display=1"]
    result = netc("train", RESNET18, *(part for change in changes for part in ("--set", change)))
    assert result.exit_code == 0, result.output
    log = [json.loads(line) for line in (tmp_path / "runs" / "resnet18" / "1" / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in log if "loss" in line and line.get("phase", "TRAIN") == "TRAIN"]
    assert len(losses) >= 12 and np.mean(losses[-4:]) < np.mean(losses[:4])


def test_resnet20_is_that_of_the_paper() -> None:
    """Table 6 of the paper says 0.27 million parameters. These have shortcuts of option B, which adds 2,752 to option A's 269,722."""
    assert sizes(RESNET20) == (272_474, 40_813_184)
