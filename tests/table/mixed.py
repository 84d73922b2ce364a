"""A table with a column of each type, with gaps, and its columns as fitted on its first rows."""

from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc import registry
from netc.table.columns.define import MISSING_INT, ColumnType, Values, class_of
from netc.table.reading import open_table

registry.load()
WORDS = ["good", "bad", "Film,", "the", "A", "never"]
Arrays = dict[str, np.ndarray]


def column(name: str, kind: str, cells: Any, **fields: Any) -> ColumnType:
    """Return a column as fitted on cells: numbers, or texts."""
    array = np.asarray(cells)
    array = array.astype(object) if array.dtype.kind in "OU" else array
    rule = pb.ColumnParameter(name=name, type=kind, **fields)
    return class_of(rule).fit(rule, Values.of(array))


def raw_rows(rows: int, seed: int = 0) -> Arrays:
    """Return raw values by column."""
    rng = np.random.default_rng(seed)

    def texts(values: list[str]) -> np.ndarray:
        return rng.choice(values, rows).astype(object)

    whole = rng.integers(0, 50, rows)
    said = np.array([" ".join(rng.choice(WORDS, rng.integers(0, 9))) for _ in range(rows)], object)
    return {
        "age": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(30, 10, rows)),
        "sex": texts(["male", "female"]),
        "number": 100_000_000.0 + whole,
        "town": texts([f"town {k}" for k in range(20)]),
        "when": np.where(rng.random(rows) < 0.1, MISSING_INT, rng.integers(1_500_000_000, 1_600_000_000, rows)),
        "port": texts(["", "S", "C", "Q"]),
        "paid": texts(["true", "false", ""]),
        "fare": rng.exponential(20, rows),
        "said": said,
    }


KINDS = {"age": "number", "sex": "category", "number": "number", "town": "category", "when": "date", "port": "category", "paid": "boolean",
         "fare": "number", "said": "text"}  # fmt: skip


def fitted(raw: Arrays, rows: int | None = None) -> list[ColumnType]:
    """Return the columns of a table as fitted on its first `rows` rows."""
    return [column(name, KINDS[name], cells[:rows]) for name, cells in raw.items()]


def read(folder: Path, kind: str, cells: list[str], **fields: Any) -> tuple[list[Any], int]:
    """Return what a column type reads from the cells of a CSV file, None for a gap, and how many cells are wrong."""
    (folder / "cells.csv").write_text("\n".join(["x,other", *(f'"{cell}",1' for cell in cells)]))
    with open_table("cells.csv", folder) as raw:
        rule = pb.ColumnParameter(name="x", type=kind, **fields)
        found = class_of(rule).cells(rule, raw.columns[0], raw.dialect)
        rows = raw.query(f"select {found.value}, {found.wrong} from cells order by rowid")
    return [value for value, _ in rows], sum(bool(wrong) for _, wrong in rows)
