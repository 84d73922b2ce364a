"""Upgrade Caffe's nets of 2013 (V0) to those of 2014 (V1).

The fields of one message move to the messages of each type. Padding layers become pad fields.
"""

from dataclasses import replace
from typing import Any

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, SpecError, near
from netc.spec.document import Document, FieldPath

CONV, IP, POOL, LRN, WINDOW = "convolution_param", "inner_product_param", "pooling_param", "lrn_param", "window_data_param"
SOURCES = {"data": "data_param", "hdf5_data": "hdf5_data_param", "images": "image_data_param", "window_data": WINDOW}
IMAGES = {"images": "image_data_param"}

# Types whose V1 name is not their name in capitals.
TYPES = {"conv": "CONVOLUTION", "images": "IMAGE_DATA", "innerproduct": "INNER_PRODUCT", "pool": "POOLING"}
KNOWN = {
    *("accuracy", "bnll", "concat", "data", "dropout", "euclidean_loss", "flatten", "hdf5_data", "hdf5_output", "im2col"),
    *("infogain_loss", "lrn", "multinomial_logistic_loss", "relu", "sigmoid", "softmax", "softmax_loss", "split", "tanh"),
    *("window_data", *TYPES),
}

# For each field: by the layer's type, its message and its name in V1.
MOVES: dict[str, tuple[dict[str, str], str]] = {
    "num_output": ({"conv": CONV, "innerproduct": IP}, "num_output"),
    "biasterm": ({"conv": CONV, "innerproduct": IP}, "bias_term"),
    "weight_filler": ({"conv": CONV, "innerproduct": IP}, "weight_filler"),
    "bias_filler": ({"conv": CONV, "innerproduct": IP}, "bias_filler"),
    "pad": ({"conv": CONV, "pool": POOL}, "pad"),
    "kernelsize": ({"conv": CONV, "pool": POOL}, "kernel_size"),
    "group": ({"conv": CONV}, "group"),
    "stride": ({"conv": CONV, "pool": POOL}, "stride"),
    "pool": ({"pool": POOL}, "pool"),
    "dropout_ratio": ({"dropout": "dropout_param"}, "dropout_ratio"),
    "local_size": ({"lrn": LRN}, "local_size"),
    "alpha": ({"lrn": LRN}, "alpha"),
    "beta": ({"lrn": LRN}, "beta"),
    "k": ({"lrn": LRN}, "k"),
    "source": ({**SOURCES, "infogain_loss": "infogain_loss_param"}, "source"),
    "batchsize": (SOURCES, "batch_size"),
    "rand_skip": ({"data": "data_param", **IMAGES}, "rand_skip"),
    "shuffle_images": (IMAGES, "shuffle"),
    "new_height": (IMAGES, "new_height"),
    "new_width": (IMAGES, "new_width"),
    "concat_dim": ({"concat": "concat_param"}, "concat_dim"),
    "det_fg_threshold": ({"window_data": WINDOW}, "fg_threshold"),
    "det_bg_threshold": ({"window_data": WINDOW}, "bg_threshold"),
    "det_fg_fraction": ({"window_data": WINDOW}, "fg_fraction"),
    "det_context_pad": ({"window_data": WINDOW}, "context_pad"),
    "det_crop_mode": ({"window_data": WINDOW}, "crop_mode"),
    "hdf5_output_param": ({"hdf5_output": "hdf5_output_param"}, ""),
}
# For any type: fields of transform_param, and of the V1 layer itself.
TRANSFORMS = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
OWN = {"name", "blobs", "blobs_lr", "weight_decay"}
DROPPED = {"new_num", "new_channels"}


def upgrade_v0(document: Document) -> Document:
    """Convert `document`, a net with V0's message in a layer, to V1 layers.

    A field that the layer's type lacks is dropped with a warning. SpecError if a padding layer does not lead to exactly one convolution
    or pooling, or if a type is unknown.
    """
    old, warnings = document.message, list(document.warnings)
    errors: list[Diagnostic] = []
    net = pb.NetParameter(input=old.input, input_dim=old.input_dim)  # V0 has no other fields of a net
    for field in ("name", "force_backward"):
        if old.HasField(field):
            setattr(net, field, getattr(old, field))
    kept, padding = _padding(document, errors)
    for k in kept:
        pad, bottoms = padding.get(k, (None, list(old.layers[k].bottom)))
        _layer(document, k, net.layers.add(bottom=bottoms, top=old.layers[k].top), pad, errors, warnings)
    if errors:
        raise SpecError(*errors)
    numbers = {k: i for i, k in enumerate(kept)}
    types = {k: old.layers[k].layer.type for k in kept}
    positions = {}
    for path, at in document.positions.items():
        if path[0] != "layers" or len(path) < 2:
            positions[path] = at
        elif path[1] in numbers:
            positions["layers", numbers[int(path[1])], *_new_path(types[int(path[1])], path[2:])] = at
    return replace(document, message=net, positions=positions, warnings=tuple(warnings))


