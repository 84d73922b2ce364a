"""Lowers a net to a graph: calls each layer's function in turn with the blobs so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from netc import registry
from netc.errors import Absent, Diagnostic, NetcError, ShapeError, SpecError
from netc.graph.contract import GUARD, LOSS, NOISE, OUT
from netc.graph.ir import HOST, Graph, Value, constant, op, stop, toposort
from netc.graph.origin import origin
from netc.graph.tensor_type import Dim
from netc.layers.context import Context, dims
from netc.layers.domain import Domain
from netc.layers.mixing import mixed_loss
from netc.layers.plugin_param import PluginParam
from netc.net.model import BROKEN, DEPLOY, TRAIN, Layer, ResolvedNet
from netc.net.rates import Rates

SYMBOLIC = "N"
TIME = "T"
MOST_STEPS = 12  # in the chain of layers that an error shows


@dataclass(frozen=True, eq=False)
class Reading:
    """A bottom of a layer with a limited domain, such as labels. `guard` names the output that counts values outside it."""

    layer: Layer
    bottom: int
    value: Value
    domain: Domain
    guard: str = ""

    @property
    def blob(self) -> str:
        return self.layer.bottoms[self.bottom]


@dataclass(frozen=True)
class Misfit(Diagnostic):
    """An error of sizes that do not fit."""


@dataclass(frozen=True)
class Lowered:
    """A net as graph values. `versions` lists each blob's values in the order they are written; a layer in place adds one.

    `layer_blobs` are the learned blobs of each layer, numbered as in Caffe's files. A shared blob appears under each of its layers,
    reshaped if the shapes differ. `readings` are the bottoms with a limited domain. `pinned` explains why the batch or the number of time
    steps is fixed to the size in the net file.
    """

    net: ResolvedNet
    graph: Graph
    versions: Mapping[str, tuple[Value, ...]]
    parameters: tuple[Value, ...]  # in the net's order, shared ones once
    states: tuple[Value, ...] = ()  # all states of the layers, used or not
    layer_tops: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    layer_blobs: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    readings: tuple[Reading, ...] = ()
    pinned: tuple[Diagnostic, ...] = ()

    @property
    def loss(self) -> Value | None:
        """The weighted sum of all losses, a scalar; None for a net without one."""
        return self.graph.outputs.get(LOSS)


def lower(
    net: ResolvedNet, batch: Dim | None = None, seed: int = 0, steps: Dim | None = None, owned: Mapping[str, Value] | None = None
) -> Lowered:
    """Return the graph of `net`. Its outputs are `out/<blob>` for each blob that no layer reads, and `loss` unless the net is deployed.

    `batch` is the batch size of every input, "N" for a symbolic one; the default is the net's own. `steps` is the number of time steps of
    the data sources. `owned` maps names of shared parameters to parameters of layers outside `net`. SpecError lists the layers that do not
    fit, each with the shapes that led to it.
    """
    lowered, errors = lower_judged(net, batch, seed, steps, owned)
    if lowered is None:
        raise SpecError(*errors)
    return lowered


def lower_judged(
    net: ResolvedNet, batch: Dim | None = None, seed: int = 0, steps: Dim | None = None, owned: Mapping[str, Value] | None = None
) -> tuple[Lowered | None, list[Diagnostic]]:
    """Return the result of `lower`, or None and the errors of the layers that do not fit.

    If the net already has errors, only the layers that do not depend on them are checked.
    """
    lowered, errors = lower_part(net, batch, seed, steps, owned)
    return (None if errors or len(lowered.net.layers) < len(net.layers) else lowered), errors


def lower_part(
    net: ResolvedNet, batch: Dim | None = None, seed: int = 0, steps: Dim | None = None, owned: Mapping[str, Value] | None = None
) -> tuple[Lowered, list[Diagnostic]]:
    """Return the graph of the layers that fit and depend on no layer with an error, and the errors of the others."""
    versions: dict[str, tuple[Value, ...]] = {}
    states: dict[str, Value] = {}
    updates: dict[Value, Value] = {}
    shared: dict[str, Value] = dict(owned or {})
    tops_of: dict[str, tuple[Value, ...]] = {}
    blobs_of: dict[str, tuple[Value, ...]] = {}
    sinks: dict[str, Value] = {}
    losses, readings = list[Value](), list[Reading]()
    errors, broken, kept = list[Diagnostic](), set[str](), list[Layer]()
    regions = _regions(net)
    for layer in net.layers:
        if layer.doubt == BROKEN or broken.intersection(layer.bottoms) or not versions.keys() >= set(layer.bottoms):
            broken.update(layer.tops)
            continue
        facts = (net.described, steps, net.epoch, net.rates, regions)
        ctx = Context(layer, layer.phase or net.phase, batch, seed, shared, states, updates, sinks, *facts)
        try:
            with origin(layer=layer.name, place=layer.at()):
                tops = _run(ctx, bottoms := [versions[b][-1] for b in layer.bottoms], net.param.force_backward)
                readings += _readings(ctx, bottoms)
                losses += [_weighted(t, w) for t, w in zip(tops, layer.loss_weights, strict=True) if w]
        except NetcError as e:
            errors += [] if layer.doubt else _errors(e, layer, net, versions)
            broken.update(layer.tops)
            continue
        kept.append(layer)
        tops_of[layer.name], blobs_of[layer.name] = tops, tuple(ctx.blobs)
        for name, value in zip(layer.tops, tops, strict=True):
            versions[name] = (*versions.get(name, ()), value)
    net = replace(net, layers=tuple(kept))
    graph = _graph(net, versions, losses, sinks, updates)
    parameters = tuple(s for s in states.values() if s.node.state.kind == "parameter")
    return Lowered(net, graph, versions, parameters, tuple(states.values()), tops_of, blobs_of, tuple(readings)), errors


def _regions(net: ResolvedNet) -> frozenset[str]:
    """The blobs with regions of images."""
    return frozenset(x.bottoms[k] for x in net.layers if (k := x.kind.regions) is not None and k < len(x.bottoms))


def _graph(
    net: ResolvedNet,
    versions: Mapping[str, tuple[Value, ...]],
    losses: list[Value],
    sinks: Mapping[str, Value],
    updates: Mapping[Value, Value],
) -> Graph:
    """Return the graph of the net's outputs and updates. In training these are all updates, else only those of carried states."""
    outputs = {OUT(name): versions[name][-1] for name in net.outputs}
    if net.phase != DEPLOY and (losses or any(layer.kind.fits for layer in net.layers)):
        outputs = {LOSS: sum(losses[1:], losses[0]) if losses else constant(0.0), **outputs}
    kept = {s: v for s, v in updates.items() if net.phase == TRAIN or s.node.state.kind == "carry"}
    return Graph(net.name, {**outputs, **sinks}, kept)


