"""Protect against rollback: remember the versions seen at an address, and refuse an older one as the newest.

A signature proves who made a version, not that it is the newest. So netc keeps the versions of signed zoos in its cache.
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
    """ZooError if the zoo at `location` offers `version` for `spec`, but had a newer version before."""
    name, wanted = parse_spec(spec)
    seen = [v for v in _seen(location).get(name, []) if wanted == LATEST or f"{v}.".startswith(f"{wanted}.")]
    last = max(seen, key=version_key, default=version)
    if version_key(last) > version_key(version):
        problem = (
            f"{location}: offers {version} as the newest version of {spec!r}, but had {last} before; it may be outdated or tampered with"
        )
        raise ZooError(f"{problem}; to use it anyway, give its version: {name}@{version}")


def remember(location: str, name: str, version: str) -> None:
    """Record that the zoo at `location` has a version of a model. Errors of the cache are ignored."""
    seen = _seen(location)
    seen[name] = sorted({*seen.get(name, []), version}, key=version_key)
    with suppress(OSError):
        _path(location).parent.mkdir(parents=True, exist_ok=True)
        replace_file(_path(location), json.dumps(seen).encode())


def _path(location: str) -> Path:
    return cache_folder() / "seen" / f"{hashlib.sha256(location.rstrip('/').encode()).hexdigest()[:16]}.json"


def _seen(location: str) -> dict[str, list[str]]:
    try:
        seen: Any = json.loads(_path(location).read_bytes()[:MOST_BYTES])
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(seen, dict):
        return {}
    return {name: [v for v in versions if is_version(v)] for name, versions in seen.items() if isinstance(versions, list)}
