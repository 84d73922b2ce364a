"""Decode many rows at once, and handle the rows that cannot be decoded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from netc.data.source import Column, Request
from netc.data.undecodable import UndecodableError
from netc.data.workers import AUTOMATIC, Workers
from netc.errors import DataError

R = TypeVar("R")


def skips(request: Request) -> bool:
    """Whether the layer's on_error is SKIP."""
    return bool(request.layer.transform_param.on_error == request.layer.transform_param.SKIP)


def each(function: Callable[[Any], R], items: Sequence[Any], workers: Workers = AUTOMATIC) -> list[R]:
    """Apply `function` to all items on threads, and collect all errors.

    UndecodableError, by the positions of the items, if no item has an error of another kind.
    """

    def attempt(item: Any) -> R | DataError:
        try:
            return function(item)
        except DataError as e:
            return e

    results = workers.apply(attempt, items)
    errors = {k: r for k, r in enumerate(results) if isinstance(r, DataError)}
    if others := [str(e) for e in errors.values() if not isinstance(e, UndecodableError)]:
        raise DataError(*others)
    if errors:
        raise UndecodableError({k: str(e) for k, e in errors.items()})
    return [r for r in results if not isinstance(r, DataError)]


def in_memory(column: Column, count: int, skip: bool) -> Column:
    """Decode a column once, on first use, and keep it in memory.

    With `skip`, a row that cannot be decoded is an error only when it is requested.
    """
    try:
        return column[np.arange(count)]
    except UndecodableError as e:
        if not skip or len(e.rows) == count:
            raise
        good = np.array([row for row in range(count) if row not in e.rows])
        return Kept(column[good], np.searchsorted(good, np.arange(count)), e.rows)


@dataclass(frozen=True)
class Kept:
    """A column in memory: row r is `array[places[r]]`, except for the rows in `errors`."""

    array: np.ndarray
    places: np.ndarray
    errors: Mapping[int, str]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        if bad := {k: self.errors[row] for k, row in enumerate(rows.tolist()) if row in self.errors}:
            raise UndecodableError(bad)
        images: np.ndarray = self.array[self.places[rows]]
        return images


class StandIns:
    """Replacements for rows that cannot be decoded: the next row that can, `step` rows further each time, wrapping around at `rows`.

    So batches keep their sizes, and the replacements depend only on the data. `skipped` maps each row to its error.
    """

    def __init__(self, name: str, rows: int | None, step: int = 1):
        self.name, self.rows, self.step = name, rows, step
        self.skipped: dict[int, str] = {}

    def read(self, column: Column, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The replacement rows of `rows`, and their values in the column. DataError if no row can be decoded."""
        for _ in range(self.rows or MOST_IN_VAIN):
            chosen = np.array([self._of(row) for row in rows.tolist()]) if self.skipped else rows
            try:
                return chosen, column[chosen]
            except UndecodableError as e:
                self.skipped |= {int(chosen[k]): text for k, text in e.rows.items()}
                if len(self.skipped) == self.rows:
                    break
        raise DataError(f"{self.name}: {len(self.skipped)} successive rows cannot be decoded. {next(iter(self.skipped.values()))}")

    def _of(self, row: int) -> int:
        while row in self.skipped:
            row = row + self.step if self.rows is None else (row + self.step) % self.rows
        return row


MOST_IN_VAIN = 1000  # attempts to replace a row of an endless source
