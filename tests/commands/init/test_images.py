"""Starter nets for folders of images: what is training, validation and test set, what is a class, and what is left out."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc import api
from tests.small_nets import netc
from tests.some import some

Shape = tuple[int, int, int]


def put(root: Path, *names: str, shape: Shape = (12, 14, 3), low: int = 0, mode: str = "RGB") -> None:
    """Make images with pixels from `low` to `low` + 100."""
    random = np.random.default_rng(len(names))
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(low, low + 100, shape, dtype=np.uint8)).convert(mode).save(root / name)


def classes(root: Path, count: int, folder: str = "", shape: Shape = (12, 14, 3)) -> None:
    """`count` dark and `count` bright images."""
    put(root, *(f"{folder}/dark/{k}.png".lstrip("/") for k in range(count)), shape=shape)
    put(root, *(f"{folder}/bright/{k}.png".lstrip("/") for k in range(count)), shape=shape, low=150)


def trained(path: str, epochs: int = 10) -> float:
    """The accuracy after a short run of the net, on its test rows."""
    result = netc("train", path, "--no-publish", "--set", f"solver.max_epoch={epochs}")
    assert result.exit_code == 0, result.output
    return float(result.stdout.split(" iterations: accuracy ")[-1].split(",")[0])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "parts, sources",
    [
        (("train", "test"), ("photos/train", "", "photos/test")),
        (("train", "val"), ("photos/train", "", "photos/val")),
        (("Training", "valid", "Testing"), ("photos/Training", "photos/valid", "photos/Testing")),
        (("x/train", "x/validation", "x/test"), ("photos/x/train", "photos/x/validation", "photos/x/test")),
        (("seg_train/seg_train", "seg_test/seg_test"), ("photos/seg_train/seg_train", "", "photos/seg_test/seg_test")),
        (("train",), ("photos/train", "", "")),
    ],
)
def test_training_validation_and_test_folders(here: Path, parts: tuple[str, ...], sources: tuple[str, str, str]) -> None:
    for k, part in enumerate(parts):
        classes(here / "photos", 8 - 2 * k, part)
    assert f"for {sum(16 - 4 * k for k in range(len(parts)))} images" in netc("init", "photos").stdout
    program = api.load("photos.yaml")
    param = program.train_net.layers[0].param.data_param
    assert (param.source, param.validation_source, param.test_source) == sources
    assert some(program.train_net.layers[0].source).rows == (16 if len(parts) > 1 else 13)
    assert trained("photos.yaml") == 1


def test_the_net_file_may_be_in_another_folder(here: Path) -> None:
    classes(here / "photos", 5, "train")
    classes(here / "photos", 2, "test")
    (here / "nets").mkdir()
    assert netc("init", here / "photos", "-o", "nets/a.yaml").exit_code == 0
    assert "source: ../photos/train," in Path("nets/a.yaml").read_text() and netc("check", "nets/a.yaml").exit_code == 0


def test_deeper_folders_belong_to_the_first(here: Path) -> None:
    put(here / "zoo", "birds/owl/1.png", "birds/owl/2.png", "birds/3.png", "cats/lion/a/1.png", "cats/puma/2.png")
    result = netc("init", "zoo")
    assert "for 5 images of 2 classes" in result.stdout, result.output
    assert "netc: 4 images in deeper folders: the class is the first folder, 'birds' for zoo/birds/owl/1.png." in result.stderr
    described = some(api.load("zoo.yaml").train_net.layers[0].source)
    assert described.classes == ("birds", "cats") and described.rows == 4


def test_a_single_folder_is_a_wrapper(here: Path) -> None:
    put(here / "archive", "data/animals/cat/1.png", "data/animals/dog/1.png", "data/animals/dog/2.png")
    (here / "archive" / "readme.txt").touch()
    result = netc("init", "archive")
    assert "netc: The class folders are in archive/data/animals." in result.stderr and "3 images of 2 classes" in result.stdout
    assert "source: archive/data/animals," in Path("archive.yaml").read_text()


def test_what_is_left_out_is_counted(here: Path) -> None:
    classes(here / "p", 4, "train")
    put(here / "p", "test/dark/1.png", "train/0.png", "test/2.png", "unlabelled/3.png", "unlabelled/4.png")
    for name in ("train/dark/notes.txt", "train/dark/x.heic", "train/dark/Thumbs.db", "train/cow/a.csv"):
        (here / "p" / name).parent.mkdir(exist_ok=True)
        (here / "p" / name).touch()
    result = netc("init", "p")
    assert result.stderr.splitlines() == [
        "netc: Left out: 1 image in no class folder (such as p/train/0.png).",
        "netc: Left out: 3 files that can be no image (such as p/train/cow/a.csv).",
        "netc: p/train has no images of class 'cow'.",
        "netc: Left out: 1 image in no class folder (such as p/test/2.png).",
        "netc: p/test has no images of class 'bright'.",
        "netc: Left out: 2 images in p/unlabelled, which has no class folders.",
    ]
    assert "for 9 images of 2 classes" in result.stdout


def test_test_images_without_class_folders_are_no_test_set(here: Path) -> None:
    classes(here / "p", 10, "train")
    put(here / "p", "test/1.png", "test/2.png")
    result = netc("init", "p")
    assert "netc: Left out: 2 images in p/test, which has no class folders." in result.stderr
    assert "test_fraction: 0.2" in Path("p.yaml").read_text() and trained("p.yaml") == 1


REFUSED = {
    "p: It has 2 images, but no sub-folder per class.": ("1.png", "2.png"),
    "p: All images are of one class, 'cat'. A classifier needs two classes or more.": ("cat/1.png", "cat/2.png"),
    "p/train: It has 1 file, but no sub-folder per class.": ("train/1.png", "test/1.png"),
    "p/test has images of 2 classes ('c', 'd'), and p/train has none. Remove them, or add training images.": (
        *("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png", "test/d/1.png"),
    ),
    "p: Several folders could hold the test rows: test1, test2.": ("train/a/1.png", "train/b/1.png", "test1/a/1.png", "test2/a/1.png"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_folders_that_are_refused(here: Path, message: str) -> None:
    put(here / "p", *REFUSED[message])
    result = netc("init", "p")
    assert result.exit_code == 2 and message in result.stderr and not Path("p.yaml").exists(), result.output


def test_a_table_may_list_the_images_of_a_folder(here: Path) -> None:
    put(here / "p", "train/1.png", "train/2.png", "test/1.png")
    Path("p/train.csv").write_text("file,kind\n1.png,a\n2.png,b\n")
    for folder in ("p", "p/train"):
        result = netc("init", folder)
        assert result.exit_code == 2 and "p/train.csv lists images. Try: netc init p/train.csv" in result.stderr


def test_test_images_of_other_sizes_and_channels(here: Path) -> None:
    """The sizes of all parts count, and grey test images get the channels of the training images."""
    classes(here / "p", 8, "train", (30, 40, 3))
    put(here / "p", "test/dark/1.png", shape=(60, 50, 3), mode="L")
    put(here / "p", "test/bright/1.png", shape=(33, 44, 3), low=150, mode="L")
    result = netc("init", "p")
    assert "for 18 images of 2 classes of different sizes, resized to 28 x 28" in result.stdout, result.output
    assert trained("p.yaml") == 1


def test_large_images_of_one_size_are_resized(here: Path) -> None:
    classes(here / "p", 3, shape=(300, 400, 3))
    assert "for 6 images of 2 classes, resized to 48 x 48." in netc("init", "p").stdout
    assert "32x3x48x48" in netc("check", "p.yaml").stdout


def test_a_folder_that_cannot_be_read(here: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads every folder")
    classes(here / "p", 2)
    (here / "p" / "dark").chmod(0)
    result = netc("init", "p")
    (here / "p" / "dark").chmod(0o755)
    assert result.exit_code == 2 and "Cannot read p/dark: Permission denied" in result.stderr
