"""Run a model on many rows: in blocks of bounded size, and so that a row's result does not depend on the rows beside it.

onnxruntime computes whole vectors of numbers at once, and the rest of a tensor with other instructions, which may round differently. A
block of a multiple of `EXACT` rows has no rest, so its rows have the same results to the last bit in every block.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.errors import RunError

EXACT = 16  # numbers in the longest vector of a processor
MOST_ROWS = 1024
MOST_BYTES = 1 << 21  # of a block's rows; what a model computes from them may be a hundred times as much

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Blocks:
    """How a model is run. `outputs` are its output ports. `fixed` is its batch size, if it has only one.

    `exact`: blocks are filled up to a multiple of EXACT rows. That is cheap for short rows, and not for images.
    """

    run: Callable[[Arrays], dict[str, np.ndarray]]
    outputs: Sequence[Any]
    fixed: int | None = None
    exact: bool = True

    def __call__(self, rows: Arrays) -> dict[str, np.ndarray]:
        """Return the outputs for all rows. Every array has one row per first index."""
        count = len(next(iter(rows.values())))
        results = list(self._results(rows, count))
        return {o.name: np.concatenate([r[o.name] for r in results]) if self._has_rows(o) else results[0][o.name] for o in self.outputs}

    def _results(self, rows: Arrays, count: int) -> Iterator[dict[str, np.ndarray]]:
        size = self.size(rows)
        for start in range(0, max(count, 1), size):
            yield from self._divided({name: array[start : start + size] for name, array in rows.items()})

    def size(self, rows: Arrays) -> int:
        """Return the number of rows of a block."""
        if self.fixed:
            return self.fixed
        bytes_of_row = sum(array.itemsize * int(np.prod(array.shape[1:])) for array in rows.values())
        most = max(1, min(MOST_ROWS, MOST_BYTES // max(1, bytes_of_row)))
        return max(EXACT, most // EXACT * EXACT) if self.exact else most

    def _divided(self, rows: Arrays) -> Iterator[dict[str, np.ndarray]]:
        """Yield the results of a block, or of its halves if it is too large for the memory."""
        count = len(next(iter(rows.values())))
        try:
            found = self._filled(rows, count)
        except RunError:
            if count == 1 or self.fixed:
                raise
            for part in (slice(0, count // 2), slice(count // 2, count)):
                yield from self._divided({name: array[part] for name, array in rows.items()})
            return
        yield found

    def _filled(self, rows: Arrays, count: int) -> dict[str, np.ndarray]:
        wanted = self.fixed or (-(-count // EXACT) * EXACT if self.exact else count)
        if wanted > count and count:
            rows = {name: np.concatenate([array, np.repeat(array[-1:], wanted - count, 0)]) for name, array in rows.items()}
        results = self.run(rows)
        return {o.name: results[o.name][:count] if self._has_rows(o) else results[o.name] for o in self.outputs}

    def _has_rows(self, port: Any) -> bool:
        """Whether the first axis of an output is that of the rows."""
        return bool(port.shape) and (port.shape[0] == self.fixed if self.fixed else isinstance(port.shape[0], str))
