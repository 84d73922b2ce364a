"""Values without a schema, which `custom` holds: how deep their mappings and lists may stand within each other."""

from collections.abc import Iterator
from typing import Any

from netc import netc_pb2 as pb
from netc.errors import Diagnostic
from netc.spec.document import Document, FieldPath

DEEPEST = 20  # levels: protobuf's binary form takes no more than 100 messages within each other
TOO_DEEP = "The mappings and lists are nested too deeply."


def errors(document: Document) -> tuple[Diagnostic, ...]:
    """An error for each layer whose `custom` is deeper than DEEPEST, so that no spelling holds what another cannot."""
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
    """Whether the values within these stand more than so many levels deep."""
    return any(levels <= 0 or _deeper(_within(value), levels - 1) for value in values)


def _within(value: Any) -> Any:
    return value.struct_value.fields.values() if value.HasField("struct_value") else value.list_value.values
