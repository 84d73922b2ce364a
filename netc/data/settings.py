"""What the data layers' messages have in common: each layer type has one of its own, with some of the same fields."""

from typing import Any

from netc import netc_pb2 as pb

MESSAGES = {
    "HDF5Data": "hdf5_data_param", "ImageData": "image_data_param", "MemoryData": "memory_data_param", "WindowData": "window_data_param",
}  # fmt: skip


def message_name(layer: pb.LayerParameter) -> str:
    """The field of LayerParameter that holds a data layer's own fields."""
    return MESSAGES.get(layer.type, "data_param")


def setting(layer: pb.LayerParameter, name: str) -> Any:
    """The value of a data layer's own field; the default of data_param's where its message has no such field."""
    message = getattr(layer, message_name(layer))
    return getattr(message if name in message.DESCRIPTOR.fields_by_name else pb.DataParameter(), name)


def keeps_caffes_order(layer: pb.LayerParameter) -> bool:
    """Whether the layer walks through its rows as Caffe does: in the file's order unless it shuffles, batches full in TEST as well.

    A Data layer that was written for Caffe's databases names a backend.
    """
    return layer.type in MESSAGES or layer.data_param.HasField("backend")


def shuffles(layer: pb.LayerParameter) -> bool:
    """Whether training takes the rows in an order of each epoch's own."""
    if layer.type not in MESSAGES and layer.data_param.HasField("shuffle"):
        return layer.data_param.shuffle
    return bool(setting(layer, "shuffle")) if layer.type in MESSAGES else not keeps_caffes_order(layer)
