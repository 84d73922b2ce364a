"""A starter net for a folder of images with one sub-folder per class."""

from pathlib import Path

from netc import data
from netc import netc_pb2 as pb
from netc.commands.init import nets
from netc.commands.init.starter import HELD_OUT, Starter, Wanted
from netc.data.choice import database_kind
from netc.data.class_folders import Folder, Parts, below_wrappers, counted, in_words, lacking, parts
from netc.data.image_column import find_image_column
from netc.data.plain import SIDES
from netc.data.sheet import SUFFIXES as TABLES
from netc.data.sources.image_folder import common_size, read_images
from netc.errors import DataError

MOST_SIDE, LARGE = 48, 96  # pixels: the largest side of images for a small net, and of images of one size that are not resized
MOST_TABLES = 20  # tables in which to look for images
BYTES = 127.5, 0.0078125  # mean and scale that map bytes to -1 to 1


def recognise(wanted: Wanted) -> bool:
    """Whether the data is a folder with images, whatever its sub-folders are."""
    return not wanted.is_named and wanted.path.is_dir() and not database_kind(wanted.path) and bool(read_images(wanted.path).samples)


def starter(wanted: Wanted) -> Starter:
    """A convolutional net for the images. DataError if they are not in class folders, or if test images have classes of their own."""
    root = below_wrappers(read_images(wanted.path))
    try:
        split = parts(root)
        train = split.train if split else root
        _check(wanted.path, train, split)
    except DataError as e:
        listing = _listing(wanted.path)
        raise DataError(*e.diagnostics, *([f"{listing} lists images. Try: netc init {listing}"] if listing else [])) from e
    layer = pb.LayerParameter(type="Data", top=["data", "label"])
    layer.data_param.source, layer.data_param.batch_size = wanted.from_base(train.path), 1
    size = common_size(root.path)
    side = small_side(layer, size)
    described = data.describe(layer, "TRAIN", wanted.base)
    about = nets.About(wanted.target.stem, str(wanted.target), layer.data_param.source, described.rows or 0)
    about = _tested(about, wanted, split)
    shape, classes = described.tops[0].sizes, len(described.classes)
    text = nets.images(about, classes, nets.Picture(shape, side, shape[0] == 3, *BYTES))
    return Starter(text, f"{about.rows:,} images of {classes} classes{resized(size, side)}", tuple(_notes(wanted.path, root, split)))


def small_side(layer: pb.LayerParameter, size: tuple[int, int] | int) -> int:
    """Set the size to which a layer resizes its images, and return the side of the net's input; 0 if they keep their size.

    `size` is the common size of the images, or the median of their shorter sides.
    """
    shorter = size if isinstance(size, int) else min(size)
    if not isinstance(size, int) and shorter <= LARGE:
        return 0
    side = min(max([s for s in SIDES if s <= shorter], default=SIDES[0]), MOST_SIDE)
    layer.transform_param.resize_height = layer.transform_param.resize_width = side
    return side


def resized(size: tuple[int, int] | int, side: int) -> str:
    """In words, how images of `size` are resized; empty if they keep their size."""
    return f"{' of different sizes' if isinstance(size, int) else ''}, resized to {side} x {side}" if side else ""


def _check(path: Path, train: Folder, split: Parts | None) -> None:
    if not train.classes:
        hint = "Put the images of each class into a sub-folder, or list the images and their labels in a .csv file."
        raise DataError(f"{path}: It has {counted(train.samples, 'image')}, but no sub-folder per class. {hint}")
    if len(train.classes) == 1:
        (name,) = train.classes
        raise DataError(f"{train.path}: All images are of one class, {name!r}. A classifier needs two classes or more.")
    beyond = [
        f"{part.path} has images of {in_words(names)}, and {train.path} has none. Remove them, or add training images."
        for part in _other_parts(split)
        if (names := lacking(part, train))
    ]
    if beyond:
        raise DataError(*beyond)


def _listing(path: Path) -> Path | None:
    """A table in the folder, or beside it, that lists images."""
    tables = [table for folder in (path, path.parent) for suffix in TABLES for table in sorted(folder.glob(f"*{suffix}"))]
    return next((table for table in tables[:MOST_TABLES] if find_image_column(table)), None)


def _other_parts(split: Parts | None) -> list[Folder]:
    return [part for part in (split.validation, split.test) if part] if split else []


def _tested(about: nets.About, wanted: Wanted, split: Parts | None) -> nets.About:
    """The net with its test and validation images: in folders of their own, or held out."""
    parts = {phase: part for phase, part in (("VALIDATION", split.validation), ("TEST", split.test)) if part} if split else {}
    if not parts:
        return about.held_out(HELD_OUT)
    names = {"VALIDATION": "validation_source" if "TEST" in parts else "test_source", "TEST": "test_source"}
    about = about.with_parts({phase: sum(len(images.samples) for images in part.classes.values()) for phase, part in parts.items()})
    return about.with_fields(*(f"{names[phase]}: {nets.scalar(wanted.from_base(part.path))}" for phase, part in parts.items()))


def _notes(path: Path, root: Folder, split: Parts | None) -> list[str]:
    """What the folders hold beside the images of the classes."""
    train, others = split.train if split else root, _other_parts(split)
    found = [f"The class folders are in {root.path}."] if root.path != path and not split else []
    for part in (train, *others):
        if part.deeper:
            first = part.deeper[0]
            name = first.relative_to(part.path).parts[0]
            found.append(f"{counted(part.deeper, 'image')} in deeper folders: the class is the first folder, {name!r} for {first}.")
        if part.own:
            found.append(f"Left out: {counted(part.own, 'image')} in no class folder (such as {part.own[0]}).")
        if part.others:
            found.append(f"Left out: {counted(part.others, 'file')} that can be no image (such as {part.others[0]}).")
        if missing := sorted({*part.empty, *lacking(train, part)}):
            found.append(f"{part.path} has no images of {in_words(missing)}.")
    for folder in split.apart if split else ():
        text = "is neither training, validation nor test set" if folder.classes else "has no class folders"
        found.append(f"Left out: {counted(folder.samples, 'image')} in {folder.path}, which {text}.")
    if split and split.validation and not split.test:
        found.append(f"{split.validation.path} is both validation and test set, because there is no other.")
    return found
