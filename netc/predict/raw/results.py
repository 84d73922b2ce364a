"""Predictions as columns: the class, its score, and the outputs of the model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.predict.raw.classes import Decision
from netc.predict.results import column_names

CLASS, SCORE = "class", "score"
TEXT = "tensor(string)"


@dataclass(frozen=True)
class Results:
    """What is predicted for each row. `outputs` are the output ports of the model."""

    outputs: Sequence[Any]
    decision: Decision

    @property
    def scores(self) -> str:
        """The name of the output with a score for each class; "" if there is none."""
        count = len(self.decision.labels)
        widths = {0: (), 1: (), 2: (1, 2)}.get(count, (count,))
        return next((o.name for o in self.outputs if o.type != TEXT and len(o.shape) == 2 and o.shape[1] in widths), "")

    @property
    def numbers(self) -> list[str]:
        """The names of the outputs that are numbers, that of the scores first."""
        names = [o.name for o in self.outputs if o.type != TEXT]
        return sorted(names, key=lambda name: name != self.scores)

    def columns(self, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return columns of one value per row, from the outputs for some rows."""
        return dict(self._columns(found))

    def _columns(self, found: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
        if self.scores:
            chosen, score = self.decision(found[self.scores])
            yield CLASS, np.array(self.decision.labels, object)[chosen]
            yield SCORE, score
        for name in self.numbers:
            array = found[name]
            names = column_names(name, array.shape[1:], self.decision.labels)
            yield from zip(names, array.reshape(len(array), len(names)).T, strict=True)
        if not self.scores:
            yield from ((o.name, found[o.name]) for o in self.outputs if o.name not in self.numbers)
