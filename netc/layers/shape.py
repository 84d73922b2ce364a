"""Layers that only move elements."""

from math import prod

from netc import data
from netc.errors import ShapeError
from netc.graph.ir import Value, op
from netc.graph.tensor_type import Dim
from netc.graph.training_ops.shape import crop as cropped
from netc.graph.training_ops.shape import split as split_parts
from netc.layers.context import Context, dims
from netc.registry import layer


def axis_of(ctx: Context, axis: int, x: Value, *path: str | int) -> int:
    """`axis` as a number of at least 0. An error if x has no such axis."""
    if not -x.rank <= axis < x.rank:
        raise ctx.error(f"Axis {axis} is out of range: a blob of shape {dims(x.shape)} has {x.rank} axes.", *path)
    return axis % x.rank


def reshape(x: Value, shape: list[Dim]) -> Value:
    """`x` in another shape. At most one symbolic dimension may change its position."""
    sizes: list[int] = []
    for i, d in enumerate(shape):
        sizes.append(d if isinstance(d, int) else 0 if i < x.rank and x.shape[i] == d else -1)
    if sizes.count(-1) > 1:
        raise ShapeError(f"Cannot reshape {dims(x.shape)} to {dims(tuple(shape))}.")
    return op.Reshape(x, sizes, shape=shape)


def merged(shape: tuple[Dim, ...]) -> Dim:
    """The product of dimensions. If one of them is symbolic, all others must be 1."""
    known = prod(d for d in shape if isinstance(d, int))
    names = [d for d in shape if isinstance(d, str)]
    if names and (known != 1 or len(names) > 1):
        raise ShapeError(f"Axes of sizes {dims(shape)} cannot be merged while the batch is symbolic.")
    return names[0] if names else known


@layer("Flatten", linear=True, in_place=False)
def flatten(ctx: Context, x: Value) -> Value:
    """Merges the axes from `axis` to `end_axis` into one."""
    p = ctx.param.flatten_param
    first, last = axis_of(ctx, p.axis, x, "flatten_param", "axis"), axis_of(ctx, p.end_axis, x, "flatten_param", "end_axis")
    if last < first:
        raise ctx.error(f"`end_axis` {p.end_axis} is before `axis` {p.axis}.", "flatten_param", "end_axis")
    return reshape(x, [*x.shape[:first], merged(x.shape[first : last + 1]), *x.shape[last + 1 :]])


@layer("Reshape", linear=True, in_place=False)
def reshape_layer(ctx: Context, x: Value) -> Value:
    """Replaces `num_axes` axes from `axis` on (-1: all) by those of `shape`. 0 keeps a size, -1 is inferred."""
    p = ctx.param.reshape_param
    start = p.axis if p.axis >= 0 else x.rank + p.axis + 1
    end = x.rank if p.num_axes < 0 else start + p.num_axes
    if not 0 <= start <= x.rank or end > x.rank:
        raise ctx.shape_error(
            f"`axis` {p.axis} and `num_axes` {p.num_axes} are out of range for a blob of shape {dims(x.shape)}.", "reshape_param", "axis"
        )
    wanted: list[Dim] = []
    for i, d in enumerate(p.shape.dim):
        if d < -1:
            raise ctx.error(f"The `dim` {d} is invalid. Use a size, 0 (copy) or -1 (infer).", "reshape_param", "shape", "dim", i)
        if d == 0 and start + i >= x.rank:
            raise ctx.error(
                f"The `dim` 0 copies axis {start + i}, which {dims(x.shape)} does not have.", "reshape_param", "shape", "dim", i
            )
        wanted.append(x.shape[start + i] if d == 0 else d)
    if wanted.count(-1) > 1:
        raise ctx.error("More than one `dim` is -1.", "reshape_param", "shape")
    replaced, rest = list(x.shape[start:end]), [d for d in wanted if d != -1]
    for name in [d for d in rest if isinstance(d, str)]:
        rest.remove(name)
        replaced.remove(name)
    names = [d for d in replaced if isinstance(d, str)]
    if -1 in wanted and len(names) == 1 and prod(d for d in replaced if isinstance(d, int)) == merged(tuple(rest)):
        replaced, rest = [*names], []  # all known sizes have their place, so that the unknown one is the size to infer
    have, need = merged(tuple(replaced)), merged(tuple(rest))
    if -1 in wanted:
        inferred = have if need == 1 else int(have) // int(need) if int(need) and int(have) % int(need) == 0 else None
        if inferred is None:
            text = f"The {have} elements of {dims(tuple(replaced))} cannot be divided by {dims(tuple(rest))}, which has {need}."
            raise ctx.shape_error(text, "reshape_param", "shape")
        wanted[wanted.index(-1)] = inferred
    elif have != need:
        raise ctx.shape_error(f"{dims(x.shape)} does not fit into {dims(tuple(wanted))}.", "reshape_param", "shape")
    return reshape(x, [*x.shape[:start], *wanted, *x.shape[end:]])


@layer("Concat", bottoms=(1, None), several=True)
def concat(ctx: Context, *xs: Value) -> Value:
    """Concatenates the bottoms along `axis`. All other axes must be equal."""
    p = ctx.param.concat_param
    axis = axis_of(ctx, p.concat_dim if p.HasField("concat_dim") else p.axis, xs[0], "concat_param", "axis")
    for name, x in zip(ctx.layer.bottoms, xs, strict=True):
        if x.rank != xs[0].rank or any(a != b for i, (a, b) in enumerate(zip(x.shape, xs[0].shape, strict=True)) if i != axis):
            text = f"{name} is {dims(x.shape)}, {ctx.layer.bottoms[0]} is {dims(xs[0].shape)}. Only axis {axis} may differ."
            raise ctx.shape_error(text, "bottom")
    return xs[0] if len(xs) == 1 else op.Concat(*xs, axis=axis)


