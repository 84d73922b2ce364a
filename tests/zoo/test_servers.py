"""Web servers that mean harm, or are broken: each serves a good zoo but for one file."""

import gzip
import os
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from netc import zoo
from netc.errors import ZooError
from netc.remote import http
from netc.zoo import fetch
from tests.zoo.toy import Quiet, contents, hostile, refused, serving, stated

BOMB = gzip.compress(bytes(50_000_000))
GOOD = {"labels.txt": b"a\n"}


class Evil(Quiet):
    """Serves a good zoo, except for the path in `evil`, where `act` does its harm."""

    def __init__(self, *args: Any, evil: str, act: Callable[[BaseHTTPRequestHandler], None], **kwargs: Any) -> None:
        self.evil, self.act = evil, act
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        if not self.path.endswith(self.evil):
            return super().do_GET()
        try:
            self.act(self)
        except OSError:
            self.close_connection = True


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * (1 << 16))


def redirect(target: str, handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", target)
    handler.end_headers()


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"a")


def broken_chunks(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"zz\r\ninvalid response")


def failing(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(500)


def not_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\x01\x02" * 10)


def gzipped(handler: BaseHTTPRequestHandler) -> None:
    """A few bytes that unpack to many, for a client that unpacks."""
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    handler.wfile.write(BOMB)


def drip(first: bytes, handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, always within the time that a client waits for one."""
    handler.wfile.write(first)
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.02)


def flood(handler: BaseHTTPRequestHandler) -> None:
    """Headers without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-A: " + b"a" * 60_000 + b"\r\n")


def silent(handler: BaseHTTPRequestHandler) -> None:
    handler.rfile.read(1)  # nothing comes until the client goes


@pytest.mark.parametrize("path", ["index.json", "manifest.json", "labels.txt"])
@pytest.mark.parametrize(
    "act, said",
    [
        (endless, "is longer than"),
        (partial(redirect, "file:///etc/passwd"), "file:///etc/passwd"),
        (partial(redirect, "ftp://127.0.0.1/x"), "refused.*ftp://127.0.0.1/x"),
        (partial(redirect, "data:text/plain,a"), "data:text/plain"),
        (partial(redirect, "http://[::1"), "invalid response|refused"),
        (partial(redirect, "/labels.txt"), "infinite loop|404"),
        (gzipped, "is longer than|is not JSON|its sha256"),
        (partial(drip, b"HTTP/1.1 200 OK\r\n\r\n"), "received only|is longer than"),
        (partial(drip, b"HTTP/1.1 200 OK\r\nX-A: "), "received only"),
        (flood, "invalid response"),
        (cut_short, "bytes too short"),
        (broken_chunks, "IncompleteRead|reset"),
        (failing, "returned 500"),
        (not_http, "invalid response"),
        (silent, "timed out"),
    ],
)
def test_servers(
    tmp_path: Path, path: str, act: Callable[[BaseHTTPRequestHandler], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only what is slow meets an impatient client: a machine under load is slow too.
    monkeypatch.setattr(http, "PATIENCE", 0.2 if act is silent else 30)
    monkeypatch.setattr(http, "GRACE", 0.3 if "drip" in str(act) else 30)
    monkeypatch.setattr(fetch, "TRIES", 2)
    folder = hostile(tmp_path / "zoo", GOOD)
    with serving(partial(Evil, directory=str(folder), evil=path, act=act)) as address:
        refused(address, tmp_path / "to", said, kept=path == "labels.txt")


def test_redirects_within_the_server_are_followed(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "zoo", GOOD)
    (folder / "moved.txt").write_bytes(GOOD["labels.txt"])
    with serving(partial(Evil, directory=str(folder), evil="labels.txt", act=partial(redirect, "/moved.txt"))) as address:
        assert zoo.download("toy", address, tmp_path / "to").new


@pytest.mark.parametrize("path", ["index.json", "labels.txt"])
def test_no_redirect_to_another_server(tmp_path: Path, path: str) -> None:
    """Though it has the very file: to ask it is what the other may not want."""
    folder = hostile(tmp_path / "zoo", GOOD)
    asked = []

    class Other(Quiet):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

    with serving(partial(Other, directory=str(folder))) as other:
        act = partial(redirect, f"{other}/index.json")
        with serving(partial(Evil, directory=str(folder), evil=path, act=act)) as address:
            refused(address, tmp_path / "to", f"refused a redirect to '{other}/index.json'")
    assert asked == []


@pytest.mark.parametrize(
    "old, new, follows",
    [
        ("https://example.org/a", "http://example.org/a", False),
        ("http://example.org/a", "https://example.org/a", True),
        ("http://example.org/a", "https://example.org.evil.net/a", False),
        ("http://example.org/a", "http://example.org:22/a", False),
        ("https://example.org/a", "https://example.org/b", True),
        ("https://example.org/a", "https://127.0.0.1/a", False),
        ("https://example.org/a", "https://user@example.org/a", False),
        ("https://example.org/a", "//169.254.169.254/a", False),
    ],
)
def test_redirects(old: str, new: str, follows: bool) -> None:
    request, headers = urllib.request.Request(old), HTTPMessage()
    with open(os.devnull, "rb") as body:
        if follows:
            assert http._Redirects().redirect_request(request, body, 302, "", headers, new)
        else:
            with pytest.raises(ZooError, match="refused a redirect"):
                http._Redirects().redirect_request(request, body, 302, "", headers, new)


class Cutting(Quiet):
    """Breaks the connection after `after` bytes of every large answer; knows Range if `ranges`, as `Content-Range` says if `honest`."""

    def __init__(self, *args: Any, after: int, ranges: bool, honest: bool, asked: list[str], **kwargs: Any) -> None:
        self.after, self.ranges, self.honest, self.asked = after, ranges, honest, asked
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        if not self.path.endswith("big.bin"):
            return super().do_GET()
        data = Path(self.translate_path(self.path)).read_bytes()
        self.asked.append(self.headers.get("Range", ""))
        start = int(self.asked[-1].removeprefix("bytes=").rstrip("-") or 0) if self.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start if self.honest else 0}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : start + self.after])
        self.close_connection = True


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A zoo with a model of 600,000 bytes."""
    zoo.publish(tmp_path / "zoo", "toy", contents() | {"big.bin": os.urandom(600_000)}, stated())
    return tmp_path / "zoo"


def test_a_cut_is_gone_on_from(big: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    with serving(partial(Cutting, directory=str(big), after=250_000, ranges=True, honest=True, asked=asked)) as address:
        done = zoo.download("toy", address, tmp_path / "to")
    assert asked == ["", "bytes=250000-", "bytes=500000-"] and zoo.verify(done.path) == []


def test_the_next_attempt_goes_on_too(big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TRIES", 1)
    asked: list[str] = []
    cutting = partial(Cutting, directory=str(big), ranges=True, honest=True, asked=asked)
    with serving(partial(cutting, after=50_000)) as address, pytest.raises(ZooError, match="the same command resumes it"):
        zoo.download("toy", address, tmp_path / "to")
    assert not (tmp_path / "to/toy").exists()
    with serving(partial(cutting, after=10**6)) as address:
        done = zoo.download("toy", address, tmp_path / "to")
    assert asked == ["", "bytes=50000-"] and zoo.verify(done.path) == []
    assert [p.name for p in (tmp_path / "to").iterdir()] == ["toy"]


def test_what_was_left_proves_wrong(big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TRIES", 1)
    cutting = partial(Cutting, directory=str(big), ranges=True, honest=True, asked=[])
    with serving(partial(cutting, after=50_000)) as address, pytest.raises(ZooError):
        zoo.download("toy", address, tmp_path / "to")
    (partial_file,) = (tmp_path / "to").glob(".download-*/big.bin")
    partial_file.write_bytes(bytes(50_000))
    with serving(partial(cutting, after=10**6)) as address:
        assert zoo.verify(zoo.download("toy", address, tmp_path / "to").path) == []


def test_a_link_where_a_download_would_go_on(big: Path, tmp_path: Path) -> None:
    digest = zoo.find(big, "toy").manifest_sha256[:12]
    folder = tmp_path / f"to/.download-toy-1.0.0-{digest}"
    folder.mkdir(parents=True)
    (tmp_path / "mine.txt").write_text("mine")
    (folder / "labels.txt").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(ZooError, match="labels.txt: is not part of a partial download"):
        zoo.download("toy", big, tmp_path / "to")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_server_without_ranges(big: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    with serving(partial(Cutting, directory=str(big), after=10**6, ranges=False, honest=True, asked=asked)) as address:
        entry, folder = zoo.find(address, "toy"), tmp_path / "to"
        (folder / f".download-toy-1.0.0-{entry.manifest_sha256[:12]}").mkdir(parents=True)
        left = (big / "toy/1.0.0/big.bin").read_bytes()[:1000]
        (folder / f".download-toy-1.0.0-{entry.manifest_sha256[:12]}/big.bin").write_bytes(left)
        assert zoo.verify(zoo.download("toy", address, folder).path) == [] and asked == ["bytes=1000-"]


def test_a_range_that_was_not_asked_for(big: Path, tmp_path: Path) -> None:
    with serving(partial(Cutting, directory=str(big), after=250_000, ranges=True, honest=False, asked=[])) as address:
        refused(address, tmp_path / "to", "expected bytes 250000-; the server returned 'bytes 0-")
