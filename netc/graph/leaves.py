"""Descriptions of the leaves of a graph: its inputs, its random numbers, its states."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from netc import netc_pb2 as pb

Kind = Literal["parameter", "statistic", "slot", "average", "carry"]


@dataclass(frozen=True)
class InputInfo:
    """An input of a graph. In models, inputs are in the order of `place`, and else in that of the nodes that read them."""

    name: str
    place: int = field(default=0, kw_only=True)


@dataclass(frozen=True)
class NoiseInfo(InputInfo):
    """An input of random numbers, drawn for each step from the seed and `key`."""

    distribution: str
    key: str


@dataclass(frozen=True)
class StateInfo:
    """A state, which passes from one step to the next.

    A `parameter` is learned from its gradient, a `statistic` is updated by its layer, and a `slot` belongs to the optimizer. An `average`
    is that of a parameter over the iterations. A `carry` passes from one batch to the next. `blob` is its number among the blobs of
    `layer`, -1 for none. `spec` is the layer's message for it. A `frozen` parameter or statistic keeps its value.
    `twin_of` is the name of `layer` in the net file, if another layer has it too.
    """

    name: str
    kind: Kind
    start: Callable[[], np.ndarray] = field(compare=False)
    layer: str = ""
    blob: int = 0
    lr_mult: float = 0.0
    decay_mult: float = 0.0
    spec: pb.ParamSpec = field(default_factory=pb.ParamSpec)
    frozen: bool = False
    twin_of: str = ""

    @property
    def share_name(self) -> str:
        """The name under which several layers share it."""
        return self.spec.name

    @property
    def is_weight(self) -> bool:
        """Whether files of weights include it: true for a parameter and a statistic."""
        return self.kind in ("parameter", "statistic")


LeafInfo = InputInfo | StateInfo
