"""Limits of the free-form values in `custom`: how deep mappings and lists may be nested."""

from collections.abc import Iterator
from typing import Any

from netc import netc_pb2 as pb
from netc.errors import Diagnostic
from netc.spec.document import Document, FieldPath

DEEPEST = 20  # levels; protobuf's binary format allows at most 100 nested messages
TOO_DEEP = "The mappings and lists are nested too deeply."


def errors(document: Document) -> tuple[Diagnostic, ...]:
    """An error for each layer whose `custom` is deeper than DEEPEST, so that every file format can hold it."""
    layers = _layers(document.message)
    deep = (path for path, layer in layers if layer.HasField("custom") and _deeper(layer.custom.fields.values(), DEEPEST))
    return tuple(Diagnostic(document.place(*path, "custom"), TOO_DEEP) for path in deep)


def _layers(message: Any) -> Iterator[tuple[FieldPath, pb.LayerParameter]]:
    """The layers of a net, or of the nets inside a solver, with their paths."""
    if isinstance(message, pb.NetParameter):
        yield from ((("layer", k), layer) for k, layer in enumerate(message.layer))
    elif isinstance(message, pb.SolverParameter):
        nets: list[tuple[FieldPath, pb.NetParameter]] = [((name,), getattr(message, name)) for name in ("net_param", "train_net_param")]
        nets += [(("test_net_param", k), net) for k, net in enumerate(message.test_net_param)]
        yield from (((*at, *path), layer) for at, net in nets for path, layer in _layers(net))


def _deeper(values: Any, levels: int) -> bool:
    """Whether the values are nested more than `levels` deep."""
    return any(levels <= 0 or _deeper(_within(value), levels - 1) for value in values)


def _within(value: Any) -> Any:
    return value.struct_value.fields.values() if value.HasField("struct_value") else value.list_value.values
