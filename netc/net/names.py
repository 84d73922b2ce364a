"""Names of layers that are unique in a net. Caffe's files may give one name to several layers."""

from collections.abc import Iterable, Sequence

from netc import netc_pb2 as pb
from netc.errors import Diagnostic
from netc.net.model import Layer
from netc.net.phases import State
from netc.spec.fields import own_fields

LEARNS = ("BatchNorm", "Model", "Parameter", "Python")  # types with parameters whose messages name no filler


def unique_names(net: pb.NetParameter, states: Iterable[State]) -> list[str]:
    """The name of each layer of a net. If layers of one name run together in a state, all but one become `name#2`, `name#3` and so on.

    The first layer with parameters keeps the name, because files of weights go by it. A layer has the same name in all states.
    """
    layers = list(net.layer)
    names, taken, states = [layer.name for layer in layers], {layer.name for layer in layers}, list(states)
    used: dict[tuple[str, int], int] = {}  # how many layers of a name run in a state, by the number of the state
    for k in sorted(range(len(layers)), key=lambda k: (not _learns(layers[k]), k)):
        name, runs = layers[k].name, [n for n, state in enumerate(states) if state.runs(layers[k])]
        number = 1 + max((used.get((name, n), 0) for n in runs), default=0)
        names[k] = name if number == 1 else f"{name}#{number}"
        while number > 1 and names[k] in taken:
            number += 1
            names[k] = f"{name}#{number}"
        used |= {(name, n): number for n in runs}
    return names


def _learns(layer: pb.LayerParameter) -> bool:
    return layer.type in LEARNS or any(field.endswith("filler") for field in own_fields(layer.type))


def twins(layers: Sequence[Layer]) -> list[Layer]:
    """The layers of a net that share their name in the file with another one, and are called differently."""
    return [layer for layer in layers if layer.twin_of]


def twin_note(layer: Layer, layers: Sequence[Layer]) -> Diagnostic:
    """A note on a layer that shares its name."""
    other = next(x for x in layers if x.name == layer.twin_of)
    return Diagnostic(
        layer.at("name"), f"Layer {layer.twin_of!r}: The layer at {other.at()} has the same name. netc calls this one {layer.name!r}."
    )
