"""The gradient of Resize: a sum along each axis in turn, because all its modes are products of maps of one axis."""

from typing import Any

import numpy as np

from netc.errors import GradientError
from netc.graph.gradients.along import add_along
from netc.graph.gradients.common import Gradients, only, optional, sizes, text
from netc.graph.gradients.sampling import COORDINATES, MODES, NEAREST, Axis, Rules, taps
from netc.graph.ir import Node, Value, constant_value
from netc.registry import gradient


@gradient("Resize")
def resize(node: Node, dy: Value) -> Gradients:
    rules = rules_of(node)
    for number, axis in axes_of(node).items():
        if axis.n != axis.m or rules.coordinates == "tf_crop_and_resize" or axis.scale != 1:
            dy = add_along(dy, number, axis.n, *taps(axis, rules))
    return only(node, dy)


def rules_of(node: Node) -> Rules:
    """The attributes, with ONNX's defaults. GradientError for a word that none of the tables has."""
    found = Rules(
        text(node, "mode", "nearest"),
        text(node, "coordinate_transformation_mode", "half_pixel"),
        text(node, "nearest_mode", "round_prefer_floor"),
        node.attrs.get("cubic_coeff_a", -0.75),
        bool(node.attrs.get("exclude_outside", 0)),
        bool(node.attrs.get("antialias", 0)),
    )
    for name, word, table in (("mode", found.mode, MODES), ("coordinates", found.coordinates, COORDINATES), ("", found.nearest, NEAREST)):
        if word not in table:
            raise GradientError(f"The op Resize with {name or 'nearest_mode'} {word} has no gradient.")
    return found


def axes_of(node: Node) -> dict[int, Axis]:
    """The axes whose sizes are known, by their numbers."""
    x, y = node.operands[0], node.outputs[0]
    numbers = [int(a) % x.rank for a in node.attrs.get("axes", range(x.rank))]
    numbers = [a for a in numbers if x.shape[a] != y.shape[a] or isinstance(x.shape[a], int)]
    inside, outside = sizes(x, numbers, node), sizes(y, numbers, node)
    scales, region = _scales(node, numbers, inside, outside), _region(node, numbers)
    return {a: Axis(n, m, scales[a], *region.get(a, ())) for a, n, m in zip(numbers, inside, outside, strict=True)}


def _stated(node: Node, place: int) -> dict[int, Any] | None:
    """A constant input with one number for each axis that `axes` names; None if it is omitted or computed."""
    known = constant_value(optional(node, place))
    if known is None or not known.size:
        return None
    rank = node.operands[0].rank
    return dict(zip([int(a) % rank for a in node.attrs.get("axes", range(rank))], known, strict=True))


def _scales(node: Node, numbers: list[int], inside: list[int], outside: list[int]) -> dict[int, np.float32]:
    """The scale of each axis: as stated, or the ratio of the sizes."""
    stated, wanted = _stated(node, 2), _stated(node, 3)
    if stated is not None:
        return {a: np.float32(s) for a, s in stated.items()}
    if optional(node, 3) is None:
        raise GradientError("The op Resize has a gradient only if its scales are constants, or its sizes are given.")
    ratios = {a: np.float32(m) / np.float32(n) for a, n, m in zip(numbers, inside, outside, strict=True)}
    policy = text(node, "keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return ratios
    if wanted is None:
        raise GradientError(f"The op Resize with keep_aspect_ratio_policy {policy} has a gradient only if its sizes are constants.")
    known = [np.float32(wanted[a]) / np.float32(n) for a, n in zip(numbers, inside, strict=True)]
    return dict.fromkeys(numbers, min(known) if policy == "not_larger" else max(known))


def _region(node: Node, numbers: list[int]) -> dict[int, tuple[np.float32, np.float32]]:
    """The start and the end of the region of interest, as parts of each axis."""
    if text(node, "coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize":
        return {}
    known = constant_value(optional(node, 1))
    if known is None or not known.size:
        raise GradientError("The op Resize has a gradient only if its region of interest is a constant.")
    rank, half = node.operands[0].rank, known.size // 2
    axes = [int(a) % rank for a in node.attrs.get("axes", range(rank))]
    return {a: (np.float32(known[k]), np.float32(known[half + k])) for k, a in enumerate(axes)}
