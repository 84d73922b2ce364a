"""Folders with one sub-folder per class, and the folders of training, validation and test samples among them.

    photos/cat/1.png                     classes `cat`, ...
    photos/train/cat/1.png               the same, in the part `train`; `val` and `test` are other parts
    photos/cat/young/1.png               a deeper folder belongs to the class of the first level

The names of the parts are words of `PARTS`, alone or with others: `valid`, `training_set`, `20news-bydate-test`.
"""

import os
import re
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from netc.errors import DataError

PARTS = {
    "TRAIN": ("train", "training", "trn"),
    "VALIDATION": ("val", "valid", "validation", "dev"),
    "TEST": ("test", "testing", "tst"),
}
LEFT_BY_SYSTEMS = ("__MACOSX", "__pycache__", "@eaDir", "lost+found", "Thumbs.db", "desktop.ini", "Icon\r")
DEEPEST = 50  # levels of folders

Belongs = Callable[[str], bool]


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder: its own samples, its other files, and its sub-folders. Names that start with a dot are left out. All are sorted."""

    path: Path
    own: tuple[Path, ...]
    rest: tuple[Path, ...]
    folders: tuple["Folder", ...]

    @cached_property
    def samples(self) -> tuple[Path, ...]:
        """All samples at any depth, sorted."""
        return tuple(sorted([*self.own, *(path for folder in self.folders for path in folder.samples)]))

    @cached_property
    def others(self) -> tuple[Path, ...]:
        """All other files at any depth, sorted."""
        return tuple(sorted([*self.rest, *(path for folder in self.folders for path in folder.others)]))

    @cached_property
    def classes(self) -> dict[str, "Folder"]:
        """The sub-folders that contain samples, by their names."""
        return {folder.path.name: folder for folder in self.folders if folder.samples}

    @property
    def empty(self) -> tuple[str, ...]:
        """The names of the sub-folders without samples."""
        return tuple(folder.path.name for folder in self.folders if not folder.samples)

    @property
    def deeper(self) -> tuple[Path, ...]:
        """The samples below the first level of sub-folders."""
        return tuple(path for folder in self.classes.values() for path in folder.samples if path.parent != folder.path)


@dataclass(frozen=True)
class Parts:
    """The folders of the training, validation and test samples, each with class folders. `apart` are further sub-folders."""

    train: Folder
    validation: Folder | None = None
    test: Folder | None = None
    apart: tuple[Folder, ...] = ()

    def of(self, phase: str) -> Folder:
        """The rows that a phase reads: VALIDATION and TEST stand in for each other, and TRAIN for both."""
        found = {"TRAIN": self.train, "VALIDATION": self.validation or self.test, "TEST": self.test or self.validation}[phase]
        return found or self.train


def read_folder(root: Path, belongs: Belongs) -> Folder:
    """Read the names of all files below a folder. `belongs` tells from a file's name whether it is a sample.

    DataError if a folder cannot be read. Links to folders are followed, but never back to a folder that contains them.
    """
    return _read(root, belongs, ())


def _read(path: Path, belongs: Belongs, above: tuple[str, ...]) -> Folder:
    real = os.path.realpath(path)
    if len(above) > DEEPEST:
        raise DataError(f"{path}: The folders are more than {DEEPEST} levels deep.")
    try:
        with os.scandir(path) as entries:
            seen = [e for e in entries if not e.name.startswith(".") and e.name not in LEFT_BY_SYSTEMS]
        below = [e.name for e in seen if e.is_dir() and not (e.is_symlink() and os.path.realpath(e.path) in (*above, real))]
    except OSError as e:
        raise DataError(f"Cannot read {path}: {e.strerror or e}") from e
    files = [e.name for e in seen if not e.is_dir()]
    folders = tuple(sorted((_read(path / name, belongs, (*above, real)) for name in below), key=lambda folder: folder.path.name))
    own, rest = (tuple(sorted(path / name for name in files if belongs(name) == wanted)) for wanted in (True, False))
    return Folder(path, own, rest, folders)


def part_of(name: str) -> str | None:
    """The phase that the name of a folder stands for: TRAIN, VALIDATION or TEST. None for other names."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    found = [phase for phase, names in PARTS.items() if words & set(names)]
    return found[0] if len(found) == 1 else None


def parts(root: Folder) -> Parts | None:
    """The parts of a folder; None if its sub-folders are classes.

    DataError if the training samples are not in class folders, or if two folders could be the same part.
    """
    phases = {folder: part_of(name) for name, folder in root.classes.items()}
    training, rest = ([f for f, phase in phases.items() if (phase == "TRAIN") == wanted] for wanted in (True, False))
    strangers = [folder for folder in rest if phases[folder] is None]
    if not training or (strangers and not (len(strangers) < len(rest) and any(folder.classes for folder in training))):
        return None  # among other classes, `train` is one too
    chosen = {phase: _one(root, phase, [f for f, p in phases.items() if p == phase]) for phase in PARTS}
    train = below_wrappers(chosen["TRAIN"] or training[0])
    if not train.classes:
        text = f"It has {counted(train.samples, 'file')}, but no sub-folder per class. Put the files of each class into a sub-folder."
        raise DataError(f"{train.path}: {text}")
    tested = {phase: below_wrappers(f, train) for phase, f in chosen.items() if f and phase != "TRAIN"}
    flat = [folder for folder in tested.values() if not folder.classes]
    validation, test = (f if f and f.classes else None for f in (tested.get("VALIDATION"), tested.get("TEST")))
    return Parts(train, validation, test, (*strangers, *flat))


def _one(root: Folder, phase: str, found: list[Folder]) -> Folder | None:
    """The folder of a phase: the only one, or the only one whose name is exactly a name of `PARTS`."""
    exact = [folder for folder in found if folder.path.name.lower() in PARTS[phase]]
    if len(found) > 1 and len(exact) != 1:
        names = ", ".join(folder.path.name for folder in found)
        raise DataError(f"{root.path}: Several folders could hold the {phase.lower()} rows: {names}. Rename or remove all but one.")
    return next(iter(exact or found), None)


def below_wrappers(folder: Folder, train: Folder | None = None) -> Folder:
    """The folder itself, or the first one below it that has several sub-folders: archives often wrap a folder in another.

    A sub-folder that is a class of `train` is no wrapper.
    """
    while not folder.own and len(folder.classes) == 1:
        (only,) = folder.classes.values()
        if (train and only.path.name in train.classes) or not (only.classes or part_of(only.path.name)):
            break
        folder = only
    return folder


def lacking(part: Folder, other: Folder) -> list[str]:
    """The classes of a part that another part lacks."""
    return sorted(set(part.classes) - set(other.classes))


def in_words(classes: Iterable[str], most: int = 5) -> str:
    """Classes in words: `class 'a'`, or `3 classes ('a', 'b', 'c')`."""
    names = list(classes)
    some = ", ".join(map(repr, names[:most])) + (", ..." if len(names) > most else "")
    return f"class {some}" if len(names) == 1 else f"{len(names):,} classes ({some})"


def counted(items: Sized, noun: str) -> str:
    """A number of things: 1 image, 2,000 images."""
    return f"{len(items):,} {noun}{'' if len(items) == 1 else 's'}"
