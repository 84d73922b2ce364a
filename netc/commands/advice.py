"""What `netc check` warns of: nets that run, but hardly do what was meant. A function each, which gives the errors that it sees."""

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

MOST_ALIKE = 5  # warnings of one check that stand in full
MOST_SQUASHED, MOST_TIMES, LEAST_SHARE, BY_HEART = 5, 30, 0.1, 5


@dataclass(frozen=True)
class Checked:
    """A program, what was seen of its data, and the layers of its training net by what they write."""

    program: Program
    seen: tuple[Seen, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.program.train_net.layers

    @cached_property
    def _makers(self) -> Mapping[tuple[str, str], Layer]:
        """By the name of a layer and a blob that it reads: the layer that wrote the blob before that."""
        written: dict[str, Layer] = {}
        found: dict[tuple[str, str], Layer] = {}
        for layer in self.layers:
            found |= {(layer.name, blob): written[blob] for blob in layer.bottoms if blob in written}
            written |= dict.fromkeys(layer.tops, layer)
        return found

    def maker(self, layer: Layer, blob: str) -> Layer | None:
        """The layer that wrote `blob` before `layer` reads it."""
        return self._makers.get((layer.name, blob))

    def readers(self, blob: str) -> list[Layer]:
        """The layers that read a blob."""
        return [other for other in self.layers if blob in other.bottoms]


Check = Callable[[Checked], Iterator[Diagnostic]]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Decorator: `netc check` runs the function."""
    CHECKS.append(function)
    return function


def warnings(checked: Checked) -> list[Diagnostic]:
    """All that the checks see, each once; of one check that many layers fail the first, with the number of the others."""
    return list(dict.fromkeys(diagnostic for function in CHECKS for diagnostic in _counted(list(dict.fromkeys(function(checked))))))


def _counted(found: list[Diagnostic]) -> list[Diagnostic]:
    if len(found) <= MOST_ALIKE:
        return found
    return [replace(found[0], text=f"{found[0].text} (and {len(found) - 1} layers more like this one)")]


def _diagnostic(layer: Layer, text: str, *path: str | int) -> Diagnostic:
    return Diagnostic(layer.at(*path), f"layer {layer.name!r} ({layer.type}): {text}")


@check
def unusual_rate(checked: Checked) -> Iterator[Diagnostic]:
    """A base_lr far from what is usual with the solver."""
    solver = checked.program.job.solver
    usual = registry.optimizer.records.get(solver.type, {}).get("usual")
    if checked.program.trains and usual and not usual / 1000 <= solver.base_lr <= usual * MOST_TIMES:
        text = f"solver: base_lr {solver.base_lr:g} is unusual with {solver.type}; about {usual:g} often does"
        yield Diagnostic(checked.program.job.solver_place("base_lr"), text)


@check
def constant_rate_steps(checked: Checked) -> Iterator[Diagnostic]:
    """A policy whose first step comes after the end."""
    solver = checked.program.job.solver
    steps = {"step": [solver.stepsize], "multistep": list(solver.stepvalue)}.get(solver.lr_policy, [])
    if steps and solver.HasField("max_iter") and min(steps) >= solver.max_iter:
        field = "stepsize" if solver.lr_policy == "step" else "stepvalue"
        text = f"solver: the rate first falls at iteration {min(steps)}, the run ends at {solver.max_iter}"
        yield Diagnostic(checked.program.job.solver_place(field), text)


@check
def no_decay(checked: Checked) -> Iterator[Diagnostic]:
    """More parameters than rows, and nothing that holds them."""
    program = checked.program
    count = sum(_count(p.shape) for p in program.train.parameters)
    rows = next((x.source.rows for x in program.train_net.sources if x.source and x.source.rows and not x.source.reading), None)
    drops = any(layer.type == "Dropout" for layer in checked.layers) or not any(layer.kind.reads_label for layer in checked.layers)
    if program.trains and not program.job.solver.weight_decay and rows and count > BY_HEART * rows and not drops:
        text = f"solver: {count:,} parameters, {rows:,} rows and no weight_decay: the net may learn the rows by heart; 0.0005 is usual"
        yield Diagnostic(program.job.solver_place(), text)


def _count(shape: tuple[int | str, ...]) -> int:
    total = 1
    for d in shape:
        total *= int(d)
    return total


@check
def zero_start(checked: Checked) -> Iterator[Diagnostic]:
    """Weights that start at zero in a net of several layers: the units of a layer stay alike."""
    learned = [x for x in checked.layers if _learns_linear(x)]
    for layer in learned if len(learned) > 1 and checked.program.trains else ():
        message = getattr(layer.param, messages(layer.type)[0])
        filler = message.weight_filler
        if filler.type == "constant" and not any(spec.name for spec in layer.param.param):
            text = f"its weights all start at {filler.value:g}, so that its units learn the same; give `weight_filler: xavier` (or msra)"
            yield _diagnostic(layer, text, *((messages(layer.type)[0], "weight_filler") if message.HasField("weight_filler") else ()))


def _learns_linear(layer: Layer) -> bool:
    """Whether a layer multiplies by learned weights, and does nothing else."""
    return layer.kind.linear and "weight_filler" in own_fields(layer.type)


@check
def no_activation(checked: Checked) -> Iterator[Diagnostic]:
    """Two linear layers with nothing between them, unless the first is a bottleneck."""
    for layer in checked.layers:
        before = layer
        while _learns_linear(layer) and before.bottoms:
            made = checked.maker(before, before.bottoms[0])
            if made is None or not made.kind.linear:
                break
            if _learns_linear(made):
                if not _is_narrow(made, layer, checked):
                    text = f"follows {made.name!r} ({made.type}) with no activation between them: two linear layers do what one does"
                    yield _diagnostic(layer, text)
                break
            before = made


def _is_narrow(first: Layer, second: Layer, checked: Checked) -> bool:
    """Whether the first of two linear layers makes less than comes and than the second makes."""
    blobs = checked.program.train.layer_tops
    tops, after = blobs[first.name][0].shape, blobs[second.name][0].shape
    comes = checked.program.train.versions[first.bottoms[0]][0].shape
    return _count(tops[1:]) < min(_count(comes[1:]), _count(after[1:]))


@check
def softmax_twice(checked: Checked) -> Iterator[Diagnostic]:
    """A loss of scores that reads what is a probability, or is cut at zero, already."""
    for layer in checked.layers:
        made = checked.maker(layer, layer.bottoms[0]) if layer.kind.deployed and layer.bottoms else None
        if made is not None and made.type == layer.kind.deployed:
            text = f"applies {made.type} itself, and {made.name!r} before it does so too: let it read {made.bottoms[0]!r}"
            yield _diagnostic(layer, text, "bottom", 0)
        elif made is not None and made.type == "ReLU" and not made.param.relu_param.negative_slope:
            yield _diagnostic(
                layer, f"reads scores that {made.name!r} (ReLU) cuts at 0: they cannot say that a class is unlikely", "bottom", 0
            )


@check
def one_class(checked: Checked) -> Iterator[Diagnostic]:
    """A softmax of one score."""
    for layer in checked.layers:
        if layer.type in ("SoftmaxWithLoss", "InfogainLoss", "MultinomialLogisticLoss"):
            shape = checked.program.train.versions[layer.bottoms[0]][-1].shape
            if len(shape) > 1 and shape[layer.param.softmax_param.axis if layer.type == "SoftmaxWithLoss" else 1] == 1:
                yield _diagnostic(layer, "the softmax of one score is always 1; SigmoidCrossEntropyLoss is for one score", "bottom", 0)


@check
def equal_losses(checked: Checked) -> Iterator[Diagnostic]:
    """Several losses none of which says how much it counts."""
    losses = [x for x in checked.layers if any(x.loss_weights)]
    if len(losses) > 1 and not any(x.param.loss_weight for x in losses):
        names = ", ".join(repr(x.name) for x in losses)
        yield _diagnostic(losses[1], f"the losses {names} count alike, 1 each; loss_weight says how much each one counts")


@check
def vanishing(checked: Checked) -> Iterator[Diagnostic]:
    """Many squashing activations in a row, and nothing that keeps their scale."""
    found = [x for x in checked.layers if x.kind.range]
    pretrained = bool(checked.program.job.solver.pretrain)
    if len(found) > MOST_SQUASHED and not pretrained and not any(x.type == "BatchNorm" for x in checked.layers):
        text = f"the {len(found)}th {found[-1].type} above one another: gradients vanish on the way; ReLU, BatchNorm or pretrain help"
        yield _diagnostic(found[-1], text)


@check
def dead_tops(checked: Checked) -> Iterator[Diagnostic]:
    """Learned layers that lead to no loss, and blobs of training alone that nothing reads; others are outputs of the model."""
    program = checked.program
    learning = {p.node.state.layer for p in program.train.parameters if p.node.state.lr_mult}
    if program.trains and program.train.loss is not None:
        learning -= {p.node.state.layer for p in program.steps.gradients}
        yield from (_diagnostic(layer, "learns nothing: no loss hangs on it") for layer in checked.layers if layer.name in learning)
    tested = {x.name for x in program.test_net.layers}
    makers = {top: layer for layer in checked.layers for top in layer.tops}
    for name in program.train_net.outputs:
        layer = makers[name]
        ends = layer.kind.scores or any(layer.loss_weights)
        if not ends and not layer.source and layer.name not in tested:
            yield _diagnostic(layer, f"nothing reads its top {name!r}; leave the layer out, or let Silence read it")


@check
def foreign_messages(checked: Checked) -> Iterator[Diagnostic]:
    """Messages in a layer that its type does not read."""
    for layer in checked.layers:
        for field, _ in layer.param.ListFields():
            own = (*messages(layer.type), "transform_param")
            if field.name.endswith("_param") and registry.layer.is_own(layer.type) and field.name not in own:
                owner = next((t for t in sorted(registry.layer) if field.name in messages(t)), LAYER_FIELDS[field.name].message_type.name)
                yield _diagnostic(layer, f"does not read {field.name}, which is for {owner}", field.name)


@check
def metrics_in_training_only(checked: Checked) -> Iterator[Diagnostic]:
    """A score that tests do not show."""
    tested = {x.name for x in checked.program.test_net.layers}
    for layer in checked.layers:
        if layer.kind.metric and layer.name not in tested:
            yield _diagnostic(layer, "runs in training only, so that no test shows this score; leave out its include rule", "include")


@check
def order_of_rows(checked: Checked) -> Iterator[Diagnostic]:
    """Training rows in the file's order."""
    for layer in checked.program.train_net.sources:
        source, kept = layer.source, layer.param.data_param.HasField("backend") or layer.type not in ("Data", "ImageData", "HDF5Data")
        if source and source.rows and not source.reading and not kept and not shuffles(layer.param):
            yield _diagnostic(layer, "takes its rows in the file's order in training; `shuffle: true` mixes them, as SGD expects")


@check
def tests_on_training_rows(checked: Checked) -> Iterator[Diagnostic]:
    """Test rows that the net learns from."""
    learned = {data.setting(x.param, "source") for x in checked.program.train_net.sources}
    for layer in checked.program.test_net.sources:
        source = data.setting(layer.param, "source")
        if layer.source and not layer.source.set_apart and source and source in learned:
            text = f"tests read {source!r}, the rows that the net learns from; test_fraction: 0.2 or test_source sets others apart"
            yield _diagnostic(layer, text)


@check
def few_iterations(checked: Checked) -> Iterator[Diagnostic]:
    """A run that ends before each row came once."""
    solver, sources = checked.program.job.solver, checked.program.train_net.sources
    rows = next((x.source.rows for x in sources if x.source and x.source.rows), None)
    batch = next((x.batch_size for x in sources if x.batch_size), None)
    if rows and batch and solver.HasField("max_iter") and solver.max_iter * batch * checked.program.job.settings.iter_size < rows:
        share = solver.max_iter * batch * checked.program.job.settings.iter_size / rows
        yield Diagnostic(checked.program.job.solver_place("max_iter"), f"solver: the run ends when it has seen {share:.0%} of the rows")


@check
def scale_of_values(checked: Checked) -> Iterator[Diagnostic]:
    """Bytes as they are stored."""
    for seen in (s for s in checked.seen if s.phase == "TRAIN" and s.count):
        far, readers = max(abs(seen.low), seen.high), checked.readers(seen.layer.tops[0])
        if any(layer.type in ("Standardize", "BatchNorm", "MVN") for layer in readers):
            continue
        image = seen.layer.source is not None and len(seen.layer.source.tops[0].shape) == 3
        if image and 100 < far <= 256:
            text = f"values go from {seen.low:g} to {seen.high:g}; `scale: 0.00390625` brings bytes to 0 to 1, as fillers expect"
            yield _diagnostic(seen.layer, text)
        elif far > 1000:
            text = f"values go from {seen.low:g} to {seen.high:g}; Standardize, or mean_value and scale, bring them to about -1 to 1"
            yield _diagnostic(seen.layer, text)


@check
def classes_seen(checked: Checked) -> Iterator[Diagnostic]:
    """Classes of which there are hardly any rows, or none."""
    for seen in checked.seen:
        if len(seen.labels) > 1 and min(seen.labels.values()) < LEAST_SHARE * max(seen.labels.values()) and len(seen.labels) < 100:
            rare, often = min(seen.labels, key=seen.labels.get), max(seen.labels, key=seen.labels.get)  # type: ignore[arg-type]
            text = f"classes of {seen.phase} are uneven: {seen.labels[often]} rows of class {often}, {seen.labels[rare]} of class {rare}"
            yield _diagnostic(seen.layer, text)
        if len(seen.labels) == 1 and (rows := sum(seen.labels.values())) > 1:
            yield _diagnostic(seen.layer, f"all {rows} rows of {seen.phase} that were seen are of class {next(iter(seen.labels))}")


@check
def pinned_batch(checked: Checked) -> Iterator[Diagnostic]:
    """A deployed net that takes no batch, or no sequence, but one of the file's size."""
    yield from (Diagnostic(diagnostic.place, f"model.onnx {diagnostic.text}") for diagnostic in checked.program.pinned)
