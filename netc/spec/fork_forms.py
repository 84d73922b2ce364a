"""Replace the spellings of forks of Caffe with BVLC Caffe's, so that one field means one thing: `ceil_mode` becomes `round_mode`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, SpecError
from netc.spec.document import Document, FieldPath
from netc.spec.forks import SAME_TYPES

HOLES = "hole", "hole_h", "hole_w"
# Fields that have another name in BVLC Caffe, by message.
RENAMED = {"pooling_param": {"ceil_mode": "round_mode"}, "convolution_param": dict.fromkeys(HOLES, "dilation")}


def in_caffes_form(document: Document) -> Document:
    """Return a net without spellings of forks. SpecError lists fields that contradict Caffe's own."""
    chosen = [k for k, layer in enumerate(document.message.layer) if any(used(layer) for used, _ in FORMS)]
    if not chosen:
        return document
    net = pb.NetParameter()
    net.CopyFrom(document.message)
    wrong = [
        Diagnostic(document.place("layer", k, *path), f"Layer {net.layer[k].name!r}: {text}")
        for k in chosen
        for used, replaced in FORMS
        if used(net.layer[k])
        for path, text in replaced(net.layer[k])
    ]
    if wrong:
        raise SpecError(*wrong)
    return replace(document, message=net, positions={_moved(path): at for path, at in document.positions.items()})


def _moved(path: FieldPath) -> FieldPath:
    """The path of a field under its name in Caffe."""
    names = RENAMED.get(str(path[2]), {}) if len(path) > 3 and path[0] == "layer" else {}
    return (*path[:3], names[str(path[3])], *path[4:]) if names and path[3] in names else path


def _type_used(layer: Any) -> bool:
    return layer.type in SAME_TYPES


def _type_replaced(layer: Any) -> Iterator[tuple[FieldPath, str]]:
    """CuDNNConvolution is Convolution."""
    layer.type = SAME_TYPES[layer.type]
    yield from ()


def _ceil_used(layer: Any) -> bool:
    return bool(layer.pooling_param.HasField("ceil_mode"))


def _ceil_replaced(layer: Any) -> Iterator[tuple[FieldPath, str]]:
    """`ceil_mode: true` is `round_mode: CEIL`, and false FLOOR."""
    p = layer.pooling_param
    mode = p.CEIL if p.ceil_mode else p.FLOOR
    if p.HasField("round_mode") and p.round_mode != mode:
        yield ("pooling_param", "ceil_mode"), "`ceil_mode` and `round_mode` contradict each other. Remove one of them."
    p.round_mode = mode
    p.ClearField("ceil_mode")


def _hole_used(layer: Any) -> bool:
    return any(layer.convolution_param.HasField(name) for name in HOLES)


def _hole_replaced(layer: Any) -> Iterator[tuple[FieldPath, str]]:
    """DeepLab's `hole` is `dilation`; hole_h and hole_w are those of the two axes."""
    p = layer.convolution_param
    by_axis = p.HasField("hole_h"), p.HasField("hole_w")
    given = next(name for name in HOLES if p.HasField(name))
    if p.dilation:
        yield ("convolution_param", given), f"Both `{given}` and `dilation` are set. Remove one of them."
    elif any(by_axis) and (not all(by_axis) or p.HasField("hole")):
        yield ("convolution_param", given), "Set either `hole`, or both `hole_h` and `hole_w`."
    else:
        p.dilation.extend([p.hole_h, p.hole_w] if any(by_axis) else [p.hole])
    for name in HOLES:
        p.ClearField(name)


FORMS = (_type_used, _type_replaced), (_ceil_used, _ceil_replaced), (_hole_used, _hole_replaced)
