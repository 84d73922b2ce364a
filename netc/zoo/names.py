"""Rules for model names, versions, aliases and file names in a zoo.

Every name from a zoo is checked here before it becomes part of a path or an address.
"""

import re

from netc.errors import ZooError

MANIFEST, INDEX, CARD, SIGNATURE, ALIASES = "manifest.json", "index.json", "README.md", "manifest.json.minisig", "aliases.json"
LOCK = ".lock"
LONGEST = 100
LATEST = "latest"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_SELECTOR = re.compile(r"(0|[1-9]\d{0,8})(\.(0|[1-9]\d{0,8})){0,2}", re.ASCII)
_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # device names, with any suffix
# Suffixes of files that run, load as code, unpickle or open as a page. They are not allowed in a model.
_ACTIVE = re.compile(
    r".*\.(py|pyc|pyd|pyw|so|dll|dylib|exe|com|scr|msi|jar|sh|bat|cmd|ps1|vbs|lnk|desktop|pkl|pickle|joblib|pt|pth|whl|html?|xhtml|svg|m?js)"
)
_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)

Version = tuple[int, int, int]


def is_model_name(name: object) -> bool:
    """Whether `name` has characters of [a-z0-9._-], starts with a letter or digit, and is no path or reserved name of Windows."""
    return isinstance(name, str) and len(name) <= LONGEST and bool(_NAME.fullmatch(name)) and name != INDEX and not _WINDOWS.fullmatch(name)


def is_file_name(name: object) -> bool:
    """Whether a model may have a file of this name."""
    if not isinstance(name, str) or name == CARD:
        return name == CARD
    return is_model_name(name) and name not in (MANIFEST, SIGNATURE, CARD.lower()) and not _ACTIVE.fullmatch(name)


def is_alias(name: object) -> bool:
    """Whether `name` is a valid alias: characters of [a-z0-9_-], starting with a letter, and not `latest`."""
    return isinstance(name, str) and bool(_ALIAS.fullmatch(name)) and name != LATEST


def is_version(text: object) -> bool:
    """Whether `text` is a version, such as 1.0.0."""
    return isinstance(text, str) and bool(_VERSION.fullmatch(text))


def version_key(text: str) -> Version:
    """The numbers of a version as a sort key: 1.10.0 is above 1.9.0. ZooError if `text` is not a version."""
    if not is_version(text):
        raise ZooError(f"expected a version of three numbers such as 1.0.0; got {text!r}")
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch


def model_name(text: str) -> str:
    """Convert the name of a net to a model name: 'LeNet (MNIST)' becomes 'lenet-mnist'."""
    words = re.findall(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*", text.lower())
    return "-".join(words).lstrip("_.-")[:LONGEST].rstrip(".") or "net"


def parse_spec(spec: str) -> tuple[str, str]:
    """Split 'lenet@1.2' into ('lenet', '1.2'). The default version is 'latest'. ZooError if `spec` is invalid.

    A version can be complete (1.2.3), a prefix (1.2 or 1), `latest` or an alias.
    """
    name, at, version = spec.partition("@")
    if not is_model_name(name):
        raise ZooError(f"expected NAME or NAME@VERSION with a name of [a-z0-9._-]; got {spec!r}")
    if at and version != LATEST and not _SELECTOR.fullmatch(version) and not is_alias(version):
        raise ZooError(f"expected a version such as 1, 1.2 or 1.0.0, `latest` or an alias; got {version!r}")
    return name, version if at else LATEST
