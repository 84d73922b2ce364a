"""From a data set of images with boxes to the table of a data layer."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from netc import netc_pb2 as pb
from netc.data.decoding import each, skips
from netc.data.detection.annotated import Annotated, Checked, checked
from netc.data.detection.boxes import COLUMNS
from netc.data.detection.noise import check_noise
from netc.data.detection.resizing import check_resize, resize_of
from netc.data.detection.transform import BoxTransform, Shape
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.data.transforms.checks import AUGMENTATIONS, uses
from netc.data.transforms.luck import Luck
from netc.data.transforms.normalization import normalisation
from netc.data.workers import workers_of
from netc.errors import DataError

TOPS = 2
ROWS = "boxes"  # the name of the axis of the label blob whose size varies


def box_table(request: Request, data: Annotated, bgr: bool, parted: bool = False) -> Table:
    """The table of a data set. Its tops are images in one size, float32, and the label blob 1 x 1 x boxes x 8.

    `parted`: the data set has only the rows of the phase of the request.
    """
    check_fields(request.layer)
    shape = shape_of(request, data)
    label = TopSpec("float32", (1, 1, ROWS, COLUMNS + 1), batch_axis=None)
    described = Description(
        data.name, (TopSpec("float32", shape), label), data.count, data.classes, data.licence, data.sha256,
        has_validation=bool(data.parts) and data.parts["VALIDATION"] is not data.parts["TEST"],
    )  # fmt: skip
    found = cache(partial(checked, data, bool(request.layer.annotated_data_param.fix_boxes)))

    def joint(asked: Request) -> BoxTransform:
        return transform_of(asked, data, found(), shape, bgr)

    def load() -> tuple[Column, ...]:
        plain = joint(_plain(request))
        return tuple(Untransformed(plain, top) for top in range(TOPS))

    def notes() -> list[str]:
        return [*data.left_out.notes(), *found().notes]

    return Table(
        described, load, finished=True, joint=joint, parts=data.parts, has_test_rows=parted or bool(data.parts), notes=notes,
        place=lambda top, row: data.place(row), all_phases=not parted,
    )  # fmt: skip


def absent_boxes(name: str, shape: Shape, missing: Callable[[], None]) -> Table:
    """The table of images of this shape that are not there. `missing` raises the DataError."""

    def load() -> tuple[Column, ...]:
        missing()
        raise DataError(f"{name}: The images were not there when the net was read.")

    def joint(request: Request) -> BoxTransform:
        load()
        raise AssertionError

    label = TopSpec("float32", (1, 1, ROWS, COLUMNS + 1), batch_axis=None)
    return Table(Description(name, (TopSpec("float32", shape), label), None), load, finished=True, absent=True, joint=joint)


def transform_of(request: Request, data: Annotated, boxes: Checked, shape: Shape, bgr: bool) -> BoxTransform:
    """The transformation of the rows in the phase of a request."""
    norm = normalisation(request.layer.transform_param, shape, request.base, cropped=True)
    luck = Luck(request.seed, request.layer.name) if request.phase == "TRAIN" else None
    return BoxTransform(data, boxes, request.layer, shape, norm, luck, bgr, workers_of(request.layer))


@dataclass(frozen=True)
class Untransformed:
    """A top of the rows as testing reads them, without normalization."""

    transform: BoxTransform
    top: int

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.transform(rows, 0)[self.top]
        return found


def _plain(request: Request) -> Request:
    layer = pb.LayerParameter()
    layer.CopyFrom(request.layer)
    for field in ("scale", "mean_file", "mean_value", "std_value"):
        layer.transform_param.ClearField(field)
    return Request(layer, "TEST", request.seed, request.base, request.source)


def check_fields(layer: pb.LayerParameter) -> None:
    """DataError for transformations that do not move boxes, or settings that contradict each other."""
    param = layer.transform_param
    if others := uses(param, [field for field in AUGMENTATIONS if field != "mirror"]):
        text = f"`{others[0]}` does not move boxes. Use `batch_sampler`, `expand_param`, `distort_param` and `mirror`."
        raise DataError(text, field=others[0])
    if bool(param.crop_h) != bool(param.crop_w):
        field = "crop_h" if param.crop_h else "crop_w"
        raise DataError("Only one of `crop_h` and `crop_w` is set. Set both or neither.", field=field)
    if (resize := resize_of(param)) is not None:
        check_resize(resize)
        if resize.resize_mode == resize.FIT_SMALL_SIZE and not crop_of(param):
            text = "FIT_SMALL_SIZE gives images of different sizes. Add the size of the crop, `crop_size` or `crop_h` and `crop_w`."
            raise DataError(text, field="resize_mode")
    if param.HasField("noise_param"):
        check_noise(param.noise_param)
    for sampler in layer.annotated_data_param.batch_sampler:
        _check_sampler(sampler.sampler)


def _check_sampler(sampler: pb.Sampler) -> None:
    if not 0 < sampler.min_scale <= sampler.max_scale <= 1:
        text = f"A `sampler` has scales from {sampler.min_scale:g} to {sampler.max_scale:g}. Expected 0 < min_scale <= max_scale <= 1."
        raise DataError(text, field="batch_sampler")
    if not 0 < sampler.min_aspect_ratio <= sampler.max_aspect_ratio:
        limits = f"{sampler.min_aspect_ratio:g} to {sampler.max_aspect_ratio:g}"
        text = f"A `sampler` has ratios from {limits}. Expected 0 < min_aspect_ratio <= max_aspect_ratio."
        raise DataError(text, field="batch_sampler")


def crop_of(param: pb.TransformationParameter) -> tuple[int, int] | None:
    """Height and width of the crop; None if there is none."""
    if param.crop_size:
        return int(param.crop_size), int(param.crop_size)
    return (int(param.crop_h), int(param.crop_w)) if param.crop_h else None


def shape_of(request: Request, data: Annotated) -> Shape:
    """(channels, height, width) of the inputs. DataError if the images have several sizes and nothing makes them equal."""
    param = request.layer.transform_param
    if param.force_color and param.force_gray:
        raise DataError("Both `force_color` and `force_gray` are set. Remove one of them.", field="force_color")
    channels = 3 if param.force_color else 1 if param.force_gray else _channels(request, data)
    if size := _stated_size(param):
        return channels, *size
    sizes = dict(zip(each(data.size, range(data.count)), map(data.place, range(data.count)), strict=True))
    if len(sizes) > 1:
        some = "; ".join(f"{place} is {h} x {w}" for (h, w), place in list(sizes.items())[:3])
        raise DataError(f"The images have {len(sizes)} sizes ({some}). Add a `resize_param` with height and width.", field="resize_param")
    return channels, *next(iter(sizes))


def stated_shape(layer: pb.LayerParameter) -> Shape | None:
    """(channels, height, width) of the inputs, if the layer states it: in color unless `force_gray`."""
    check_fields(layer)
    size = _stated_size(layer.transform_param)
    return (1 if layer.transform_param.force_gray else 3, *size) if size else None


def _stated_size(param: pb.TransformationParameter) -> tuple[int, int] | None:
    """Height and width of the inputs; None if they are those of the images."""
    resize = resize_of(param)
    if crop := crop_of(param):
        if resize is not None and (resize.height < crop[0] or resize.width < crop[1]):
            text = f"The crop of {crop[0]} x {crop[1]} does not fit into the resized images, {resize.height} x {resize.width}."
            raise DataError(text, field="crop_size" if param.crop_size else "crop_h")
        return crop
    if resize is not None:
        return int(resize.height), int(resize.width)
    return None


def _channels(request: Request, data: Annotated) -> int:
    """The channels of the first image; with on_error SKIP, of the first that can be decoded."""
    if request.learned:
        return int(request.learned.tops[0].sizes[0])
    for row in range(data.count):
        try:
            return len(data.image(row))
        except DataError:
            if not skips(request):
                raise
    raise DataError(f"{data.name}: None of the {data.count:,} images can be decoded.")
