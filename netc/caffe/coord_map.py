"""`caffe.coord_map`: map pixel coordinates between tops of a NetSpec. `crop(a, b)` crops a to b with the matching offset.

A map is (axis, a, b): from spatial axis `axis` on, position x of one blob is a x + b in the other. a and b are fractions: one for
all spatial axes, or one per axis.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from netc.caffe.net_spec import Function, Top, layers
from netc.errors import SpecError
from netc.registry import layer_type
from netc.spec.fields import messages

Map = tuple[int | None, Any, Any]
SAME: Map = (None, Fraction(1), Fraction(0))


def coord_map(fn: Function) -> Map | None:
    """The map from a layer's bottom to its top; None if there is none, as for InnerProduct."""
    record = layer_type(fn.type_name)
    if record.keeps_places:
        return SAME
    if not record.places:
        return None
    own = getattr(fn.to_proto(), messages(fn.type_name)[0])
    if record.places == "crop":
        return own.axis, Fraction(1), -_fractions(own.offset, 0)
    axis, stride, extent, pad = _window(own)
    if record.places == "transposed":
        return axis, stride, (extent - 1) / 2 - pad
    return axis, 1 / stride, (pad - (extent - 1) / 2) / stride


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """The map from `top_from` to `top_to` through a common ancestor blob. SpecError if there is none."""
    back, forth = _ways(top_from), _ways(top_to)
    common = next((top for top in forth if top in back), None)
    if common is None:
        types = f"{top_from.fn.type_name} and {top_to.fn.type_name}"
        raise SpecError(f"the tops of {types} have no common ancestor through layers that preserve coordinates")
    return _compose(forth[common], _inverse(back[common]))


def crop(top_from: Top, top_to: Top) -> Top:
    """A Crop of `top_from` to the size of `top_to`. SpecError if their scales differ, or the offset is not a whole number of pixels."""
    axis, a, b = coord_map_from_to(top_from, top_to)
    scale, offset = np.atleast_1d(np.asarray(a, object)), np.atleast_1d(np.asarray(-b, object))
    if any(v != 1 for v in scale):
        raise SpecError(f"crop: the scales of the tops differ by {', '.join(map(str, scale))}")
    if any(v < 0 or v.denominator != 1 for v in offset):
        raise SpecError(f"crop: the offset {', '.join(map(str, offset))} must be a whole number of pixels, 0 or more")
    made: Top = layers.Crop(top_from, top_to, axis=2 if axis is None else axis, offset=[int(v) for v in offset])
    return made


def _ways(top: Top) -> dict[Top, Map]:
    """The map from each ancestor blob to `top`. For Crop, only through the cropped bottom."""
    maps: dict[Top, Map] = {top: SAME}
    frontier = [top]
    while frontier:
        fn = (now := frontier.pop(0)).fn
        step = coord_map(fn) if fn.inputs else None
        for bottom in (fn.inputs[:1] if fn.type_name == "Crop" else fn.inputs) if step else ():
            if bottom not in maps and step:
                maps[bottom] = _compose(maps[now], step)
                frontier.append(bottom)
    return maps


def _compose(outer: Map, inner: Map) -> Map:
    """The map x -> outer(inner(x))."""
    if outer[0] is not None and inner[0] is not None and outer[0] != inner[0]:
        raise SpecError(f"the layers between the tops have different first spatial axes, {outer[0]} and {inner[0]}")
    return (inner[0] if outer[0] is None else outer[0]), outer[1] * inner[1], outer[1] * inner[2] + outer[2]


def _inverse(way: Map) -> Map:
    axis, a, b = way
    return axis, 1 / a, -b / a


def _window(p: Any) -> tuple[int, Any, Any, Any]:
    """(first spatial axis, stride, size of the dilated kernel, pad) of a convolution or a pooling."""

    def numbers(field: str, default: int) -> Any:
        stem = field.removesuffix("_size")
        if p.HasField(f"{stem}_h") or p.HasField(f"{stem}_w"):
            return _fractions([getattr(p, f"{stem}_h"), getattr(p, f"{stem}_w")], default)
        given = getattr(p, field)
        return _fractions([given] if isinstance(given, int) else given, default)

    if getattr(p, "global_pooling", False):
        raise SpecError("global pooling does not preserve coordinates")
    dilation = _fractions(getattr(p, "dilation", []), 1)
    return getattr(p, "axis", 1) + 1, numbers("stride", 1), dilation * (numbers("kernel_size", 1) - 1) + 1, numbers("pad", 0)


def _fractions(values: Any, default: int) -> Any:
    """One number for all axes, or an array with one per axis."""
    fractions = np.array([Fraction(int(v)) for v in values] or [Fraction(default)], object)
    return fractions[0] if len(fractions) == 1 else fractions
