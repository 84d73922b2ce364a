"""Windows of a series for forecasting: `steps` rows of all columns, and the value of one column in the next row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from netc.data.order import held_out
from netc.data.source import Description, Request, Table, TopSpec
from netc.errors import DataError


@dataclass(frozen=True)
class Frames:
    """A column of windows: window r is the `steps` rows that start at row r."""

    rows: np.ndarray
    steps: int

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.rows[np.asarray(rows)[:, None] + np.arange(self.steps)]


class Spread(NamedTuple):
    """The mean and the standard deviation of each column."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def spread(columns: np.ndarray) -> Spread:
    """The mean and standard deviation of an array (rows, columns). A constant column gets the standard deviation 1."""
    std = columns.std(0, dtype=np.float64)
    return Spread(tuple(columns.mean(0, dtype=np.float64).tolist()), tuple(np.where(std > 0, std, 1.0).tolist()))


def training_windows(request: Request, name: str, rows: int) -> tuple[int, int]:
    """The number of windows in a series of `rows`, and the number of rows in the windows that are not held out."""
    steps, fraction = int(request.layer.data_param.steps), request.layer.data_param.test_fraction
    windows = rows - steps
    if windows < 1:
        raise DataError(f"{name}: There are {rows} rows. Expected more than {steps}, the `steps` of the net.", field="steps")
    return windows, len(held_out(windows, fraction, "TRAIN", series=True)) + steps


def series_table(request: Request, described: Description, target: int, spread: Spread, load: Callable[[], np.ndarray]) -> Table:
    """The table of a series. `described` has its number of rows and its columns; load() returns an array (rows, columns)."""
    steps = int(request.layer.data_param.steps)
    windows, _ = training_windows(request, described.name, described.rows or 0)
    data = TopSpec("float32", (steps, len(described.columns)), batch_axis=1, input=True, mean=spread.mean, std=spread.std)
    label = TopSpec("float32", (1,), mean=spread.mean[target : target + 1], std=spread.std[target : target + 1])
    description = Description(
        described.name, (data, label), windows, (), described.licence, described.sha256, columns=described.columns,
        target=described.columns[target],
    )  # fmt: skip

    def columns() -> tuple[Frames, np.ndarray]:
        rows = np.asarray(load(), np.float32)
        return Frames(rows, steps), rows[steps:, target : target + 1]

    return Table(description, columns, series=True)
