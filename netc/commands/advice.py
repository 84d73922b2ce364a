"""The warnings of `netc check`: likely mistakes in nets that run. Each check is a function that yields its warnings."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from netc import data, registry
from netc.commands.data_report import Seen
from netc.compiler.program import Program
from netc.data.settings import shuffles
from netc.errors import Diagnostic
from netc.net.model import Layer
from netc.spec.fields import LAYER_FIELDS, messages, own_fields

MOST_PER_CHECK = 5  # warnings of one check to print in full
MOST_SATURATING, MOST_TIMES, LEAST_SHARE, PARAMETERS_PER_ROW = 5, 30, 0.1, 5


@dataclass(frozen=True)
class Checked:
    """A program, statistics of its data, and the layers of its training net."""

    program: Program
    seen: tuple[Seen, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.program.train_net.layers

    @cached_property
    def _makers(self) -> Mapping[tuple[str, str], Layer]:
        """The layer that wrote a blob, by reading layer and blob."""
        written: dict[str, Layer] = {}
        makers: dict[tuple[str, str], Layer] = {}
        for layer in self.layers:
            makers |= {(layer.name, blob): written[blob] for blob in layer.bottoms if blob in written}
            written |= dict.fromkeys(layer.tops, layer)
        return makers

    def maker(self, layer: Layer, blob: str) -> Layer | None:
        """The last layer that wrote `blob` before `layer` reads it."""
        return self._makers.get((layer.name, blob))

    def readers(self, blob: str) -> list[Layer]:
        """The layers that read a blob."""
        return [other for other in self.layers if blob in other.bottoms]


Check = Callable[[Checked], Iterator[Diagnostic]]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Decorator that registers a check."""
    CHECKS.append(function)
    return function


def warnings(checked: Checked) -> list[Diagnostic]:
    """The warnings of all checks, each once. If many layers fail one check, only the first, with the number of the others."""
    return list(dict.fromkeys(diagnostic for function in CHECKS for diagnostic in _counted(list(dict.fromkeys(function(checked))))))


def _counted(warned: list[Diagnostic]) -> list[Diagnostic]:
    if len(warned) <= MOST_PER_CHECK:
        return warned
    return [replace(warned[0], text=f"{warned[0].text} (and {len(warned) - 1} more layers like this one)")]


def _diagnostic(layer: Layer, text: str, *path: str | int) -> Diagnostic:
    return Diagnostic(layer.at(*path), f"Layer {layer.name!r} ({layer.type}): {text}")


@check
def unusual_rate(checked: Checked) -> Iterator[Diagnostic]:
    """A base_lr that is far from typical values of the optimizer."""
    solver = checked.program.job.solver
    usual = registry.optimizer.records.get(solver.type, {}).get("usual")
    if checked.program.trains and usual and not usual / 1000 <= solver.base_lr <= usual * MOST_TIMES:
        text = f"Solver: base_lr {solver.base_lr:g} is unusual for {solver.type}; a typical value is {usual:g}"
        yield Diagnostic(checked.program.job.solver_place("base_lr"), text)


@check
def constant_rate_steps(checked: Checked) -> Iterator[Diagnostic]:
    """A step policy whose first step is after the end of the run."""
    solver = checked.program.job.solver
    steps = {"step": [solver.stepsize], "multistep": list(solver.stepvalue)}.get(solver.lr_policy, [])
    if steps and solver.HasField("max_iter") and min(steps) >= solver.max_iter:
        field = "stepsize" if solver.lr_policy == "step" else "stepvalue"
        text = f"Solver: the learning rate first drops at iteration {min(steps)}, but the run ends at {solver.max_iter}"
        yield Diagnostic(checked.program.job.solver_place(field), text)


@check
def no_decay(checked: Checked) -> Iterator[Diagnostic]:
    """More parameters than rows without regularization."""
    program = checked.program
    count = sum(_count(p.shape) for p in program.train.parameters)
    rows = next((x.source.rows for x in program.train_net.sources if x.source and x.source.rows and not x.source.reading), None)
    drops = any(layer.type == "Dropout" for layer in checked.layers) or not any(layer.kind.reads_label for layer in checked.layers)
    if program.trains and not program.job.solver.weight_decay and rows and count > PARAMETERS_PER_ROW * rows and not drops:
        text = f"Solver: {count:,} parameters, {rows:,} rows and no weight_decay: the net may overfit; a typical value is 0.0005"
        yield Diagnostic(program.job.solver_place(), text)


def _count(shape: tuple[int | str, ...]) -> int:
    total = 1
    for d in shape:
        total *= int(d)
    return total