def lower_symbolic(net: ResolvedNet, seed: int = 0) -> tuple[Lowered, Dim]:
    """Lower `net` with the symbolic batch "N", and a deployed net also with "T" time steps. Return the result and the batch.

    If symbolic sizes do not fit, or if the net carries states from batch to batch, the net's own sizes are used. `Lowered.pinned` gives the
    reason why symbolic sizes do not fit. Any other error raises a SpecError.
    """
    pinned: tuple[Diagnostic, ...] = ()
    timed = net.phase == DEPLOY and any(top.batch_axis for top in net.described.values())
    for batch, steps in ((SYMBOLIC, TIME), (SYMBOLIC, None), (None, None))[0 if timed else 1 :]:
        lowered, errors = lower_judged(net, batch, seed, steps)
        if lowered is not None:
            return replace(lowered, pinned=pinned), batch or _batch(lowered)
        if batch is None or not all(isinstance(f, Misfit) for f in errors):
            raise SpecError(*errors)
        pinned = tuple(errors)
    raise AssertionError("the net's own sizes are tried last")


def _batch(lowered: Lowered) -> Dim:
    """The batch size in the net file."""
    sizes = [layer.batch_size for layer in lowered.net.sources]
    return sizes[0] if sizes and sizes[0] else next(iter(lowered.versions.values()))[0].shape[0]


def _run(ctx: Context, bottoms: list[Value], force: bool) -> tuple[Value, ...]:
    """Call a layer's function and return its tops. `force`, the net's force_backward, overrides propagate_down."""
    layer = ctx.layer
    cut, named = list(ctx.param.propagate_down), len(ctx.param.bottom)
    if cut and len(cut) != named:
        raise ctx.error(f"There are {len(cut)} `propagate_down` for {named} bottoms. Add one for each, or none.", "propagate_down")
    if not force:
        bottoms = [stop(b) if cut and k < named and not cut[k] else b for k, b in enumerate(bottoms)]
    function = registry.layer.find(layer.type)
    tops = mixed_loss(ctx, function, *bottoms) if layer.mixed else function(ctx, *bottoms)
    tops = tops if isinstance(tops, tuple) else (tops,)
    if len(tops) < len(layer.tops):
        raise ctx.error(f"It names {len(layer.tops)} tops, but the layer has {len(tops)}.", "top", len(tops))
    _check_patterns(ctx)
    _check_read(ctx)
    if len(ctx.param.param) > len(ctx.blobs):
        raise ctx.error(f"There are {len(ctx.param.param)} `param` for {len(ctx.blobs)} blobs.", "param", len(ctx.blobs))
    return tops[: len(layer.tops)]


