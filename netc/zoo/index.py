"""index.json: the list of what a zoo holds. It is always rebuilt from the manifests on disk, never edited."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from netc.errors import UnknownModelError, ZooError, near
from netc.files import replace_file
from netc.zoo.location import is_url, read
from netc.zoo.manifest import COUNT, CREATED, METRICS, NAME, SHA256, TEXT, VERSION, parse_json, problems, wrong_fields
from netc.zoo.manifest import MOST_BYTES as LARGEST_MANIFEST
from netc.zoo.names import INDEX, MANIFEST, is_model_name, is_version, parse_spec, version_key

FORMAT = 1
MOST_BYTES = 1 << 24


@dataclass(frozen=True)
class Entry:
    """One published version, as the index tells it. `size` is the bytes of all its files."""

    name: str
    version: str
    created: str
    description: str
    licence: str
    metrics: dict[str, float]
    size: int
    manifest_sha256: str


FIELDS = {
    "name": NAME,
    "version": VERSION,
    "created": CREATED,
    "description": TEXT,
    "licence": TEXT,
    "metrics": METRICS,
    "size": COUNT,
    "manifest_sha256": SHA256,
}


def entries(location: str | Path) -> list[Entry]:
    """What the zoo at `location` (directory or http(s) address) holds, by name, then by version."""
    place = f"{location}/{INDEX}"
    if not is_url(location) and not (Path(location) / INDEX).exists():
        raise ZooError(f"{location}: there is no zoo here (no {INDEX})")
    document = parse_json(read(location, INDEX, MOST_BYTES), place)
    if document.get("format") != FORMAT or not isinstance(document.get("models"), list):
        raise ZooError(f"{place}: wanted format {FORMAT} and a list of models; got format {document.get('format')!r}")
    found = []
    for i, record in enumerate(document["models"]):
        wrong = wrong_fields(record, FIELDS) if isinstance(record, dict) else ["is not a mapping"]
        if wrong:
            raise ZooError("\n".join(f"{place}: model {i}: {text}" for text in wrong[:20]))
        found.append(Entry(**{field.name: record[field.name] for field in fields(Entry)}))
    if len({_order(entry) for entry in found}) < len(found):
        raise ZooError(f"{place}: lists a version twice")
    return sorted(found, key=_order)


def find(location: str | Path, spec: str) -> Entry:
    """The entry of `spec`, 'name' (its newest version) or 'name@version'; UnknownModelError says what there is instead."""
    name, version = parse_spec(spec)
    known = entries(location)
    versions = [entry for entry in known if entry.name == name]
    if not versions:
        raise UnknownModelError(f"{location}: has no model {name!r}; {near(name, {entry.name for entry in known})}")
    for entry in versions:
        if entry.version == version:
            return entry
    if version is None:
        return versions[-1]
    there = ", ".join(entry.version for entry in versions)
    raise UnknownModelError(f"{location}: {name!r} has no version {version}; there is {there}")


def read_manifest(location: str | Path, entry: Entry) -> tuple[dict[str, Any], bytes]:
    """The manifest that `entry` stands for and its bytes; ZooError if it is another's, changed or wrong."""
    path = f"{entry.name}/{entry.version}/{MANIFEST}"
    data = read(location, path, LARGEST_MANIFEST)
    if hashlib.sha256(data).hexdigest() != entry.manifest_sha256:
        raise ZooError(f"{location}/{path}: its sha256 is not the one that {INDEX} states")
    return checked_manifest(data, f"{location}/{path}", entry.name, entry.version), data


def checked_manifest(data: bytes, place: str, name: str, version: str) -> dict[str, Any]:
    """The manifest in `data`; ZooError lists all that is wrong with it, its name and version included."""
    manifest = parse_json(data, place)
    wrong = problems(manifest)
    if not wrong and (manifest["name"], manifest["version"]) != (name, version):
        wrong = [f"is of {manifest['name']}@{manifest['version']}; wanted {name}@{version}"]
    if wrong:
        raise ZooError("\n".join(f"{place}: {text}" for text in wrong[:20]))
    return manifest


def show(location: str | Path, spec: str) -> dict[str, Any]:
    """The manifest of 'name' or 'name@version' in the zoo at `location`."""
    return read_manifest(location, find(location, spec))[0]


def holds(location: str | Path, spec: str) -> bool:
    """Whether the zoo at `location`, if there is one, has 'name' or 'name@version'."""
    try:
        find(location, spec)
    except ZooError:
        return False
    return True


def versions_on_disk(zoo: Path, name: str) -> list[str]:
    """The versions of `name` that have a folder in the zoo, lowest first, damaged ones included."""
    folder = zoo / name
    found = [p.name for p in folder.iterdir() if is_version(p.name)] if folder.is_dir() else []
    return sorted(found, key=version_key)


def reindex(zoo: str | Path) -> list[str]:
    """Rebuilds index.json from the manifests in the directory `zoo`; returns why any was left out.

    Publishing does this itself, under its lock; call it after models were copied or merged into the directory.
    """
    zoo, found, skipped = Path(zoo), [], []
    for name in sorted(p.name for p in zoo.iterdir() if is_model_name(p.name) and p.is_dir()):
        for version in versions_on_disk(zoo, name):
            try:
                found.append(_entry(zoo, name, version))
            except ZooError as error:
                skipped.append(str(error))
    models = [asdict(entry) for entry in sorted(found, key=_order)]
    text = json.dumps({"format": FORMAT, "models": models}, indent=2, ensure_ascii=False) + "\n"
    path = zoo / INDEX
    if not path.exists() or path.read_bytes() != text.encode():
        replace_file(path, text.encode())
    return skipped


def _entry(zoo: Path, name: str, version: str) -> Entry:
    path = f"{name}/{version}/{MANIFEST}"
    data = read(zoo, path, LARGEST_MANIFEST)
    manifest = checked_manifest(data, f"{zoo}/{path}", name, version)
    size = sum(file["size"] for file in manifest["files"])
    told = {key: manifest[key] for key in ("created", "description", "licence", "metrics")}
    return Entry(name, version, size=size, manifest_sha256=hashlib.sha256(data).hexdigest(), **told)


def _order(entry: Entry) -> tuple[str, tuple[int, int, int]]:
    return entry.name, version_key(entry.version)
