"""Verifying a whole zoo or a model of it, wherever it lies."""

import tempfile
from pathlib import Path

from netc.errors import ZooError
from netc.zoo.fetch import download
from netc.zoo.folder import verify_folder
from netc.zoo.index import Entry, entries, find, read_manifest, versions_on_disk
from netc.zoo.location import is_url
from netc.zoo.names import INDEX, MANIFEST, is_model_name


def verify(location: str | Path, spec: str | None = None) -> list[str]:
    """What is wrong, in sentences; empty if all is well.

    With `spec`, of one model in the zoo at `location`; without, of the whole zoo there, or of the one model's folder.
    """
    try:
        if spec is None and not is_url(location) and (Path(location) / MANIFEST).exists():
            return verify_folder(Path(location))
        listed = [find(location, spec)] if spec else entries(location)
    except ZooError as error:
        return str(error).splitlines()
    found = [text for entry in listed for text in _verify_entry(location, entry)]
    return found if spec or is_url(location) else found + _unlisted(Path(location), listed)


def _verify_entry(location: str | Path, entry: Entry) -> list[str]:
    try:
        if is_url(location):
            with tempfile.TemporaryDirectory(prefix="netc-verify-") as folder:
                download(f"{entry.name}@{entry.version}", location, folder)
            return []
        read_manifest(location, entry)
    except ZooError as error:
        return str(error).splitlines()
    return verify_folder(Path(location) / entry.name / entry.version)


def _unlisted(zoo: Path, listed: list[Entry]) -> list[str]:
    known = {(entry.name, entry.version) for entry in listed}
    names = sorted(p.name for p in zoo.iterdir() if is_model_name(p.name) and p.is_dir())
    there = [(name, version) for name in names for version in versions_on_disk(zoo, name)]
    return [f"{zoo / name / version}: is not in {INDEX}" for name, version in there if (name, version) not in known]
