"""The raw values of a table's rows in the cache: what published models, reports and predictions of folds read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netc.table.cache import RAW, Entry
from netc.table.cells import Codes, Column, Numbers, Texts
from netc.table.columns.define import ColumnType

STEP = 1 << 16  # rows to write at a time
WORDS = "words"  # the different texts of all columns, as JSON


def keep(columns: Sequence[ColumnType], cells: Mapping[str, Column], folder: Path) -> dict[str, list[str]]:
    """Write the raw values: a matrix of numbers, one of whole numbers, and one of codes of texts.

    Returns the columns of each matrix by its dtype, {} if there are texts that are too many to keep.
    """
    read = {column.name: cells[column.name] for column in columns}
    if any(isinstance(column, Texts) for column in read.values()):
        return {}
    matrices = _matrices(read)
    for dtype, names in matrices.items():
        arrays = [column.cells for name, column in read.items() if name in names and not isinstance(column, Texts)]
        matrix = np.lib.format.open_memmap(folder / f"{RAW}{dtype}.npy", "w+", np.dtype(dtype), (len(arrays[0]), len(arrays)))
        for start in range(0, len(matrix), STEP):
            matrix[start : start + STEP] = np.stack([array[start : start + STEP] for array in arrays], axis=1)
        matrix.flush()
    words = {name: column.words.tolist() for name, column in read.items() if isinstance(column, Codes)}
    np.save(folder / f"{WORDS}.npy", np.frombuffer(json.dumps(words).encode(), np.uint8))
    return matrices


def words_of(made: Entry) -> dict[str, np.ndarray] | None:
    """Return the different texts of each column that has texts, and "" at the end; None if raw values are not kept, or damaged."""
    if not made.said["raw"] or not all(made.is_sound(name) for name in made.arrays if name.startswith(RAW)):
        return None
    text = made.arrays[WORDS]
    words: dict[str, list[str]] = json.loads(text[np.arange(text.shape[0])].tobytes())
    return {name: np.array([*of_column, ""], object) for name, of_column in words.items()}


def kept(made: Entry, columns: Sequence[ColumnType], words: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the raw values of rows by column. `words` are the result of `words_of`."""
    found: dict[str, Any] = {}
    for dtype, names in made.said["raw"].items():
        matrix = made.arrays[f"{RAW}{dtype}"][rows]
        found |= {name: matrix[:, k] for k, name in enumerate(names)}
    found |= {name: of_column[found[name]] for name, of_column in words.items()}
    with np.errstate(over="ignore"):  # a number beyond float32 is infinite
        return {c.name: found[c.name].astype(object if c.dtype == "string" else c.dtype) for c in columns}


def _matrices(read: Mapping[str, Column]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, column in read.items():
        if isinstance(column, Numbers | Codes):
            found.setdefault(column.cells.dtype.name, []).append(name)
    return found
