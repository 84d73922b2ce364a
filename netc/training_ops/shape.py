"""Cutting a blob to the size of another, which may be known in a run only."""

from netc.ir import Value, constant, op
from netc.training_ops.define import training_op


@training_op("Crop")
def crop(x: Value, like: Value, *, axis: int, offset: list[int]) -> Value:
    """The part of x that begins at `offset` and has the sizes of `like`, in `axis` and those after it."""
    axes, sizes = list(range(axis, x.rank)), like.shape[axis:]
    if all(isinstance(d, int) for d in sizes):
        return op.Slice(x, offset, [o + int(d) for o, d in zip(offset, sizes, strict=True)], axes)
    end = op.Shape(like, start=axis) + constant(offset)
    return op.Slice(x, offset, end, axes, shape=(*x.shape[:axis], *sizes))
