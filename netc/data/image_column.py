"""Find the column of a text table that holds the paths of images, from its content."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from netc.data.class_folders import part_of
from netc.data.pixels import SUFFIXES
from netc.data.sheet import SUFFIXES as TABLES
from netc.data.sheet import delimiter_of, places
from netc.files import open_plain

SAMPLE = 1 << 16  # bytes of the table that are inspected
MOST_TRIED = 50  # paths that are looked up, and sub-folders that they may start from


@dataclass(frozen=True)
class ImageColumn:
    """A column of image paths, and the names of the other columns.

    `folders` are those that the paths may start from: several if the same names exist in several folders.
    """

    name: str
    folders: tuple[Path, ...]
    others: tuple[str, ...]


def image_column(path: str | Path) -> str | None:
    """The name of the column of a .csv or .tsv file whose values are paths of images; None if there is none.

    See `find_image_column`. A table without a header calls its columns #0, #1 and so on.
    """
    found = find_image_column(Path(path))
    return found.name if found else None


def find_image_column(path: Path) -> ImageColumn | None:
    """The first column whose values all end in the suffix of an image format, if some of these files exist.

    Paths start from the folder of the table, or from one of its sub-folders. In a table with at most two columns, none of the files
    needs to exist: it can be nothing but a list of images. None for a file that is missing or no text.
    """
    rows = _first_rows(path)
    if not rows:
        return None
    named = not any(is_image(cell) for cell in rows[0])
    header = rows[0] if named else places(len(rows[0]))
    body = [row for row in rows[named:] if len(row) == len(header)]
    for k, name in enumerate(header):
        cells = [row[k] for row in body if row[k]]
        if cells and all(map(is_image, cells)):
            folders = _folders(path, cells[:MOST_TRIED])
            if folders or len(header) <= 2:
                return ImageColumn(name, folders or (path.parent,), (*header[:k], *header[k + 1 :]))
    return None


def is_image(cell: str) -> bool:
    """Whether a cell is a path with the suffix of an image format."""
    return Path(cell.replace("\\", "/")).suffix.lower() in SUFFIXES


def image_path(folder: Path, cell: str) -> Path:
    """The file that a cell names. Paths may be written as on Windows."""
    path = folder / cell
    return folder / cell.replace("\\", "/") if "\\" in cell and not os.path.exists(path) else path


def _folders(table: Path, cells: Sequence[str]) -> tuple[Path, ...]:
    """The folders that the paths may start from: that of the table, else the sub-folders that have most of them.

    A table such as train.csv means a folder for the same part, such as train_images.
    """
    base = table.parent
    try:
        below = sorted(entry for entry in base.iterdir() if entry.is_dir() and not entry.name.startswith("."))[:MOST_TRIED]
    except OSError:
        return ()
    counts = {folder: sum(os.path.isfile(image_path(folder, cell)) for cell in cells) for folder in (base, *below)}
    if counts[base] or not any(counts.values()):
        return (base,) if counts[base] else ()
    most = [folder for folder, count in counts.items() if count == max(counts.values())]
    same = [folder for folder in most if part_of(folder.name) == (part_of(table.stem) or "TRAIN")]
    return tuple(same if len(same) == 1 else most)


def _first_rows(path: Path) -> list[tuple[str, ...]]:
    """The first rows of a table; empty if it cannot be read as one."""
    if path.suffix.lower() not in TABLES:
        return []
    try:
        with open_plain(path) as file:
            content = file.read(SAMPLE)
        text = content.decode("utf-8-sig", "strict" if len(content) < SAMPLE else "ignore")
        lines = text.splitlines(keepends=True)
        lines = lines[:-1] if len(content) == SAMPLE else lines
        reader = csv.reader(lines, delimiter=delimiter_of(path, lines), skipinitialspace=True)
        return [cells for row in reader if any(cells := tuple(cell.strip() for cell in row))]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