@check
def zero_start(checked: Checked) -> Iterator[Diagnostic]:
    """Constant initial weights in a net of several layers, so that all units of a layer remain equal."""
    learned = [x for x in checked.layers if _learns_linear(x)]
    for layer in learned if len(learned) > 1 and checked.program.trains else ():
        message = getattr(layer.param, messages(layer.type)[0])
        filler = message.weight_filler
        if filler.type == "constant" and not any(spec.name for spec in layer.param.param):
            text = f"all weights start at {filler.value:g}, so all units learn the same; set `weight_filler: xavier` (or msra)"
            yield _diagnostic(layer, text, *((messages(layer.type)[0], "weight_filler") if message.HasField("weight_filler") else ()))


def _learns_linear(layer: Layer) -> bool:
    """Whether a layer is linear and has trainable weights."""
    return layer.kind.linear and "weight_filler" in own_fields(layer.type)


@check
def no_activation(checked: Checked) -> Iterator[Diagnostic]:
    """Two linear layers without an activation in between, unless the first is a bottleneck."""
    for layer in checked.layers:
        before = layer
        while _learns_linear(layer) and before.bottoms:
            made = checked.maker(before, before.bottoms[0])
            if made is None or not made.kind.linear:
                break
            if _learns_linear(made):
                if not _is_narrow(made, layer, checked):
                    text = f"follows {made.name!r} ({made.type}) without an activation in between: two linear layers are equivalent to one"
                    yield _diagnostic(layer, text)
                break
            before = made


def _is_narrow(first: Layer, second: Layer, checked: Checked) -> bool:
    """Whether the first of two linear layers has fewer outputs than its inputs and than the second."""
    blobs = checked.program.train.layer_tops
    tops, after = blobs[first.name][0].shape, blobs[second.name][0].shape
    comes = checked.program.train.versions[first.bottoms[0]][0].shape
    return _count(tops[1:]) < min(_count(comes[1:]), _count(after[1:]))


@check
def softmax_twice(checked: Checked) -> Iterator[Diagnostic]:
    """A loss that expects scores but reads probabilities, or scores after ReLU."""
    for layer in checked.layers:
        made = checked.maker(layer, layer.bottoms[0]) if layer.kind.deployed and layer.bottoms else None
        if made is not None and made.type == layer.kind.deployed:
            text = f"applies {made.type} itself, but {made.name!r} applies it too: read {made.bottoms[0]!r} instead"
            yield _diagnostic(layer, text, "bottom", 0)
        elif made is not None and made.type == "ReLU" and not made.param.relu_param.negative_slope:
            yield _diagnostic(
                layer, f"reads scores after {made.name!r} (ReLU), which cannot be negative, so no class can be unlikely", "bottom", 0
            )


@check
def one_class(checked: Checked) -> Iterator[Diagnostic]:
    """A softmax over one score."""
    for layer in checked.layers:
        if layer.type in ("SoftmaxWithLoss", "InfogainLoss", "MultinomialLogisticLoss"):
            shape = checked.program.train.versions[layer.bottoms[0]][-1].shape
            if len(shape) > 1 and shape[layer.param.softmax_param.axis if layer.type == "SoftmaxWithLoss" else 1] == 1:
                yield _diagnostic(layer, "the softmax of one score is always 1; use SigmoidCrossEntropyLoss for one score", "bottom", 0)


@check
def equal_losses(checked: Checked) -> Iterator[Diagnostic]:
    """Several losses without loss_weight."""
    losses = [x for x in checked.layers if any(x.loss_weights)]
    if len(losses) > 1 and not any(x.param.loss_weight for x in losses):
        names = ", ".join(repr(x.name) for x in losses)
        yield _diagnostic(losses[1], f"the losses {names} all have weight 1; set loss_weight to balance them")


@check
def vanishing(checked: Checked) -> Iterator[Diagnostic]:
    """Many saturating activations in a row without normalization."""
    saturating = [x for x in checked.layers if x.kind.range]
    pretrained = bool(checked.program.job.solver.pretrain)
    if len(saturating) > MOST_SATURATING and not pretrained and not any(x.type == "BatchNorm" for x in checked.layers):
        text = f"{len(saturating)} saturating activations in a row, so gradients vanish; use ReLU, BatchNorm or pretrain"
        yield _diagnostic(saturating[-1], text)


@check
def dead_tops(checked: Checked) -> Iterator[Diagnostic]:
    """Layers with parameters that no loss depends on, and unread blobs in training only. Other unread blobs are outputs."""
    program = checked.program
    learning = {p.node.state.layer for p in program.train.parameters if p.node.state.lr_mult}
    if program.trains and program.train.loss is not None:
        learning -= {p.node.state.layer for p in program.steps.gradients}
        yield from (_diagnostic(layer, "is not trained: no loss depends on it") for layer in checked.layers if layer.name in learning)
    tested = {x.name for x in program.test_net.layers}
    makers = {top: layer for layer in checked.layers for top in layer.tops}
    for name in program.train_net.outputs:
        layer = makers[name]
        ends = layer.kind.scores or any(layer.loss_weights)
        if not ends and not layer.source and layer.name not in tested:
            yield _diagnostic(layer, f"no layer reads its top {name!r}; remove the layer, or add Silence")


