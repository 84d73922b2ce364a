"""Read files from an untrusted web server: no redirects to other hosts, only http(s), and time limits."""

import http.client
import io
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator
from typing import IO, Any

from netc.errors import CutError, ZooError
from netc.files import CHUNK

PATIENCE = 30.0  # seconds without a byte
GRACE, SLOWEST = 60.0, 1000  # after this many seconds, a response must have had at least this many bytes per second
PASSING = (429, 502, 503, 504)  # temporary server errors


def pieces_of(location: str, path: str, start: int = 0) -> Generator[bytes, None, None]:
    """Yield the bytes of `location`/`path` from `start` on. CutError if the connection breaks or is too slow; else ZooError."""
    place = f"{location.rstrip('/')}/{path}"
    try:
        with _opened(place, start) as response:
            left = start - _first(response, start, place)
            while piece := response.read1(CHUNK):
                if len(piece) > left:
                    yield piece[left:]
                left = max(0, left - len(piece))
            if response.length:
                raise CutError(f"{place}: the response is {response.length} bytes too short")
    except urllib.error.HTTPError as error:
        error.close()
        kind = CutError if error.code in PASSING else ZooError
        raise kind(f"{place}: the server returned {error.code} {str(error.reason)[:100]!r}") from None
    except urllib.error.URLError as error:
        raise CutError(f"{place}: {error.reason}") from error
    except (http.client.IncompleteRead, OSError) as error:
        raise CutError(f"{place}: {error}") from error
    except (http.client.HTTPException, ValueError) as error:
        raise ZooError(f"{place}: the server sent an invalid response: {repr(error)[:200]}") from error


def _first(response: Any, start: int, place: str) -> int:
    """The position of the first byte of a response: 0 if the server does not support ranges."""
    if response.status != 206:
        return 0
    content_range = response.headers.get("Content-Range", "")
    if not content_range.startswith(f"bytes {start}-"):
        raise ZooError(f"{place}: expected bytes {start}-; the server returned {content_range[:100]!r}")
    return start


def _opened(address: str, start: int) -> Any:
    opener = urllib.request.OpenerDirector()
    # Not build_opener, which would also open file:, ftp: and data: addresses.
    for handler in (
        urllib.request.ProxyHandler(),
        _Http(),
        _Https(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    headers = {"User-Agent": "netc", "Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    return opener.open(urllib.request.Request(address, headers=headers), timeout=PATIENCE)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects within a host only, and never from https to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        same = (new.scheme, new.netloc) == (old.scheme, old.netloc)
        safer = (old.scheme, new.scheme) == ("http", "https") and old.hostname == new.hostname and not old.port and not new.port
        if not same and not safer:
            fp.close()
            raise ZooError(f"{req.full_url}: refused a redirect to {newurl[:200]!r}; if you trust that address, pass it instead")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Paced(io.RawIOBase):
    """A stream that stops if the sender is too slow."""

    def __init__(self, raw: io.RawIOBase):
        self.raw, self.started, self.received = raw, time.monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = self.raw.readinto(buffer)
        self.received += count or 0
        elapsed = time.monotonic() - self.started
        if elapsed > GRACE and self.received < SLOWEST * elapsed:
            raise TimeoutError(f"received only {self.received} bytes in {elapsed:.0f} seconds")
        return count

    def close(self) -> None:
        self.raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.fp = io.BufferedReader(_Paced(self.fp.detach()))


class _HttpConnection(http.client.HTTPConnection):
    response_class = _Response


class _HttpsConnection(http.client.HTTPSConnection):
    response_class = _Response


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpConnection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpsConnection, req)
