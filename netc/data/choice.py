"""Choose the source function that reads what a layer names, or report why there is none."""

import os
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from netc import netc_pb2 as pb
from netc.data.sheet import SUFFIXES
from netc.data.source import Request, Table
from netc.errors import DataError, Diagnostic, near
from netc.files import open_plain
from netc.registry import Registry, dataset, source
from netc.spec.places import Places, there

FIELDS_OF = {  # fields of data_param that only some files have
    "columns": ("tables", "a table", SUFFIXES),
    "image_column": ("tables", "a table", SUFFIXES),
    "channels_last": ("arrays", "an array", (".npy", ".npz")),
    "arrays": ("files of arrays", "one", (".npz",)),
}


def source_function(request: Request) -> Callable[[Request], Table]:
    """Return the function that reads the source. DataError if there is none."""
    kinds, name = source_name(request)
    return kinds.find(name)


def source_name(request: Request) -> tuple[Registry[Any], str]:
    """Return the registry of the source's function, and its name there. DataError if there is none."""
    text, param = request.source, request.layer.data_param
    if request.layer.type != "Data":
        return source, request.layer.type
    if param.mask_folder and (text in dataset or os.path.isfile(request.path)):
        raise DataError(f"`mask_folder` is for a folder of images, and {text!r} is none.", field="mask_folder")
    if text in dataset:
        return dataset, text
    kinds = sorted(k for k in source if k.startswith("."))
    wanted = f"Expected the name of a data set, a {', '.join(kinds)} file, or a folder with a folder of images per class."
    if not text:
        raise DataError(places_of(request).kind(None, f"`source` is missing. {wanted}", field="source"))
    path = request.path
    if not os.path.exists(path):  # also False for a text that cannot be a file name
        raise DataError(_not_there(request))
    if database := database_kind(path):
        return source, database
    if param.HasField("backend"):
        return source, "leveldb" if param.backend == param.LEVELDB else "lmdb"
    if not path.is_dir():
        _check_plain(path)
    if param.image_column:
        return source, "images in a table"
    if param.mask_folder:
        return source, "images with masks"
    if path.is_dir() and (param.tokenizer or param.HasField("tokens")):
        return source, "folder of texts"
    if param.arrays:
        return source, "arrays"
    if not path.is_dir() and path.suffix.lower() not in source:
        raise DataError(f"{path}: netc cannot read files of this kind. {wanted}")
    return source, "folder" if path.is_dir() else path.suffix.lower()


def database_kind(path: Path) -> str:
    """The kind of one of Caffe's databases, "lmdb" or "leveldb"; "" if the path is none."""
    if (path / "data.mdb").exists() or path.suffix == ".mdb":
        return "lmdb"
    return "leveldb" if (path / "CURRENT").exists() or next(path.glob("MANIFEST-*"), None) else ""


def _check_plain(path: Path) -> None:
    """DataError for a pipe or a device: reading one could block forever."""
    try:
        with open_plain(path):
            pass
    except OSError as e:
        raise DataError(f"Cannot read {path}: {e.strerror or e}") from e


def _not_there(request: Request) -> Diagnostic:
    """The error for a source that is neither a file nor a data set, with similar names."""
    path, name = request.path, request.source
    if request.current and (path.suffix or len(Path(name).parts) > 1):
        return places_of(request).missing(name)
    beside = [p.name for p in path.parent.iterdir()] if os.path.isdir(path.parent) else []
    if path.suffix:
        text = f"There is no file {str(path)!r}. Paths are relative to the folder of the net."
        return Diagnostic(None, text, near(path.name, beside) or None)
    text = f"{name!r} is neither a data set nor a file or folder.{places_of(request).looked(name)}"
    return places_of(request).kind(None, text, near(name, [*dataset, *beside]) or near(name, dataset))


def check_fields(layer: pb.LayerParameter) -> None:
    """DataError for fields that belong to other sources, or exclude each other."""
    param, suffix = layer.data_param, Path(layer.data_param.source).suffix.lower()
    for field, (kind, one, suffixes) in FIELDS_OF.items():
        if getattr(param, field) and (suffix not in suffixes or param.source in dataset):
            raise DataError(f"`{field}` is for {kind} ({', '.join(suffixes)}), and {param.source!r} is not {one}.", field=field)
    for field in ("one_hot", "one_channel"):
        if getattr(param, field) and not param.arrays:
            raise DataError(f"`{field}` needs `arrays`, the names of the arrays with the rows and their labels.", field=field)
    if param.part_column and not param.image_column:
        raise DataError("`part_column` is for tables of images. `image_column` is missing.", field="part_column")
    if param.columns and param.image_column:
        raise DataError("`columns` is for tables of numbers. With `image_column` the net reads images only.", field="columns")


def places_of(request: Request) -> Places:
    """Where the relative paths of a layer start."""
    return Places(request.base, request.current)


def check_there(request: Request) -> None:
    """DataError if the file or folder of the source does not exist."""
    if not there(request.path):
        raise DataError(replace(places_of(request).missing(request.source), field="source"))


def check_names(source: str, classes: tuple[str, ...]) -> None:
    """DataError for class names that labels.txt cannot hold on one line.

    The check happens before training, and not only when the model is published.
    """
    errors = []
    for name in classes:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            errors.append(f"{source}: The class name {name!r} is not UTF-8. Rename it.")
        elif not name.strip() or name.splitlines() != [name] or any(unicodedata.category(letter) == "Cc" for letter in name):
            errors.append(f"{source}: The class name {name!r} is empty, or contains a line break or a control character. Rename it.")
    if errors:
        raise DataError(*errors)
