"""What may be called how in a zoo: model names, versions and file names.

Every name that a zoo gives is checked here before it becomes a part of a path or an address.
"""

import re

from netc.errors import ZooError

MANIFEST, INDEX, CARD = "manifest.json", "index.json", "README.md"
LONGEST = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)

Version = tuple[int, int, int]


def is_model_name(name: object) -> bool:
    """Whether `name` is made of [a-z0-9._-], opens with a letter or digit and is no path."""
    return isinstance(name, str) and len(name) <= LONGEST and bool(_NAME.fullmatch(name)) and name != INDEX


def is_file_name(name: object) -> bool:
    """Whether a model may have a file of this name beside its manifest."""
    return name == CARD or (is_model_name(name) and name not in (MANIFEST, CARD.lower()))


def is_version(text: object) -> bool:
    """Whether `text` is a version, such as 1.0.0."""
    return isinstance(text, str) and bool(_VERSION.fullmatch(text))


def version_key(text: str) -> Version:
    """The numbers of a version, to order by: 1.10.0 is above 1.9.0. ZooError if it is none."""
    if not is_version(text):
        raise ZooError(f"a version is three numbers such as 1.0.0; got {text!r}")
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch


def model_name(text: str) -> str:
    """A model name made of a net's name: 'LeNet (MNIST)' becomes 'lenet-mnist'."""
    words = re.findall(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*", text.lower())
    return "-".join(words).lstrip("_.-")[:LONGEST].rstrip(".") or "net"


def parse_spec(spec: str) -> tuple[str, str | None]:
    """'lenet@1.0.0' as ('lenet', '1.0.0'); the version is None where none is given. ZooError if it is neither."""
    name, at, version = spec.partition("@")
    if not is_model_name(name):
        raise ZooError(f"a model is NAME or NAME@VERSION with a name of [a-z0-9._-]; got {spec!r}")
    if at:
        version_key(version)
    return name, version if at else None
