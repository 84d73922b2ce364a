"""Image files with boxes: a folder with Pascal VOC's .xml files, COCO's .json file, or a table.

The images of a part may be in a folder of their own, such as train/ and test/; Pascal VOC lists them in ImageSets/Main.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from netc.data.class_folders import PARTS, part_of
from netc.data.decoding import each
from netc.data.detection.annotated import Annotated, made_boxes
from netc.data.detection.coco import read_coco
from netc.data.detection.label_map import Classes
from netc.data.detection.listing import read_listing
from netc.data.detection.voc import Objects, read_voc
from netc.data.image_column import image_path
from netc.data.pixels import SUFFIXES, LeftOut, read_header, read_image
from netc.data.sheet import SUFFIXES as TABLES
from netc.errors import DataError
from netc.files import read_file

MOST_NAMED = 3
SETS = {"TRAIN": ("trainval", "train"), "VALIDATION": ("val",), "TEST": ("test", "val")}  # files in ImageSets/Main
WANTED = "Expected Pascal VOC's .xml files, a .json file of COCO, or a .csv with path, label, xmin, ymin, xmax, ymax"


@dataclass(frozen=True)
class Listed:
    """Images with their objects. `classes` are the names in the order of the file, () if it has no order."""

    images: tuple[Path, ...]
    objects: tuple[Objects, ...]
    classes: tuple[str, ...] = ()
    bare: tuple[Path, ...] = ()  # images without an annotation


def annotated_files(source: Path, root: Path, annotations: Path | None, stated: Classes | None, name: str) -> Annotated:
    """The data set of a folder of images, or of a .json or .csv file, whose paths start from `root`. `stated` are known classes.

    DataError lists missing images, unknown classes, and images of another size than their annotations say.
    """
    folders = _part_folders(source) if source.is_dir() and annotations is None else {}
    found = {phase: _listed(path, path, None) for phase, path in folders.items()} or {"": _listed(source, root, annotations)}
    images = tuple(path for one in found.values() for path in one.images)
    objects = tuple(own for one in found.values() for own in one.objects)
    order = next((one.classes for one in found.values() if one.classes), ()) or sorted({n for own in objects for n in own.names})
    classes = stated or Classes.of(order)
    sizes = _sizes(images)
    if errors := [*_missing(images), *_unknown(objects, classes, name), *_other_sizes(images, objects, sizes)]:
        raise DataError(*errors)
    left_out = LeftOut()
    for path in (path for one in found.values() for path in one.bare):
        left_out.add("no annotation: skipped", str(path))
    bounds = np.cumsum([0, *(len(one.images) for one in found.values())])
    rows = {phase: np.arange(bounds[k], bounds[k + 1]) for k, phase in enumerate(found) if phase} or _image_sets(source, images)
    return Annotated(
        name, len(images), lambda row: read_image(images[row], 0, left_out=left_out), lambda row: sizes[row],
        cache(lambda: tuple(_in_parts(own, classes, size) for own, size in zip(objects, sizes, strict=True))),
        lambda row: str(images[row]), classes.names, parts=_with_stand_ins(rows), left_out=left_out,
        content=lambda row: read_file(images[row]),
        sha256=sha256(repr([(str(p), o) for p, o in zip(images, objects, strict=True)]).encode()).hexdigest(),
    )  # fmt: skip


def _in_parts(objects: Objects, classes: Classes, size: tuple[int, int]) -> np.ndarray:
    """The boxes of an image, with corners that are parts of it."""
    height, width = size
    corners = [(x1 / width, y1 / height, x2 / width, y2 / height) for x1, y1, x2, y2 in objects.corners]
    return made_boxes([classes.numbers[name] for name in objects.names], corners, objects.difficult)


def _part_folders(source: Path) -> dict[str, Path]:
    """The folders of the phases; empty if the folder has no parts."""
    found = {phase: path for path in sorted(source.iterdir()) if path.is_dir() and (phase := part_of(path.name))}
    return {phase: found[phase] for phase in PARTS if phase in found} if "TRAIN" in found and len(found) > 1 else {}


def _with_stand_ins(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of all phases: VALIDATION and TEST stand in for each other."""
    if "TRAIN" not in rows or len(rows) < 2:
        return {}
    test = rows["TEST" if "TEST" in rows else "VALIDATION"]
    return {"TRAIN": rows["TRAIN"], "VALIDATION": rows.get("VALIDATION", test), "TEST": test}


def _image_sets(source: Path, images: Sequence[Path]) -> dict[str, np.ndarray]:
    """The rows of each phase by the lists in Pascal VOC's ImageSets/Main; empty without lists for training and testing."""
    folder = source / "ImageSets" / "Main"
    there = {phase: next((p for name in names if (p := folder / f"{name}.txt").is_file()), None) for phase, names in SETS.items()}
    listed = {phase: set(path.read_text().split()) for phase, path in there.items() if path is not None}
    if not {"TRAIN", "TEST"} <= listed.keys():
        return {}
    if there["TEST"] == there["VALIDATION"]:
        listed["TRAIN"] -= listed["TEST"]
    rows = {phase: np.array([k for k, path in enumerate(images) if path.stem in stems], np.int64) for phase, stems in listed.items()}
    return rows if all(map(len, rows.values())) else {}


