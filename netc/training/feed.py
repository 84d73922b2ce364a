"""The feeds of each step: batches from the sources and random numbers, prepared in advance by a thread."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from netc import data, random
from netc.compiler.lower import Lowered
from netc.errors import DataError, Diagnostic, SpecError
from netc.graph.contract import BATCH, NOISE, SINK
from netc.graph.ir import Graph, Node
from netc.graph.leaves import NoiseInfo
from netc.net.model import VALIDATION, Layer, ResolvedNet
from netc.spec import paths
from netc.training.labels import Checks

Feeds = dict[str, np.ndarray]
OUTPUTS = "outputs"


class Feeder:
    """Opens the sources of a net and makes the feeds of step (iteration, sub_batch), a pure function of the seed and these two.

    With `validation`, sources that have a validation set use it. `folder` is the folder of the run. If `lowered` is given, its layers
    define valid values: DataError for invalid data, at once for data in memory, else for each batch.
    """

    def __init__(self, net: ResolvedNet, graph: Graph, seed: int, base: str, iter_size: int = 1, validation: bool = False,
                 lowered: Lowered | None = None, folder: Path | None = None):  # fmt: skip
        self.net = net
        inputs = {n.name: n for n in graph.leaves("Input")}
        fed = {BATCH(top) for layer in net.sources for top in layer.tops}
        unfed = sorted(BATCH.bare(n) for n in inputs if n in BATCH and n not in fed)
        if unfed:
            raise SpecError(f"{net.document.place()}: no layer feeds {', '.join(map(repr, unfed))}; add a Data layer")
        self.iter_size, self.seed = iter_size, seed
        self.noise = [n for n in inputs.values() if n.name in NOISE]
        self.wanted = {n for n in inputs if n in BATCH}
        self.layers = net.sources
        self.sinks = sinks_of(net.layers, base, folder)
        validated = [validation and layer.source is not None and layer.source.has_validation for layer in net.sources]
        phases = [VALIDATION if own else net.phase for own in validated]
        self.sources = [_opened(layer, p, seed, iter_size) for layer, p in zip(net.sources, phases, strict=True)]
        phase = VALIDATION if any(validated) else net.phase
        self.checks = None if lowered is None else Checks(lowered, self.layers, self.sources, phase)
        if self.checks is not None:
            self.checks.stored()

    def __call__(self, iteration: int, sub_batch: int = 0) -> Feeds:
        return self._with_noise(self._batches(iteration, sub_batch), iteration, sub_batch)

    def no_numbers(self, feeds: Feeds, iteration: int, sub_batch: int = 0) -> list[Diagnostic]:
        """Errors for NaN and infinite values in a batch, with source and row."""
        if self.checks is None:
            return []
        self.checks.look_for_nan(feeds, iteration, sub_batch)
        return self.checks.errors(f"a batch of {self.checks.phase}")

    def once(self, index: int) -> Feeds:
        """The feeds of batch `index` of one pass. The last batch is short: it does not wrap around to the first rows."""
        feeds = self._batches(index, 0)
        left = self.rows - index * self.batch_size if self.rows is not None else 0
        for layer, source in zip(self.layers, self.sources, strict=True):
            if 0 < left < source.batch_size == self.batch_size and (source.wraps or source.rows is None):
                feeds |= {BATCH(n): feeds[BATCH(n)][:left] for n in layer.tops if len(feeds.get(BATCH(n), ())) == source.batch_size}
        return self._with_noise(feeds, index, 0)

    def _batches(self, iteration: int, sub_batch: int) -> Feeds:
        feeds: Feeds = {}
        for layer, source in zip(self.layers, self.sources, strict=True):
            for top, array in zip(layer.tops, source.batch(iteration, sub_batch), strict=False):
                if BATCH(top) in self.wanted:
                    feeds[BATCH(top)] = np.ascontiguousarray(array)
        if self.checks is not None:
            self.checks.batch(feeds, iteration, sub_batch)
        return feeds

    def _with_noise(self, feeds: Feeds, iteration: int, sub_batch: int) -> Feeds:
        rows = self.size(feeds)
        return feeds | {n.name: draw(n, self.seed, iteration, sub_batch, rows) for n in self.noise}

    def kept(self, results: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Pass results to the sinks of the net, and return the others."""
        for layer, sink in self.sinks:
            sink.write(*(results[SINK(f"{layer.name}/{k}")] for k in range(len(layer.bottoms))))
        return {name: array for name, array in results.items() if name not in SINK}

    def counted(self, index: int) -> Feeds:
        """The feeds of batch `index`, counting all sub-batches."""
        return self(*divmod(index, self.iter_size))

    def size(self, feeds: Feeds) -> int:
        """The number of rows in a batch; the last batch of a test may have fewer."""
        described = [pair for layer in self.layers if layer.source for pair in zip(layer.tops, layer.source.tops, strict=False)]
        fed = [(feeds[BATCH(name)], top.batch_axis or 0) for name, top in described if BATCH(name) in feeds]
        return max((array.shape[axis] for array, axis in fed if array.ndim), default=1)

    def skipped(self) -> list[str]:
        """Messages on the rows that were skipped so far because they cannot be decoded."""
        return [text for source in self.sources for text in source.skipped()]

    def notes(self) -> list[str]:
        """Notes on information that reading has dropped so far, such as alpha channels."""
        return [text for source in self.sources for text in source.notes()]

    @property
    def rows(self) -> int | None:
        """The number of rows of the first finite source; None if there is none."""
        return next((s.rows for s in self.sources if s.rows is not None), None)

    @property
    def batches(self) -> int | None:
        """The number of batches in one pass over that source, including a short last one."""
        return next((data.test_batches(s) for s in self.sources if s.rows is not None), None)

    @property
    def batch_size(self) -> int:
        return self.sources[0].batch_size if self.sources else 1

    @property
    def depth(self) -> int:
        """The number of batches to prepare in advance: the largest `prefetch` of the data layers."""
        return max((data.setting(layer.param, "prefetch") for layer in self.layers), default=4)


