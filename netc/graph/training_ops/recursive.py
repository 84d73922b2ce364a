"""Recursive nets over batches of trees, level by level, and their gradient (Socher et al. 2011, 2013).

A batch has its leaves first and then its inner nodes by height. `child` (inner, 2) contains numbers of nodes. `width` (levels,) is the
number of inner nodes at each height. Levels are unrolled; their widths are known only at run time and may be 0.
"""

import numpy as np

from netc.graph.ir import Value, constant, op
from netc.graph.tensor_type import Dim
from netc.graph.training_ops.define import training_op
from netc.graph.training_ops.shape import split_rows

NODES = "nodes"


def _level(k: int) -> str:
    return f"level{k + 1}"


def _stacked(parts: list[Value], rows: Dim) -> Value:
    return op.Concat(*parts, axis=0, shape=(rows, *parts[0].shape[1:])) if len(parts) > 1 else parts[0]


def node_count(leaves: Dim, inner: Dim) -> Dim:
    """The total number of nodes, or its name."""
    return leaves + inner if isinstance(leaves, int) and isinstance(inner, int) else NODES


@training_op("Recursive")
def recursive(leaf: Value, child: Value, width: Value, w: Value, b: Value, v: Value | None = None) -> tuple[Value, ...]:
    """The vectors (nodes, d) of all nodes, p = tanh(z' V z + W z + b), where z has the 2 d numbers of the two children.

    W is (d, 2d), b (d,), V (d, 2d, 2d). V is omitted for a net of matrices only. With V, there are further outputs for the gradient: the
    maps (V + V') z / 2 + W of the nodes of each level, (level, d, 2d), with p = tanh(map z + b).
    """
    size, levels = int(leaf.shape[1]), int(width.shape[0])
    count = node_count(leaf.shape[0], child.shape[0])
    nodes, maps = leaf, []
    if v is not None:
        symmetric = op.Reshape((v + op.Transpose(v, perm=[0, 2, 1])) * 0.5, [size * 2 * size, 2 * size])
        flat_w = op.Reshape(w, [size * 2 * size])
    for k, pairs in enumerate(split_rows(child, width, [_level(k) for k in range(levels)])):
        rows = pairs.shape[0]
        z = op.Reshape(op.Gather(nodes, pairs), [-1, 2 * size], shape=(rows, 2 * size))
        if v is None:
            y = op.Gemm(z, w, b, transB=1)
        else:
            maps.append(op.Reshape(op.Gemm(z, symmetric, flat_w, transB=1), [-1, size, 2 * size], shape=(rows, size, 2 * size)))
            y = op.Reshape(maps[-1] @ op.Unsqueeze(z, [2]), [-1, size], shape=(rows, size)) + b
        nodes = _stacked([nodes, op.Tanh(y)], count if k == levels - 1 else f"up_to_{_level(k)}")
    return nodes, *maps


@training_op("RecursiveGrad")
def recursive_grad(dy: Value, nodes: Value, child: Value, width: Value, w: Value, *maps: Value) -> tuple[Value, ...]:
    """The gradients with respect to leaf, and to the argument of each inner node's tanh, (inner, d).

    V is not needed here: dz = 2 dp map - dp W. A node has at most one parent, so the gradients from parents are gathered, not added up.
    """
    size, levels = int(nodes.shape[1]), int(width.shape[0])
    inner, sent = child.shape[0], _slots(nodes, child)
    leaves = op.Sub(op.Shape(nodes, start=0, end=1), op.Shape(child, start=0, end=1))
    names: list[Dim] = ["leaves", *(_level(k) for k in range(levels))]
    widths = op.Concat(leaves, width, axis=0)
    dys, slots, slopes = (split_rows(x, widths, names) for x in (dy, sent, 1.0 - nodes * nodes))
    down = constant(np.zeros((1, size), np.float32))  # gradients that parents send to children, latest level first; roots get this row
    dps: list[Value] = []
    for k in reversed(range(1, levels + 1)):
        rows = names[k]
        dp = (dys[k] + op.Gather(down, slots[k])) * slopes[k]
        if maps:
            u = op.Reshape(op.Unsqueeze(dp, [1]) @ maps[k - 1], [-1, 2 * size], shape=(rows, 2 * size))
            dz = op.Gemm(dp, w, u, alpha=-1.0, beta=2.0)
        else:
            dz = op.Gemm(dp, w)
        dps.insert(0, dp)
        down = _stacked([op.Reshape(dz, [-1, size], shape=(f"children_of_{rows}", size)), down], f"sent_from_{rows}")
    return dys[0] + op.Gather(down, slots[0]), _stacked(dps, inner)


def _slots(nodes: Value, child: Value) -> Value:
    """For each node, the index of its gradient among those sent to children.

    It counts from the end, so that adding levels keeps it valid.
    """
    count = op.Reshape(op.Size(child), [], shape=())
    places = op.Range(constant(0), count, constant(1), shape=("children",)) - (count + 1)
    roots = op.Expand(constant(-1), op.Shape(nodes, start=0, end=1), shape=nodes.shape[:1])
    return op.ScatterND(roots, op.Reshape(child, [-1, 1], shape=("children", 1)), places)
