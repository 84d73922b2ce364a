"""What the YAML spelling knows of layer types.

The fields that are a type's own, and what a layer is called, reads and writes where a file does not say it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from netc import netc_pb2 as pb

# First part of a layer's default name; any other type's is the type in lower case.
SHORT_NAMES = {
    "AbsVal": "abs", "BatchNorm": "bn", "BatchReindex": "reindex", "ContrastiveLoss": "loss", "Convolution": "conv",
    "Data": "data", "Deconvolution": "deconv", "Dropout": "drop", "DummyData": "data", "EuclideanLoss": "loss",
    "HDF5Data": "data", "HDF5Output": "output", "HingeLoss": "loss", "ImageData": "data", "InfogainLoss": "loss",
    "InnerProduct": "ip", "Input": "data", "LRN": "norm", "LastStep": "last", "MemoryData": "data", "MultinomialLogisticLoss": "loss",
    "Parameter": "param", "Pooling": "pool", "RecursiveNet": "recursive", "RecursiveTensor": "recursive", "Reduction": "reduce",
    "SigmoidCrossEntropyLoss": "loss", "Softmax": "prob", "SoftmaxWithLoss": "loss", "TreeData": "data", "WindowData": "data",
}  # fmt: skip

TYPES = [
    "AbsVal", "Accuracy", "ArgMax", "BNLL", "BatchNorm", "BatchReindex", "Bias", "Clip", "Concat",
    "ContrastiveLoss", "Convolution", "Crop", "Data", "Deconvolution", "Dropout", "DummyData", "ELU", "Eltwise",
    "Embed", "EuclideanLoss", "Exp", "Filter", "Flatten", "HDF5Data", "HDF5Output", "HingeLoss", "Im2col",
    "ImageData", "InfogainLoss", "InnerProduct", "Input", "LRN", "LSTM", "LSTMUnit", "Log", "MVN", "MemoryData",
    "MultinomialLogisticLoss", "PReLU", "Parameter", "Pooling", "Power", "Python", "RNN", "ReLU", "Reduction",
    "Reshape", "SPP", "Scale", "Sigmoid", "SigmoidCrossEntropyLoss", "Silence", "Slice", "Softmax",
    "SoftmaxWithLoss", "Split", "Swish", "TanH", "Threshold", "Tile", "WindowData",
]  # fmt: skip

OWN_TYPES = [  # that Caffe does not have
    "AUC", "GRU", "LastStep", "R2", "RBM", "RecursiveNet", "RecursiveTensor", "Reverse", "Standardize", "TreeData",
]  # fmt: skip

# Messages of the types whose name does not say it (`<Type>Parameter`). Of two fields of one name, the first is meant.
PARAMS = {
    "Data": ("transform_param", "data_param"),
    "Deconvolution": ("convolution_param",),
    "GRU": ("recurrent_param",),
    "Im2col": ("convolution_param",),
    "ImageData": ("transform_param", "image_data_param"),
    "InfogainLoss": ("infogain_loss_param", "loss_param"),
    "LSTM": ("recurrent_param",),
    "MemoryData": ("transform_param", "memory_data_param"),
    "RNN": ("recurrent_param",),
    "RecursiveNet": ("recursive_param",),
    "RecursiveTensor": ("recursive_param",),
    "SigmoidCrossEntropyLoss": ("loss_param",),
    "SoftmaxWithLoss": ("softmax_param", "loss_param"),
    "TreeData": ("data_param", "tree_data_param"),
    "WindowData": ("transform_param", "window_data_param"),
}

SAMPLES = {"Data", "DummyData", "HDF5Data", "ImageData", "MemoryData", "WindowData"}
SOURCES = SAMPLES | {"Input", "Parameter", "TreeData"}
LOSSES = {t for t in TYPES if t.endswith("Loss")}
METRICS = {"AUC", "Accuracy", "R2"}
ENDS = LOSSES | METRICS
LABELLED = {"SoftmaxWithLoss", "HingeLoss", "MultinomialLogisticLoss", "InfogainLoss"} | METRICS
LISTED = {"BatchReindex", "Concat", "Crop", "Eltwise", "Filter", "HDF5Output", "LSTMUnit", "RecursiveNet", "RecursiveTensor"}
SEVERAL = LISTED | (LOSSES - LABELLED)
IN_PLACE = {"BNLL", "Clip", "Dropout", "ELU", "PReLU", "ReLU", "Sigmoid", "Swish", "TanH"}
# A net commonly has one of these: the first goes without a number.
SINGLE = SOURCES | ENDS | {"HDF5Output", "Silence", "Softmax"}


@dataclass(frozen=True)
class Kind:
    """A layer type as the YAML spelling sees it. `params` are the fields of LayerParameter that hold its own fields."""

    type: str
    known: bool
    short: str
    params: tuple[str, ...]

    def nth_name(self, count: int) -> str:
        """conv1, conv2, ... or, for types that a net has once, loss, loss2, ..."""
        return self.short if count == 1 and self.type in SINGLE else f"{self.short}{count}"

    def number(self, name: str) -> int:
        """Which of the default names this is; 0 if it is none."""
        digits = name.removeprefix(self.short)
        if name == self.nth_name(1):
            return 1
        plain = name.startswith(self.short) and digits.isdecimal() and digits.isascii() and len(digits) < 10
        return int(digits) if plain and name == self.nth_name(int(digits)) else 0

    def default_bottom(self, newest: str | None) -> list[str] | None:
        """The blobs read by default, given the newest blob. None if there is no default."""
        if self.type in SOURCES:
            return []
        if self.type in SEVERAL or (newest is None and self.known):
            return None
        found = [newest] if newest is not None else []
        return [*found, "label"] if self.type in LABELLED else found

    def default_top(self, name: str, bottom: Iterable[str], bottom_is_default: bool) -> list[str]:
        """The blobs written by default."""
        if self.type in SAMPLES:
            return ["data", "label"]
        if self.type == "TreeData":
            return ["word", "child", "width", "label", "root_label"]
        if self.type in ("Silence", "HDF5Output"):
            return []
        return list(bottom) if bottom_is_default and self.type in IN_PLACE else [name]

    def newest(self, top: Iterable[str], newest: str | None) -> str | None:
        """The newest blob after this layer: its first top. Losses and metrics leave it as it was."""
        return newest if self.type in ENDS else next(iter(top), newest)


class Names:
    """The names that layers have, and from which number on default ones are free."""

    def __init__(self, taken: Iterable[str] = ()):
        self._taken = Counter(taken)
        self._least: dict[str, tuple[Kind, int]] = {}  # by the kind's first name: the numbers below are taken

    def free(self, of_type: Kind) -> str:
        """The first default name of a kind that no layer has."""
        return of_type.nth_name(self._first(of_type))

    def is_default(self, of_type: Kind, name: str) -> bool:
        """Whether `name`, which one layer has, would be its default name if it had none."""
        number = of_type.number(name)
        return 0 < number < self._first(of_type) and self._taken[name] == 1

    def add(self, name: str) -> None:
        """A layer has this name."""
        self._taken[name] += 1

    def remove(self, name: str) -> None:
        """One layer fewer has this name."""
        self._taken[name] -= 1
        for key, (of_type, least) in self._least.items() if not self._taken[name] else ():
            if 0 < (number := of_type.number(name)) < least:
                self._least[key] = of_type, number

    def _first(self, of_type: Kind) -> int:
        number = self._least.get(of_type.nth_name(1), (of_type, 1))[1]
        while self._taken[of_type.nth_name(number)]:
            number += 1
        self._least[of_type.nth_name(1)] = of_type, number
        return number


def _kinds() -> dict[str, Kind]:
    """The table of types: Caffe's and netc's own."""
    params = [f for f in LAYER_FIELDS.values() if f.name.endswith("_param")]
    by_rule = {f.message_type.name.removesuffix("Parameter"): f.name for f in params}
    kinds = {}
    for type_ in [*TYPES, *OWN_TYPES]:
        own = PARAMS.get(type_, (by_rule[type_],) if type_ in by_rule else ())
        kinds[type_] = Kind(type_, True, SHORT_NAMES.get(type_, type_.lower()), own)
    return kinds


LAYER_FIELDS: dict[str, Any] = dict(pb.LayerParameter.DESCRIPTOR.fields_by_name)
KINDS = _kinds()


def kind(type_: str) -> Kind:
    """What is known of a layer type; a plug-in's has no fields of its own but `custom`."""
    return KINDS.get(type_) or Kind(type_, False, type_.lower(), ())


@cache
def own_fields(type_: str) -> dict[str, tuple[str, Any]]:
    """The fields that stand directly in a layer of the type, by name: the field of LayerParameter, and that within."""
    params = reversed(kind(type_).params)
    return {f.name: (param, f) for param in params for f in LAYER_FIELDS[param].message_type.fields}
