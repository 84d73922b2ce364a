"""MatMul, the matrix product of two blobs."""

from itertools import zip_longest

from netc.graph.ir import Value, op
from netc.layers.context import Context, dims
from netc.registry import layer


@layer("MatMul", bottoms=(2, 2), in_place=False)
def matmul(ctx: Context, a: Value, b: Value) -> Value:
    """The product of the matrices in the last two axes of both bottoms. The other axes are a batch; sizes of 1 are repeated."""
    p = ctx.param.matmul_param
    shapes = " and ".join(f"{n} {dims(v.shape)}" for n, v in zip(ctx.layer.bottoms, (a, b), strict=True))
    if a.rank < 2 or b.rank < 2:
        raise ctx.shape_error(f"Expected 2 axes or more, got {shapes}.", "bottom")
    a, b = _swapped(a, p.transpose_a), _swapped(b, p.transpose_b)
    if a.shape[-1] != b.shape[-2]:
        turned = " after transposing" if p.transpose_a or p.transpose_b else ""
        text = f"The columns of the first bottom must be as many as the rows of the second, but they are {a.shape[-1]} and {b.shape[-2]}"
        raise ctx.shape_error(f"{text}{turned} ({shapes}).", "bottom")
    if any(m != n and 1 not in (m, n) for m, n in zip_longest(a.shape[-3::-1], b.shape[-3::-1], fillvalue=1)):
        raise ctx.shape_error(f"The axes before the last two must be equal or 1, got {shapes}.", "bottom")
    return a @ b


def _swapped(x: Value, wanted: bool) -> Value:
    return op.Transpose(x, perm=[*range(x.rank - 2), x.rank - 1, x.rank - 2]) if wanted else x
