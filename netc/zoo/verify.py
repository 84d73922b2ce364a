"""Verify a zoo or one of its models, local or remote."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from netc.errors import CutError, UntrustedError, ZooError
from netc.zoo.fetch import download
from netc.zoo.folder import Untrusted, verify_folder
from netc.zoo.index import Entry, entries, find, read_manifest, versions_on_disk
from netc.zoo.location import is_url
from netc.zoo.manifest import parse_json
from netc.zoo.minisign import PublicKey
from netc.zoo.names import INDEX, MANIFEST, is_model_name
from netc.zoo.vectors import run_vectors


def verify(location: str | Path, spec: str | None = None, run: bool = False, keys: Sequence[PublicKey] = ()) -> list[str]:
    """List all problems; [] if there are none.

    With `spec`, verify one model in the zoo at `location`; without, the whole zoo, or the model if `location` is its folder.
    `run` also runs the test vectors and the training vectors. With `keys`, one of them must have signed each model.
    """
    try:
        if spec is None and not is_url(location) and (Path(location) / MANIFEST).exists():
            return _verify_folder(Path(location), run, keys)
        listed = [find(location, spec)] if spec else entries(location)
    except ZooError as error:
        return str(error).splitlines()
    problems = [text for entry in listed for text in _verify_entry(location, entry, run, keys)]
    return problems if spec or is_url(location) else problems + _unlisted(Path(location), listed)


def _verify_entry(location: str | Path, entry: Entry, run: bool, keys: Sequence[PublicKey]) -> list[str]:
    try:
        if is_url(location):
            with tempfile.TemporaryDirectory(prefix="netc-verify-") as folder:
                downloaded = download(f"{entry.name}@{entry.version}", location, folder, keys)
                return _run(downloaded.path) if run else []
        read_manifest(location, entry)
    except CutError as error:
        return [str(error.__cause__)]  # the partial download is not kept here
    except UntrustedError as error:
        return [Untrusted(error)]
    except ZooError as error:
        return str(error).splitlines()
    return _verify_folder(Path(location) / entry.name / entry.version, run, keys)


def _verify_folder(folder: Path, run: bool, keys: Sequence[PublicKey]) -> list[str]:
    return verify_folder(folder, keys) or (_run(folder) if run else [])


def _run(folder: Path) -> list[str]:
    return run_vectors(folder, parse_json((folder / MANIFEST).read_bytes(), str(folder / MANIFEST)))


def _unlisted(zoo: Path, listed: list[Entry]) -> list[str]:
    known = {(entry.name, entry.version) for entry in listed}
    names = sorted(p.name for p in zoo.iterdir() if is_model_name(p.name) and p.is_dir())
    there = [(name, version) for name in names for version in versions_on_disk(zoo, name)]
    return [f"{zoo / name / version}: is not in {INDEX}" for name, version in there if (name, version) not in known]
