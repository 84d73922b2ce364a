"""Downloads from a server on the loopback: resumed, verified, refused."""

import functools
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request

import pytest

import netc.data.named.download
from netc.data.named.download import download
from netc.errors import DataError

CONTENT = bytes(range(256)) * 1000
DIGEST = sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT; /whole knows no ranges, /short breaks off, /long never ends. Keeps what was asked for."""

    def __init__(self, asked: list[tuple[str, int]], *args: Any) -> None:
        self.asked = asked
        super().__init__(*args)

    def do_GET(self) -> None:
        start = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
        self.asked.append((self.path, int(start)))
        if self.path == "/none":
            return self.send_error(404)
        ranged = "Range" in self.headers and self.path != "/whole"
        body = CONTENT[int(start) :] if ranged else CONTENT
        body = {"/short": body[:1000], "/long": CONTENT * 9, "/other": b"x" * len(CONTENT)}.get(self.path, body)
        self.send_response(206 if ranged else 200)
        self.end_headers()
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """(address, list of (path, first byte) that were asked for)"""
    asked: list[tuple[str, int]] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, asked)) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", asked
        http.shutdown()
        thread.join()


def test_a_host_that_does_not_answer_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def refuse(request: Request, timeout: int) -> None:
        opened.append(request.full_url)
        raise URLError("refused")

    monkeypatch.setattr(netc.data.named.download, "urlopen", refuse)
    monkeypatch.setattr(netc.data.named.download, "_silent", {})
    for name in "abc":
        with pytest.raises(DataError, match=f"http://far/{name}: "):
            download(f"http://far/{name}", tmp_path / name, 1, DIGEST)
    assert opened == ["http://far/a"]
    with pytest.raises(DataError, match="refused"):
        download("http://near/a", tmp_path / "a", 1, DIGEST)


def test_a_file_comes_whole(server: tuple[str, list[tuple[str, int]]], tmp_path: Path) -> None:
    path = download(f"{server[0]}/file", tmp_path / "new" / "f.gz", len(CONTENT), DIGEST)
    assert path.read_bytes() == CONTENT and [p.name for p in path.parent.iterdir()] == ["f.gz"]


@pytest.mark.parametrize("page", ["file", "whole"])
def test_it_goes_on_where_it_broke_off(server: tuple[str, list[tuple[str, int]]], tmp_path: Path, page: str) -> None:
    address, asked = server
    with pytest.raises(DataError, match="short: the connection broke after 1000 of 256000 bytes"):
        download(f"{address}/short", tmp_path / "f.gz", len(CONTENT), DIGEST)
    assert not (tmp_path / "f.gz").exists() and (tmp_path / "f.gz.part").stat().st_size == 1000
    assert download(f"{address}/{page}", tmp_path / "f.gz", len(CONTENT), DIGEST).read_bytes() == CONTENT
    assert asked == [("/short", 0), (f"/{page}", 1000)]


def test_a_part_that_is_complete_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / "f.gz.part").write_bytes(CONTENT)
    assert download("http://127.0.0.1:9/f", tmp_path / "f.gz", len(CONTENT), DIGEST).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "page, message",
    [
        ("other", f"256000 bytes with the sha256 .*Expected 256000 bytes with {DIGEST}"),
        ("long", "256001 bytes with the sha256"),
        ("none", "404"),
    ],
)
def test_another_file_is_thrown_away(server: tuple[str, list[tuple[str, int]]], tmp_path: Path, page: str, message: str) -> None:
    with pytest.raises(DataError, match=f"{page}: .*{message}"):
        download(f"{server[0]}/{page}", tmp_path / "f.gz", len(CONTENT), DIGEST)
    assert not list(tmp_path.iterdir())


def test_a_bar_is_drawn_on_a_terminal(server: tuple[str, list[tuple[str, int]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    download(f"{server[0]}/file", tmp_path / "f.gz", len(CONTENT), DIGEST)
    assert "f.gz" in terminal.getvalue() and "kB" in terminal.getvalue()
