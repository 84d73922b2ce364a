"""The Model layer: an ONNX file as a part of the net. Its weights learn on, or stay as they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx

from netc import netc_pb2 as pb
from netc import registry
from netc.errors import Diagnostic, NetcError, ShapeError, SpecError, near
from netc.files import read_file
from netc.graph.contract import STATE
from netc.graph.ir import Value, constant
from netc.layers.context import Context, dims
from netc.net.model import Layer
from netc.onnx_import import OnnxFile, TensorInfo, Weight, load, values, weights
from netc.spec import paths
from netc.spec.model_files import digest, locate

FIELD = "model_param"


@registry.layer("Model", bottoms=(1, None), tops=(1, None), single=True, in_place=False)
def model(ctx: Context, *xs: Value) -> tuple[Value, ...]:
    """The graph of an ONNX file, from the tensors `input` to the tensors `output`, with its weights as parameters that learn on.

    The bottoms are the inputs of the file, in its order, and the tops its outputs. A cut at another tensor leaves out what lies behind
    it, such as the classifier of other classes. Parameters have the names of the file: `netc check` lists them, and `freeze` and
    `lr_mult` select them. Decay applies to those of two axes or more. BatchNormalization keeps its statistics, unless `batch_norm` is
    TRAIN. The data must have the preprocessing that the model was trained with.
    """
    file = file_of(ctx.layer)
    param = ctx.param.model_param
    fixed = {one.name: one.value for one in param.fixed}
    inputs = tuple(param.input) or tuple(info.name for info in file.inputs if info.name not in fixed)
    outputs = tuple(param.output) or tuple(info.name for info in file.outputs[: len(ctx.layer.tops)])
    _check_cut(ctx, file, inputs, outputs, len(xs))
    feeds = dict(zip(inputs, xs, strict=True)) | _fixed(ctx, file, fixed)
    made: dict[str, Value] = {}
    names = parameter_names(weights(file, list(feeds), outputs))

    def state(weight: Weight) -> Value:
        if weight.name not in made:
            made[weight.name] = ctx.pretrained(names[weight.name], weight.array, weight.kind)
        return made[weight.name]

    batch_norm = param.batch_norm == pb.ModelParameter.TRAIN
    try:
        return values(file, feeds, outputs, state, training=ctx.training, update=ctx.update, train_batch_norm=batch_norm)
    except NetcError as e:
        raise _of_file(ctx.layer, file, e) from e


def file_of(layer: Layer) -> OnnxFile:
    """The file of a Model layer. SpecError if it is not there, is damaged, or has another hash than the layer says."""
    param: pb.ModelParameter = layer.param.model_param
    try:
        path = locate(layer.document, layer.index)
        found = _loaded(path, digest(path), not paths.published(path))
        if param.sha256 and found.sha256 != param.sha256.lower():
            text = f"{path.name} has the SHA-256 {found.sha256}, but `sha256` is {param.sha256}. It is another file."
            raise SpecError(Diagnostic(None, text, field="sha256"))
        return found
    except SpecError as e:
        raise SpecError(*(_at(layer, d, FIELD, d.field or "file") for d in e.diagnostics)) from e


def files_of(layers: Iterable[Layer]) -> dict[str, OnnxFile]:
    """The files of the Model layers, by the name of the layer."""
    return {layer.name: file_of(layer) for layer in layers if layer.type == "Model"}


def own_file(file: OnnxFile) -> bytes:
    """The bytes of a file, with its external data inside."""
    if len(file.files) == 1:
        return read_file(file.path)
    model = onnx.load(file.path)
    for tensor in model.graph.initializer:
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def pinned(net: pb.NetParameter, files: Mapping[str, OnnxFile]) -> pb.NetParameter:
    """A copy of a net whose Model layers state the hash of their file, so that no other file can take its place."""
    copy = pb.NetParameter()
    copy.CopyFrom(net)
    for layer in copy.layer:
        if layer.type == "Model" and layer.name in files:
            layer.model_param.sha256 = files[layer.name].sha256
    return copy


@lru_cache(maxsize=4)
def _loaded(path: Path, sha256: str, external: bool) -> OnnxFile:
    """A file, read once as long as it does not change. External data of a file from a zoo are not read."""
    return load(path, external)


def parameter_names(found: Sequence[Weight]) -> dict[str, str]:
    """The name of the parameter for each weight of a file: its own, but none may be the start of another with a dot after it.

    An optimizer's state has the name of its parameter, a dot, and a name of its own.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    plain = {weight.name: STATE.bare(weight.name) or weight.name for weight in found}
    for weight in found:
        name = plain[weight.name]
        if any(name.startswith(f"{other}.") for other in plain.values()):
            name = name.replace(".", "_")
        while name in taken:
            name += "_"
        taken.add(name)
        names[weight.name] = name
    return names


