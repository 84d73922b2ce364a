"""The files of a source: one, those of a glob, or one that is fetched from an address."""

from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from netc.errors import DataError
from netc.table.reading.part import PlainFile
from netc.table.reading.store import Store


def files_of(source: str, base: Path, store: Store) -> Sequence[PlainFile]:
    """The files that a source names, in order. DataError if there are none."""
    path = base / source
    if has_magic(source) and not path.exists():
        found = sorted(glob(str(path), recursive=True))
        if not found:
            raise DataError(f"{source}: No file has such a name.")
        return [PlainFile(Path(name), name) for name in found if not Path(name).is_dir()]
    return [PlainFile(path, source)]