@check
def foreign_messages(checked: Checked) -> Iterator[Diagnostic]:
    """Parameter messages in a layer that its type ignores."""
    for layer in checked.layers:
        for field, _ in layer.param.ListFields():
            own = (*messages(layer.type), "transform_param")
            if field.name.endswith("_param") and registry.layer.is_own(layer.type) and field.name not in own:
                owner = next((t for t in sorted(registry.layer) if field.name in messages(t)), LAYER_FIELDS[field.name].message_type.name)
                yield _diagnostic(layer, f"ignores {field.name}, which belongs to {owner}", field.name)


@check
def metrics_in_training_only(checked: Checked) -> Iterator[Diagnostic]:
    """A metric that tests do not compute."""
    tested = {x.name for x in checked.program.test_net.layers}
    for layer in checked.layers:
        if layer.kind.metric and layer.name not in tested:
            yield _diagnostic(layer, "runs in training only, so tests do not show this score; remove its include rule", "include")


@check
def order_of_rows(checked: Checked) -> Iterator[Diagnostic]:
    """Training rows in the order of the file."""
    for layer in checked.program.train_net.sources:
        source, kept = layer.source, layer.param.data_param.HasField("backend") or layer.type not in ("Data", "ImageData", "HDF5Data")
        if source and source.rows and not source.reading and not kept and not shuffles(layer.param):
            yield _diagnostic(layer, "reads the training rows in the order of the file; set `shuffle: true`, as SGD expects random order")


@check
def tests_on_training_rows(checked: Checked) -> Iterator[Diagnostic]:
    """Tests on training rows."""
    learned = {data.setting(x.param, "source") for x in checked.program.train_net.sources}
    for layer in checked.program.test_net.sources:
        source = data.setting(layer.param, "source")
        if layer.source and not layer.source.set_apart and source and source in learned:
            text = f"tests use {source!r}, the same rows as training; set test_fraction: 0.2 or test_source"
            yield _diagnostic(layer, text)


@check
def few_iterations(checked: Checked) -> Iterator[Diagnostic]:
    """A run that ends before one epoch."""
    solver, sources = checked.program.job.solver, checked.program.train_net.sources
    rows = next((x.source.rows for x in sources if x.source and x.source.rows), None)
    batch = next((x.batch_size for x in sources if x.batch_size), None)
    if rows and batch and solver.HasField("max_iter") and solver.max_iter * batch * checked.program.job.settings.iter_size < rows:
        share = solver.max_iter * batch * checked.program.job.settings.iter_size / rows
        yield Diagnostic(checked.program.job.solver_place("max_iter"), f"Solver: the run ends after {share:.0%} of the first epoch")


@check
def scale_of_values(checked: Checked) -> Iterator[Diagnostic]:
    """Inputs that are not scaled."""
    for seen in (s for s in checked.seen if s.phase == "TRAIN" and s.count):
        far, readers = max(abs(seen.low), seen.high), checked.readers(seen.layer.tops[0])
        if any(layer.type in ("Standardize", "BatchNorm", "MVN") for layer in readers):
            continue
        image = seen.layer.source is not None and len(seen.layer.source.tops[0].shape) == 3
        if image and 100 < far <= 256:
            text = f"values range from {seen.low:g} to {seen.high:g}; set `scale: 0.00390625` to map bytes to 0 to 1, as fillers expect"
            yield _diagnostic(seen.layer, text)
        elif far > 1000:
            text = f"values range from {seen.low:g} to {seen.high:g}; use Standardize, or mean_value and scale, for about -1 to 1"
            yield _diagnostic(seen.layer, text)


@check
def classes_seen(checked: Checked) -> Iterator[Diagnostic]:
    """Classes with very few rows."""
    for seen in checked.seen:
        if len(seen.labels) > 1 and min(seen.labels.values()) < LEAST_SHARE * max(seen.labels.values()) and len(seen.labels) < 100:
            rare, often = min(seen.labels, key=seen.labels.__getitem__), max(seen.labels, key=seen.labels.__getitem__)
            text = (
                f"classes of {seen.phase} are imbalanced: {seen.labels[often]} rows of class {often}, {seen.labels[rare]} of class {rare}"
            )
            yield _diagnostic(seen.layer, text)
        if len(seen.labels) == 1 and (rows := sum(seen.labels.values())) > 1:
            yield _diagnostic(seen.layer, f"all {rows} rows of {seen.phase} in the sample have class {next(iter(seen.labels))}")


@check
def pinned_batch(checked: Checked) -> Iterator[Diagnostic]:
    """A deployed net that only accepts the batch size or sequence length of the file."""
    yield from (Diagnostic(diagnostic.place, f"model.onnx {diagnostic.text}") for diagnostic in checked.program.pinned)
