"""Aliases: words for versions, such as `stable`. They may move, which a version never does; <name>/aliases.json keeps them."""

import json
from pathlib import Path

from netc.errors import ZooError
from netc.zoo.location import read
from netc.zoo.manifest import parse_json
from netc.zoo.names import ALIASES, is_alias, is_version

FORMAT = 1
MOST_BYTES = 1 << 16


def aliases_of(zoo: Path, name: str) -> dict[str, str]:
    """Alias to version of a model in the directory `zoo`; ZooError if the file is not what it should be."""
    path = f"{name}/{ALIASES}"
    if not (zoo / path).exists():
        return {}
    document = parse_json(read(zoo, path, MOST_BYTES), f"{zoo}/{path}")
    words = document.get("aliases")
    if document.get("format") != FORMAT or not isinstance(words, dict):
        raise ZooError(f"{zoo}/{path}: wanted format {FORMAT} and a mapping of aliases to versions")
    wrong = [word for word, version in words.items() if not is_alias(word) or not is_version(version)]
    if wrong:
        raise ZooError(f"{zoo}/{path}: alias {wrong[0][:80]!r} is none, or its version is none")
    return words


def encoded(words: dict[str, str]) -> bytes:
    """The content of aliases.json."""
    return (json.dumps({"format": FORMAT, "aliases": dict(sorted(words.items()))}, indent=2) + "\n").encode()
