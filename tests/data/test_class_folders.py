"""Class folders and the parts of a data set: which folder is what."""

from pathlib import Path

import pytest

from netc.data.class_folders import DEEPEST, Folder, below_wrappers, in_words, lacking, part_of, parts, read_folder
from netc.errors import DataError


def made(root: Path, *files: str) -> Folder:
    """The folder after these files were made in it."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return read_folder(root, lambda name: name.endswith(".png"))


PARTS = {
    "train": "TRAIN",
    "Training": "TRAIN",
    "training_set": "TRAIN",
    "seg_train": "TRAIN",
    "20news-bydate-test": "TEST",
    "valid": "VALIDATION",
    "val": "VALIDATION",
    "VALIDATION": "VALIDATION",
    "dev": "VALIDATION",
    "train-val": None,
    "trainer": None,
    "cat": None,
    "contest": None,
}


@pytest.mark.parametrize("name, phase", PARTS.items())
def test_names_of_parts(name: str, phase: str | None) -> None:
    assert part_of(name) == phase


def test_samples_classes_and_what_is_neither(tmp_path: Path) -> None:
    names = ["cat/2.png", "cat/young/1.png", "dog/1.png", "cow/no.txt", "0.png", ".x/a.png", "dog/Thumbs.db", "__MACOSX/cat/1.png"]
    folder = made(tmp_path, *names)
    assert list(folder.classes) == ["cat", "dog"] and folder.empty == ("cow",) and folder.own == (tmp_path / "0.png",)
    assert folder.classes["cat"].samples == (tmp_path / "cat/2.png", tmp_path / "cat/young/1.png")
    assert folder.deeper == (tmp_path / "cat/young/1.png",) and folder.others == (tmp_path / "cow/no.txt",)


@pytest.mark.parametrize(
    "files, train, validation, test, apart",
    [
        (["train/a/1.png", "test/a/1.png"], "train", None, "test", []),
        (["Train/a/1.png", "Val/a/1.png", "TEST/a/1.png"], "Train", "Val", "TEST", []),
        (["train/a/1.png", "valid/a/1.png"], "train", "valid", None, []),
        (["seg_train/seg_train/a/1.png", "seg_train/seg_train/b/1.png", "seg_test/seg_test/a/1.png", "seg_pred/1.png"],
         "seg_train/seg_train", None, "seg_test/seg_test", ["seg_pred"]),
        (["train/a/1.png", "train/b/1.png", "test/1.png"], "train", None, None, ["test"]),
        (["train/a/1.png", "train/b/1.png", "test/a/day/1.png", "test/a/night/1.png"], "train", None, "test", []),
        (["train/a/1.png", "train_old/a/1.png", "test/a/1.png"], "train", None, "test", []),
    ],
)  # fmt: skip
def test_parts(tmp_path: Path, files: list[str], train: str, validation: str | None, test: str | None, apart: list[str]) -> None:
    found = parts(made(tmp_path, *files))
    assert found is not None
    paths = [folder and str(folder.path.relative_to(tmp_path)) for folder in (found.train, found.validation, found.test)]
    assert paths == [train, validation, test] and [f.path.name for f in found.apart] == apart


@pytest.mark.parametrize(
    "files",
    [
        ["car/1.png", "bus/1.png", "train/1.png"],  # vehicles
        ["car/1.png", "train/steam/1.png", "train/diesel/1.png"],
        ["test/1.png", "control/1.png"],
        ["a/1.png", "b/1.png"],
    ],
)
def test_classes_are_no_parts(tmp_path: Path, files: list[str]) -> None:
    assert parts(made(tmp_path, *files)) is None


def test_parts_that_are_not_clear(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train: It has 2 files, but no sub-folder per class"):
        parts(made(tmp_path / "flat", "train/1.png", "train/2.png", "test/1.png"))
    with pytest.raises(DataError, match="Several folders could hold the train rows: train_a, train_b. Rename or remove all but one"):
        parts(made(tmp_path / "two", "train_a/a/1.png", "train_b/a/1.png", "test/a/1.png"))


@pytest.mark.parametrize(
    "files, landed",
    [
        (["a/1.png", "b/1.png"], "."),
        (["a/a/x/1.png", "a/a/y/1.png", "a/readme.txt"], "a/a"),
        (["only/1.png"], "."),
        (["only/a/1.png", "only/2.png"], "only"),
        (["1.png", "a/b/1.png"], "."),
    ],
)
def test_folders_that_wrap_others(tmp_path: Path, files: list[str], landed: str) -> None:
    assert below_wrappers(made(tmp_path, *files)).path == tmp_path / landed


def test_differences_between_parts(tmp_path: Path) -> None:
    train, test = made(tmp_path / "train", "a/1.png", "b/1.png", "c/1.png"), made(tmp_path / "test", "c/1.png", "d/1.png")
    assert (lacking(train, test), lacking(test, train)) == (["a", "b"], ["d"])
    assert in_words(["d"]) == "class 'd'" and in_words("abcdef") == "6 classes ('a', 'b', 'c', 'd', 'e', ...)"


def test_links(tmp_path: Path) -> None:
    """They are followed, but not in circles; deep trees end with a message and not with a RecursionError."""
    made(tmp_path / "real", "1.png")
    (tmp_path / "set" / "b").mkdir(parents=True)
    (tmp_path / "set" / "a").symlink_to(tmp_path / "real")
    (tmp_path / "set" / "b" / "again").symlink_to(tmp_path / "set")
    assert list(made(tmp_path / "set", "b/1.png").classes) == ["a", "b"]
    with pytest.raises(DataError, match=f"more than {DEEPEST} levels deep"):
        made(tmp_path / "deep", "/".join(["d"] * 60) + "/1.png")
