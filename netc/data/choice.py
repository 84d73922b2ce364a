"""Which source function reads what a layer names, and what is wrong with a name that none reads."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netc.data.source import Request, Table
from netc.errors import DataError, close, near
from netc.files import open_plain
from netc.registry import Registry, dataset, source


def source_function(request: Request) -> Callable[[Request], Table]:
    """What reads the source. DataError if nothing does."""
    kinds, name = source_name(request)
    return kinds.find(name)


def source_name(request: Request) -> tuple[Registry[Any], str]:
    """The table that the source's function is in, and its name there. DataError if there is none for it."""
    text, param = request.source, request.layer.data_param
    if request.layer.type != "Data":
        return source, request.layer.type
    if text in dataset:
        return dataset, text
    kinds = sorted(k for k in source if k.startswith("."))
    wanted = f"expected the name of a data set, a {', '.join(kinds)} file or a folder of images in a folder per class"
    if not text:
        raise DataError(f"source is missing; {wanted}")
    path = request.path
    if not os.path.exists(path):  # which is false, too, for what cannot be the name of a file
        raise DataError(_not_there(path, text))
    if (path / "data.mdb").exists() or path.suffix == ".mdb":
        return source, "lmdb"
    if (path / "CURRENT").exists() or next(path.glob("MANIFEST-*"), None):
        return source, "leveldb"
    if param.HasField("backend"):
        return source, "leveldb" if param.backend == param.LEVELDB else "lmdb"
    if not path.is_dir():
        _check_plain(path)
    if not path.is_dir() and path.suffix.lower() not in source:
        raise DataError(f"{path}: files of this kind are not read; {wanted}")
    return source, "folder" if path.is_dir() else path.suffix.lower()


def _check_plain(path: Path) -> None:
    """DataError for a pipe or a device, which whatever reads it would wait for."""
    try:
        with open_plain(path):
            pass
    except OSError as e:
        raise DataError(f"{path}: cannot be read: {e.strerror or e}") from e


def _not_there(path: Path, text: str) -> str:
    """What to say of a source that is neither a file nor a data set: what is near."""
    beside = [p.name for p in path.parent.iterdir()] if os.path.isdir(path.parent) else []
    if path.suffix:
        found = close(path.name, beside)
        hint = f"did you mean {' or '.join(map(repr, found))}?" if found else "paths start from the net's folder"
        return f"there is no file {str(path)!r}; {hint}"
    names = [*dataset, *beside] if close(text, [*dataset, *beside]) else dataset
    return f"{text!r} is neither a data set nor a file or folder; {near(text, names)}"


def check_names(source: str, classes: tuple[str, ...]) -> None:
    """DataError for names of classes that cannot stand on a line of labels.txt: found before the run, not when it is published."""
    errors = []
    for name in classes:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            errors.append(f"{source}: the class name {name!r} is not UTF-8; rename it")
        elif not name.strip() or name.splitlines() != [name] or any(unicodedata.category(letter) == "Cc" for letter in name):
            errors.append(f"{source}: the class name {name!r} is empty, or contains a line break or a control character; rename it")
    if errors:
        raise DataError(*errors)
