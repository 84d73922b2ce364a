"""`caffe.coord_map`: maps pixels of one top of a NetSpec to another; `crop(a, b)` crops a to the size of b with the offset of this map.

A map is (axis, a, b): from spatial axis `axis` on, position x of one blob is a x + b of the other. a and b are fractions, one for
all spatial axes or one each.
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
    """The map from a layer's bottom to its top; None if the layer has none (InnerProduct)."""
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
    """The map from `top_from` to `top_to`, by way of a blob that both depend on. SpecError if there is none."""
    back, forth = _ways(top_from), _ways(top_to)
    common = next((top for top in forth if top in back), None)
    if common is None:
        types = f"{top_from.fn.type_name} and {top_to.fn.type_name}"
        raise SpecError(f"the tops of {types} come from no common blob by layers that keep places")
    return _compose(forth[common], _inverse(back[common]))


def crop(top_from: Top, top_to: Top) -> Top:
    """A Crop of `top_from` to the sizes of `top_to`. SpecError if their scales differ, or the offset is no whole number of pixels."""
    axis, a, b = coord_map_from_to(top_from, top_to)
    scale, offset = np.atleast_1d(np.asarray(a, object)), np.atleast_1d(np.asarray(-b, object))
    if any(v != 1 for v in scale):
        raise SpecError(f"crop: the scales of the tops differ by {', '.join(map(str, scale))}")
    if any(v < 0 or v.denominator != 1 for v in offset):
        raise SpecError(f"crop: an offset of {', '.join(map(str, offset))} is no whole number of pixels of 0 or more")
    made: Top = layers.Crop(top_from, top_to, axis=2 if axis is None else axis, offset=[int(v) for v in offset])
    return made


def _ways(top: Top) -> dict[Top, Map]:
    """For each blob that `top` depends on: the map from it to `top`. Of a Crop, only the blob that is cropped has a map."""
    found: dict[Top, Map] = {top: SAME}
    frontier = [top]
    while frontier:
        fn = (now := frontier.pop(0)).fn
        step = coord_map(fn) if fn.inputs else None
        for bottom in (fn.inputs[:1] if fn.type_name == "Crop" else fn.inputs) if step else ():
            if bottom not in found and step:
                found[bottom] = _compose(found[now], step)
                frontier.append(bottom)
    return found


def _compose(outer: Map, inner: Map) -> Map:
    """x to outer(inner(x))."""
    if outer[0] is not None and inner[0] is not None and outer[0] != inner[0]:
        raise SpecError(f"the layers between the tops act on axes from {outer[0]} and from {inner[0]} on")
    return (inner[0] if outer[0] is None else outer[0]), outer[1] * inner[1], outer[1] * inner[2] + outer[2]


def _inverse(way: Map) -> Map:
    axis, a, b = way
    return axis, 1 / a, -b / a


def _window(p: Any) -> tuple[int, Any, Any, Any]:
    """(first spatial axis, stride, extent of the dilated kernel, pad) of a convolution or a pooling."""

    def numbers(field: str, default: int) -> Any:
        stem = field.removesuffix("_size")
        if p.HasField(f"{stem}_h") or p.HasField(f"{stem}_w"):
            return _fractions([getattr(p, f"{stem}_h"), getattr(p, f"{stem}_w")], default)
        given = getattr(p, field)
        return _fractions([given] if isinstance(given, int) else given, default)

    if getattr(p, "global_pooling", False):
        raise SpecError("a global pooling keeps no places")
    dilation = _fractions(getattr(p, "dilation", []), 1)
    return getattr(p, "axis", 1) + 1, numbers("stride", 1), dilation * (numbers("kernel_size", 1) - 1) + 1, numbers("pad", 0)


def _fractions(values: Any, default: int) -> Any:
    """One number for all axes, or an array of one each."""
    found = np.array([Fraction(int(v)) for v in values] or [Fraction(default)], object)
    return found[0] if len(found) == 1 else found
