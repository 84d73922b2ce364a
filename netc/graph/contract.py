"""Names of the step contract: what the inputs and outputs of a training step's models are called, in every language."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Prefix:
    """Names that begin alike: `STATE("w")` is `state/w`, and `"state/w" in STATE`."""

    text: str

    def __call__(self, name: str) -> str:
        return self.text + name

    def __str__(self) -> str:
        return self.text

    def __contains__(self, name: str) -> bool:
        return name.startswith(self.text)

    def bare(self, name: str) -> str:
        """`name` without the prefix, where it has it."""
        return name.removeprefix(self.text)

    def named(self, arrays: Mapping[str, T]) -> dict[str, T]:
        """`arrays` under their names with the prefix."""
        return {self.text + name: array for name, array in arrays.items()}

    def within(self, arrays: Mapping[str, T]) -> dict[str, T]:
        """Those of `arrays` whose names have the prefix, under their bare names."""
        return {name.removeprefix(self.text): array for name, array in arrays.items() if name in self}


BATCH = Prefix("batch/")  # a blob that a data layer feeds
NOISE = Prefix("noise/")  # random numbers, new ones in each step
STATE = Prefix("state/")  # what training moves: parameters, statistics, slots of the optimizer, what a batch leaves to the next
GRAD = Prefix("grad/")  # the sum of a parameter's gradients over the batches of an update
NEXT = Prefix("next/")  # a state after the step; `next/grad/...` is a sum, since no graph has an input and an output of one name
OUT = Prefix("out/")  # a blob that no layer reads
SUM = Prefix("sum/")  # what a test adds up over its batches
ROWS = Prefix("rows/")  # what a test puts one after another over its batches
GUARD = Prefix("guard/")  # of a bottom that depends on states: how many values are outside its domain, and the largest of them
SINK = Prefix("sink/")  # a blob that a layer such as HDF5Output takes out of the net
WATCH = Prefix("watch/")  # what a step does to a layer: norms of gradients, means of activations
LOSS, LR = "loss", "lr"
