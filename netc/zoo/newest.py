"""The versions that were seen at an address: who serves an old one as the newest cannot have them forgotten.

A signature says who made a version, not that there is no newer one. So what a signed zoo had once is kept in the cache.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from netc.errors import ZooError
from netc.files import cache_folder, replace_file
from netc.zoo.names import LATEST, is_version, parse_spec, version_key

MOST_BYTES = 1 << 20


def check(location: str, spec: str, version: str) -> None:
    """ZooError if `spec`, which the zoo at `location` has answered with `version`, once was a newer one there."""
    name, wanted = parse_spec(spec)
    seen = [v for v in _seen(location).get(name, []) if wanted == LATEST or f"{v}.".startswith(f"{wanted}.")]
    last = max(seen, key=version_key, default=version)
    if version_key(last) > version_key(version):
        said = f"{location}: gives {version} as the newest of {spec!r}, where {last} was before: an old model, or a newer one was withdrawn"
        raise ZooError(f"{said}; to have it all the same, name it: {name}@{version}")


def remember(location: str, name: str, version: str) -> None:
    """Keep that the zoo at `location` has a version of a model. A cache that cannot be written keeps nothing."""
    seen = _seen(location)
    seen[name] = sorted({*seen.get(name, []), version}, key=version_key)
    with suppress(OSError):
        _path(location).parent.mkdir(parents=True, exist_ok=True)
        replace_file(_path(location), json.dumps(seen).encode())


def _path(location: str) -> Path:
    return cache_folder() / "seen" / f"{hashlib.sha256(location.rstrip('/').encode()).hexdigest()[:16]}.json"


def _seen(location: str) -> dict[str, list[str]]:
    try:
        found: Any = json.loads(_path(location).read_bytes()[:MOST_BYTES])
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: [v for v in versions if is_version(v)] for name, versions in found.items() if isinstance(versions, list)}
