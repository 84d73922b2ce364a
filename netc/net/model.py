"""The data model of a resolved net: its layers in the order they run, and what its data sources deliver."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from netc import data, registry
from netc import netc_pb2 as pb
from netc.errors import Place
from netc.net.rates import Rates
from netc.spec import Document

BROKEN, GUESSED = "broken", "guessed"
TRAIN, VALIDATION, TEST, DEPLOY = "TRAIN", "VALIDATION", "TEST", "DEPLOY"  # VALIDATION uses the net for TEST, with other rows


@dataclass(frozen=True)
class Layer:
    """One layer of a net in one phase. `reader` reads the rows of a data layer. `index` is the layer's number in the file.

    `mixed`: the last two bottoms of a loss are the labels of the rows that were mixed in, and the shares of the first labels.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    param: pb.LayerParameter
    loss_weights: tuple[float, ...]
    document: Document
    index: int
    reader: data.Reader | None = None
    batch_size: int | None = None
    phase: str | None = None  # of this layer, if it differs from the net's
    mixed: bool = False
    twin_of: str = ""  # the name in the file, if another layer has it too
    doubt: str = ""  # in a net with errors: BROKEN if this layer has an error, GUESSED if its meaning is clear nevertheless

    def at(self, *path: str | int) -> Place:
        """The place of a field of the layer."""
        return self.document.place("layer", self.index, *path)

    @property
    def source(self) -> data.Description | None:
        """The description of what a data layer delivers."""
        return self.reader.description if self.reader else None

    @property
    def kind(self) -> registry.LayerType:
        """The properties of the layer's type."""
        return registry.layer_type(self.type)


@dataclass(frozen=True)
class Epoch:
    """The rows in an epoch, None if no source ends, and in a batch."""

    rows: int | None
    batch: int


@dataclass(frozen=True)
class ResolvedNet:
    """Layers in the order they run. `rates` are the solver's patterns of what learns."""

    name: str
    phase: str
    layers: tuple[Layer, ...]
    document: Document
    rates: Rates = field(default=Rates(), kw_only=True)

    @property
    def param(self) -> pb.NetParameter:
        """The message of the complete net."""
        message: pb.NetParameter = self.document.message
        return message

    @cached_property
    def described(self) -> dict[str, data.TopSpec]:
        """The tops of the data sources by name, including those that a deployed net lacks."""
        return {
            name: top
            for layer in self.sources
            if layer.source
            for name, top in zip(layer.source.names(layer.param.top), layer.source.described, strict=False)
        }

    @cached_property
    def sources(self) -> tuple[Layer, ...]:
        """The layers that deliver batches."""
        return tuple(layer for layer in self.layers if layer.reader is not None)

    @cached_property
    def makers(self) -> Mapping[str, Layer]:
        """The layer that creates each blob. Layers that later write it in place do not count."""
        return {top: layer for layer in self.layers for top in layer.tops if top not in layer.bottoms}

    @property
    def learned(self) -> dict[str, data.Learned]:
        """The columns and classes that the test nets' rows must have, by the first top of each source. For a net in phase TRAIN."""
        return {layer.tops[0]: data.Learned.of(layer.source) for layer in self.layers if layer.source and layer.tops}

    @property
    def epoch(self) -> "Epoch | None":
        """The length of an epoch; None without a data source."""
        described = [layer.source for layer in self.sources if layer.source is not None]
        if not described:
            return None
        batch = self.sources[0].batch_size or 1
        return Epoch(next((source.epoch(batch) for source in described if source.rows is not None), None), batch)

    @property
    def feeds_itself(self) -> bool:
        """Whether all inputs come from data sources or from a user's own layers, so that nothing must be fed."""
        return all(layer.type != "Input" for layer in self.layers)

    @property
    def has_validation(self) -> bool:
        """Whether a source has a validation set."""
        return any(layer.source is not None and layer.source.has_validation for layer in self.layers)

    def monitored(self, asked: str) -> tuple[str, bool]:
        """The output that selects the best model, and whether larger is better: `asked`, else the first metric, else the loss."""
        metrics = [layer for layer in self.layers if layer.kind.metric and layer.tops]
        losses = [layer.tops[0] for layer in self.layers if layer.kind.loss and layer.tops]
        name = asked or ([layer.tops[0] for layer in metrics] + losses + ["loss"])[0]
        return name, name in {t for x in metrics for k, t in enumerate(x.tops) if k not in x.kind.lower_is_better}

    @property
    def outputs(self) -> list[str]:
        """Blobs that no layer reads, in alphabetical order (Caffe's rule)."""
        open_blobs: set[str] = set()
        for layer in self.layers:
            open_blobs.difference_update(layer.bottoms)
            open_blobs.update(layer.tops)
        return sorted(open_blobs)
