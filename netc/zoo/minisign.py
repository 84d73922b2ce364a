"""Signatures in minisign's format, https://jedisct1.github.io/minisign: Ed25519 over BLAKE2b-512 of the file.

Without netc, `minisign -Vm manifest.json -p netc.pub` checks a signature. Keys made by `minisign -G -W` work in netc.
Keys with a password work only in minisign itself. Needs the extra `sign`.
"""

import base64
import binascii
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc.errors import UntrustedError, ZooError

PLAIN, HASHED, NO_PASSWORD, CHECKSUM = b"Ed", b"ED", b"\0\0", b"B2"
MOST_BYTES = 1 << 12


@dataclass(frozen=True)
class PublicKey:
    """A trusted public key. `id` is only a hint for lookup."""

    id: bytes
    raw: bytes

    @property
    def text(self) -> str:
        """The key in minisign's one-line format."""
        return base64.b64encode(PLAIN + self.id + self.raw).decode()


def generate(prefix: str | Path) -> tuple[Path, Path]:
    """Create a key pair, `prefix`.pub and `prefix`.key; only the owner can read the secret key. Never overwrites a file."""
    secret, public = Path(f"{prefix}.key"), Path(f"{prefix}.pub")
    key, number = _ed25519().Ed25519PrivateKey.generate(), secrets.token_bytes(8)
    pair = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    checksum = hashlib.blake2b(PLAIN + number + pair, digest_size=32).digest()
    whole = PLAIN + NO_PASSWORD + CHECKSUM + bytes(32 + 8 + 8) + number + pair + checksum
    public_key = PublicKey(number, pair[32:])
    comment = f"public key {number[::-1].hex().upper()}"
    try:
        for path, mode, name, text in (
            (secret, 0o600, "secret key without a password", base64.b64encode(whole).decode()),
            (public, 0o644, comment, public_key.text),
        ):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
                file.write(f"untrusted comment: minisign {name}\n{text}\n")
    except OSError as error:
        raise ZooError(f"{error.filename}: {error.strerror}; netc never overwrites a key") from error
    return public, secret


def sign(data: bytes, key: str | Path, comment: str) -> bytes:
    """The signature file for `data`. ZooError if the file `key` contains no usable secret key."""
    number, pair = secret_key(Path(key))
    private = _ed25519().Ed25519PrivateKey.from_private_bytes(pair[:32])
    signature = private.sign(hashlib.blake2b(data).digest())
    whole = private.sign(signature + comment.encode())
    first, second = (base64.b64encode(b).decode() for b in (HASHED + number + signature, whole))
    return f"untrusted comment: signature by netc\n{first}\ntrusted comment: {comment}\n{second}\n".encode()


def check(signature: bytes, data: bytes, keys: list[PublicKey], place: str) -> None:
    """ZooError, with `place`, unless `signature` is a valid signature of `data` by one of `keys`."""
    from cryptography.exceptions import InvalidSignature

    lines = signature.decode("utf-8", "replace").splitlines()
    if len(lines) != 4 or not lines[2].startswith("trusted comment: "):
        raise ZooError(f"{place}: is not a signature in minisign's format")
    first, second = _decoded(lines[1], 74, place), _decoded(lines[3], 64, place)
    if first[:2] not in (PLAIN, HASHED):
        raise ZooError(f"{place}: has an unknown type of signature")
    message = hashlib.blake2b(data).digest() if first[:2] == HASHED else data
    by = [key for key in keys if key.id == first[2:10]]
    if not by:
        raise UntrustedError(f"{place}: is signed by the key {first[2:10][::-1].hex().upper()}, which is not trusted")
    public = _ed25519().Ed25519PublicKey.from_public_bytes(by[0].raw)
    try:
        public.verify(first[10:], message)
        public.verify(second, first[10:] + lines[2].removeprefix("trusted comment: ").encode())
    except InvalidSignature:
        raise ZooError(f"{place}: is not a signature of this file") from None


def public_keys(given: str | Path) -> list[PublicKey]:
    """The public keys in the file `given`, one per line, or the key that `given` itself contains."""
    text = str(given)
    if len(text) != 56 or not text.startswith("RW"):
        try:
            text = Path(given).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ZooError(f"{given}: is neither a public key nor a file of them: {getattr(error, 'strerror', error)}") from error
    words = [line.split()[0] for line in text.splitlines() if line.startswith("RW")]
    if not words:
        raise ZooError(f"{given}: contains no public key (a line that starts with RW)")
    _ed25519()
    raw = [_decoded(word, 42, str(given)) for word in words]
    return [PublicKey(key[2:10], key[10:]) for key in raw]


def trusted_keys(given: str | Path | None = None) -> list[PublicKey]:
    """The keys that must have signed a model: `given` (see `public_keys`), else those of NETC_ZOO_KEY. [] if none are set."""
    stated = given or os.environ.get("NETC_ZOO_KEY")
    return public_keys(stated) if stated else []


def secret_key(path: Path) -> tuple[bytes, bytes]:
    """The id, and the seed with the public key, of a secret key file. ZooError if it cannot be used."""
    _ed25519()
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ZooError(f"Cannot read {path} as a secret key: {getattr(error, 'strerror', error)}") from error
    whole = _decoded(lines[1] if len(lines) > 1 else "", 158, str(path))
    if whole[2:4] != NO_PASSWORD:
        raise ZooError(f"{path}: has a password; sign with minisign itself, or use a key of `minisign -G -W` or `netc zoo keygen`")
    number, pair, checksum = whole[54:62], whole[62:126], whole[126:]
    if hashlib.blake2b(whole[:2] + number + pair, digest_size=32).digest() != checksum:
        raise ZooError(f"{path}: is corrupt")
    return number, pair


def _decoded(text: str, size: int, place: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) != size:
        raise ZooError(f"{place}: is not in minisign's format")
    return decoded


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise ZooError("signatures need pip install 'netc[sign]'") from None
    return ed25519
