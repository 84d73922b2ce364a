"""The net in one phase, every name resolved: its layers in the order they run, and what its sources give."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from netc import data, registry
from netc import netc_pb2 as pb
from netc.spec import Document

BROKEN, GUESSED = "broken", "guessed"
TRAIN, VALIDATION, TEST, DEPLOY = "TRAIN", "VALIDATION", "TEST", "DEPLOY"  # a net for TEST serves VALIDATION too, on other rows


@dataclass(frozen=True)
class Layer:
    """One layer of a net in one phase. `reader` reads a data layer's rows, `index` is the layer's place in the file."""

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
    phase: str | None = None  # that the layer runs in, where it is not the net's
    doubt: str = ""  # of a net with errors: BROKEN if the layer has one, GUESSED if it is plain what is meant nevertheless

    def at(self, *path: str | int) -> str:
        """`file:line:column` of a field of the layer."""
        return self.document.place("layer", self.index, *path)

    @property
    def source(self) -> data.Description | None:
        """What a data layer delivers."""
        return self.reader.description if self.reader else None

    @property
    def kind(self) -> registry.LayerType:
        """The properties of the layer's type."""
        return registry.layer_type(self.type)


@dataclass(frozen=True)
class ResolvedNet:
    """Layers in the order they run."""

    name: str
    phase: str
    layers: tuple[Layer, ...]
    document: Document

    @property
    def param(self) -> pb.NetParameter:
        """The whole net, as its file has it."""
        message: pb.NetParameter = self.document.message
        return message

    @cached_property
    def described(self) -> dict[str, data.TopSpec]:
        """What the sources say of their tops, those that a deployed net lacks among them."""
        return {n: t for layer in self.sources if layer.source for n, t in zip(layer.param.top, layer.source.described, strict=False)}

    @cached_property
    def sources(self) -> tuple[Layer, ...]:
        """The layers that deliver batches."""
        return tuple(layer for layer in self.layers if layer.reader is not None)

    @cached_property
    def makers(self) -> Mapping[str, Layer]:
        """The layer that makes each blob; those that write it in place later are not meant."""
        return {top: layer for layer in self.layers for top in layer.tops if top not in layer.bottoms}

    @property
    def learned(self) -> dict[str, data.Learned]:
        """Of a net in phase TRAIN, what the nets that test it must find in their rows, by the first tops of its sources."""
        return {layer.tops[0]: data.Learned.of(layer.source) for layer in self.layers if layer.source and layer.tops}

    @property
    def feeds_itself(self) -> bool:
        """Whether nothing must be fed: what it reads comes from sources, or from a user's own layers."""
        return all(layer.type != "Input" for layer in self.layers)

    @property
    def has_validation(self) -> bool:
        """Whether a source has rows of its own for choosing the best model."""
        return any(layer.source is not None and layer.source.has_validation for layer in self.layers)

    @property
    def outputs(self) -> list[str]:
        """Blobs that no layer reads, in alphabetical order (Caffe's rule)."""
        open_blobs: set[str] = set()
        for layer in self.layers:
            open_blobs.difference_update(layer.bottoms)
            open_blobs.update(layer.tops)
        return sorted(open_blobs)
