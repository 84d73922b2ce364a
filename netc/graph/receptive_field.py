"""Receptive fields: how many input pixels each pixel of a value depends on along each spatial axis, and their stride."""

from collections.abc import Iterable

from netc.graph.ir import TRAINING, Node, Value, toposort
from netc.graph.op_info import info

Field = tuple[tuple[int, int], ...]  # size and stride along each spatial axis


def fields(values: Iterable[Value]) -> dict[Value, Field]:
    """Return the receptive field of each value that has one: the results of convolutions, poolings and pixelwise ops on images."""
    found: dict[Value, Field] = {}
    for node in toposort(values):
        seen = [found[v] for v in node.operands if v in found]
        for value in node.outputs:
            if node.key == ("netc", "Input") and value.rank > 2:
                found[value] = ((1, 1),) * (value.rank - 2)
            elif (alike := [f for f in seen if len(f) == value.rank - 2]) and (field := _through(node, value, alike)) is not None:
                found[value] = field
    return found


def _through(node: Node, value: Value, seen: list[Field]) -> Field | None:
    """Return the receptive field of a node's output from those of its inputs. None if its pixels do not map to pixels of the image."""
    known = info(node)
    if known.window:
        kernel = node.attrs.get("kernel_shape") or node.operands[1].shape[2:]
        stride, dilation = (node.attrs.get(name) or [1] * len(kernel) for name in ("strides", "dilations"))
        return tuple((r + (k - 1) * d * j, j * s) for (r, j), k, s, d in zip(seen[0], kernel, stride, dilation, strict=True))
    if node.key == (TRAINING, "Upsample"):
        return _resized(node, value, seen[0])
    spatial = [v.shape[2:] for v in node.operands if v.rank == value.rank]
    along_space = known.along_axis and node.attrs.get("axis", -1) % value.rank > 1
    if value.shape[2:] not in spatial or known.moves or along_space:
        return None
    return tuple((max(f[axis][0] for f in seen), seen[0][axis][1]) for axis in range(value.rank - 2))


def _resized(node: Node, value: Value, field: Field) -> Field | None:
    """Return the receptive field of pixels between pixels; None if the stride is no whole number."""
    sizes = list(zip(node.operands[0].shape[2:], value.shape[2:], strict=True))
    if any(isinstance(d, str) for pair in sizes for d in pair):
        return None
    strides = [j * int(before) / int(after) for (_, j), (before, after) in zip(field, sizes, strict=True)]
    if any(stride != int(stride) for stride in strides):
        return None
    seen = [
        r + (j if node.attrs["mode"] == "linear" and after != before else 0) for (r, j), (before, after) in zip(field, sizes, strict=True)
    ]
    return tuple((r, int(stride)) for r, stride in zip(seen, strides, strict=True))


def text(field: Field) -> str:
    """Return the size and the stride as `14/4`, or `14x7/4x2` if the axes differ."""
    alike = [field[0]] if len(set(field)) == 1 else field
    return "/".join("x".join(str(axis[k]) for axis in alike) for k in (0, 1))
