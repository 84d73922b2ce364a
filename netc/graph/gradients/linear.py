"""Gradients of matrix products."""

from netc.graph.gradients.common import Gradients, like
from netc.graph.ir import Node, Value, op, symbolic
from netc.graph.tensor_type import Dim
from netc.registry import gradient


def _swapped(x: Value) -> Value:
    return op.Transpose(x, perm=[*range(x.rank - 2), x.rank - 1, x.rank - 2])


@gradient("MatMul")
def matmul(node: Node, dy: Value) -> Gradients:
    """A vector counts as a row at the left and as a column at the right. If only one operand has a batch, autodiff sums over it."""
    a, b = node.operands
    row, column = a.rank == 1, b.rank == 1
    if column:
        b, dy = op.Unsqueeze(b, [1]), op.Unsqueeze(dy, [-1])
    if row:
        a, dy = op.Unsqueeze(a, [0]), op.Unsqueeze(dy, [-2])
    by_rows = a.rank > 2 == b.rank and not symbolic(b)
    da, db = _by_rows(a, b, dy) if by_rows else (dy @ _swapped(b), _swapped(a) @ dy)
    return op.Squeeze(da, [-2]) if row else da, op.Squeeze(db, [-1]) if column else db


def _by_rows(a: Value, b: Value, dy: Value) -> tuple[Value, Value]:
    """The gradients of a product of many rows and one matrix: one product for all rows, so that no sum over a batch follows."""
    rows, drows = _rows(a, b.shape[0]), _rows(dy, b.shape[1])
    return like(op.Gemm(drows, b, transB=1), a), op.Gemm(rows, drows, transA=1)


def _rows(x: Value, width: Dim) -> Value:
    return op.Reshape(x, [-1, width], shape=("rows", width) if symbolic(x) else None)


@gradient("Gemm")
def gemm(node: Node, dy: Value) -> Gradients:
    """y = alpha A' B' + beta C, where ' transposes if transA or transB is set."""
    a, b = node.operands[:2]
    alpha, beta = node.attrs.get("alpha", 1.0), node.attrs.get("beta", 1.0)
    trans_a, trans_b = node.attrs.get("transA", 0), node.attrs.get("transB", 0)
    da = op.Gemm(b, dy, transA=trans_b, transB=1, alpha=alpha) if trans_a else op.Gemm(dy, b, transB=1 - trans_b, alpha=alpha)
    db = op.Gemm(dy, a, transA=1, transB=trans_a, alpha=alpha) if trans_b else op.Gemm(a, dy, transA=1 - trans_a, alpha=alpha)
    if len(node.operands) < 3:
        return (da, db, None)[: len(node.inputs)]
    return da, db, dy if beta == 1 else dy * beta