@layer("Slice", tops=(1, None))
def slice_(ctx: Context, x: Value) -> tuple[Value, ...]:
    """Splits x along `axis` at the `slice_point`s. Without them, the parts are equal."""
    p, count = ctx.param.slice_param, len(ctx.layer.tops)
    axis = axis_of(ctx, p.slice_dim if p.HasField("slice_dim") else p.axis, x, "slice_param", "axis")
    if isinstance(x.shape[axis], str):
        raise ShapeError(f"Cannot slice the symbolic axis {axis} of {dims(x.shape)}.")
    size, points = int(x.shape[axis]), list(p.slice_point)
    if not points and size % count:
        raise ctx.error(f"Axis {axis} of size {size} does not divide into {count} equal tops. Add `slice_point`.", "slice_param")
    ends = [0, *(points or [size // count * k for k in range(1, count)]), size]
    sizes = [b - a for a, b in zip(ends, ends[1:], strict=False)]
    if len(sizes) != count or min(sizes) <= 0:
        text = f"`slice_point` is {points} for axis {axis} of size {size}. Expected {count - 1} increasing numbers for {count} tops."
        raise ctx.error(text, "slice_param", "slice_point")
    return split_parts(x, sizes, axis)


@layer("Tile")
def tile(ctx: Context, x: Value) -> Value:
    """Repeats x `tiles` times along `axis`."""
    p = ctx.param.tile_param
    axis = axis_of(ctx, p.axis, x, "tile_param", "axis")
    if not p.HasField("tiles"):
        raise ctx.error("`tiles` is missing. Add the number of copies, for example `tiles: 2`.", "tile_param")
    if p.tiles < 1:
        raise ctx.error(f"`tiles` must be 1 or more, not {p.tiles}.", "tile_param", "tiles")
    return x if p.tiles == 1 else op.Tile(x, [p.tiles if i == axis else 1 for i in range(x.rank)], shape=_tiled(x, axis, p.tiles))


def _tiled(x: Value, axis: int, tiles: int) -> tuple[Dim, ...]:
    if isinstance(x.shape[axis], str):
        raise ShapeError(f"Cannot tile the symbolic axis {axis} of {dims(x.shape)}.")
    return (*x.shape[:axis], int(x.shape[axis]) * tiles, *x.shape[axis + 1 :])


@layer("Permute", in_place=False)
def permute(ctx: Context, x: Value) -> Value:
    """Puts the axes in the order `order`. Axes that it does not name follow in their own order."""
    order: list[int] = []
    for k, axis in enumerate(ctx.param.permute_param.order):
        found = axis_of(ctx, axis, x, "permute_param", "order", k)
        if found in order:
            raise ctx.error(f"`order` names axis {found} twice.", "permute_param", "order", k)
        order.append(found)
    if not order:
        raise ctx.error("`order` is missing. Add the axes in their new order, for example `order: [0, 2, 3, 1]`.", "permute_param")
    return op.Transpose(x, perm=[*order, *(i for i in range(x.rank) if i not in order)])


@layer("Crop", bottoms=(2, 2), places="crop")
def crop(ctx: Context, x: Value, like: Value) -> Value:
    """Crops x to the sizes of the second bottom in `axis` and all axes after it.

    The crop starts at `offset`: unset for 0, one number for all axes, or one per axis.
    """
    p = ctx.param.crop_param
    axis = axis_of(ctx, p.axis, x, "crop_param", "axis")
    if x.rank != like.rank:
        raise ctx.shape_error(f"{ctx.layer.bottoms[1]} is {dims(like.shape)}, {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom", 1)
    count = x.rank - axis
    if len(p.offset) not in (0, 1, count):
        raise ctx.error(f"{len(p.offset)} offset for {count} axes; give none, one, or one each.", "crop_param", "offset")
    begin = [int(o) for o in p.offset] * (count if len(p.offset) == 1 else 1) or [0] * count
    for i, b in enumerate(begin, axis):
        have, need = x.shape[i], like.shape[i]
        if isinstance(have, str) or isinstance(need, str):
            if b or have != need:
                raise ShapeError(f"Cannot crop axis {i} of {dims(x.shape)} to that of {dims(like.shape)}.")
        elif b + need > have:
            text = f"An offset of {b} and a size of {need} do not fit into axis {i} of {dims(x.shape)}."
            raise ctx.shape_error(text, "crop_param", *(("offset",) if p.offset else ("axis",)))
    return cropped(x, like, axis=axis, offset=begin)


@layer("Split", tops=(1, None), places="same", linear=True, in_place=False)
def split(ctx: Context, x: Value) -> tuple[Value, ...]:
    """Gives a blob several names. Caffe's files use it for each blob that several layers read."""
    return (x,) * len(ctx.layer.tops)


@layer("HDF5Output", stem="output", bottoms=(2, 2), tops=(0, 0), sink=data.Hdf5Writer)
def hdf5_output(ctx: Context, *xs: Value) -> tuple[Value, ...]:
    """Writes its bottoms into the HDF5 file `file_name` as `data` and `label`, the rows of all batches one after the other."""
    if any(not x.rank for x in xs):
        raise ctx.shape_error("It writes rows, but a bottom is a single number.", "bottom")
    ctx.keep(*xs)
    return ()


@layer("Silence", bottoms=(1, None), tops=(0, 0))
def silence(ctx: Context, *xs: Value) -> tuple[Value, ...]:
    """Reads blobs so that they do not become outputs of the net."""
    return ()
