"""Describe the data of a net: values, labels and classes of a sample or of every row, and errors in them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from netc import data
from netc import netc_pb2 as pb
from netc.compiler.lower import Lowered
from netc.compiler.program import Program
from netc.errors import DataError, Diagnostic, NetcError
from netc.graph.contract import BATCH
from netc.net.model import TEST, TRAIN, VALIDATION, Layer
from netc.net.variants import inputs_of
from netc.random import permutation
from netc.training.labels import Checks

SAMPLE = 2048  # rows in a sample
DECODED = 64 * 2**20  # bytes of decoded images in a sample
IMAGES = ("folder", "ImageData", "WindowData")


@dataclass
class Seen:
    """Statistics of a data layer in one phase. Values are those of the first top after transformation.

    `inputs` are the indices of the tops that the net computes from: rows that are equal in all of them are duplicates. `label` is the
    index of the top with the classes.
    """

    layer: Layer
    phase: str
    inputs: tuple[int, ...] = (0,)
    label: int = 1
    rows: int = 0
    of: int | None = None
    stored: int = 0
    low: float = np.inf
    high: float = -np.inf
    total: float = 0.0
    squares: float = 0.0
    count: int = 0
    labels: Counter[int] = field(default_factory=Counter)
    hashes: set[bytes] = field(default_factory=set)
    errors: list[Diagnostic] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return self.total / max(self.count, 1)

    @property
    def deviation(self) -> float:
        return float(np.sqrt(max(self.squares / max(self.count, 1) - self.mean**2, 0.0)))

    def add(self, arrays: tuple[np.ndarray, ...], keep: bool) -> None:
        """Add a batch. `keep` stores the hash of each row."""
        values = arrays[0]
        if values.dtype.kind == "f":
            good = values[np.isfinite(values)].astype(np.float64)
            if good.size:
                self.low, self.high = min(self.low, float(good.min())), max(self.high, float(good.max()))
            self.total, self.squares, self.count = self.total + good.sum(), self.squares + (good**2).sum(), self.count + good.size
        if len(arrays) > self.label and arrays[self.label].dtype.kind in "iu" and arrays[self.label].ndim == 1:
            self.labels.update(arrays[self.label].tolist())
        self.rows += len(values)
        if keep:
            self.hashes.update(_hashes([arrays[k] for k in self.inputs]))


def look(program: Program, everything: bool) -> Iterator[Seen | DataError]:
    """Yield statistics of each source in both phases, or a DataError if its data is not present. Nothing is downloaded.

    `everything` reads one epoch and stores hashes of its rows. Otherwise netc reads a sample, and skips folders of many images.
    """
    nets = [(TRAIN, program.train), *([(VALIDATION, program.test[0])] if everything else []), (TEST, program.test[0])]
    for phase, lowered in nets:
        for layer in lowered.net.sources:
            if phase == VALIDATION and not (layer.source and layer.source.has_validation):
                continue
            if layer.type in ("DummyData", "MemoryData") or (not everything and _is_long(layer)):
                continue
            with data.no_downloads():
                try:
                    yield _seen(layer, phase, program, everything, lowered)
                except NetcError as e:
                    yield e if isinstance(e, DataError) else DataError(*e.diagnostics)


def _seen(layer: Layer, phase: str, program: Program, everything: bool, lowered: Lowered) -> Seen:
    assert layer.reader is not None
    reader = layer.reader.in_phase(phase)
    source = (reader.read_by(_plain(layer.param)) if everything else reader).source()
    inputs = inputs_of(lowered.net)[layer.name] or (0,)
    label = next((k for k in range(1, len(source.description.tops)) if k not in inputs), 1)
    seen = Seen(layer, phase, inputs, label, of=source.rows, stored=source.bytes_kept)
    checks = Checks(lowered, [layer], [source], phase)
    axes = [t.batch_axis or 0 for t in source.description.tops]
    wanted = source.rows if everything and source.rows else min(SAMPLE, source.rows or SAMPLE)
    for k in range(-(-wanted // source.batch_size)):
        try:
            arrays = source.batch(k)
        except DataError as e:  # this batch cannot be decoded; later ones may have more errors
            seen.errors += [Diagnostic(layer.at(), f"Layer {layer.name!r}: {f}") for f in e.diagnostics]
            continue
        rows_first = [np.moveaxis(a, axis, 0)[: wanted - seen.rows] for a, axis in zip(arrays, axes, strict=True)]
        seen.add(tuple(rows_first), everything)
        fed = {BATCH(n): np.moveaxis(a, 0, axis) for n, a, axis in zip(layer.tops, rows_first, axes, strict=False)}
        checks.look(fed, k)
        checks.look_for_nan(fed, k)
    if seen.labels and source.rows and seen.rows < source.rows:
        seen.labels = _labels(source, source.rows, label)
    seen.errors += checks.errors(phase)
    seen.notes = source.notes()
    return seen


def _hashes(tops: list[np.ndarray]) -> Iterator[bytes]:
    """A hash for each row."""
    for row in zip(*tops, strict=True):
        yield blake2b(b"".join(np.ascontiguousarray(part).tobytes() for part in row), digest_size=16).digest()


def _labels(source: data.Source, rows: int, label: int) -> Counter[int]:
    """Count the labels of all rows in memory, else of rows from the whole source, because files may be sorted by class."""
    chosen = np.arange(rows) if source.in_memory(label) else np.sort(permutation(0, "check", rows)[:SAMPLE])
    return Counter(source.stored(label, chosen).astype(np.int64).tolist())


def _plain(layer: pb.LayerParameter) -> pb.LayerParameter:
    """The layer without random augmentation. Images with boxes are still cropped, because their sizes differ."""
    plain = pb.LayerParameter()
    plain.CopyFrom(layer)
    boxed = layer.type == "AnnotatedData"
    plain.transform_param.CopyFrom(layer.transform_param if boxed else data.unaugmented(layer.transform_param))
    return plain


def _is_long(layer: Layer) -> bool:
    """Whether decoding the images of a layer takes long."""
    if layer.source is None or layer.type not in ("Data", "ImageData", "WindowData") or not layer.source.rows:
        return False
    top = layer.source.tops[0]
    folder = layer.type != "Data" or (layer.param.data_param.source and not layer.source.sha256 and len(top.shape) == 3)
    return bool(folder) and layer.source.rows * int(np.prod(top.sizes)) > DECODED


def lines(seen: Seen) -> Iterator[str]:
    """The lines that `netc check` prints."""
    rows = f"{seen.rows:,} of {seen.of:,} rows" if seen.of and seen.rows < seen.of else f"{seen.rows:,} rows"
    values = f"; values {seen.low:.4g} to {seen.high:.4g}, mean {seen.mean:.4g}, std {seen.deviation:.4g}" if seen.count else ""
    yield f"  {seen.phase} {seen.layer.name}: {rows}{values}"
    yield from (f"    {note}" for note in seen.notes)
    if seen.labels:
        least, most = min(seen.labels.values()), max(seen.labels.values())
        counted = sum(seen.labels.values())
        share = f"{least / counted:.3g} to {most / counted:.3g} of the rows each"
        yield f"    labels {min(seen.labels)} to {max(seen.labels)}, {len(seen.labels)} classes, {share}"
