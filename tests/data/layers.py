"""Data layers for tests, from keyword arguments."""

from collections.abc import Sequence
from typing import Any

from google.protobuf import text_format

from netc import data
from netc import netc_pb2 as pb
from netc.data.batches import Feed


def data_layer(
    source: object, batch_size: int = 2, tops: Sequence[str] = ("data", "label"), transform: str = "", **fields: Any
) -> pb.LayerParameter:
    """A Data layer; `transform` is transform_param in text format."""
    layer = pb.LayerParameter(name="data", type="Data", top=tops)
    layer.data_param.source, layer.data_param.batch_size = str(source), batch_size
    for name, value in fields.items():
        if isinstance(value, list):
            getattr(layer.data_param, name).extend(value)
        else:
            setattr(layer.data_param, name, value)
    if transform:
        text_format.Parse(transform, layer.transform_param)
    return layer


def columns_of(source: data.Source) -> Sequence[Any]:
    """What is behind the tops of a source with rows in memory or in files."""
    assert isinstance(source, Feed)
    return source._columns
