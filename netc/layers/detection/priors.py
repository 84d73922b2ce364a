"""PriorBox: the boxes from which SSD predicts objects."""

from collections.abc import Iterator, Sequence
from math import sqrt

import numpy as np

from netc import netc_pb2 as pb
from netc.errors import ShapeError
from netc.graph.ir import Value, constant
from netc.layers.context import Context, dims, sizes
from netc.registry import layer

SAME = 1e-6  # aspect ratios that differ by less are one
VARIANCE = 0.1


@layer("PriorBox", stem="priors", bottoms=(2, 2), in_place=False)
def prior_box(ctx: Context, x: Value, image: Value) -> Value:
    """Boxes around each cell of a feature map, and their variances: (1, 2, 4 x boxes), a constant of the sizes (Liu et al. 2016).

    The second bottom gives the size of the image. For each cell, and for each `min_size`, the boxes are: a square; with `max_size`, a
    larger square; one box for each aspect ratio. Coordinates are shares of the image. No gradient.
    """
    p = ctx.param.prior_box_param
    _check(ctx, p)
    (height, width), image_size = _spatial(ctx, x, 0), _image_size(ctx, p, image)
    steps = (p.step_h, p.step_w) if p.HasField("step_h") else (p.step, p.step) if p.HasField("step") else None
    y, x_ = (
        (np.arange(count, dtype=np.float32) + np.float32(p.offset)) * np.float32(size / count if steps is None else steps[axis])
        for axis, (count, size) in enumerate(zip((height, width), image_size, strict=True))
    )
    half = np.asarray([(w / 2, h / 2) for w, h in _shapes(p)])  # of float32 numbers, as float64
    centers = np.stack(np.broadcast_arrays(x_[None, :], y[:, None]), axis=-1)[:, :, None].astype(np.float64)  # (H, W, 1, 2)
    boxes = np.concatenate([centers - half, centers + half], axis=-1) / np.tile(image_size[::-1], 2)
    boxes = np.clip(boxes, 0, 1) if p.clip else boxes
    variances = np.broadcast_to(np.asarray(p.variance or [VARIANCE], np.float32), boxes.shape)
    return constant(np.stack([boxes.reshape(-1), variances.reshape(-1)]).astype(np.float32)[None])


def _shapes(p: pb.PriorBoxParameter) -> Iterator[tuple[np.float32, np.float32]]:
    """Width and height in pixels of the boxes of one cell. SSD's layer rounds sizes down to whole pixels."""
    ratios = [r for r in _ratios(p) if abs(r - 1) >= SAME]
    for k, side in enumerate(p.min_size):
        least = int(side)
        yield np.float32(least), np.float32(least)
        if p.max_size:
            larger = np.float32(sqrt(least * int(p.max_size[k])))
            yield larger, larger
        for ratio in ratios:
            yield np.float32(least * sqrt(ratio)), np.float32(least / sqrt(ratio))


def _ratios(p: pb.PriorBoxParameter) -> Sequence[float]:
    """The aspect ratios without repeated ones, each followed by its inverse if the boxes are flipped."""
    found = [1.0]
    for ratio in p.aspect_ratio:
        if all(abs(ratio - other) >= SAME for other in found):
            found += [ratio, float(np.float32(1 / ratio))] if p.flip else [ratio]
    return found


def _check(ctx: Context, p: pb.PriorBoxParameter) -> None:
    """Raise an error if the sizes, variances or steps do not fit together."""

    def wrong(text: str, *path: str | int) -> None:
        raise ctx.error(text, "prior_box_param", *path)

    if not p.min_size:
        wrong("`min_size` is missing. Add the side of the smallest square in pixels, for example `min_size: 30`.")
    if p.max_size and len(p.max_size) != len(p.min_size):
        wrong(f"There are {len(p.max_size)} `max_size` for {len(p.min_size)} `min_size`. Add one for each, or none.", "max_size")
    for k, least in enumerate(p.min_size):
        if least < 1:
            wrong(f"`min_size` is {least:g}. Expected at least 1 pixel.", "min_size", k)
        if p.max_size and p.max_size[k] <= least:
            wrong(f"`max_size` is {p.max_size[k]:g}. Expected more than its `min_size`, {least:g}.", "max_size", k)
    if len(p.variance) not in (0, 1, 4):
        wrong(f"There are {len(p.variance)} numbers in `variance`. Expected 1 or 4.", "variance")
    for one, pair in (("img_size", ("img_h", "img_w")), ("step", ("step_h", "step_w"))):
        given = [name for name in pair if p.HasField(name)]
        if given and p.HasField(one):
            wrong(f"`{one}` and `{given[0]}` exclude each other.", one)
        if len(given) == 1:
            wrong(f"`{given[0]}` needs `{pair[1 - pair.index(given[0])]}` too.", given[0])
        for name in (one, *pair):
            if p.HasField(name) and not getattr(p, name) > 0:
                wrong(f"`{name}` is {getattr(p, name):g}. Expected a number above 0.", name)


def _image_size(ctx: Context, p: pb.PriorBoxParameter, image: Value) -> np.ndarray:
    """Height and width of the image."""
    if p.HasField("img_h"):
        return np.asarray([p.img_h, p.img_w])
    return np.asarray([p.img_size, p.img_size] if p.HasField("img_size") else _spatial(ctx, image, 1))


def _spatial(ctx: Context, x: Value, bottom: int) -> tuple[int, ...]:
    """Height and width of a bottom (N, C, H, W)."""
    if x.rank != 4:
        raise ctx.shape_error(f"{ctx.layer.bottoms[bottom]} is {dims(x.shape)}. Expected N x C x H x W.", "bottom", bottom)
    try:
        return sizes(x.shape[2:])
    except ShapeError as e:
        raise ctx.shape_error(f"{ctx.layer.bottoms[bottom]}: {e}", "bottom", bottom) from e
