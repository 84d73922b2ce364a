"""Tops of rows that are transformed together, because labels depend on how their images change: boxes."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Joint(Protocol):
    """All tops of rows, transformed together. The first row has the number `first` in the stream of training rows."""

    def __call__(self, rows: np.ndarray, first: int, /) -> tuple[np.ndarray, ...]: ...


@dataclass(frozen=True)
class SelectedJoint:
    """A selection of the rows that are transformed together."""

    joint: Joint
    rows: np.ndarray

    def __call__(self, rows: np.ndarray, first: int) -> tuple[np.ndarray, ...]:
        return self.joint(self.rows[rows], first)
