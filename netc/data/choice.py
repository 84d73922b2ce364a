"""Choose the source function that reads what a layer names, or report why there is none."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netc.data.source import Request, Table
from netc.errors import DataError, Diagnostic, near
from netc.files import open_plain
from netc.registry import Registry, dataset, source


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
        raise DataError(f"`source` is missing. {wanted}", field="source")
    path = request.path
    if not os.path.exists(path):  # also False for a text that cannot be a file name
        raise DataError(_not_there(path, text))
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


def _not_there(path: Path, name: str) -> Diagnostic:
    """The error for a source that is neither a file nor a data set, with similar names."""
    beside = [p.name for p in path.parent.iterdir()] if os.path.isdir(path.parent) else []
    if path.suffix:
        text = f"There is no file {str(path)!r}. Paths are relative to the folder of the net."
        return Diagnostic(None, text, near(path.name, beside) or None)
    text = f"{name!r} is neither a data set nor a file or folder."
    return Diagnostic(None, text, near(name, [*dataset, *beside]) or near(name, dataset))


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