def _padding(document: Document, errors: list[Diagnostic]) -> tuple[list[int], dict[int, tuple[int, list[str]]]]:
    """The layers to keep. For layers after a padding layer, also the pad and the bottom that it applies to."""
    layers, kept, found = document.message.layers, [], {}
    made = dict.fromkeys(document.message.input, -1)
    for k, layer in enumerate(layers):
        type_, bottoms = layer.layer.type, list(layer.bottom)
        if type_ != "padding":
            kept.append(k)
        for j, name in enumerate(layer.bottom):
            place = document.place("layers", k, "bottom", j)
            if name not in made:
                errors.append(Diagnostic(place, f"Layer {layer.layer.name!r}: It reads {name!r}, which no layer above writes."))
                continue
            source = layers[made[name]] if made[name] >= 0 else None
            if source is None or source.layer.type != "padding":
                continue
            if type_ not in ("conv", "pool") or len(layer.bottom) != 1 or len(source.bottom) != 1 or len(source.top) != 1:
                text = f"Layer {layer.layer.name!r}: A padding layer must lead from one blob to one conv or pool, not to {type_!r}."
                errors.append(Diagnostic(place, text))
                continue
            bottoms[j] = source.bottom[0]
            found[k] = (source.layer.pad, bottoms)
        made |= dict.fromkeys(layer.top, k)
    return kept, found


def _layer(document: Document, k: int, new: Any, pad: int | None, errors: list[Diagnostic], warnings: list[Diagnostic]) -> None:
    """Fill the V1 layer `new` with the content of V0 layer number `k`, and with `pad` from a padding layer before it."""
    frame = document.message.layers[k]
    old = pb.V0LayerParameter()
    old.CopyFrom(frame.layer)
    if pad is not None:
        old.pad = pad
    if old.HasField("type"):
        if old.type in KNOWN:
            new.type = pb.V1LayerParameter.LayerType.Value(TYPES.get(old.type, old.type.upper()))
        else:
            text = f"There is no layer type {old.type!r} in Caffe's format of 2013."
            errors.append(Diagnostic(document.place("layers", k, "layer", "type"), text, near(old.type, KNOWN)))
    for field, value in old.ListFields():
        name = field.name
        if name in OWN:
            getattr(new, name).extend(value) if field.is_repeated else setattr(new, name, value)
        elif name in TRANSFORMS:
            setattr(new.transform_param, TRANSFORMS[name], value)
        elif name in MOVES and old.type in MOVES[name][0]:
            _set(getattr(new, MOVES[name][0][old.type]), MOVES[name][1], value)
        elif name in MOVES:
            place = document.place("layers", k, "layer", name)
            warnings.append(Diagnostic(place, f"Layer {old.name!r}: {old.type!r} has no `{name}`. It is ignored."))


def _set(message: Any, name: str, value: Any) -> None:
    """Set a field of a message, which may be a list in V1; the complete message if `name` is ""."""
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        message.MergeFrom(value)
    elif field.is_repeated:
        getattr(message, name).append(value)
    elif field.message_type:
        getattr(message, name).CopyFrom(value)
    else:
        setattr(message, name, value)


def _new_path(type_: str, path: FieldPath) -> FieldPath:
    """The V1 path for a field of V0's outer message."""
    if not path or path[0] != "layer" or len(path) < 2:
        return path
    name, rest = str(path[1]), path[2:]
    if name in TRANSFORMS:
        return ("transform_param", TRANSFORMS[name])
    if name in MOVES and type_ in MOVES[name][0]:
        return (MOVES[name][0][type_], *([MOVES[name][1]] if MOVES[name][1] else []), *rest)
    return path[1:]
