"""Receptive fields: how many input pixels each pixel of a value depends on along each spatial axis, and their stride."""

from collections.abc import Iterable

from netc.graph.ir import Node, Value, toposort
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
            elif seen and value.rank - 2 == len(seen[0]) and (field := _through(node, value, seen)) is not None:
                found[value] = field
    return found


def _through(node: Node, value: Value, seen: list[Field]) -> Field | None:
    """Return the receptive field of a node's output from those of its inputs. None if its pixels do not map to pixels of the image."""
    known = info(node)
    if known.window:
        kernel = node.attrs.get("kernel_shape") or node.operands[1].shape[2:]
        stride, dilation = (node.attrs.get(name) or [1] * len(kernel) for name in ("strides", "dilations"))
        return tuple((r + (k - 1) * d * j, j * s) for (r, j), k, s, d in zip(seen[0], kernel, stride, dilation, strict=True))
    spatial = [v.shape[2:] for v in node.operands if v.rank == value.rank]
    along_space = known.along_axis and node.attrs.get("axis", -1) % value.rank > 1
    if value.shape[2:] not in spatial or known.moves or along_space:
        return None
    return tuple((max(f[axis][0] for f in seen), seen[0][axis][1]) for axis in range(value.rank - 2))


def text(field: Field) -> str:
    """Return the size and the stride as `14/4`, or `14x7/4x2` if the axes differ."""
    alike = [field[0]] if len(set(field)) == 1 else field
    return "/".join("x".join(str(axis[k]) for axis in alike) for k in (0, 1))
