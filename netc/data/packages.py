"""Installed packages that ship a data set's files: looked up by their metadata, never imported."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from netc.errors import DataError


@dataclass(frozen=True)
class Package:
    """A package of Python, or of a system where `folder` is absolute, with files in `folder`, plain or as .gz.

    `unpack`, where a package ships them in a form of its own, gives all files by name; `folder` is then what it reads.
    """

    name: str
    folder: str
    unpack: Callable[[Path], dict[str, bytes]] | None = None

    @property
    def place(self) -> Path | None:
        """`folder` on this machine; None where the package is not installed."""
        try:
            root = Path("/") if self.folder.startswith("/") else Path(str(distribution(self.name).locate_file("")))
        except PackageNotFoundError:
            return None
        return root / self.folder if (root / self.folder).exists() else None

    @property
    def command(self) -> str:
        """What installs it."""
        return f"{'apt' if self.folder.startswith('/') else 'pip'} install {self.name}"

    def read(self, name: str) -> bytes | None:
        """The unpacked bytes of a file; None where it is not there."""
        place = self.place
        if place is None:
            return None
        if self.unpack:
            return self.unpack(place).get(name)
        found = next((path for path in (place / name, place / f"{name}.gz") if path.is_file()), None)
        return None if found is None else read_plain(found)


def read_plain(path: Path) -> bytes:
    """The bytes of a file, unpacked if it is a .gz."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as e:
        raise DataError(f"{path}: cannot be read: {e}") from e
