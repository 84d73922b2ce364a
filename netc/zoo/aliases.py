"""Aliases: names for versions, such as `stable`, stored in <name>/aliases.json. An alias can move; a version never changes."""

import json
from pathlib import Path

from netc.errors import ZooError
from netc.zoo.location import read
from netc.zoo.manifest import parse_json
from netc.zoo.names import ALIASES, is_alias, is_version

FORMAT = 1
MOST_BYTES = 1 << 16


def aliases_of(zoo: Path, name: str) -> dict[str, str]:
    """The aliases of a model and their versions. ZooError if the file is invalid."""
    path = f"{name}/{ALIASES}"
    if not (zoo / path).exists():
        return {}
    document = parse_json(read(zoo, path, MOST_BYTES), f"{zoo}/{path}")
    words = document.get("aliases")
    if document.get("format") != FORMAT or not isinstance(words, dict):
        raise ZooError(f"{zoo}/{path}: expected format {FORMAT} and a mapping of aliases to versions")
    wrong = [word for word, version in words.items() if not is_alias(word) or not is_version(version)]
    if wrong:
        raise ZooError(f"{zoo}/{path}: alias {wrong[0][:80]!r} or its version is invalid")
    return words


def encoded(words: dict[str, str]) -> bytes:
    """The content of aliases.json."""
    return (json.dumps({"format": FORMAT, "aliases": dict(sorted(words.items()))}, indent=2) + "\n").encode()
