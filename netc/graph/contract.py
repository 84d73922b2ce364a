"""Names of the step contract: the names of inputs and outputs in the models of a training step. All languages use the same names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Prefix:
    """A common prefix of names: `STATE("w")` is `state/w`, and `"state/w" in STATE`."""

    text: str

    def __call__(self, name: str) -> str:
        return self.text + name

    def __str__(self) -> str:
        return self.text

    def __contains__(self, name: str) -> bool:
        return name.startswith(self.text)

    def bare(self, name: str) -> str:
        """Return `name` without the prefix, if it has it."""
        return name.removeprefix(self.text)

    def named(self, arrays: Mapping[str, T]) -> dict[str, T]:
        """Return `arrays` with the prefix added to their names."""
        return {self.text + name: array for name, array in arrays.items()}

    def within(self, arrays: Mapping[str, T]) -> dict[str, T]:
        """Return the arrays whose names have the prefix, under their names without it."""
        return {name.removeprefix(self.text): array for name, array in arrays.items() if name in self}


BATCH = Prefix("batch/")  # a blob that a data layer delivers
NOISE = Prefix("noise/")  # random numbers, different in each step
STATE = Prefix("state/")  # what training updates: parameters, statistics, slots of the optimizer, states carried to the next batch
GRAD = Prefix("grad/")  # the sum of a parameter's gradients over the batches of an update
NEXT = Prefix("next/")  # a state after the step; `next/grad/...` is a sum, since an input and an output cannot have the same name
OUT = Prefix("out/")  # a blob that no layer reads
SUM = Prefix("sum/")  # a number that a test sums over its batches
ROWS = Prefix("rows/")  # an array that a test concatenates over its batches
GUARD = Prefix("guard/")  # for a bottom that depends on states: how many values are outside its domain, and the largest of them
SINK = Prefix("sink/")  # a blob that a layer such as HDF5Output writes to a file
WATCH = Prefix("watch/")  # a measure of how a step changes a layer: norms of gradients, means of activations
LOSS, LR = "loss", "lr"
