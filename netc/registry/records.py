"""What netc knows of a layer type and of an op beside the function that computes it: one record each, given by the decorator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Count = tuple[int, int | None]  # least and most; None: any number
Place = Literal["", "same", "window", "transposed", "crop"]


@dataclass(frozen=True)
class LayerType:
    """The properties of a layer type, as `@layer("ReLU", elementwise=True, in_place=True)` states them.

    How it stands in a net:
    `bottoms`, `tops`: how many blobs it reads and writes.
    `messages`: the fields of LayerParameter that hold its own fields, where that is not the one named after the type.
    `stem`: the first part of its default name; by default "data" for a source, "loss" for a loss, else the type in lower case.
    `single`: a net commonly has one, so the first default name has no number.
    `label`: its default bottoms are the newest blob and `label`; by default so for a loss or metric that can have two bottoms.
    `several`: its bottoms must be given, though it can do with one.
    `default_tops`: its tops where a net gives none; by default `data` and `label` for a source, else its name.
    `in_place`: True writes its bottom by default, False may not.

    What it computes:
    `elementwise`: each element of the top depends on the bottom's element in the same place alone; learned blobs may broadcast.
    `places`: where a pixel of the bottom lies in the top: "same" place (so for elementwise types), moved by a "window" or a
    "transposed" one, or by a "crop".
    `linear`: two such layers do what one does. `range`: the least and the largest value, between which it saturates.

    What it is for:
    `source`: it delivers batches. `sink`: a class, made of the layer's message and a folder, whose `write` gets the bottoms of each batch.
    `loss`: its first top counts in the total. `metric`: its first top tells how good the net is.
    `own_loss`: the top that is a loss for this layer's parameters alone; it and the tops after it exist where the net names them.
    `whole`: makes a loss or metric of a whole test set (`netc.layers.whole`).
    `reads`: the values that a bottom may hold (`netc.layers.domain`).
    `deployed`: the type that replaces it in a deployed net. `passes`: there its first bottom goes through where others are missing.
    """

    name: str
    bottoms: Count = (1, 1)
    tops: Count = (1, 1)
    messages: tuple[str, ...] = ()
    stem: str = ""
    single: bool = False
    label: bool | None = None
    several: bool = False
    default_tops: tuple[str, ...] = ()
    in_place: bool | None = None
    elementwise: bool = False
    places: Place = ""
    linear: bool = False
    range: tuple[float, float] | None = None
    source: bool = False
    sink: Callable[..., Any] | None = None
    loss: bool = False
    metric: bool = False
    own_loss: int | None = None
    whole: Callable[..., Any] | None = None
    reads: Any = None
    deployed: str = ""
    passes: bool = False

    @property
    def scores(self) -> bool:
        """Whether it ends a net with a number: a loss or a metric."""
        return self.loss or self.metric

    @property
    def writes_nothing(self) -> bool:
        """Whether it has no tops."""
        return self.tops[1] == 0

    @property
    def reads_label(self) -> bool:
        """Whether its default bottoms are the newest blob and `label`."""
        least, most = self.bottoms
        return self.scores and least <= 2 <= (most or 2) if self.label is None else self.label

    @property
    def keeps_places(self) -> bool:
        """Whether each pixel of a top is made of the same pixel of the bottoms."""
        return self.elementwise or self.places == "same"


@dataclass(frozen=True)
class OpInfo:
    """The properties of an op, for the passes and the estimates.

    `elementwise`: each element of the output depends on the inputs' elements in the same place alone; inputs may broadcast.
    `pixelwise`: the same of pixels of images, whose channels it may mix or treat each in its own way.
    `along_axis`: it takes nothing from one index of the other axes into another; the attribute `axis` says along which it works.
    `moves`: it puts elements into other places.
    `view`: the output is the input's memory under another shape.
    `window`: it looks at images through a window, with the attributes of ONNX's Conv.
    `multiply_adds`: counts those of a node; none by default.
    """

    elementwise: bool = False
    pixelwise: bool = False
    along_axis: bool = False
    moves: bool = False
    view: bool = False
    window: bool = False
    multiply_adds: Callable[[Any], int] | None = None


UNKNOWN_OP = OpInfo()