def _listed(source: Path, root: Path, annotations: Path | None) -> Listed:
    """The images below `root` and their objects. `source` holds the annotations unless these are elsewhere."""
    place = annotations or source
    if not place.exists():
        raise DataError(f"{place}: There is no such file or folder.", field="annotations" if annotations else "source")
    if place.is_dir():
        if files := _below(place, (".xml",)):
            return _of_voc(root, files)
        place = _only(place)
    if place.suffix.lower() == ".json":
        found = read_coco(place)
        return Listed(_paths(root, found.images), tuple(found.images.values()), found.classes)
    if place.suffix.lower() in TABLES:
        table = read_listing(place)
        return Listed(_paths(root, table), tuple(table.values()))
    raise DataError(f"{place}: netc cannot read boxes from files of this kind. {WANTED}.")


def _only(folder: Path) -> Path:
    """The file with the boxes in a folder without .xml files."""
    for suffixes in ((".json",), TABLES):
        places = [folder, folder / "annotations"] if (folder / "annotations").is_dir() else [folder]
        found = sorted(path for place in places for path in place.iterdir() if path.suffix.lower() in suffixes)
        if len(found) > 1:
            names = ", ".join(path.name for path in found[:MOST_NAMED])
            raise DataError(f"{folder}: There are {len(found)} files with boxes ({names}). Set `annotations` to one of them.")
        if found:
            return found[0]
    raise DataError(f"{folder}: There are no boxes in this folder. {WANTED}, here or in `annotations`.")


def _of_voc(root: Path, files: tuple[Path, ...]) -> Listed:
    there = _images_below(root / "JPEGImages" if (root / "JPEGImages").is_dir() else root)
    named = {path.stem: path for path in there}
    lost = [path for path in files if path.stem not in named]
    if lost:
        few = ", ".join(str(path) for path in lost[:MOST_NAMED])
        raise DataError(f"{root}: {len(lost):,} of {len(files):,} annotations have no image of their name ({few}).")
    objects = each(read_voc, files)
    stems = {path.stem for path in files}
    bare = tuple(path for path in there if path.stem not in stems)
    return Listed(tuple(named[path.stem] for path in files), tuple(objects), bare=bare)


def _images_below(root: Path) -> tuple[Path, ...]:
    if not root.is_dir():
        raise DataError(f"{root}: There is no such folder.")
    return _below(root, SUFFIXES)


def _below(root: Path, suffixes: tuple[str, ...]) -> tuple[Path, ...]:
    """The files in a folder and its sub-folders, sorted. Those whose names start with a dot are hidden."""
    found = (path for path in root.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    return tuple(sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)))


def _paths(root: Path, names: Sequence[str] | dict[str, Objects]) -> tuple[Path, ...]:
    """The files of images: at their path from `root`, or anywhere below it if no other image has the name."""
    direct = tuple(image_path(root, name) for name in names)
    if all(path.is_file() for path in direct):
        return direct
    below: dict[str, list[Path]] = {}
    for path in _images_below(root):
        below.setdefault(path.name, []).append(path)
    return tuple(p if p.is_file() or len(below.get(p.name, ())) != 1 else below[p.name][0] for p in direct)


def _sizes(images: tuple[Path, ...]) -> list[tuple[int, int]]:
    """Height and width of each image; 0 for one that is missing."""
    return _sizes_now(images, tuple(_stamp(path) for path in images))


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # an error counts missing images
        return -1


@lru_cache(maxsize=4)
def _sizes_now(images: tuple[Path, ...], stamps: tuple[int, ...]) -> list[tuple[int, int]]:
    # `stamps` is part of the cache key: images that changed are read again.

    def size(k: int) -> tuple[int, int]:
        if stamps[k] < 0:
            return 0, 0
        header = read_header(images[k])
        return header.height, header.width

    return each(size, range(len(images)))


def _missing(images: tuple[Path, ...]) -> list[str]:
    lost = [path for path in images if not path.is_file()]
    if not lost:
        return []
    return [f"{len(lost):,} of {len(images):,} images are missing, such as {', '.join(str(path) for path in lost[:MOST_NAMED])}."]


def _unknown(objects: Sequence[Objects], classes: Classes, name: str) -> list[str]:
    names = [name for own in objects for name in own.names]
    lost = [name for name in names if name not in classes.numbers]
    if not lost:
        return []
    few = ", ".join(repr(name) for name in sorted(set(lost))[:MOST_NAMED])
    return [f"{name}: {len(lost):,} of {len(names):,} objects have a class that is not among the {len(classes.names) - 1} classes: {few}."]


def _other_sizes(images: Sequence[Path], objects: Sequence[Objects], sizes: Sequence[tuple[int, int]]) -> list[str]:
    pairs = zip(images, objects, sizes, strict=True)
    wrong = [(path, own.size, size) for path, own, size in pairs if all(own.size) and all(size) and own.size != size]
    if not wrong:
        return []
    path, said, size = wrong[0]
    example = f"{path} is {size[0]} x {size[1]} and its annotation says {said[0]} x {said[1]}"
    return [f"{len(wrong):,} of {len(images):,} images have another size than their annotations say: {example}."]
