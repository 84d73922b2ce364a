"""The files that a net reads: their paths in the layers, and fingerprints that detect changes."""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from netc import netc_pb2 as pb
from netc.compiler.program import Program
from netc.errors import RunError, SpecError
from netc.files import read_file, replace_file
from netc.formats.typed_json import MisfitError, typed
from netc.layers.model import files_of
from netc.spec.places import Places, below, placed_net
from netc.spec.private_paths import SQLITE, without_password

NAME = "inputs.json"  # in the folder of a run

PATHS = ("source", "test_source", "validation_source", "mean_file", "file", "tokenizer")  # fields of layers that contain a file or a folder
ROOT = "root_folder"  # base of the paths in a list, by default the folder of the net
ADDRESS = "://"  # part of the address of a database
LISTS = ("ImageData", "WindowData", "HDF5Data", "ImageSegData", "DenseImageData")  # types whose source is a list of files
CHANGING = ("lock.mdb", "LOCK", "LOG", "LOG.old")  # files of databases that change when netc reads the database

WHOLE = 1 << 26  # bytes; smaller sources are hashed completely
BLOCK, BLOCKS, FEW = 1 << 16, 64, 16  # larger ones: this many blocks of each of a few files,
HEAD, HEADS = 1 << 12, 1024  # or the start of each of many files
MOST_LINES = 100_000  # lines of a list to read


def _fields(net: pb.NetParameter) -> Iterator[tuple[pb.LayerParameter, Any, str]]:
    """Yield every field that may contain a file: the layer, the message and the name of the field.

    Of Data layers, only those that list images in a table have a base of their paths.
    """
    for layer in net.layer:
        for field, message in layer.ListFields():
            if field.message_type and not field.is_repeated:
                names = {f.name for f in field.message_type.fields}
                own = (*PATHS, *((ROOT,) if layer.type != "Data" or layer.data_param.image_column else ()))
                yield from ((layer, message, name) for name in own if name in names)


def existing(name: str, base: str) -> Path | None:
    """The path of a file or folder, relative to `base`; None if there is none, for example if `name` is a named data set."""
    path = Path(name).expanduser()
    with suppress(OSError, ValueError):
        return next((p for p in (Path(base) / path, path) if name and p.exists()), None)
    return None


def moved_to(folder: Path, net: pb.NetParameter, places: Places) -> pb.NetParameter:
    """Convert the paths of a net from its places to `folder`, so that the net file can be moved there."""
    moved, base = placed_net(net, places), str(places.own)
    stated = [getattr(message, name) for _, message, name in _fields(net)]
    for (_, message, name), before in zip(_fields(moved), stated, strict=True):
        value = getattr(message, name)
        start, path = _path_of(value, name, base)
        if path is not None and not Path(before.removeprefix(start)).is_absolute():
            setattr(message, name, start + os.path.relpath(os.path.realpath(path), os.path.realpath(folder)))
        elif ADDRESS in value:
            setattr(message, name, without_password(value))
    return moved


def _path_of(value: str, field: str, base: str) -> tuple[str, Path | None]:
    """The path in the value of a field, and what comes before it, such as sqlite:///; None if it is not the path of a file."""
    start = SQLITE if value.startswith(SQLITE) else ""
    if field == ROOT or start or (has_magic(value) and ADDRESS not in value and existing(value, base) is None):
        return start, Path(base) / value.removeprefix(start)
    return start, existing(value, base)


def without_folders(net: pb.NetParameter, names: Collection[str]) -> pb.NetParameter:
    """Remove the folders from the paths of the files `names`, which are the same wherever they are, and their hashes."""
    bare = pb.NetParameter()
    bare.CopyFrom(net)
    for _, message, field in _fields(bare):
        name = Path(getattr(message, "source" if field == ROOT else field)).name
        if name in names:
            setattr(message, field, "" if field == ROOT else name)
            if field == "file":
                message.ClearField("sha256")
    return bare


def fingerprints(program: Program, plugins: Sequence[str]) -> dict[str, str]:
    """Fingerprints, by file name, of the files that a program reads, of plug-ins and of Python layers."""
    job = program.job
    digests: dict[str, list[str]] = {}
    for net in dict.fromkeys(d.path for d in (job.train, *job.tests)):
        message = next(d.message for d in (job.train, *job.tests) if d.path == net)
        for name, files in _sources(placed_net(message, job.places), job.base):
            digests.setdefault(name, []).append(_digest(files))
    for layer in program.train_net.sources:
        if layer.source and layer.type == "Table" and ADDRESS in layer.param.table_param.source:
            digests.setdefault(without_password(layer.param.table_param.source), []).append(layer.source.sha256)
    for file in files_of(program.train_net.layers).values():
        digests.setdefault(file.path.name, []).append(file.sha256)
    for plugin in plugins:
        digests.setdefault(Path(plugin).name, []).append(_digest({"": Path(plugin)}))
    return {name: hashlib.sha256("".join(sorted(set(parts))).encode()).hexdigest() for name, parts in digests.items()}


