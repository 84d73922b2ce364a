"""Change a zoo after publishing: aliases and signatures. The versions themselves never change."""

from collections.abc import Sequence
from pathlib import Path

from netc.errors import UnknownModelError, ZooError, near
from netc.files import locked, replace_file
from netc.zoo.aliases import aliases_of, encoded
from netc.zoo.folder import verify_folder
from netc.zoo.index import find, reindex
from netc.zoo.manifest import parse_json
from netc.zoo.minisign import sign
from netc.zoo.names import ALIASES, LATEST, LOCK, MANIFEST, SIGNATURE, is_alias


def sign_model(zoo: str | Path, spec: str, key: str | Path) -> Path:
    """Sign a version in the directory `zoo` and replace its signature, if it has one. Returns the signature file."""
    zoo = Path(zoo)
    entry = find(zoo, spec)
    folder = zoo / entry.name / entry.version
    with locked(zoo / LOCK):
        wrong = verify_folder(folder)
        if wrong:
            raise ZooError("\n".join([*wrong, f"{folder}: was not signed, because the model is damaged"]))
        sign_folder(folder, key)
        reindex(zoo)
    return folder / SIGNATURE


def alias(zoo: str | Path, spec: str, word: str | None, remove: Sequence[str] = ()) -> dict[str, str]:
    """Make `word` an alias of the version `spec`, and remove the aliases `remove`. Returns all aliases of the model."""
    zoo = Path(zoo)
    entry = find(zoo, spec)
    with locked(zoo / LOCK):
        words = aliases_of(zoo, entry.name)
        unknown = [w for w in remove if w not in words]
        if unknown:
            raise UnknownModelError(f"{zoo}: {entry.name!r} has no alias {unknown[0]!r}. {near(unknown[0], words)}")
        if word is not None and not is_alias(word):
            raise ZooError(f"an alias has characters of [a-z0-9_-], starts with a letter and is not {LATEST!r}; got {word!r}")
        words = {w: v for w, v in words.items() if w not in remove} | ({word: entry.version} if word else {})
        replace_file(zoo / entry.name / ALIASES, encoded(words))
        reindex(zoo)
    return words


def sign_folder(folder: Path, key: str | Path | None) -> None:
    """Sign the manifest in `folder`. Without a key, do nothing."""
    if key is not None:
        manifest = (folder / MANIFEST).read_bytes()
        known = parse_json(manifest, str(folder / MANIFEST))
        replace_file(folder / SIGNATURE, sign(manifest, key, f"{known['name']} {known['version']}"))
