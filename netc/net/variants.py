"""Variants of a net: the deployed net, and the part of it that a stage of pretraining trains."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

from netc import data, registry
from netc import netc_pb2 as pb
from netc.errors import Diagnostic, Place, SpecError, near
from netc.net.model import DEPLOY, TEST, Layer, ResolvedNet


def deployed(net: ResolvedNet) -> ResolvedNet:
    """Return `net` (phase TEST) without labels, losses and metrics. A loss of scores becomes the layer that it implies (Softmax), once.

    This layer writes the second top of the loss, if there is one.
    If the net silences all its outputs, they are its outputs. A layer with its own loss loses that top and those after it. If the blobs by
    which a layer selects rows (Filter) are missing, the layer passes its first bottom on.
    """
    inputs = inputs_of(net)
    taken, made = _taken(net), _made(net)
    missing = {top for layer in net.sources for k, top in enumerate(layer.tops) if k not in inputs[layer.name]}
    layers: list[Layer] = []
    for layer in net.layers:
        if layer.name in inputs:
            tops = tuple(t for k, t in enumerate(layer.tops) if k in inputs[layer.name])
            layers.append(replace(layer, tops=tops, loss_weights=layer.loss_weights[: len(tops)]))
        elif not (layer.kind.scores or missing.intersection(layer.bottoms[: layer.kind.taught])):
            own = layer.kind.own_loss
            kept = len(layer.tops) if own is None else own
            bottoms = layer.bottoms[: layer.kind.taught]
            layers.append(replace(layer, bottoms=bottoms, tops=layer.tops[:kept], loss_weights=layer.loss_weights[:kept]))
            missing.update(layer.tops[kept:])
        elif not layer.bottoms or layer.bottoms[0] in missing:
            missing.update(layer.tops)
        elif layer.kind.passes:
            layers.append(replace(layer, type="Split", bottoms=layer.bottoms[:1], tops=layer.tops[:1], loss_weights=layer.loss_weights[:1]))
            missing.update(layer.tops[1:])
        elif (kind := layer.kind.deployed) and (kind, layer.bottoms[:1]) not in made:
            top = layer.tops[1] if len(layer.tops) > 1 else _free_name(taken, kind)
            more = tuple(b for k, b in enumerate(layer.bottoms) if k in layer.kind.deployed_reads and b not in missing)
            bottoms = (*layer.bottoms[:1], *more)
            layers.append(replace(layer, type=kind, name=top, bottoms=bottoms, tops=(top,), loss_weights=(0.0,)))
        else:
            missing.update(layer.tops)
    return _heard(replace(net, phase=DEPLOY, layers=tuple(_without_idle_inputs(net.layers, layers))))


def _heard(net: ResolvedNet) -> ResolvedNet:
    """Return a net that has no outputs, because it silences them all, without its Silence layers, so that it has outputs."""
    if net.outputs:
        return net
    inputs = {top for layer in net.layers if not layer.bottoms for top in layer.tops}
    silencers = [x for x in net.layers if x.kind.writes_nothing and x.kind.sink is None]
    mute = [x.name for x in silencers if inputs.issuperset(x.bottoms)]
    return replace(net, layers=tuple(x for x in net.layers if x not in silencers or (x.name in mute and len(mute) < len(silencers))))


def inputs_of(net: ResolvedNet) -> dict[str, tuple[int, ...]]:
    """Return the tops of each data layer, by number, that the deployed net takes as inputs.

    These are the first top and the tops that the source declares as inputs. Tops that lead to the first bottom of a loss or a metric
    through other layers are inputs too. The rest are labels.
    """
    judged = {layer.name: layer for layer in net.layers if layer.kind.scores}
    made = {x.bottoms[0] for x in judged.values() if x.bottoms} if judged else set() if _weighs(net) else set(net.outputs)
    read: set[str] = set()
    for layer in reversed(net.layers):
        if layer.name not in judged and any(top in made or top in read for top in layer.tops):
            read.update(layer.bottoms[:1] if layer.kind.passes else layer.bottoms[: layer.kind.taught])
    return {x.name: tuple(k for k, t in enumerate(x.tops) if k in x.source.inputs or t in read) for x in net.sources if x.source}


def _weighs(net: ResolvedNet) -> bool:
    """Whether any layer has a nonzero loss_weight."""
    return any(any(layer.loss_weights) for layer in net.layers)


def _without_idle_inputs(before: Iterable[Layer], layers: list[Layer]) -> Iterable[Layer]:
    """`layers` without the inputs that only removed layers read: labels."""
    idle = {b for layer in before for b in layer.bottoms} - {b for layer in layers for b in layer.bottoms}
    for layer in layers:
        numbers = [k for k, top in enumerate(layer.tops) if top not in idle]
        if layer.type != "Input" or len(numbers) == len(layer.tops):
            yield layer
        elif numbers:
            param, shapes = pb.LayerParameter(), layer.param.input_param.shape
            param.CopyFrom(layer.param)
            param.input_param.ClearField("shape")
            param.input_param.shape.extend(shapes[k % len(shapes)] for k in numbers)
            yield replace(layer, param=param, tops=tuple(layer.tops[k] for k in numbers), loss_weights=(0.0,) * len(numbers))


def _made(net: ResolvedNet) -> set[tuple[str, tuple[str, ...]]]:
    """The types and bottoms of the layers that do not run in place."""
    return {(layer.type, layer.bottoms) for layer in net.layers if layer.bottoms != layer.tops}


def _taken(net: ResolvedNet) -> set[str]:
    """The names that the net uses: of layers, of blobs, and of the columns of a table, which become inputs of the deployed net."""
    columns = (layer.source.columns for layer in net.sources if layer.source and layer.type == "Table")
    return {layer.name for layer in net.layers}.union(*(layer.tops for layer in net.layers), *columns)


def _free_name(taken: set[str], kind: str) -> str:
    """The first of `prob`, `prob2`, ..., or of `prediction`, ... for a type without limits, that is not taken. It is taken afterwards."""
    made = registry.layer_type(kind)
    stem = made.stem or ("prob" if made.range else "prediction")
    name = next(name for k in count(1) if (name := f"{stem}{k if k > 1 else ''}") not in taken)
    taken.add(name)
    return name


def pretraining(net: ResolvedNet, name: str, place: Place) -> ResolvedNet:
    """Return the part of `net` (phase TRAIN) that trains layer `name` by its own loss: it, and the layers below as they run in testing.

    If the layer is a loss, the layers below train too. Data sources deliver all rows, labelled or not. SpecError at `place` if the layer
    does not exist or has no loss of its own.
    """
    last = next((layer for layer in net.layers if layer.name == name), None)
    if last is None:
        raise SpecError(Diagnostic(place, f"Solver: There is no layer {name!r} to pretrain.", near(name, [x.name for x in net.layers])))
    own = 0 if last.kind.loss else last.kind.own_loss
    if own is None:
        kinds = ", ".join(sorted(t for t, kind in registry.layer.records.items() if kind.own_loss is not None))
        text = f"Layer {name!r} ({last.type}) cannot be pretrained, as it has no loss of its own. {kinds} and each loss have one."
        raise SpecError(Diagnostic(place, f"Solver: {text}"))
    tops = (*last.tops, *(f"{name} {k}" for k in range(len(last.tops), own + 1)))[: own + 1]
    kept = [replace(last, tops=tops, loss_weights=tuple(float(k == own) for k in range(own + 1)))]
    read = set(last.bottoms)
    for layer in reversed(net.layers[: net.layers.index(last)]):
        if read.intersection(layer.tops):
            read.update(layer.bottoms)
            still = replace(layer, loss_weights=(0.0,) * len(layer.tops), phase=None if last.kind.loss else TEST)
            kept.append(still if layer.reader is None else _with_all_rows(layer, layer.reader))
    return replace(net, layers=tuple(reversed(kept)))


def _with_all_rows(layer: Layer, reader: data.Reader) -> Layer:
    """The data layer with its unlabelled rows, too."""
    reader = reader.with_all_rows()
    return replace(layer, param=reader.layer, reader=reader)
