"""The files of a path: one, or those of a pattern."""

from collections.abc import Callable, Sequence
from glob import glob, has_magic
from pathlib import Path

from netc.errors import DataError, Diagnostic, near
from netc.table.reading.part import Part, PlainFile


def files_of(source: str, base: Path) -> Sequence[PlainFile]:
    """The files that a path or a pattern names, in the order of their names. DataError if there are none."""
    path = base / source
    if has_magic(source) and not path.exists():
        found = [name for name in sorted(glob(str(path), recursive=True)) if not Path(name).is_dir()]
        if not found:
            raise DataError(f"{source}: No file has a name like this.")
        return [PlainFile(Path(name), name) for name in found]
    if not path.exists() and not path.is_symlink() and path.parent.is_dir():
        suggestion = near(path.name, (file.name for file in path.parent.iterdir() if file.is_file()))
        raise DataError(Diagnostic(None, f"Cannot read {source}: No such file or directory.", suggestion if suggestion else None))
    return [PlainFile(path, source)]


def joined(readers: Sequence[Callable[[], Part]]) -> list[Part]:
    """The parts that the readers return. DataError lists what is wrong with all of them."""
    parts: list[Part] = []
    wrong: list[Diagnostic] = []
    for read in readers:
        try:
            parts.append(read())
        except DataError as error:
            wrong += error.diagnostics
    if wrong:
        raise DataError(*wrong)
    return parts