class _Refused:
    """A sink of a published net outside a run. It refuses to write, because there is no folder for its files."""

    def __init__(self, name: str):
        self.name = name

    def write(self, *arrays: np.ndarray) -> None:
        """DataError."""
        raise DataError(f"layer {self.name!r} writes a file, but a net from a zoo can only write into the folder of a run")


def sinks_of(layers: Iterable[Layer], base: str, folder: Path | None = None) -> list[tuple[Layer, Any]]:
    """The sinks of a net, with paths relative to `base`. A published net only writes into outputs/ in the `folder` of its run."""
    sinks = [(layer, layer.kind.sink) for layer in layers if layer.kind.sink]
    place: Path | None = Path(base)
    if sinks and paths.published(base):
        place = folder / OUTPUTS if folder else None
        if place:
            place.mkdir(exist_ok=True)
    return [(layer, sink(layer.param, place) if place else _Refused(layer.name)) for layer, sink in sinks]


def _opened(layer: Layer, phase: str, seed: int, iter_size: int) -> data.Source:
    """Open the source of a data layer. DataError at the layer, or at a place in its files."""
    assert layer.reader is not None
    try:
        return layer.reader.open(seed, iter_size, phase)
    except DataError as e:
        place = layer.at(data.message_name(layer.param), "source")
        raise type(e)(*(f if f.place else replace(f, place=place, text=f"Layer {layer.name!r}: {f.text}") for f in e.diagnostics)) from e


def draw(node: Node, seed: int, iteration: int, sub_batch: int = 0, rows: int = 1) -> np.ndarray:
    """The random numbers for a noise input in one step. `rows` is the size of a symbolic batch."""
    assert isinstance(node.info, NoiseInfo)
    shape = tuple(rows if isinstance(d, str) else int(d) for d in node.types[0].shape)
    return random.draw(node.info.distribution, random.key(seed, node.info.key), shape, iteration, sub_batch)
