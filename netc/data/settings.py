"""Common access to the messages of data layers. Each layer type has its own message, with some of the same fields."""

from typing import Any

from netc import netc_pb2 as pb

MESSAGES = {
    "DenseImageData": "dense_image_data_param", "HDF5Data": "hdf5_data_param", "ImageData": "image_data_param",
    "ImageSegData": "image_data_param", "MemoryData": "memory_data_param", "Table": "table_param",
    "WindowData": "window_data_param",
}  # fmt: skip
CAFFES = MESSAGES.keys() - {"Table"}


def message_name(layer: pb.LayerParameter) -> str:
    """The field of LayerParameter that holds a data layer's own fields."""
    return MESSAGES.get(layer.type, "data_param")


def setting(layer: pb.LayerParameter, name: str) -> Any:
    """The value of a data layer's own field. If its message lacks the field, the default in data_param."""
    message = getattr(layer, message_name(layer))
    return getattr(message if name in message.DESCRIPTOR.fields_by_name else pb.DataParameter(), name)


def keeps_caffes_order(layer: pb.LayerParameter) -> bool:
    """Whether the layer reads rows in Caffe's order: file order unless it shuffles, with full batches in TEST too.

    A Data layer that was written for Caffe's databases names a backend.
    """
    return layer.type in CAFFES or layer.data_param.HasField("backend")


def shuffles(layer: pb.LayerParameter) -> bool:
    """Whether training shuffles the rows in each epoch."""
    if layer.type not in MESSAGES and layer.data_param.HasField("shuffle"):
        return layer.data_param.shuffle
    return bool(setting(layer, "shuffle")) if layer.type in MESSAGES else not keeps_caffes_order(layer)
