"""Folders of texts to rows of raw cells: a file is a row, its folder is its class.

    reviews/pos/1.txt                    classes `pos`, ...
    reviews/train/pos/1.txt              the same, in the part `train`; `val` and `test` are other parts

The columns are `path`, `text`, `class` and, if the folder has parts, `part` (train, validation or test).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from netc.data.class_folders import Folder, Parts, below_wrappers, counted, in_words, lacking, parts, read_folder
from netc.data.pixels import SUFFIXES as IMAGES
from netc.errors import DataError, Place
from netc.files import read_file
from netc.table.reading.options import RawColumn, ReadingOptions
from netc.table.reading.raw import RawTable
from netc.table.reading.store import Store

PATH, TEXT, CLASS, PART = "path", "text", "class", "part"
SUFFIXES = (".txt", ".text", ".md", ".eml")
NUMBERED = re.compile(r"\.[0-9a-f]*[0-9][0-9a-f]*")  # the suffix of a mail such as 0001.bfc8d64d
NO_CLASS = ("unsup", "unlabeled", "unlabelled", "unsupervised")  # folders of texts without a class
NAMES = {"TRAIN": "train", "VALIDATION": "validation", "TEST": "test"}
SEVERAL = 1000  # texts that are kept in memory


@dataclass(frozen=True)
class TextFolder:
    """The texts below a folder: `root` without the folders that only wrap it, and its parts, if it has any."""

    root: Folder
    split: Parts | None

    @cached_property
    def by_part(self) -> dict[str, Folder]:
        """The class folders of each part: TRAIN, VALIDATION, TEST."""
        if not self.split:
            return {"TRAIN": self.root}
        found = {"TRAIN": self.split.train, "VALIDATION": self.split.validation, "TEST": self.split.test}
        return {part: folder for part, folder in found.items() if folder}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(name for name in self.by_part["TRAIN"].classes if name.lower() not in NO_CLASS)

    def files(self) -> Iterator[tuple[Path, str, str]]:
        """The path, the class and the part of each text, in order."""
        for part, folder in self.by_part.items():
            for name in self.classes:
                for path in folder.classes[name].samples if name in folder.classes else ():
                    yield path, name, NAMES[part]

    def notes(self) -> list[str]:
        """What the folder holds beside the texts of the classes, a sentence each."""
        train, found = self.by_part["TRAIN"], list[str]()
        for folder in self.by_part.values():
            if folder.own:
                found.append(f"Left out: {counted(folder.own, 'text')} in no class folder (such as {folder.own[0]}).")
            if folder.others:
                found.append(f"Left out: {counted(folder.others, 'file')} that can be no text (such as {folder.others[0]}).")
            missing = [name for name in lacking(train, folder) if name in self.classes]
            if missing:
                found.append(f"{folder.path} has no texts of {in_words(missing)}.")
            for name in folder.classes:
                if name.lower() in NO_CLASS:
                    texts, why = folder.classes[name], "because its name says that they have no class"
                    found.append(f"Left out: {counted(texts.samples, 'text')} in {texts.path}, {why}.")
        for folder in self.split.apart if self.split else ():
            text = "is neither training, validation nor test set" if folder.classes else "has no class folders"
            found.append(f"Left out: {counted(folder.samples, 'text')} in {folder.path}, which {text}.")
        return found


def is_text_folder(path: Path) -> bool:
    """Whether a path is a folder with texts below it, and with more texts than images."""
    if not path.is_dir():
        return False
    folder = read_folder(path, _is_text)
    return len(folder.samples) > sum(other.name.lower().endswith(IMAGES) for other in folder.others)


def find_texts(path: Path) -> TextFolder:
    """Find the class folders and the parts, also below folders that only wrap them.

    DataError if there are less than two classes, or if a part has classes of its own.
    """
    found = _checked(below_wrappers(read_folder(path, _is_text)))
    train = found.by_part["TRAIN"]
    if len(found.classes) < 2:
        only = ", ".join(map(repr, found.classes))
        raise DataError(f"{train.path}: All texts are of one class, {only}. A classifier needs two classes or more.")
    beyond = [
        f"{folder.path} has texts of {in_words(names)}, and {train.path} has none. Remove them, or add training texts."
        for folder in found.by_part.values()
        if (names := [name for name in lacking(folder, train) if name.lower() not in NO_CLASS])
    ]
    if beyond:
        raise DataError(*beyond)
    return found


def _checked(root: Folder) -> TextFolder:
    """The texts below a folder. DataError if they are not in class folders."""
    found = TextFolder(root, parts(root))
    train = found.by_part["TRAIN"]
    if not found.classes:
        text = f"It has {counted(train.samples, 'text')}, but no sub-folder per class. Put the texts of each class into a sub-folder."
        raise DataError(f"{train.path}: {text}")
    return found


def read_texts(folder: Path, name: str, options: ReadingOptions) -> RawTable:
    """Read a folder of texts with class folders, or with parts that have them.

    A text is UTF-8, or UTF-16 with a byte order mark, or else Windows-1252; `options.encoding` sets another one. DataError names the
    texts that are not in it.
    """
    found = _checked(read_folder(folder, _is_text))
    files = list(found.files())
    columns = tuple(RawColumn(column, "text") for column in (PATH, TEXT, CLASS, *([PART] if found.split else [])))
    store, digest = Store(), sha256()
    store.create(columns, lambda cell: cell)
    wrong = list[str]()
    for start in range(0, len(files), SEVERAL):
        some = files[start : start + SEVERAL]
        texts = [_text(file, options.encoding, wrong) for file, _, _ in some]
        cells = [
            (str(file.relative_to(found.root.path)), text or None, kind, part) for (file, kind, part), text in zip(some, texts, strict=True)
        ]
        for row in cells:
            digest.update("\0".join(map(str, row)).encode(errors="surrogateescape"))
        batch = {f"c{k}": np.array([row[k] for row in cells], object) for k in range(len(columns))}
        store.connection.register("batch", batch)
        store.append(f"select {', '.join(batch)} from batch")
        store.connection.unregister("batch")
    if wrong:
        store.close()
        more = f" {len(wrong):,} of {len(files):,} texts are wrong." if len(wrong) > 1 else ""
        raise DataError(f"{wrong[0]}: The text is not {options.encoding}.{more}")
    return RawTable(name, columns, len(files), digest.hexdigest(), options, store, lambda row, column: Place(str(files[row][0])))


def _is_text(name: str) -> bool:
    suffix = Path(name).suffix.lower()
    return suffix in SUFFIXES or not suffix or bool(NUMBERED.fullmatch(suffix))


def _text(path: Path, encoding: str, wrong: list[str]) -> str:
    """The text in a file without spaces at its ends. A file in another encoding is added to `wrong`."""
    try:
        content = read_file(path)
    except OSError as e:
        raise DataError(f"Cannot read {path}: {e.strerror or e}") from e
    marked = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    for name in [encoding] if encoding else ["utf-16"] if marked else ["utf-8-sig", "cp1252", "latin-1"]:
        try:
            return content.decode(name).strip()
        except UnicodeDecodeError:
            continue
        except LookupError as e:
            raise DataError(f"Python knows no encoding {name!r}.", field="encoding") from e
    wrong.append(str(path))
    return ""
