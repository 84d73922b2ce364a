"""The record of a built-in data set, as a file in `records/` stores it.

A record lists the files of a data set with their sizes, hashes and download addresses, and the licence. Its `reader` names the function
that turns the files into rows. To add a data set in a known format, add one JSON file.
"""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from netc.data.named.packages import Package
from netc.data.source import Description, TopSpec
from netc.formats.typed_json import typed

RECORDS = Path(__file__).parent / "records"


@dataclass(frozen=True)
class File:
    """A file of a data set, with the size and hash of the plain file and of the gzip file at the addresses.

    Without gz_sha256, the addresses serve the plain file. `at` is its name there, if it differs.
    """

    name: str
    size: int
    sha256: str
    gz_size: int = 0
    gz_sha256: str = ""
    at: str = ""

    @property
    def served(self) -> tuple[str, int, str]:
        """(name, size, sha256) of the file at the addresses."""
        return (f"{self.name}.gz", self.gz_size, self.gz_sha256) if self.gz_sha256 else (self.at or self.name, self.size, self.sha256)


@dataclass(frozen=True)
class Archive:
    """A .tar.gz or .zip that the addresses serve instead of single files. Its files are in `folder` inside it."""

    name: str
    size: int
    sha256: str
    folder: str = ""


@dataclass(frozen=True)
class DataSet:
    """A built-in data set.

    `tops` is empty if the shapes depend on the net; `rows` then counts units other than `noun`.

    `reader` names the function that reads the files, and `options` are its arguments. `folder` is the folder of the files in a
    directory of NETC_DATA, if it differs from the name. `url` is the home page.
    """

    name: str
    summary: str
    reader: str
    licence: str
    url: str
    files: tuple[File, ...]
    rows: dict[str, int]
    tops: tuple[TopSpec, ...] = ()
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    archive: Archive | None = None
    package: Package | None = None
    folder: str = ""
    noun: str = "rows"
    channels: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> str:
        """The folder of the files in the cache and in a directory of NETC_DATA."""
        return self.folder or self.name

    @property
    def sha256(self) -> str:
        """The hash of the lines `<sha256>  <name>` of the plain files."""
        return sha256("".join(f"{file.sha256}  {file.name}\n" for file in self.files).encode()).hexdigest()

    @property
    def download_size(self) -> int:
        """The download size in bytes."""
        return self.archive.size if self.archive else sum(file.served[1] for file in self.files)

    def description(self, phase: str) -> Description:
        """The description of the rows of a phase, from the record only."""
        return Description(self.name, self.tops, self.rows[phase], self.classes, self.licence, self.sha256, columns=self.columns)


def load(path: Path) -> DataSet:
    """Read the record in a file. MisfitError names the field that is wrong."""
    found: DataSet = typed(fields(path), DataSet, path.name)
    return found


def fields(path: Path) -> dict[str, Any]:
    """The fields of a record, including those of the record that `files_of` names."""
    own: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    other = own.pop("files_of", None)
    return fields(path.with_name(f"{other}.json")) | own if other else own