def remember(folder: Path, files: Mapping[str, str]) -> None:
    """Write fingerprints into the folder of a run. RunError if that fails."""
    try:
        replace_file(folder / NAME, (json.dumps(files, indent=1, sort_keys=True) + "\n").encode())
    except OSError as e:
        raise RunError(f"Cannot write {folder / NAME}: {e.strerror or e}") from e


def remembered(folder: Path) -> dict[str, str]:
    """Read the fingerprints of a run; {} if there are none. SpecError if they cannot be read."""
    path = folder / NAME
    try:
        fingerprints: dict[str, str] = typed(json.loads(read_file(path)), dict[str, str])
        return fingerprints
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, MisfitError) as e:
        text = "netc uses it to detect changes of the files that the net reads. To continue without this check, delete it."
        raise SpecError(f"{path}: The file is invalid. {text} The reason: {e}") from e


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """List the files whose content has changed."""
    return [f"{name} has changed" for name in sorted(before.keys() & now.keys()) if before[name] != now[name]]


def _sources(net: pb.NetParameter, base: str) -> Iterator[tuple[str, dict[str, Path]]]:
    """Yield the name of each file or folder that a net reads, and the files in it or in its list."""
    for layer, message, name in _fields(net):
        value = getattr(message, name)
        path = existing(value, base) if name != ROOT else None
        if name != ROOT and layer.type == "Table" and path is None and has_magic(value):
            yield (
                value,
                {str(n): Path(file) for n, file in enumerate(sorted(glob(str(Path(base) / Path(value).expanduser()), recursive=True)))},
            )
        if path is not None:
            listed = _listed(path, Path(base) / getattr(message, ROOT, "")) if name == "source" and layer.type in LISTS else {}
            yield path.resolve().name, _in(path) | listed
    for layer in net.layer:
        module = sys.modules.get(layer.python_param.module) if layer.type == "Python" else None
        if module is not None and (file := getattr(module, "__file__", None)):
            yield Path(file).name, {"": Path(file)}


def _in(path: Path) -> dict[str, Path]:
    """The files in a folder by relative path, or the file itself."""
    if not path.is_dir():
        return {"": path}
    every = (Path(folder) / name for folder, _, names in os.walk(path) for name in names if name not in CHANGING)
    return {file.relative_to(path).as_posix(): file for file in sorted(every)}


def _listed(path: Path, root: Path) -> dict[str, Path]:
    """The files in a list."""
    with suppress(OSError, UnicodeDecodeError):
        lines = read_file(path).decode().splitlines()[:MOST_LINES]
        names = {text for line in lines for text in (line.strip(), line.strip().rpartition(" ")[0]) if text}
        return {name: file for name in sorted(names) for file in [below(root, name)] if _size(file) is not None}
    return {}


def _digest(files: Mapping[str, Path]) -> str:
    """Hash the names, the sizes and the content of files. Beyond WHOLE bytes, only parts of the content count."""
    sizes = {name: size for name, file in files.items() if (size := _size(file)) is not None}
    digest = hashlib.sha256(repr(list(sizes.items())).encode())
    if sum(sizes.values()) <= WHOLE:
        parts = {name: [(0, size)] for name, size in sizes.items()}
    elif len(sizes) <= FEW:
        parts = {n: [(max(0, size - BLOCK) * k // (BLOCKS - 1), BLOCK) for k in range(BLOCKS)] for n, size in sizes.items()}
    else:
        parts = {name: [(0, HEAD)] for name in list(sizes)[:: -(-len(sizes) // HEADS)]}
    for name, places in parts.items():
        with suppress(OSError), files[name].open("rb") as file:
            for start, size in places:
                file.seek(start)
                digest.update(file.read(size))
    return digest.hexdigest()


def _size(path: Path) -> int | None:
    """The size of a regular file in bytes; None for anything else."""
    with suppress(OSError, ValueError):
        status = path.stat()
        return status.st_size if stat.S_ISREG(status.st_mode) else None
    return None