def _check_read(ctx: Context) -> None:
    """Raise an error for each field of a plug-in's layer that the plug-in does not read."""
    unread = ctx.param.unread() if isinstance(ctx.param, PluginParam) else []
    text = "The plug-in does not read `{0}`, which may change what the layer computes. Read `ctx.param.{0}`; `--ignore {0}` drops it."
    wrong = [ctx.diagnostic(text.format(name), tuple(name.split("."))) for name in unread]
    if wrong:
        raise SpecError(*wrong)


def _check_patterns(ctx: Context) -> None:
    """Raise an error for each pattern of the layer that fits none of its parameters."""
    known, learned = [name for _, name in ctx.names], [name for kind, name in ctx.names if kind == "parameter"]
    wrong = [ctx.diagnostic(text, path, near) for path, text, near in Rates.of(ctx.param).idle(known, learned)]
    if wrong:
        raise SpecError(*wrong)


def _readings(ctx: Context, bottoms: list[Value]) -> list[Reading]:
    """Return the bottoms of a layer that have a limited domain. If one depends on states or noise, a guard checks it at run time."""
    readings: list[Reading] = []
    read = ctx.layer.kind.readings if ctx.phase != DEPLOY else ()
    if ctx.layer.mixed:
        read = (*(r for r in read if r.bottom < 2), *(replace(r, bottom=2) for r in read if r.bottom == 1))
    for reads in read:
        found = reads.domain(ctx.layer, bottoms, ctx.blobs) if reads.bottom < len(bottoms) else None
        if found is None:
            continue
        value, guard = stop(reads.part(bottoms[reads.bottom])), ""
        if any(n.key == ("netc", "State") or n.domain == HOST or n.name in NOISE for n in toposort([value])):
            guard = GUARD(f"{ctx.layer.name}/{len(readings)}" if readings else ctx.layer.name)
            ctx.sinks[guard] = found.outside(value)
        readings.append(Reading(ctx.layer, reads.bottom, value, found, guard))
    return readings


def _weighted(top: Value, weight: float) -> Value:
    total = op.ReduceSum(top, keepdims=0) if top.rank else top
    return total if weight == 1 else total * weight


def _errors(error: NetcError, layer: Layer, net: ResolvedNet, versions: Mapping[str, tuple[Value, ...]]) -> list[Diagnostic]:
    """Return the diagnostics of an error in a layer's function, with the layer's place and the shapes that led to it."""
    chain = _chain(layer, net, versions) if isinstance(error, ShapeError) else ()
    kind = Misfit if isinstance(error, ShapeError) else Diagnostic
    if isinstance(error, SpecError) and all(f.place for f in error.diagnostics):
        return [d if isinstance(d, Absent) else kind(**{**vars(d), "details": (*d.details, *chain)}) for d in error.diagnostics]
    return [kind(layer.at(), f"Layer {layer.name!r} ({layer.type}): {error}", details=chain)]


def _chain(layer: Layer, net: ResolvedNet, versions: Mapping[str, tuple[Value, ...]]) -> tuple[str, ...]:
    """`data 64x1x28x28 (line 3) -> conv1 64x20x24x24 (line 4) -> ...`: the way from the data to the layer."""
    producers = net.makers

    def step(blob: str) -> str:
        shape = f" {dims(versions[blob][-1].shape)}" if blob in versions else ""  # a layer that has errors made none
        return f"{blob}{shape}{_line(producers[blob]) if blob in producers else ''}"

    steps: list[str] = []
    names = list(layer.bottoms)
    seen: set[str] = set()
    while names and names[0] not in seen:
        seen.add(names[0])
        steps.append(step(names[0]))
        names = list(producers[names[0]].bottoms) if names[0] in producers else []
    steps = [*steps[: MOST_STEPS - 1], "...", steps[-1]] if len(steps) > MOST_STEPS else steps
    others = f" with {', '.join(map(step, layer.bottoms[1:]))}" if layer.bottoms[1:] else ""
    return (f"{' -> '.join(reversed(steps))}{others} -> {layer.name}{_line(layer)}",) if steps else ()


def _line(layer: Layer) -> str:
    """` (line 9)` if the layer's line is known, else ""."""
    place = layer.at()
    return f" (line {place.line})" if place.line else ""
