"""Upgrade Caffe's old files: V0 and V1 layers, transformations in data layers, inputs, solver types.

The rules, their order and their side effects are those of Caffe's upgrade_proto.cpp, so that a net keeps its meaning. The positions of
fields move along, so that errors still point to the original text.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, SpecError
from netc.spec.document import Document, FieldPath, Origin, Position
from netc.spec.fork_forms import in_caffes_form
from netc.spec.python_layers import with_own_types
from netc.spec.upgrade_v0 import upgrade_v0

SOLVER_TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")  # by the number in the old enum
INNER_NETS = ("net_param", "train_net_param")
TRANSFORMED = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
TRANSFORMATIONS = ("scale", "mean_file", "crop_size", "mirror")

# Types whose V1 name is not their name in capitals with underscores.
V1_TYPES = {
    "NONE": "", "ABSVAL": "AbsVal", "ARGMAX": "ArgMax", "BN": "BN", "BNLL": "BNLL", "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN", "MVN": "MVN", "RELU": "ReLU", "SOFTMAX_LOSS": "SoftmaxWithLoss", "TANH": "TanH",
    "PRELU": "PReLU", "ROI_POOLING": "ROIPooling", "SMOOTH_L1_LOSS": "SmoothL1Loss",
}  # fmt: skip
PARAM_FIELDS = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}

Positions = dict[FieldPath, Position]
Move = Callable[[FieldPath], FieldPath]


def upgraded(document: Document) -> Document:
    """Return `document`, a net or a solver, in the current format. Anything else is returned unchanged.

    Nets inside a solver are upgraded too. Caffe does not upgrade them, and so cannot use them. SpecError lists fields without a current
    equivalent.
    """
    if isinstance(document.message, pb.NetParameter):
        return _net(document)
    return _solver(document) if isinstance(document.message, pb.SolverParameter) else document


def _solver(document: Document) -> Document:
    document = _with_inner_nets(document)
    if not document.message.HasField("solver_type"):
        return document
    solver = _copy(document.message)
    if solver.HasField("type"):
        raise SpecError(
            Diagnostic(document.place("solver_type"), "Both `solver_type`, Caffe's old enum, and `type` are set. Remove one of them.")
        )
    solver.type = SOLVER_TYPES[solver.solver_type]
    solver.ClearField("solver_type")
    return replace(document, message=solver, positions=_moved(document.positions, lambda p: ("type",) if p[0] == "solver_type" else p))


def _with_inner_nets(document: Document) -> Document:
    """The solver, with the nets inside it in the current format."""
    nets = _inner_nets(document.message)
    if not nets:
        return document
    inside: dict[FieldPath, Positions] = {path: {} for path in nets}
    positions: Positions = {}
    for p, at in document.positions.items():
        path = p[:2] if p[:2] in nets else p[:1]
        if path in nets and p != path:
            inside[path][p[len(path) :]] = at
        else:
            positions[p] = at
    solver, warnings = _copy(document.message), list(document.warnings)
    for path, new in _inner_nets(solver).items():
        net = _net(Document(nets[path], document.path, document.text, inside[path]))
        new.CopyFrom(net.message)
        positions |= {(*path, *p): at for p, at in net.positions.items()}
        warnings += net.warnings
    return replace(document, message=solver, positions=positions, warnings=tuple(warnings))


def _inner_nets(solver: Any) -> dict[FieldPath, Any]:
    """The nets inside a solver, by their paths."""
    found: dict[FieldPath, Any] = {(field,): getattr(solver, field) for field in INNER_NETS if solver.HasField(field)}
    return found | {("test_net_param", k): net for k, net in enumerate(solver.test_net_param)}


def _net(document: Document) -> Document:
    for rule in (_v0, _transformations, _v1, _inputs, _batch_norm, in_caffes_form, with_own_types):
        document = rule(document)
    return document


def _v0(document: Document) -> Document:
    """Upgrade V0 to V1, if any layer contains V0's message."""
    if not any(layer.HasField("layer") for layer in document.message.layers):
        return document
    return upgrade_v0(document)


def _transformations(document: Document) -> Document:
    """Move scale, mean_file, crop_size and mirror of V1 data layers to transform_param, which all of them then have."""

    def wanted(layer: Any) -> str | None:
        return TRANSFORMED.get(pb.V1LayerParameter.LayerType.Name(layer.type))

    if not any(getattr(layer, p).HasField(f) for layer in document.message.layers if (p := wanted(layer)) for f in TRANSFORMATIONS):
        return document
    net = _copy(document.message)
    for layer in net.layers:
        if param := wanted(layer):
            old = getattr(layer, param)
            old.SetInParent()
            layer.transform_param.SetInParent()
            for field in (f for f in TRANSFORMATIONS if old.HasField(f)):
                setattr(layer.transform_param, field, getattr(old, field))
                old.ClearField(field)

    def move(path: FieldPath) -> FieldPath:
        inside = len(path) > 3 and path[2] in TRANSFORMED.values() and path[3] in TRANSFORMATIONS
        return (*path[:2], "transform_param", *path[3:]) if inside else path

    return replace(document, message=net, positions=_moved(document.positions, move))


