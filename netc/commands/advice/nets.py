"""Warnings about the layers of a net."""

from collections.abc import Iterator

from netc import registry
from netc.commands.advice.checks import Checked, check, diagnostic
from netc.compiler.twins import twins
from netc.errors import Diagnostic
from netc.graph.multiply_adds import size
from netc.net import names
from netc.net.model import Layer
from netc.net.names import twin_note
from netc.spec.fields import LAYER_FIELDS, messages, own_fields

MOST_SATURATING = 5


@check
def one_phase(checked: Checked) -> Iterator[Diagnostic]:
    """A net with data in only one phase."""
    program = checked.program
    nets, place = program.compilation.nets, program.train_net.document.place()
    if nets.lacks_train:
        yield Diagnostic(place, f"{nets.lacks_train} The net can be tested and converted, but not trained.")
    elif nets.lacks_test:
        yield Diagnostic(place, f"{nets.lacks_test} The net is not tested.")


@check
def same_name(checked: Checked) -> Iterator[Diagnostic]:
    """Layers that have the name of another layer."""
    yield from twins(checked.program.layer_blobs).values()
    for net in (checked.program.train_net, *checked.program.test_nets):
        yield from (twin_note(layer, net.layers) for layer in names.twins(net.layers))


@check
def zero_start(checked: Checked) -> Iterator[Diagnostic]:
    """Constant initial weights in a net of several layers, so that all units of a layer remain equal."""
    learned = [x for x in checked.layers if _learns_linear(x)]
    for layer in learned if len(learned) > 1 and checked.program.trains else ():
        message = getattr(layer.param, messages(layer.type)[0])
        filler = message.weight_filler
        if filler.type == "constant" and not any(spec.name for spec in layer.param.param):
            text = f"all weights start at {filler.value:g}, so all units learn the same; set `weight_filler: xavier` (or msra)"
            yield diagnostic(layer, text, *((messages(layer.type)[0], "weight_filler") if message.HasField("weight_filler") else ()))


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
                    yield diagnostic(layer, text)
                break
            before = made


def _is_narrow(first: Layer, second: Layer, checked: Checked) -> bool:
    """Whether the first of two linear layers has fewer outputs than its inputs and than the second."""
    blobs = checked.program.train.layer_tops
    tops, after = blobs[first.name][0].shape, blobs[second.name][0].shape
    comes = checked.program.train.versions[first.bottoms[0]][0].shape
    return size(tops[1:]) < min(size(comes[1:]), size(after[1:]))


@check
def softmax_twice(checked: Checked) -> Iterator[Diagnostic]:
    """A loss that expects scores but reads probabilities, or scores after ReLU."""
    for layer in checked.layers:
        made = checked.maker(layer, layer.bottoms[0]) if layer.kind.deployed and layer.bottoms else None
        if made is not None and made.type == layer.kind.deployed:
            text = f"applies {made.type} itself, but {made.name!r} applies it too: read {made.bottoms[0]!r} instead"
            yield diagnostic(layer, text, "bottom", 0)
        elif made is not None and made.type == "ReLU" and not made.param.relu_param.negative_slope:
            yield diagnostic(
                layer, f"reads scores after {made.name!r} (ReLU), which cannot be negative, so no class can be unlikely", "bottom", 0
            )


@check
def one_class(checked: Checked) -> Iterator[Diagnostic]:
    """A softmax over one score."""
    for layer in checked.layers:
        if layer.type in ("SoftmaxWithLoss", "FocalLoss", "InfogainLoss", "MultinomialLogisticLoss"):
            shape = checked.program.train.versions[layer.bottoms[0]][-1].shape
            if len(shape) > 1 and shape[layer.param.softmax_param.axis] == 1:
                yield diagnostic(layer, "the softmax of one score is always 1; use SigmoidCrossEntropyLoss for one score", "bottom", 0)


@check
def equal_losses(checked: Checked) -> Iterator[Diagnostic]:
    """Several losses without loss_weight."""
    losses = [x for x in checked.layers if any(x.loss_weights)]
    if len(losses) > 1 and not any(x.param.loss_weight for x in losses):
        names = ", ".join(repr(x.name) for x in losses)
        yield diagnostic(losses[1], f"the losses {names} all have weight 1; set loss_weight to balance them")


@check
def vanishing(checked: Checked) -> Iterator[Diagnostic]:
    """Many saturating activations in a row without normalization."""
    saturating = [x for x in checked.layers if x.kind.range]
    pretrained = bool(checked.program.job.solver.pretrain)
    if len(saturating) > MOST_SATURATING and not pretrained and not any(x.type == "BatchNorm" for x in checked.layers):
        text = f"{len(saturating)} saturating activations in a row, so gradients vanish; use ReLU, BatchNorm or pretrain"
        yield diagnostic(saturating[-1], text)


@check
def dead_tops(checked: Checked) -> Iterator[Diagnostic]:
    """Layers with parameters that no loss depends on, and unread blobs in training only. Other unread blobs are outputs."""
    program = checked.program
    learning = {p.node.state.layer for p in program.train.parameters if p.node.state.lr_mult}
    if program.trains and program.train.loss is not None:
        learning -= {p.node.state.layer for stage in program.stages for p in stage.steps.gradients}
        yield from (diagnostic(layer, "is not trained: no loss depends on it") for layer in checked.layers if layer.name in learning)
    tested = {x.name for x in program.test_net.layers}
    makers = {top: layer for layer in checked.layers for top in layer.tops}
    for name in program.train_net.outputs:
        layer = makers[name]
        ends = layer.kind.scores or any(layer.loss_weights)
        if not ends and not layer.source and layer.name not in tested:
            yield diagnostic(layer, f"no layer reads its top {name!r}; remove the layer, or add Silence")


@check
def foreign_messages(checked: Checked) -> Iterator[Diagnostic]:
    """Parameter messages in a layer that its type ignores."""
    for layer in checked.layers:
        for field, _ in layer.param.ListFields():
            own = (*messages(layer.type), "transform_param")
            if field.name.endswith("_param") and registry.layer.is_own(layer.type) and field.name not in own:
                owner = next((t for t in sorted(registry.layer) if field.name in messages(t)), LAYER_FIELDS[field.name].message_type.name)
                yield diagnostic(layer, f"ignores {field.name}, which belongs to {owner}", field.name)


@check
def files_of_boxes(checked: Checked) -> Iterator[Diagnostic]:
    """Files that Caffe's DetectionOutput writes, and netc does not."""
    for layer in {x.name: x for x in (*checked.layers, *checked.program.test_net.layers)}.values():
        p = layer.param.detection_output_param
        for field, asked in (
            ("save_output_param", p.save_output_param.output_directory),
            ("visualize", p.visualize),
            ("save_file", p.save_file),
        ):
            if asked:
                yield diagnostic(layer, f"netc ignores `{field}`: it writes and draws no boxes here", "detection_output_param", field)


@check
def metrics_in_training_only(checked: Checked) -> Iterator[Diagnostic]:
    """A metric that tests do not compute."""
    tested = {x.name for x in checked.program.test_net.layers}
    for layer in checked.layers:
        if layer.kind.metric and layer.name not in tested:
            yield diagnostic(layer, "runs in training only, so tests do not show this score; remove its include rule", "include")


@check
def pinned_batch(checked: Checked) -> Iterator[Diagnostic]:
    """A deployed net that only accepts the batch size or sequence length of the file."""
    yield from (Diagnostic(diagnostic.place, f"model.onnx {diagnostic.text}") for diagnostic in checked.program.pinned)
