"""Which paths a net file may use: one rule for all of them.

A run writes into its folder, the cache, and the paths on the command line. Your own net may name other paths; netc then prints a note.

A net in the folder of a published model is not trusted. It may read only files in that folder, and write only into the folder of its
run.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from google.protobuf.message import Message

from netc import netc_pb2 as pb
from netc.errors import Diagnostic
from netc.files import open_unlinked
from netc.spec.document import Document

MANIFEST, MOST_BYTES, MOST_LIST = "manifest.json", 1 << 20, 1 << 26
READ = frozenset(
    (
        "source",
        "test_source",
        "validation_source",
        "mean_file",
        "root_folder",
        "net",
        "train_net",
        "test_net",
        "weights",
        "file",
        "tokenizer",
    )
)
WRITTEN = frozenset(("file_name", "snapshot_prefix"))
LISTS = (
    "image_data_param",
    "hdf5_data_param",
    "window_data_param",
    "dense_image_data_param",
)  # the source of these is a list of other files
YOURS = "The net comes from a zoo. Set the path with --set, or copy the net file into a folder of your own."
FieldPath = tuple[str | int, ...]


def published(path: str | Path) -> bool:
    """Whether a net file, or a folder of net files, is a published model: it has a manifest beside it."""
    place = Path(path).resolve()
    folder = place if place.is_dir() else place.parent
    try:
        with open_unlinked(folder / MANIFEST, os.O_RDONLY) as file:
            manifest = json.loads(file.read(MOST_BYTES + 1))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and {"net_sha256", "files"} <= manifest.keys()


def errors(
    documents: Sequence[Document], solver: pb.SolverParameter, solver_at: tuple[Document, FieldPath], named: Sequence[str]
) -> list[Diagnostic]:
    """Errors for paths outside of their folder that published nets and their solver name.

    `named` are values that the command line sets.
    """
    document, at = solver_at
    found = [Diagnostic(d.place(*p), t) for d in _each(documents) if published(d.path) for p, t in _wrong(d.message, Path(d.path), named)]
    if published(document.path):
        found += [Diagnostic(document.place(*at, *p), t) for p, t in _wrong(solver, Path(document.path), named)]
    return list(dict.fromkeys(found))


def notes(documents: Sequence[Document], solver: pb.SolverParameter, solver_at: tuple[Document, FieldPath]) -> list[Diagnostic]:
    """Notes on where your own net writes outside of its folder and the current folder."""
    found = [
        Diagnostic(
            d.place("layer", k, "hdf5_output_param", "file_name"),
            f"Layer {layer.name!r} writes {name!r}, which is outside of the folder of the net.",
        )
        for d in _each(documents)
        for k, layer in enumerate(d.message.layer)
        if (name := layer.hdf5_output_param.file_name) and _leaves(Path(d.path).parent, name)
    ]
    document, at = solver_at
    if solver.snapshot_prefix and solver.HasField("snapshot_format") and _leaves(Path("."), solver.snapshot_prefix):
        text = f"`snapshot_prefix` is {solver.snapshot_prefix!r}, which is outside of the current folder."
        found.append(Diagnostic(document.place(*at, "snapshot_prefix"), text))
    return list(dict.fromkeys(found))


def _each(documents: Sequence[Document]) -> list[Document]:
    """Each document once, because a net is often its own test net."""
    return list({id(d): d for d in documents}.values())


def inside(folder: Path, name: str) -> bool:
    """Whether `name`, relative to `folder`, stays inside of it, on every system and with any links."""
    if name.startswith("~") or "\0" in name or ".." in (*PurePosixPath(name).parts, *PureWindowsPath(name).parts):
        return False
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or PureWindowsPath(name).root:
        return False
    return not _leaves(folder, name)


def _leaves(folder: Path, name: str) -> bool:
    places = {os.path.realpath(folder), os.path.realpath(".")} if folder != Path(".") else {os.path.realpath(".")}
    try:
        target = os.path.realpath(folder / name)
        return not any(os.path.commonpath((place, target)) == place for place in places)
    except ValueError:  # a zero byte, or another drive
        return True


def _wrong(message: Message, path: Path, named: Sequence[str]) -> Iterator[tuple[FieldPath, str]]:
    """The fields of a published net or solver that lead outside of its folder."""
    for at, value in _paths(message):
        field = next(part for part in reversed(at) if isinstance(part, str))
        if value in named:
            continue
        if field == "module":
            yield at, f"{path.name} may not run Python, here {value!r}. {YOURS}"
        elif not all(inside(path.resolve().parent, part) for part in (value.split(",") if field == "weights" else (value,))):
            yield at, f"{path.name} may not {'write' if field in WRITTEN else 'read'} {value!r}, which is outside of its folder. {YOURS}"
        elif field == "source" and at[-2] in LISTS and (line := _listed_outside(path.parent / value)):
            yield at, f"{path.name} may not read {line!r}, which {value!r} lists. {YOURS}"


def _paths(message: Message, at: FieldPath = ()) -> Iterator[tuple[FieldPath, str]]:
    """The path of each field that names a file, and the file name."""
    for field, value in message.ListFields():
        if field.name == "solver":  # the solver, with changes from the command line, is checked separately
            continue
        for place, part in [((*at, field.name, k), v) for k, v in enumerate(value)] if field.is_repeated else [((*at, field.name), value)]:
            if isinstance(part, Message):
                yield from _paths(part, place)
            elif isinstance(part, str) and part and (field.name in READ | WRITTEN or (field.name == "module" and "python_param" in at)):
                yield place, part


def _listed_outside(path: Path) -> str | None:
    """The first path in a list of files that leads outside of its folder."""
    try:
        with open_unlinked(path, os.O_RDONLY) as file:
            words: Any = file.read(MOST_LIST).decode("utf-8", "replace").split()
    except OSError:
        return None
    return next((word[:200] for word in words if not inside(path.parent, word)), None)