def _fixed(ctx: Context, file: OnnxFile, numbers: Mapping[str, float]) -> dict[str, Value]:
    """The inputs that are the same number in each run."""
    made = {}
    for k, (name, number) in enumerate(numbers.items()):
        info = file.known.get(name)
        if info is None or info not in file.inputs:
            text, known = f"{file.path.name} has no input {name!r}.", [one.name for one in file.inputs]
            raise SpecError(ctx.diagnostic(text, (FIELD, "fixed", k), near(name, known)))
        shape = [d if isinstance(d, int) and d > 0 else 1 for d in info.shape or ()]
        made[name] = constant(np.full(shape, number).astype(info.dtype or np.float32))
    return made


def described(info: TensorInfo) -> str:
    """A tensor of a file in words: `input (float32 1x3x224x224)`."""
    kind = "" if info.dtype is None else info.dtype.name
    shape = "" if info.shape is None else dims(tuple("?" if d is None else d for d in info.shape))
    return f"{info.name} ({f'{kind} {shape}'.strip() or 'of unknown shape'})"


def _check_cut(ctx: Context, file: OnnxFile, inputs: Sequence[str], outputs: Sequence[str], bottoms: int) -> None:
    """Raise errors for tensors that the file lacks, and for other numbers of bottoms and tops than those of the cut."""
    errors = []
    for field, names in (("input", inputs), ("output", outputs)):
        for k, name in enumerate(names):
            if name not in file.known:
                errors.append(ctx.diagnostic(f"{file.path.name} has no tensor {name!r}.", (FIELD, field, k), near(name, file.known)))
            elif name in names[:k]:
                errors.append(ctx.diagnostic(f"`{field}` names {name!r} twice.", (FIELD, field, k)))
    if len(inputs) != bottoms:
        wanted = ", ".join(described(file.known[name]) for name in inputs if name in file.known)
        text = f"It has {bottoms} bottom{'s' if bottoms != 1 else ''} for {len(inputs)} inputs: {wanted}."
        errors.append(ctx.diagnostic(text, ("bottom",)))
    tops = len(ctx.layer.tops)
    if len(outputs) != tops:
        text = f"It has {tops} top{'s' if tops != 1 else ''} for {len(outputs)} outputs: {', '.join(outputs)}."
        errors.append(ctx.diagnostic(f"{text} Add one for each, for example `top: [a, b]`.", ("top",)))
    if errors:
        raise SpecError(*errors)


def _of_file(layer: Layer, file: OnnxFile, error: NetcError) -> NetcError:
    """An error in the graph of the file, at the layer. Sizes that do not fit are named with those that the file declares."""
    if isinstance(error, ShapeError):
        declared = f"{file.path.name} declares {', '.join(described(info) for info in file.inputs)}."
        return ShapeError(*(_at(layer, replace(d, details=(*d.details, declared))) for d in error.diagnostics))
    return SpecError(*(_at(layer, d) for d in error.diagnostics))


def _at(layer: Layer, d: Diagnostic, *path: str) -> Diagnostic:
    return replace(d, place=layer.at(*path), text=f"Layer {layer.name!r} ({layer.type}): {d.text}", field="")
