"""What a transformation does to the shape of a row, and why it does not fit."""

from collections.abc import Iterator, Sequence

from netc import netc_pb2 as pb
from netc.data.source import TopSpec
from netc.errors import DataError, Diagnostic

MOVES = ("crop_size", "mirror", "pad", "vertical_flip", "rotation", "random_resized_crop", "random_erasing", "cutmix_alpha")
COLORS = ("color_jitter", "random_grayscale")  # fields that need images of bytes
MIXES = ("mixup_alpha", "cutmix_alpha")
AUGMENTATIONS = (*MOVES[1:], *COLORS, "mixup_alpha")
SCALES = {"random_resized_crop": ((0.08, 1.0), (3 / 4, 4 / 3)), "random_erasing": ((0.02, 0.33), (0.3, 3.3))}  # torchvision's defaults
BOXED = ("resize_param", "noise_param", "emit_constraint", "crop_h", "crop_w", "distort_param", "expand_param")
MOST_WORKERS = 256
COLORED = 3  # channels of an image with colors


def uses(param: pb.TransformationParameter, fields: Sequence[str]) -> list[str]:
    """Those of the fields that are set, and not to 0."""
    return [f.name for f, value in param.ListFields() if f.name in fields and (f.message_type or value)]


def augmentations(param: pb.TransformationParameter) -> list[str]:
    """The fields that make training rows differ from epoch to epoch."""
    return uses(param, ("crop_size", *AUGMENTATIONS))


def unaugmented(param: pb.TransformationParameter) -> pb.TransformationParameter:
    """The transformation without all that is random, and without cropping."""
    plain = pb.TransformationParameter()
    plain.CopyFrom(param)
    for field in augmentations(param):
        plain.ClearField(field)
    return plain


def limits(param: pb.TransformationParameter, field: str) -> tuple[Sequence[float], Sequence[float]]:
    """The lowest and highest share of the area, and ratio of width to height, of `random_resized_crop` or `random_erasing`."""
    message, (scale, ratio) = getattr(param, field), SCALES[field]
    return tuple(message.scale) or scale, tuple(message.ratio) or ratio


def transformed(param: pb.TransformationParameter, top: TopSpec) -> TopSpec:
    """The top after the transformation `param`. DataError lists all reasons why they do not fit."""
    errors = list(_misfits(param, top)) or list(_wrong(param, top)) if param.ByteSize() else []
    if param.workers > MOST_WORKERS:
        errors.append(Diagnostic(None, f"`workers` is {param.workers:,}. Expected at most {MOST_WORKERS}.", field="workers"))
    if errors:
        raise DataError(*errors)
    if not uses(param, MOVES):
        return top
    channels, *_ = top.sizes
    return TopSpec(top.dtype, (channels, *_cropped(param, top)))


def unboxed(param: pb.TransformationParameter) -> None:
    """DataError if a source without boxes has fields of those with boxes."""
    if found := [field.name for field, _ in param.ListFields() if field.name in BOXED]:
        text = f"`{found[0]}` is for AnnotatedData, which reads images with boxes."
        hint = " Set `resize_height` and `resize_width`." if found[0] == "resize_param" else ""
        raise DataError(text + hint, field=found[0])


def unfinished(name: str, param: pb.TransformationParameter) -> None:
    """DataError if a source that crops its images itself, and mirrors them, should augment them in another way."""
    if others := uses(param, [field for field in AUGMENTATIONS if field != "mirror"]):
        text = f"{name}: The layer cuts its images out itself, so `{others[0]}` cannot change them. Remove it."
        raise DataError(text, field=others[0])


def _cropped(param: pb.TransformationParameter, top: TopSpec) -> tuple[int, int]:
    _, height, width = top.sizes
    return param.crop_size or height, param.crop_size or width


def _misfits(param: pb.TransformationParameter, top: TopSpec) -> Iterator[Diagnostic]:
    """Why rows of this kind cannot be transformed."""
    if top.dtype != "float32":
        yield Diagnostic(None, f"transform_param needs float32 values, but the first top is {top.dtype}.", field=_first(param))
        return
    size = param.resize_height, param.resize_width
    if any(size) and top.shape[1:] != size:
        text = f"`resize_height` and `resize_width` are for image files. The rows of this source have the shape {top.shape}."
        yield Diagnostic(None, text, field="resize_height")
    used = uses(param, (*MOVES, *COLORS))
    if used and len(top.shape) != COLORED:
        text = f"`{used[0]}` needs images (channels, height, width), but a row has the shape {top.shape}."
        yield Diagnostic(None, text, field=used[0])


def _first(param: pb.TransformationParameter) -> str:
    return next((f.name for f, _ in param.ListFields()), "")


def _wrong(param: pb.TransformationParameter, top: TopSpec) -> Iterator[Diagnostic]:
    """Fields that do not fit these images, or each other."""
    if len(top.shape) != COLORED:
        return
    channels, height, width = top.sizes
    if param.crop_size > min(height, width):
        text = f"`crop_size` is {param.crop_size}, larger than the images, which are {height}x{width}."
        yield Diagnostic(None, text, field="crop_size")
    elif param.pad >= min(cropped := _cropped(param, top)):
        text = f"`pad` is {param.pad}. Expected less than the side of the crop, which is {cropped[0]}x{cropped[1]}."
        yield Diagnostic(None, text, field="pad")
    if param.pad and param.HasField("random_resized_crop"):
        text = "`pad` and `random_resized_crop` both choose the region to crop. Remove one of them."
        yield Diagnostic(None, text, field="pad")
    for field in uses(param, tuple(SCALES)):
        yield from _bad_limits(field, getattr(param, field))
    jitter = param.color_jitter
    colors = [f"color_jitter: {{{f}}}" for f in ("saturation", "hue") if getattr(jitter, f)] + uses(param, ["random_grayscale"])
    if colors and channels != COLORED:
        text = f"`{colors[0]}` needs images of three channels, but these have {channels}."
        yield Diagnostic(None, text, field="random_grayscale" if colors[0] in COLORS else "color_jitter")


def _bad_limits(field: str, message: pb.ResizedCropParameter | pb.ErasingParameter) -> Iterator[Diagnostic]:
    for name, values in (("scale", message.scale), ("ratio", message.ratio)):
        if values and (len(values) != 2 or values[0] > values[1]):
            given = ", ".join(f"{v:g}" for v in values)
            yield Diagnostic(None, f"`{field}: {{{name}: [{given}]}}`: Expected two numbers, the lowest and the highest.", field=field)
