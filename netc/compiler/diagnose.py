"""Checks across data layers and across the nets of a job: rows that do not stay aligned, weights of two shapes, idle patterns."""

from collections.abc import Iterator

from netc.compiler.lower import Lowered
from netc.data.settings import keeps_caffes_order, shuffles
from netc.errors import Diagnostic
from netc.layers.context import dims
from netc.net.model import TEST, Layer, ResolvedNet
from netc.spec.job import Job


def source_errors(net: ResolvedNet, counted: bool) -> list[Diagnostic]:
    """Errors of data layers that must stay aligned. `counted`: the solver sets the number of test batches."""
    ended = [layer for layer in net.sources if layer.source and layer.source.rows is not None]
    if len(ended) < 2:
        return []
    return _unequal(ended, counted) if net.phase == TEST else list(_mixed(net, {x.name: x for x in ended}))


def _mixed(net: ResolvedNet, ended: dict[str, Layer]) -> Iterator[Diagnostic]:
    """Errors for losses in training that compare rows of two data layers in different orders."""
    made_of: dict[str, frozenset[str]] = {}
    for layer in net.layers:
        below = [made_of.get(b, frozenset()) for b in layer.bottoms]
        made_of |= dict.fromkeys(layer.tops, frozenset().union(*below, {layer.name} & ended.keys()))
        if not layer.kind.loss or len(below) < 2 or not below[0] or not below[-1] or below[0] & below[-1]:
            continue
        a, b = ended[min(below[0])], ended[min(below[-1])]
        shuffled = [x.name for x in (a, b) if shuffles(x.param)]
        if shuffled or a.source != b.source and a.source and b.source and a.source.rows != b.source.rows:
            why = "each is shuffled separately (`shuffle: false` keeps the order)" if shuffled else "they have different numbers of rows"
            text = f"It compares rows of data layer {a.name!r} with those of {b.name!r}, which do not stay aligned: {why}."
            yield Diagnostic(layer.at("bottom", len(below) - 1), f"Layer {layer.name!r} ({layer.type}): {text} Read both from one source.")


def _unequal(ended: list[Layer], counted: bool) -> list[Diagnostic]:
    """Errors of a test net whose data layers have different numbers of rows or batch sizes."""
    if len({(layer.source and layer.source.rows, layer.batch_size) for layer in ended}) < 2:
        return []
    if counted and all(keeps_caffes_order(layer.param) for layer in ended):
        return []  # each continues on its own, as in Caffe
    read = [f"{x.name!r} has {x.source.rows} rows in batches of {x.batch_size}" for x in ended if x.source]
    text = "All data layers of a test need the same number of rows, in batches of the same size."
    return [Diagnostic(ended[1].at(), f"For testing, {' and '.join(read)}. {text}")]


def rate_errors(train: Lowered, job: Job) -> list[Diagnostic]:
    """The error for each pattern of the solver's `freeze` and `lr_mult` that fits no parameter of the net."""
    known = [s.node.name for s in train.states if s.node.state.is_weight]
    learned = [p.node.name for p in train.parameters]
    found = train.net.rates.idle(known, learned)
    return [Diagnostic(job.solver_place(*path), f"Solver: {text}", near) for path, text, near in found]


def width_errors(train: Lowered, test: Lowered) -> list[Diagnostic]:
    """The error for the first layer whose weights have different shapes in training and in testing, with its cause."""
    tested = {layer.name: layer for layer in test.net.layers}
    for layer in train.net.layers:
        pairs = zip(train.layer_blobs.get(layer.name, ()), test.layer_blobs.get(layer.name, ()), strict=False)
        for learned, needed in pairs:
            if learned.shape != needed.shape:
                shapes = f"{dims(learned.shape)} in phase TRAIN and {dims(needed.shape)} in phase TEST"
                why = _difference(train, test, layer, tested[layer.name])
                return [Diagnostic(layer.at(), f"Layer {layer.name!r} ({layer.type}): Its weights would be {shapes}. {why}")]
    return []


def _difference(train: Lowered, test: Lowered, learning: Layer, testing: Layer) -> str:
    """The layers from which the inputs of a layer differ between two phases, and their shapes."""
    seen: set[str] = set()
    while learning.at() == testing.at() and learning.bottoms and testing.bottoms and learning.bottoms[0] not in seen:
        seen.add(learning.bottoms[0])
        maker, other = train.net.makers.get(learning.bottoms[0]), test.net.makers.get(testing.bottoms[0])
        if maker is None or other is None:
            break
        learning, testing = maker, other
    first, second = (_made(lowered, layer) for lowered, layer in ((train, learning), (test, testing)))
    return f"TRAIN has {first}, TEST has {second}. Give both the same width."


def _made(lowered: Lowered, layer: Layer) -> str:
    shapes = ", ".join(f"{name} {dims(value.shape)}" for name, value in zip(layer.tops, lowered.layer_tops[layer.name], strict=False))
    return f"layer {layer.name!r} ({layer.at()}) with {shapes}"
