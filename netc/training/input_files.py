"""The files that a net reads: their paths in its layers, and fingerprints that tell when one has changed."""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from netc import netc_pb2 as pb
from netc.compiler.program import Program
from netc.errors import RunError, SpecError
from netc.files import read_file, replace_file
from netc.formats.typed_json import MisfitError, typed

NAME = "inputs.json"  # in the folder of a run

PATHS = ("source", "test_source", "validation_source", "mean_file")  # fields of a layer's messages that name a file or a folder
ROOT = "root_folder"  # that which the paths in a list begin from, by default the net's folder
LISTS = ("ImageData", "WindowData", "HDF5Data")  # types whose source lists other files
CHANGING = ("lock.mdb", "LOCK", "LOG", "LOG.old")  # files of databases that reading them changes

WHOLE = 1 << 26  # bytes of a source up to which all of them count
BLOCK, BLOCKS, FEW = 1 << 16, 64, 16  # else of each of a few files so many blocks,
HEAD, HEADS = 1 << 12, 1024  # or of so many files their beginnings
MOST_LINES = 100_000  # of a list that are looked at


def _fields(net: pb.NetParameter) -> Iterator[tuple[pb.LayerParameter, Any, str]]:
    """Every field of the layers that may name a file: the layer, the message and the field's name."""
    for layer in net.layer:
        for field, message in layer.ListFields():
            if field.message_type and not field.is_repeated:
                names = {f.name for f in field.message_type.fields}
                yield from ((layer, message, name) for name in (*PATHS, ROOT) if name in names)


def found(name: str, base: str) -> Path | None:
    """The file or folder that a net in the folder `base` means; None if it is none, such as a data set that goes by name."""
    path = Path(name).expanduser()
    with suppress(OSError, ValueError):
        return next((p for p in (Path(base) / path, path) if name and p.exists()), None)
    return None


def seen_from(folder: Path, net: pb.NetParameter, base: str) -> pb.NetParameter:
    """A net of the folder `base` with its paths as they are from another folder, so that a net file can lie there."""
    moved = pb.NetParameter()
    moved.CopyFrom(net)
    for _, message, name in _fields(moved):
        value = getattr(message, name)
        path = Path(base) / value if name == ROOT else found(value, base)
        if path is not None and not Path(value).is_absolute():
            setattr(message, name, os.path.relpath(os.path.realpath(path), os.path.realpath(folder)))
    return moved


def without_folders(net: pb.NetParameter, names: Collection[str]) -> pb.NetParameter:
    """A net without the folders of the files of these names, which are the same wherever they lie."""
    bare = pb.NetParameter()
    bare.CopyFrom(net)
    for _, message, field in _fields(bare):
        name = Path(getattr(message, "source" if field == ROOT else field)).name
        if name in names:
            setattr(message, field, "" if field == ROOT else name)
    return bare


def fingerprints(program: Program, plugins: Sequence[str]) -> dict[str, str]:
    """A fingerprint of each file that the nets of a program read, and of plug-ins and Python layers, by the file's name."""
    job = program.job
    digests: dict[str, list[str]] = {}
    for net in dict.fromkeys(d.path for d in (job.train, *job.tests)):
        message = next(d.message for d in (job.train, *job.tests) if d.path == net)
        for name, files in _sources(message, job.base):
            digests.setdefault(name, []).append(_digest(files))
    for plugin in plugins:
        digests.setdefault(Path(plugin).name, []).append(_digest({"": Path(plugin)}))
    return {name: hashlib.sha256("".join(sorted(set(parts))).encode()).hexdigest() for name, parts in digests.items()}


def remember(folder: Path, files: Mapping[str, str]) -> None:
    """Notes fingerprints in the folder of a run. RunError if that cannot be written."""
    try:
        replace_file(folder / NAME, (json.dumps(files, indent=1, sort_keys=True) + "\n").encode())
    except OSError as e:
        raise RunError(f"Cannot write {folder / NAME}: {e.strerror or e}") from e


def remembered(folder: Path) -> dict[str, str]:
    """What `remember` noted; nothing where that is not there. SpecError if it cannot be read."""
    path = folder / NAME
    try:
        said: dict[str, str] = typed(json.loads(read_file(path)), dict[str, str])
        return said
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, MisfitError) as e:
        text = (
            f"is damaged, so that nobody can tell whether the files that the net reads have changed: {e}; to go on all the same, delete it"
        )
        raise SpecError(f"{path}: {text}") from e


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The files whose content is another now than it was, a sentence each."""
    return [f"{name} has another content" for name in sorted(before.keys() & now.keys()) if before[name] != now[name]]


def _sources(net: pb.NetParameter, base: str) -> Iterator[tuple[str, dict[str, Path]]]:
    """The name of each file or folder that a net reads, and the files that are in it or in its list."""
    for layer, message, name in _fields(net):
        path = found(getattr(message, name), base) if name != ROOT else None
        if path is not None:
            listed = _listed(path, Path(base) / getattr(message, ROOT, "")) if name == "source" and layer.type in LISTS else {}
            yield path.resolve().name, _in(path) | listed
    for layer in net.layer:
        module = sys.modules.get(layer.python_param.module) if layer.type == "Python" else None
        if module is not None and (file := getattr(module, "__file__", None)):
            yield Path(file).name, {"": Path(file)}


def _in(path: Path) -> dict[str, Path]:
    """The files of a folder, by their paths in it, or the file itself."""
    if not path.is_dir():
        return {"": path}
    every = (Path(folder) / name for folder, _, names in os.walk(path) for name in names if name not in CHANGING)
    return {file.relative_to(path).as_posix(): file for file in sorted(every)}


def _listed(path: Path, root: Path) -> dict[str, Path]:
    """The files that the lines of a list name."""
    with suppress(OSError, UnicodeDecodeError):
        lines = path.read_text().splitlines()[:MOST_LINES]
        names = {text for line in lines for text in (line.strip(), line.strip().rpartition(" ")[0]) if text}
        return {name: file for name in sorted(names) for file in [root / name] if _size(file) is not None}
    return {}


def _digest(files: Mapping[str, Path]) -> str:
    """A hash of the names, the sizes and, as far as WHOLE goes, the content of files; of larger ones, of parts of it."""
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
    """The bytes of a plain file; None of anything else."""
    with suppress(OSError, ValueError):
        said = path.stat()
        return said.st_size if stat.S_ISREG(said.st_mode) else None
    return None
