"""DummyData: endless tops of constant, uniform or gaussian values, made from the seed."""

from dataclasses import dataclass
from math import prod

import numpy as np

from netc import netc_pb2 as pb
from netc.data.source import Description, Request, Table, TopSpec
from netc.errors import DataError, near
from netc.random import HALVES_PER_BLOCK, normal, uniform
from netc.registry import source

FILLERS = "constant", "uniform", "gaussian"


@source("DummyData")
def dummy_data(request: Request) -> Table:
    """Rows that never end. A constant filler gives the same rows each time, a random filler new ones."""
    layer, shapes = request.layer, _shapes(request.layer)
    fillers = list(layer.dummy_data_param.data_filler) or [pb.FillerParameter()]
    fillers = fillers * len(shapes) if len(fillers) == 1 else fillers
    errors = []
    if len(fillers) != len(shapes):
        errors.append(f"There are {len(fillers)} `data_filler`. Expected 0, 1 or {len(shapes)}, one per top.")
    errors += [f"There is no filler {f.type!r} for data. {near(f.type, FILLERS)}" for f in fillers if f.type not in FILLERS]
    if any(f.sparse >= 0 for f in fillers):
        errors.append("A `data_filler` cannot be `sparse`.")
    if errors:
        raise DataError(*errors, field="data_filler")
    batch = dummy_batch_size(layer)
    columns = tuple(
        Drawn(f, shape[1:], request.seed, f"{layer.name}/{i}", shape[0], batch)
        for i, (f, shape) in enumerate(zip(fillers, shapes, strict=True))
    )
    tops = tuple(TopSpec("float32", shape[1:], rows=shape[0] if shape[0] != batch else 0) for shape in shapes)
    return Table(Description(layer.name, tops, None), lambda: columns)


def dummy_batch_size(layer: pb.LayerParameter) -> int:
    """The first dimension of the first top."""
    sizes = [shape[0] for shape in _shapes(layer)]
    if 0 in sizes:
        raise DataError(f"The tops have {sizes} rows. Expected numbers above 0.", field="shape")
    return sizes[0]


@dataclass(frozen=True)
class Drawn:
    """A column in which row r has its own blocks of random numbers, so that it is the same in every batch.

    For each `batch` rows requested, it returns `own` rows.
    """

    filler: pb.FillerParameter
    shape: tuple[int, ...]
    seed: int
    name: str
    own: int
    batch: int

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        if self.own != self.batch:
            rows = np.arange(self.own) + rows[0] // self.batch * self.own
        filler, size = self.filler, prod(self.shape)
        if filler.type == "constant":
            return np.full((len(rows), *self.shape), filler.value, np.float32)
        blocks = -(-size // HALVES_PER_BLOCK)
        draw, low, width = (uniform, filler.min, filler.max - filler.min) if filler.type == "uniform" else (normal, filler.mean, filler.std)
        drawn = draw(self.seed, self.name, (len(rows), blocks * HALVES_PER_BLOCK), first=int(rows[0]) * blocks)
        return np.float32(low) + np.float32(width) * drawn[:, :size].reshape(len(rows), *self.shape)


def _shapes(layer: pb.LayerParameter) -> list[tuple[int, ...]]:
    param, tops = layer.dummy_data_param, len(layer.top)
    shapes = [tuple(shape.dim) for shape in param.shape]
    if not shapes:
        sides = [list(side) for side in (param.num, param.channels, param.height, param.width)]
        shapes = list(zip(*(s * tops if len(s) == 1 else s for s in sides), strict=False))
    shapes = shapes * tops if len(shapes) == 1 else shapes
    if len(shapes) != tops or not all(shapes):
        raise DataError(
            f"There are {len(shapes)} `shape`. Expected 1 or {tops}, one per top, with at least one dimension each.", field="shape"
        )
    return shapes
