"""Records: the properties of a layer type and of an op, which the decorator of its function states."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Count = tuple[int, int | None]  # least and most; None: no upper limit
Place = Literal["", "same", "window", "transposed", "crop"]


@dataclass(frozen=True)
class LayerType:
    """The properties of a layer type, as declared in `@layer("ReLU", elementwise=True, in_place=True)`.

    Its place in a net:
    `bottoms`, `tops`: how many blobs it reads and writes.
    `messages`: the fields of LayerParameter with the type's own fields; by default the one whose message is `<Type>Parameter`.
    `fields`: for a plug-in, the fields of a fork of Caffe that netc does not know (`netc.spec.plugin_fields`): the path of a `.proto` file
    relative to the plug-in, a generated LayerParameter, or numbers by name.
    `stem`: the first part of the default name; by default "data" for a source, "loss" for a loss, else the type in lower case.
    `single`: most nets have only one, so the first default name has no number.
    `label`: the default bottoms are the newest blob and `label`; by default true for a loss or metric that can have two bottoms.
    `several`: a net must name the bottoms, although one is enough.
    `default_tops`: the tops of a layer that names none, or a function that returns those of a layer's message; by default `data` and
    `label` for a source, else the layer's name.
    `regions`: the number of the bottom with regions of images, whose rows are not those of the batch.
    `in_place`: True writes the bottom by default, False forbids that.

    What it computes:
    `elementwise`: each element of the top depends only on the element of the bottom in the same place; weights may broadcast.
    `places`: how pixels of the bottom map to pixels of the top: to the "same" place (the default of elementwise types), through a
    "window" or a "transposed" window, or by a "crop".
    `linear`: two such layers in a row can do no more than one. `range`: the lowest and the highest value; it saturates at both.

    What it is for:
    `source`: it delivers batches. `sink`: a class that is created from the layer's message and a folder; its method `write` gets the
    bottoms of each batch.
    `loss`: its first top is part of the total loss. `metric`: its first top measures how good the net is.
    `own_loss`: the number of the top that is a loss for this layer's parameters only. That top and those after it are optional.
    `fits`: training computes its weights from the rows without a gradient, so that a net with it needs nothing else to learn.
    `taught`: the number of the first bottom that only training reads, such as labels to remember. A deployed layer lacks it.
    `whole`: a function that computes the loss or metric of a full test set (`netc.layers.whole`), from the top `own_loss` on if it is set.
    `lower_is_better`: the numbers of a metric's tops for which a lower value is better, such as an error.
    `reads`: the values that a bottom may contain (`netc.layers.domain`), or a tuple of these for several bottoms.
    `deployed`: the type that replaces it in a deployed net. `deployed_reads`: the numbers of its bottoms that this type reads after the
    first one, if the deployed net has them. `passes`: if a deployed net lacks its other bottoms, it passes the first
    one through.
    """

    name: str
    bottoms: Count = (1, 1)
    tops: Count = (1, 1)
    messages: tuple[str, ...] = ()
    fields: Any = None
    stem: str = ""
    single: bool = False
    label: bool | None = None
    several: bool = False
    default_tops: tuple[str, ...] | Callable[[Any], tuple[str, ...]] = ()
    regions: int | None = None
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
    fits: bool = False
    taught: int | None = None
    lower_is_better: tuple[int, ...] = ()
    whole: Callable[..., Any] | None = None
    reads: Any = None
    deployed: str = ""
    deployed_reads: tuple[int, ...] = ()
    passes: bool = False

    @property
    def scores(self) -> bool:
        """Whether a net can end with it: a loss or a metric."""
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
    def readings(self) -> tuple[Any, ...]:
        """The bottoms whose values are restricted."""
        return self.reads if isinstance(self.reads, tuple) else () if self.reads is None else (self.reads,)

    @property
    def weighs_rows(self) -> bool:
        """Whether a third bottom may hold weights of the rows."""
        return any(reads.bottom == 2 for reads in self.readings)

    @property
    def keeps_places(self) -> bool:
        """Whether each pixel of a top depends only on the same pixel of the bottoms."""
        return self.elementwise or self.places == "same"


@dataclass(frozen=True)
class OpInfo:
    """The properties of an op, which passes and estimates read.

    `elementwise`: each element of the output depends on the elements of the inputs in the same place only; inputs may broadcast.
    `pixelwise`: each pixel of the output depends on the same pixel of the input only; it may mix channels.
    `along_axis`: it works along the axis of its attribute `axis`, and never mixes different indices of the other axes.
    `moves`: it moves elements to other places.
    `view`: the output is the input's memory under another shape.
    `window`: it slides a window over images, with the attributes of ONNX's Conv.
    `multiply_adds`: counts the multiply-adds of a node; None means that there are none.
    """

    elementwise: bool = False
    pixelwise: bool = False
    along_axis: bool = False
    moves: bool = False
    view: bool = False
    window: bool = False
    multiply_adds: Callable[[Any], int] | None = None
