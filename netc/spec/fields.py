"""What the YAML spelling knows of layer types.

The fields that are a type's own, and what a layer is called, reads and writes where a file does not say it.
"""

from collections.abc import Container, Iterable
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

    def default_name(self, taken: Container[str]) -> str:
        """The first free one of conv1, conv2, ... or, for types that a net has once, of loss, loss2, ..."""
        count = 1
        while (name := self.short if count == 1 and self.type in SINGLE else f"{self.short}{count}") in taken:
            count += 1
        return name

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
