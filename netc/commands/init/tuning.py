"""A starter net that goes on from an ONNX file: its body, cut before the classifier, and a new head for the data."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from netc import data
from netc import netc_pb2 as pb
from netc.commands.init import images
from netc.commands.init.cut import Cut, normalizes, proposed
from netc.commands.init.starter import Starter, Wanted
from netc.data.sources.image_folder import common_size
from netc.errors import DataError, SpecError
from netc.layers.model import described
from netc.onnx_import import OnnxFile, TensorInfo, load
from netc.spec import parse_yaml, to_yaml
from netc.spec.model_files import find
from netc.spec.paths import published

# Mean and deviation of the channels of ImageNet's images, in bytes: the preprocessing of torchvision, timm and most others.
IMAGENET = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
BYTES = ("CNTK",)  # producers whose models take bytes as they are
SIDE, STEP = 224, 32  # of images, if the file leaves their size open: the largest, and a factor that poolings divide
BATCH, EPOCHS, STEPS = 32, 60, 400  # rows of a batch, the most epochs, and about how many iterations a training has
HEAD = "head"


@dataclass(frozen=True)
class Preparation:
    """How the rows become the input of the file: fields of the transformation, layers before the file, and what was assumed."""

    fields: pb.TransformationParameter
    layers: tuple[pb.LayerParameter, ...]
    assumed: tuple[str, ...]


def tuned(wanted: Wanted, made: Starter) -> Starter:
    """The starter net `made` with the body of the ONNX file `wanted.model` in place of its own layers.

    SpecError if the file has no input that the data fit.
    """
    path = find(wanted.model_file, Path(wanted.base))
    file = load(path, not published(path))
    net: pb.NetParameter = parse_yaml(made.text, pb.NetParameter).message
    source, head, ends = _parts(wanted, net)
    cut, given = proposed(file), _input(file)
    prepared = _prepared(wanted, file, given, source)
    source.ClearField("transform_param")
    if prepared.fields.ListFields():
        source.transform_param.CopyFrom(prepared.fields)
    net.ClearField("layer")
    body = pb.LayerParameter(
        name="body", type="Model", top=["body"], bottom=[prepared.layers[-1].top[0] if prepared.layers else source.top[0]]
    )
    body.model_param.file = wanted.model_file
    body.model_param.output.append(cut.tensor.name)
    body.lr_mult.add(lr_mult=0.1)
    if not file.licence and not published(path):
        body.model_param.licence = "unknown"
    head.name, head.bottom[:], head.top[:] = HEAD, ["body"], [HEAD]
    net.layer.extend([source, *prepared.layers, body, *_pooled(cut, head), head, *ends])
    _train(net, source)
    text = _text(wanted, net, file, cut, prepared)
    return Starter(text, f"{path.name} on {wanted.data}", (*made.notes, *prepared.assumed), made.licensed)


def _parts(wanted: Wanted, net: pb.NetParameter) -> tuple[pb.LayerParameter, pb.LayerParameter, list[pb.LayerParameter]]:
    """The data layer, the last InnerProduct, and the layers after it, which read it under its new name."""
    source = net.layer[0]
    at = max((k for k, layer in enumerate(net.layer) if layer.type == "InnerProduct"), default=0)
    if source.type != "Data" or not at:
        raise SpecError(f"{wanted.data}: A starter net from an ONNX file needs images, arrays or rows of numbers with a label.")
    head, ends = net.layer[at], list(net.layer[at + 1 :])
    old = head.top[0]
    for layer in ends:
        layer.bottom[:] = [HEAD if name == old else name for name in layer.bottom]
    return source, head, ends


def _input(file: OnnxFile) -> TensorInfo:
    """The input of the file that the rows become."""
    if len(file.inputs) != 1:
        names = ", ".join(described(info) for info in file.inputs)
        text = f"{file.path.name} has {len(file.inputs)} inputs: {names}. netc init writes nets for files with one."
        raise SpecError(f"{text} Write the Model layer yourself, with a bottom for each; `fixed` sets inputs that are one number.")
    return file.inputs[0]


def _prepared(wanted: Wanted, file: OnnxFile, given: TensorInfo, source: pb.LayerParameter) -> Preparation:
    """The preparation of images or of plain rows. SpecError if they do not fit."""
    plain = pb.LayerParameter()
    plain.CopyFrom(source)
    plain.ClearField("transform_param")
    try:
        rows = data.describe(plain, "TRAIN", wanted.base).tops[0].shape
    except DataError:  # images of different sizes
        rows = data.describe(source, "TRAIN", wanted.base).tops[0].shape
    if given.shape is None or len(given.shape) != len(rows) + 1:
        raise SpecError(f"{file.path.name} takes {described(given)}, but the rows of {wanted.data} are {'x'.join(map(str, rows))}.")
    if len(rows) != 3:
        return Preparation(pb.TransformationParameter(), (), ())
    return _images(wanted, file, given, plain, [int(d) for d in rows if isinstance(d, int)])


def _images(wanted: Wanted, file: OnnxFile, given: TensorInfo, source: pb.LayerParameter, rows: list[int]) -> Preparation:
    shape = list(given.shape or ())
    last = shape[1] not in (1, 3) and shape[3] in (1, 3)  # TensorFlow's order
    channels, height, width = (shape[3], shape[1], shape[2]) if last else shape[1:]
    fields, assumed = pb.TransformationParameter(), list[str]()
    layers: list[pb.LayerParameter] = []
    sizes = [d if isinstance(d, int) and d > 0 else None for d in (height, width)]
    side = _open_side(wanted, rows)
    fields.resize_height, fields.resize_width = (d or side for d in sizes)
    if channels == 3:
        fields.mirror = True
    if [fields.resize_height, fields.resize_width] == rows[1:] or not _fits(wanted, source, fields):
        fields.ClearField("resize_height")
        fields.ClearField("resize_width")
        if any(d not in (None, n) for d, n in zip(sizes, rows[1:], strict=True)):
            text = f"{file.path.name} takes {described(given)}, but the rows of {wanted.data} are {'x'.join(map(str, rows))}"
            raise SpecError(f"{text} and cannot be resized.")
    elif None in sizes:
        assumed.append(f"{file.path.name} leaves the size of images open; {side} x {side} is assumed.")
    bottom = source.top[0]
    if channels == 3 and rows[0] == 1:
        layers.append(_layer("Tile", "rgb", bottom))
        layers[-1].tile_param.axis, layers[-1].tile_param.tiles = 1, 3
    elif channels == 1 and rows[0] == 3:
        fields.force_gray = True
    elif isinstance(channels, int) and channels != rows[0]:
        raise SpecError(f"{file.path.name} takes {channels} channels, but the images of {wanted.data} have {rows[0]}.")
    assumed += _values(file, given, fields, 1 if channels == 1 or rows[0] == 1 else 3)
    if last:
        layers.append(_layer("Permute", "channels_last", layers[-1].top[0] if layers else bottom))
        layers[-1].permute_param.order.extend((0, 2, 3, 1))
    return Preparation(fields, tuple(layers), tuple(assumed))


def _open_side(wanted: Wanted, rows: list[int]) -> int:
    """The size of images for a file that leaves it open: about that of the data, at most that of ImageNet."""
    size: object = common_size(wanted.path) if images.recognise(wanted) else min(rows[1:])
    shorter = size if isinstance(size, int) else min(size) if isinstance(size, tuple) else SIDE
    return int(min(SIDE, max(STEP, -(-shorter // STEP) * STEP)))


def _fits(wanted: Wanted, source: pb.LayerParameter, fields: pb.TransformationParameter) -> bool:
    """Whether the rows can be resized."""
    resized = pb.LayerParameter()
    resized.CopyFrom(source)
    resized.transform_param.CopyFrom(fields)
    try:
        data.describe(resized, "TRAIN", wanted.base)
        return True
    except DataError:
        return False


def _values(file: OnnxFile, given: TensorInfo, fields: pb.TransformationParameter, channels: int) -> Iterator[str]:
    """Set the mean and the scale, from the metadata of the file or by custom. Yield what is assumed."""
    mean, std = (_numbers(file, name) for name in ("mean", "std"))
    if mean and std:
        unit = 255.0 if max(mean) <= 1 else 1.0
        fields.mean_value.extend(v * unit for v in mean)
        fields.std_value.extend(v * unit for v in std)
        yield f"Mean and deviation are those in the metadata of {file.path.name}."
    elif "netc" in file.metadata or normalizes(file, given.name) or file.producer.startswith(BYTES):
        yield f"{file.path.name} is assumed to take the values of images as they are, such as bytes from 0 to 255."
    elif channels == 3:
        fields.mean_value.extend(IMAGENET[0])
        fields.std_value.extend(IMAGENET[1])
        yield f"{file.path.name} does not tell its preprocessing; ImageNet's mean and deviation in RGB are assumed."
    else:
        fields.scale = 1 / 255
        yield f"{file.path.name} does not tell its preprocessing; values from 0 to 1 are assumed."


def _numbers(file: OnnxFile, name: str) -> list[float]:
    """The numbers in the metadata under `name`, such as [0.485, 0.456, 0.406]."""
    for key, text in file.metadata.items():
        if key.lower() in (name, f"image_{name}", f"{name}s"):
            try:
                found = json.loads(text.replace("(", "[").replace(")", "]"))
                return [float(v) for v in found] if isinstance(found, list) else [float(found)]
            except (ValueError, TypeError):
                return []
    return []


def _layer(type_: str, name: str, bottom: str) -> pb.LayerParameter:
    return pb.LayerParameter(type=type_, name=name, bottom=[bottom], top=[name])


def _pooled(cut: Cut, head: pb.LayerParameter) -> Iterator[pb.LayerParameter]:
    """A pooling over all pixels if the cut has any; the head reads it. Of a sequence, the head reads the mean over its steps."""
    shape = cut.tensor.shape or ()
    if len(shape) == 4:
        layer = _layer("Pooling", "pool", "body")
        layer.pooling_param.pool, layer.pooling_param.global_pooling = pb.PoolingParameter.AVE, True
        head.bottom[:] = ["pool"]
        yield layer


def _train(net: pb.NetParameter, source: pb.LayerParameter) -> None:
    """A solver for a body that is trained already."""
    solver, test_interval, epochs = net.solver, net.solver.test_interval, net.solver.max_epoch
    ratio = source.data_param.batch_size / BATCH
    source.data_param.batch_size = BATCH
    an_epoch = max(1.0, test_interval * 10 / max(1, epochs) * ratio)
    solver.Clear()
    solver.type, solver.base_lr, solver.momentum, solver.weight_decay = "Adam", 0.003, 0.9, 0.0001
    solver.lr_policy, solver.max_epoch = "cosine", max(1, min(EPOCHS, round(STEPS / an_epoch)))
    solver.test_interval = max(1, round(solver.max_epoch * an_epoch / 5))


def _text(wanted: Wanted, net: pb.NetParameter, file: OnnxFile, cut: Cut, prepared: Preparation) -> str:
    """The net file, with comments on the cut and on what was assumed."""
    what = f"before {cut.classifier}" if cut.classifier else "at the output, as no classifier ends the file"
    lines = [
        f"# {net.name}: fine-tunes {file.path.name}. Train it with: netc train {quote(str(wanted.target))}",
        f"# The cut is {what}. Other tensors where it could be:",
        *(f"#   {described(tensor)}" for tensor in reversed(cut.others)),
        "# To train only the head, add `freeze: true` to the Model layer. `netc check` lists what learns.",
        *(f"# {text}" for text in prepared.assumed),
    ]
    return "\n".join([*lines, to_yaml(net).rstrip()]) + "\n"
