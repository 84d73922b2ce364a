"""index.json: the list of the models of a zoo. It is always rebuilt from the manifests on disk, never edited."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from netc.errors import UnknownModelError, ZooError, near
from netc.files import replace_file
from netc.zoo.aliases import aliases_of
from netc.zoo.location import is_url, read
from netc.zoo.manifest import ALIAS_LIST, COUNT, CREATED, FLAG, METRICS, NAME, SHA256, TEXT, VERSION, parse_json, problems, wrong_fields
from netc.zoo.manifest import MOST_BYTES as LARGEST_MANIFEST
from netc.zoo.names import INDEX, LATEST, MANIFEST, SIGNATURE, is_model_name, is_version, parse_spec, version_key

FORMAT = 1
MOST_BYTES = 1 << 24


@dataclass(frozen=True)
class Entry:
    """A published version in the index. `size` is the total of its files in bytes; `aliases` are its other names."""

    name: str
    version: str
    created: str
    description: str
    licence: str
    metrics: dict[str, float]
    size: int
    manifest_sha256: str
    signed: bool
    aliases: tuple[str, ...]


FIELDS = {
    "name": NAME,
    "version": VERSION,
    "created": CREATED,
    "description": TEXT,
    "licence": TEXT,
    "metrics": METRICS,
    "size": COUNT,
    "manifest_sha256": SHA256,
    "signed": FLAG,
    "aliases": ALIAS_LIST,
}


def entries(location: str | Path) -> list[Entry]:
    """The versions in the zoo at `location` (a directory or an address), sorted by name and version."""
    place = f"{location}/{INDEX}"
    if not is_url(location) and not (Path(location) / INDEX).exists():
        raise ZooError(f"{location} is not a zoo: it has no {INDEX}. `netc train` creates a zoo; NETC_ZOO or --from selects another one.")
    document = parse_json(read(location, INDEX, MOST_BYTES), place)
    if document.get("format") != FORMAT or not isinstance(document.get("models"), list):
        raise ZooError(f"{place}: expected format {FORMAT} and a list of models; got format {document.get('format')!r}")
    listed = []
    for i, record in enumerate(document["models"]):
        wrong = wrong_fields(record, FIELDS) if isinstance(record, dict) else ["is not a mapping"]
        if wrong:
            raise ZooError("\n".join(f"{place}: model {i}: {text}" for text in wrong[:20]))
        values = {field.name: record[field.name] for field in fields(Entry)}
        listed.append(Entry(**values | {"aliases": tuple(values["aliases"])}))
    if len({_order(entry) for entry in listed}) < len(listed):
        raise ZooError(f"{place}: contains a version twice")
    words = [(entry.name, alias) for entry in listed for alias in entry.aliases]
    if len(set(words)) < len(words):
        raise ZooError(f"{place}: one alias belongs to two versions")
    return sorted(listed, key=_order)


def find(location: str | Path, spec: str) -> Entry:
    """The entry of `spec` (see `chosen`) in the zoo at `location`."""
    return chosen(entries(location), spec, str(location))


def chosen(known: list[Entry], spec: str, place: str) -> Entry:
    """The newest entry of `known` for `spec`: 'name', 'name@latest', 'name@1', 'name@1.2', 'name@1.2.3' or 'name@alias'.

    If there is none, UnknownModelError lists what exists.
    """
    name, wanted = parse_spec(spec)
    versions = [entry for entry in known if entry.name == name]
    if not versions:
        raise UnknownModelError(f"{place}: has no model {name!r}. {near(name, {entry.name for entry in known})}")
    for entry in reversed(versions):
        if wanted == LATEST or f"{entry.version}.".startswith(f"{wanted}.") or wanted in entry.aliases:
            return entry
    existing = ", ".join([entry.version for entry in versions] + sorted(a for entry in versions for a in entry.aliases))
    raise UnknownModelError(f"{place}: {name!r} has no version {wanted}; it has {existing}")


def read_manifest(location: str | Path, entry: Entry) -> tuple[dict[str, Any], bytes]:
    """The manifest of `entry` and its bytes. ZooError if it belongs to another model, has changed or is invalid."""
    path = f"{entry.name}/{entry.version}/{MANIFEST}"
    data = read(location, path, LARGEST_MANIFEST)
    if hashlib.sha256(data).hexdigest() != entry.manifest_sha256:
        raise ZooError(f"{location}/{path}: its sha256 differs from {INDEX}")
    return checked_manifest(data, f"{location}/{path}", entry.name, entry.version), data


def checked_manifest(data: bytes, place: str, name: str, version: str) -> dict[str, Any]:
    """Parse and check a manifest, including its name and version. ZooError lists all problems."""
    manifest = parse_json(data, place)
    wrong = problems(manifest)
    if not wrong and (manifest["name"], manifest["version"]) != (name, version):
        wrong = [f"belongs to {manifest['name']}@{manifest['version']}; expected {name}@{version}"]
    if wrong:
        raise ZooError("\n".join(f"{place}: {text}" for text in wrong[:20]))
    return manifest


def show(location: str | Path, spec: str) -> dict[str, Any]:
    """The manifest of `spec` (see `chosen`) in the zoo at `location`."""
    return read_manifest(location, find(location, spec))[0]


def holds(location: str | Path, spec: str) -> bool:
    """Whether the zoo at `location`, if there is one, has 'name' or 'name@version'."""
    try:
        find(location, spec)
    except ZooError:
        return False
    return True


def versions_on_disk(zoo: Path, name: str) -> list[str]:
    """The versions of `name` with a folder in the zoo, lowest first, including damaged ones."""
    folder = zoo / name
    versions = [p.name for p in folder.iterdir() if is_version(p.name)] if folder.is_dir() else []
    return sorted(versions, key=version_key)


def reindex(zoo: str | Path) -> list[str]:
    """Rebuild index.json from the manifests and aliases in the directory `zoo`. Returns the problems of skipped versions.

    Publishing does this itself, under its lock. Call this function after you copy or merge models into the directory.
    """
    zoo, listed, skipped = Path(zoo), [], []
    for name in sorted(p.name for p in zoo.iterdir() if is_model_name(p.name) and p.is_dir()):
        try:
            words = aliases_of(zoo, name)
        except ZooError as error:
            words = {}
            skipped.append(str(error))
        for version in versions_on_disk(zoo, name):
            try:
                listed.append(_entry(zoo, name, version, tuple(sorted(w for w, v in words.items() if v == version))))
            except ZooError as error:
                skipped.append(str(error))
    models = [asdict(entry) for entry in sorted(listed, key=_order)]
    text = json.dumps({"format": FORMAT, "models": models}, indent=2, ensure_ascii=False) + "\n"
    path = zoo / INDEX
    if not path.exists() or path.read_bytes() != text.encode():
        replace_file(path, text.encode())
    return skipped


def _entry(zoo: Path, name: str, version: str, aliases: tuple[str, ...]) -> Entry:
    path = f"{name}/{version}/{MANIFEST}"
    data = read(zoo, path, LARGEST_MANIFEST)
    manifest = checked_manifest(data, f"{zoo}/{path}", name, version)
    values = {key: manifest[key] for key in ("created", "description", "licence", "metrics")}
    values["size"] = sum(file["size"] for file in manifest["files"])
    signed = (zoo / name / version / SIGNATURE).exists()
    return Entry(name, version, **values, manifest_sha256=hashlib.sha256(data).hexdigest(), signed=signed, aliases=aliases)


def _order(entry: Entry) -> tuple[str, tuple[int, int, int]]:
    return entry.name, version_key(entry.version)