def _v1(document: Document) -> Document:
    """Upgrade V1 to the current format."""
    old = document.message
    if not old.layers:
        return document
    if old.layer:
        text = "The net has both `layer` and `layers`, Caffe's old form (V1). Write all of them as `layer`."
        raise SpecError(Diagnostic(document.place("layers"), text))
    net = pb.NetParameter()
    net.CopyFrom(old)
    net.ClearField("layers")
    for layer in old.layers:
        _v1_layer(layer, net.layer.add())

    def move(path: FieldPath) -> FieldPath:
        if path[0] != "layers":
            return path
        if len(path) > 3 and path[2] in PARAM_FIELDS:
            return ("layer", path[1], "param", path[3], PARAM_FIELDS[str(path[2])])
        return ("layer", *path[1:])

    return replace(document, message=net, positions=_moved(document.positions, move))


def _v1_layer(old: Any, new: Any) -> None:
    """Fill `new` with the content of the V1 layer `old`."""
    for field, value in old.ListFields():
        if field.name == "type":
            name = pb.V1LayerParameter.LayerType.Name(value)
            new.type = V1_TYPES.get(name, "".join(word.capitalize() for word in name.split("_")))
        elif field.name in PARAM_FIELDS:
            for k, item in enumerate(value):
                while len(new.param) <= k:
                    new.param.add()
                setattr(new.param[k], PARAM_FIELDS[field.name], item)
        elif field.is_repeated:
            getattr(new, field.name).extend(value)
        elif field.message_type:
            getattr(new, field.name).CopyFrom(value)
        else:
            setattr(new, field.name, value)


def _inputs(document: Document) -> Document:
    """Replace `input` with `input_shape`, or with four `input_dim` each, by an Input layer at the front.

    Inputs without shapes are removed.
    """
    old = document.message
    if not old.input:
        return document
    names, dims = list(old.input), list(old.input_dim)
    shapes = [list(s.dim) for s in old.input_shape] or [dims[4 * k : 4 * k + 4] for k in range(len(names) if dims else 0)]
    net = _copy(old)
    for field in ("input", "input_shape", "input_dim"):
        net.ClearField(field)
    if not shapes:
        return replace(document, message=net)
    if len(shapes) < len(names) or any(len(s) < 4 for s in shapes if not old.input_shape):
        what = "input_shape" if old.input_shape else "input_dim"
        wanted = f"{len(names)}, one for each" if old.input_shape else f"{4 * len(names)}, four for each"
        raise SpecError(
            Diagnostic(document.place(what), f"There are {len(getattr(old, what))} `{what}` for {len(names)} inputs. Expected {wanted}.")
        )
    layer = pb.LayerParameter(name="input", type="Input", top=names)
    for shape in shapes[: len(names)]:
        layer.input_param.shape.add(dim=shape)
    net.ClearField("layer")
    net.layer.extend([layer, *old.layer])
    positions = _moved(document.positions, lambda p: ("layer", int(p[1]) + 1, *p[2:]) if p[0] == "layer" and len(p) > 1 else p)
    for path, at in document.positions.items():
        if path[0] == "input":
            positions[("layer", 0, *(("top", *path[1:]) if len(path) > 1 else ()))] = at
        elif path[0] == "input_shape":
            positions[("layer", 0, "input_param", "shape", *path[1:])] = at
    origins: dict[FieldPath, Origin] = {("layer", int(p[1]) + 1): origin for p, origin in document.origins.items()}
    return replace(document, message=net, positions=positions, origins=origins)


def _batch_norm(document: Document) -> Document:
    """Set the rates of statistics to 0: in the three `param` of a BatchNorm, for nets of early 2015, and as forks do in their layers."""
    chosen = [(k, part) for k, layer in enumerate(document.message.layer) if (part := _statistics(layer))]
    if not any(p.lr_mult or p.decay_mult for k, part in chosen for p in document.message.layer[k].param[part]):
        return document
    net = _copy(document.message)
    for k, part in chosen:
        for spec in net.layer[k].param[part]:
            spec.lr_mult = spec.decay_mult = 0
    return replace(document, message=net)


def _statistics(layer: Any) -> slice | None:
    """The `param` of a layer that belong to statistics, whose rates Caffe or a fork sets to 0."""
    own = layer.batch_norm_param
    if layer.type == "BatchNorm" and (own.scale_bias or own.HasField("scale_filler") or own.HasField("bias_filler")):
        return slice(0, 3)
    if layer.type == "BN":
        return slice(2, None)
    return slice(0, 3) if layer.type == "BatchNorm" and len(layer.param) == 3 else None


def _moved(positions: Any, move: Move) -> Positions:
    return {move(path): at for path, at in positions.items()}


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
