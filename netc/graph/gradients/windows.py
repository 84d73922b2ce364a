"""The windows of convolution and pooling, with ONNX's defaults filled in and automatic padding worked out."""

from dataclasses import dataclass
from typing import Any

from netc.graph.gradients.common import sizes, text
from netc.graph.ir import Node


@dataclass(frozen=True)
class Window:
    """A window over spatial axes. Pads are ONNX's: the start of each axis, then the end of each."""

    kernel: list[int]
    strides: list[int]
    pads: list[int]
    dilations: list[int]

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def extents(self) -> list[int]:
        """How far the window reaches along each axis."""
        return [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of a node with this window; pooling names its kernel too."""
        return {"strides": self.strides, "pads": self.pads, "dilations": self.dilations}


def window(node: Node, kernel: list[int]) -> Window:
    """The window of a node that makes its output smaller: a convolution, or pooling."""
    plain = _stated(node, kernel)
    automatic = text(node, "auto_pad", "NOTSET")
    if automatic not in ("SAME_UPPER", "SAME_LOWER"):
        return plain
    axes = list(range(2, 2 + plain.rank))
    inside, outside = sizes(node.operands[0], axes, node), sizes(node.outputs[0], axes, node)
    reach = zip(outside, plain.strides, plain.extents, inside, strict=True)
    return _padded(plain, [max(0, (o - 1) * s + e - n) for o, s, e, n in reach], automatic == "SAME_UPPER")


def transposed_window(node: Node, kernel: list[int]) -> Window:
    """The window of a transposed convolution. `output_shape` and automatic padding say how much is cut off."""
    plain = _stated(node, kernel)
    automatic = text(node, "auto_pad", "NOTSET")
    if automatic not in ("SAME_UPPER", "SAME_LOWER") and "output_shape" not in node.attrs:
        return plain
    axes = list(range(2, 2 + plain.rank))
    inside, outside = sizes(node.operands[0], axes, node), sizes(node.outputs[0], axes, node)
    more = node.attrs.get("output_padding", [0] * plain.rank)
    reach = zip(inside, plain.strides, plain.extents, more, outside, strict=True)
    return _padded(plain, [max(0, (n - 1) * s + e + m - o) for n, s, e, m, o in reach], automatic == "SAME_UPPER")


def _stated(node: Node, kernel: list[int]) -> Window:
    rank = len(kernel)
    strides, pads = node.attrs.get("strides", [1] * rank), node.attrs.get("pads", [0] * 2 * rank)
    pads = [0] * 2 * rank if text(node, "auto_pad", "NOTSET") == "VALID" else pads
    return Window(kernel, list(strides), list(pads), list(node.attrs.get("dilations", [1] * rank)))


def _padded(plain: Window, total: list[int], more_at_the_end: bool) -> Window:
    """The window with this padding along each axis. If it is odd, one side gets more."""
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    pads = [*small, *large] if more_at_the_end else [*large, *small]
    return Window(plain.kernel, plain.strides, pads, plain.dilations)
