"""Addresses of tables: `scheme://user@host:port/path?setting=value`. They never have a password."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from netc.errors import DataError

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
SECRETS = ("password", "passwd", "pwd", "passfile", "sslpassword")


@dataclass(frozen=True)
class Address:
    """The parts of an address. `name` is for messages."""

    scheme: str
    user: str
    host: str
    port: int | None
    path: str
    settings: Mapping[str, str]
    name: str


def scheme_of(source: str) -> str:
    """The scheme of an address in small letters; "" for a path."""
    found = SCHEME.match(source)
    return found[1].lower() if found else ""


def without_secrets(source: str) -> str:
    """An address for messages: without password and settings. A path stays as it is."""
    if not scheme_of(source):
        return source
    head, _, rest = source.partition("://")
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = place.rpartition("@")[2]
    user = place.rpartition("@")[0].partition(":")[0]
    return f"{head}://{user + '@' if user else ''}{host}{re.split('[?#]', rest[len(place) :], maxsplit=1)[0]}"


def address_of(source: str, password_from: str = "") -> Address:
    """The parts of an address. DataError, which does not show it, if there is a password in it: `password_from` says where it belongs."""
    name = without_secrets(source)
    try:
        parts = urlsplit(source)
        port, user, secret = parts.port, unquote(parts.username or ""), parts.password
    except ValueError as error:
        raise DataError(f"{name}: This is not an address ({error}).") from None
    settings = dict(parse_qsl(parts.query, keep_blank_values=True))
    if secret is not None or any(key.lower() in SECRETS for key in settings):
        cure = f" Remove it; {password_from}" if password_from else " Remove it."
        raise DataError(f"{name}: The address contains a password, which would be stored with the net.{cure}")
    return Address(scheme_of(source), user, unquote(parts.hostname or ""), port, unquote(parts.path).removeprefix("/"), settings, name)
