"""Where a zoo lies: a directory or an http(s) address, read alike, as bytes of at most a stated number."""

import http.client
import os
import stat
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from netc.errors import ZooError

CHUNK = 1 << 16
PATIENCE = 30.0  # seconds without a byte


def default_location() -> str:
    """NETC_ZOO where it is set, else ./model_zoo."""
    return os.environ.get("NETC_ZOO") or "model_zoo"


def is_url(location: str | Path) -> bool:
    """Whether `location` is an http(s) address. ZooError for any other kind of address."""
    scheme, separator, _ = str(location).partition("://")
    if separator and scheme not in ("http", "https"):
        raise ZooError(f"{location}: a zoo is a directory or an http(s) address; got {scheme}://")
    return bool(separator)


def chunks(location: str | Path, path: str, limit: int) -> Generator[bytes, None, None]:
    """The bytes of `path` (checked names joined by '/') in the zoo, piece by piece; ZooError beyond `limit` bytes."""
    place, received = f"{location}/{path}", 0
    try:
        with _open_url(str(location), path) if is_url(location) else _open_file(Path(location), path) as stream:
            while piece := stream.read(min(CHUNK, limit + 1 - received)):
                received += len(piece)
                if received > limit:
                    raise ZooError(f"{place}: is longer than the {limit} bytes it may have")
                yield piece
    except urllib.error.HTTPError as error:
        error.close()
        raise ZooError(f"{place}: the server answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise ZooError(f"{place}: {error.reason}") from error
    except OSError as error:
        raise ZooError(f"{place}: {error.strerror or error}") from error
    except (http.client.HTTPException, ValueError) as error:
        raise ZooError(f"{place}: the server answers nonsense: {error!r}") from error


def read(location: str | Path, path: str, limit: int) -> bytes:
    """The whole of a small file in the zoo; ZooError beyond `limit` bytes."""
    return b"".join(chunks(location, path, limit))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows http and https only, and never from https down to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            fp.close()
            raise ZooError(f"{req.full_url}: redirects to {newurl[:200]!r}, which is refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open_url(location: str, path: str) -> BinaryIO:
    opener = urllib.request.OpenerDirector()
    # Not build_opener, which would also open file:, ftp: and data: addresses.
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(f"{location.rstrip('/')}/{path}", headers={"User-Agent": "netc"})
    response: Any = opener.open(request, timeout=PATIENCE)
    return cast(BinaryIO, response)


def _open_file(root: Path, path: str) -> BinaryIO:
    place = root
    for part in path.split("/"):
        place /= part
        if place.is_symlink():
            raise ZooError(f"{place}: is a link, which a zoo must not hold")
    # O_NONBLOCK: opening a pipe that nobody writes would wait for ever.
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ZooError(f"{place}: is not a plain file")
    return os.fdopen(descriptor, "rb")
