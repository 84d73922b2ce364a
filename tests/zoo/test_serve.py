"""`netc zoo serve`: pages, files in parts, headers, and nothing that no manifest lists."""

import http.client
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from netc import zoo
from netc.errors import ZooError
from tests.small_nets import netc
from tests.zoo.toy import contents, hostile, stated

pytest.importorskip("werkzeug", reason="netc zoo serve needs the extra `serve`")
from netc.zoo import connections, pages, serve  # noqa: E402
from netc.zoo.location import open_file  # noqa: E402


class Ask:
    """ask(path, method, headers) -> (status, headers, body) of a server on the loopback."""

    def __init__(self, port: int) -> None:
        self.port, self.address = port, f"http://127.0.0.1:{port}"

    def __call__(self, path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, response.headers, body


@contextmanager
def serving(folder: Path) -> Iterator[Ask]:
    """A server of a folder."""
    made = serve.server(folder, port=0)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Ask(made.port)
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo with two models, one of them in two versions with an alias."""
    here = tmp_path_factory.mktemp("served") / "zoo"
    zoo.publish(here, "adder", contents(), stated())
    zoo.publish(here, "adder", contents(), stated(seed=1, description="Adds <b>three</b> numbers & more."))
    zoo.publish(here, "digits", contents() | {"big.bin": bytes(range(256)) * 40}, stated(description="Reads digits.", licence="MIT"))
    zoo.alias(here, "adder@1.0.0", "stable")
    (here / "adder/1.0.0/secret.txt").write_text("no manifest lists this")
    (here.parent / "outside.txt").write_text("what lies outside")
    return here


@pytest.fixture(scope="module")
def ask(folder: Path) -> Iterator[Ask]:
    with serving(folder) as found:
        yield found


def test_it_is_a_zoo_to_download_from(ask: Ask, folder: Path, tmp_path: Path) -> None:
    done = zoo.download("digits", ask.address, tmp_path)
    assert {p.name: p.read_bytes() for p in done.path.iterdir()} == {p.name: p.read_bytes() for p in (folder / "digits/1.0.0").iterdir()}


def names(page: bytes) -> list[str]:
    return re.findall(r'<h2><a href="/(.*?)/"', page.decode())


def test_the_list_and_its_search_without_script(ask: Ask) -> None:
    status, headers, body = ask("/")
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert names(body) == ["adder/1.0.1", "digits/1.0.0"] and b"2 of 2 models" in body
    assert b"Adds &lt;b&gt;three&lt;/b&gt; numbers &amp; more." in body
    adder, digits = "adder/1.0.1", "digits/1.0.0"
    for query, found in {"READS": [digits], "three+adder": [adder], "mit": [digits], "nothing": [], "": [adder, digits]}.items():
        assert names(ask(f"/?q={query}")[2]) == found, query
    page = ask("/?q=%22%3E%3Cscript%3E")[2]
    assert b"<script>" not in page and b"&#34;&gt;&lt;script&gt;" in page


def test_a_model_page(ask: Ask) -> None:
    assert ask("/adder")[:2][1]["Location"] == "/adder/1.0.1/"
    status, _, body = ask("/adder/1.0.0/")
    page = body.decode()
    assert status == 200 and "<h1>adder 1.0.0</h1>" in page and "<td>0.9912</td>" in page and 'href="/adder/1.0.1/"' in page
    assert '<a href="model.onnx" download>' in page and 'class="language-python"' in page
    assert "&lt;b&gt;three" in ask("/adder/1.0.1/")[2].decode()


def test_ranges_and_conditions(ask: Ask, folder: Path) -> None:
    data, path = bytes(range(256)) * 40, "/digits/1.0.0/big.bin"
    status, headers, body = ask(path)
    etag = headers["ETag"]
    assert (status, body, headers["Accept-Ranges"], headers["Content-Type"]) == (200, data, "bytes", "application/octet-stream")
    assert etag == f'"{next(f["sha256"] for f in zoo.show(folder, "digits")["files"] if f["name"] == "big.bin")}"'
    parts = {"0-0": data[:1], "100-199": data[100:200], "10000-": data[10000:], "-5": data[-5:], "10239-99999": data[-1:]}
    for given, part in parts.items():
        status, headers, body = ask(path, Range=f"bytes={given}")
        assert (status, body, headers["Content-Length"]) == (206, part, str(len(part))), given
        assert headers["Content-Range"].endswith("/10240")
    assert ask(path, Range="bytes=10240-")[0] == 416
    assert ask(path, Range="bytes=5-", If_Range=etag)[0] == 206
    assert ask(path, Range="bytes=5-", If_Range='"other"')[::2] == (200, data)
    assert ask(path, If_None_Match=etag)[::2] == (304, b"")
    for given in ("bytes=a-b", "lines=1-2", "bytes=5-2", "bytes=", "bytes=0-1,5-6"):
        assert ask(path, Range=given)[0] in (200, 416), given


@pytest.mark.parametrize("path", ["/", "/digits/1.0.0/", "/digits/1.0.0/big.bin", "/index.json", "/-/style.css", "/none"])
def test_head_and_headers(ask: Ask, path: str) -> None:
    got, head = ask(path), ask(path, "HEAD")
    assert head[0] == got[0] and head[2] == b"" and head[1]["Content-Length"] == got[1]["Content-Length"] == str(len(got[2]))
    for headers in (got[1], head[1]):
        assert len(headers.get_all("Date", [])) == 1
        assert "default-src 'none'" in headers["Content-Security-Policy"] and "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
def test_it_takes_nothing(ask: Ask, method: str) -> None:
    status, headers, _ = ask("/", method)
    assert status == 405 and headers["Allow"] == "GET, HEAD"


NOT_SERVED = """\
/adder/1.0.0/secret.txt /adder/1.0.0/../1.0.0/secret.txt /adder//1.0.0/secret.txt http://x/adder/1.0.0/secret.txt
/../outside.txt /%2e%2e/outside.txt /..%2foutside.txt //outside.txt /adder/../../outside.txt /adder/1.0.0/..\\..\\outside.txt
/adder/1.0.0/%2e%2e/%2e%2e/%2e%2e/outside.txt /etc/passwd /.lock /adder/aliases.json /adder/1.0 /adder/9.9.9/ /none/ /index.json/
/adder/1.0.0/model.onnx/x /adder/1.0.0/a%00b /adder/1.0.0/%ff /-/../pages.py /-/%2e%2e/pages.py /-/base.html /%0d%0aX-Evil:%20yes"""


@pytest.mark.parametrize("path", NOT_SERVED.split())
def test_what_is_not_served(ask: Ask, path: str) -> None:
    status, headers, body = ask(path)
    assert status in (400, 404, 421) and b"what lies outside" not in body and b"root:" not in body and headers["X-Evil"] is None
    assert b"no manifest lists this" not in body


def test_names_of_this_machine_only(ask: Ask, folder: Path) -> None:
    known, strange = ("localhost:8000", "[::1]:8000", "127.0.0.1"), ("evil.example:80", "127.0.0.1.evil.example", "")
    for name, status in [(name, 200) for name in known] + [(name, 421) for name in strange]:
        assert ask("/", Host=name)[0] == status, name
    from werkzeug.test import Client

    assert Client(serve.application(folder, "0.0.0.0")).get("/", headers={"Host": "zoo.example"}).status_code == 200


def test_damage_is_told_and_stays_harmless(tmp_path: Path) -> None:
    card = b"# <script>alert(1)</script>\n\n[a](javascript:alert(1)) <img src=x onerror=alert(1)> ![c](https://example.org/spy.png)\n"
    said = '"><script>alert(2)</script>'
    folder = hostile(tmp_path / "zoo", {"README.md": card}, {"description": said}, description=said)
    with serving(folder) as ask:
        for path in ("/", "/toy/1.0.0/"):
            page = ask(path)[2].decode()
            assert re.findall(r"<script.*?>", page) in ([], ['<script src="/-/search.js" defer>'])
            assert "<img src=x" not in page and 'href="javascript' not in page and 'href="data' not in page
        (folder / "toy/1.0.0/README.md").write_text("another card")
        page = ask("/toy/1.0.0/")[2].decode()
        assert "does not match its manifest" in page and "another card" not in page
        (folder / "toy/1.0.0/README.md").unlink()
        (folder / "toy/1.0.0/README.md").symlink_to("/etc/passwd")
        assert b"root:" not in ask("/toy/1.0.0/")[2] and ask("/toy/1.0.0/README.md")[0] == 500
        (folder / "index.json").write_text("[" * 9999)
        status, _, body = ask("/")
        assert status == 500 and b"is not JSON" in body


class Elements(HTMLParser):
    """The tags and attributes of a page as a browser finds them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


MARKDOWN = [
    *(
        "<script>alert(1)</script>",
        "<ScRiPt\n>x",
        "<svg onload=alert(1)>",
        "<!-- x -->",
        "<iframe src=//x>",
        "&lt;script&gt;",
        "<a href=x onclick=y>z</a>",
    ),
    *(
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "<javascript:alert(1)>",
        "[x](<javascript:alert(1)>)",
    ),
    *("[x]: javascript:alert(1)\n\n[x]", "[x](vbscript:x)", "[x](file:///etc/passwd)", "![x](data:text/html;base64,PHN2Zz4=)"),
    *("```<script>\nx\n```", "| <b> |\n| --- |\n| <i onclick=x> |", '[x](/a "t\\" onclick=\\"y")', '![x" onerror="y](/a)'),
]


@pytest.mark.parametrize("markdown", MARKDOWN)
def test_markdown_of_a_stranger(markdown: str) -> None:
    found = Elements(pages.html_of(markdown))
    assert found.tags <= {"p", "a", "img", "pre", "code", "table", "thead", "tbody", "tr", "th", "td", "blockquote"}
    assert {name for name, _ in found.attributes} <= {"href", "src", "alt", "title", "rel", "class"}
    assert all(str(value).startswith(("/", "https:", "http:")) for name, value in found.attributes if name in ("href", "src"))


def test_a_folder_that_is_no_zoo(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="is not a zoo"):
        serve.server(tmp_path)
    result = netc("zoo", "serve", tmp_path)
    assert result.exit_code == 1 and "is not a zoo" in result.stderr


def test_an_address_that_is_taken(folder: Path, ask: Ask) -> None:
    with pytest.raises(ZooError, match="cannot listen on"):
        serve.server(folder, port=int(ask.address.rpartition(":")[2]))


def test_an_index_is_read_anew(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "zoo", {"labels.txt": b"a\n"})
    with serving(folder) as ask:
        assert names(ask("/")[2]) == ["toy/1.0.0"]
        zoo.publish(folder, "new", contents(), stated())
        assert names(ask("/")[2]) == ["new/1.0.0", "toy/1.0.0"] and json.loads(ask("/index.json")[2])


def test_scripts_and_wasm_have_their_types() -> None:
    assert serve.TYPES[".mjs"] == "text/javascript" and serve.TYPES[".wasm"] == "application/wasm"


def test_an_installation_whose_files_are_linked(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installers such as uv link the files of a package into each environment."""
    site = tmp_path / "site"
    site.mkdir()
    for path in pages.SITE.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
        os.link(tmp_path / path.name, site / path.name)
    monkeypatch.setattr(serve, "SITE", site)
    with serving(folder) as ask:
        status, headers, body = ask("/-/style.css")
        assert status == 200 and headers["Content-Type"].startswith("text/css") and body
    zoo.publish(tmp_path / "zoo", "toy", contents(), stated())
    os.link(tmp_path / "zoo/toy/1.0.0/labels.txt", tmp_path / "another name")
    with serving(tmp_path / "zoo") as ask:  # a file of the zoo itself could change under its other name
        assert ask("/toy/1.0.0/labels.txt")[0] == 500


@contextmanager
def slow_clients(folder: Path, monkeypatch: pytest.MonkeyPatch, **bounds: float) -> Iterator[Any]:
    """A server with other bounds, and connect(text) -> socket."""
    for name, value in bounds.items():
        monkeypatch.setattr(connections, name, value)
    made = serve.server(folder, port=0)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    with ExitStack() as stack:

        def connect(text: bytes) -> socket.socket:
            found = stack.enter_context(socket.create_connection(("127.0.0.1", made.port), timeout=10))
            found.sendall(text)
            return found

        yield connect
    made.shutdown()
    deadline = time.monotonic() + 10
    while made._open.total() and time.monotonic() < deadline:
        time.sleep(0.01)
    made.server_close()


ASKED = b"GET /index.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("bound", ["MOST", "MOST_OF_ONE"])
def test_so_many_connections_and_no_more(folder: Path, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    before = threading.active_count()
    with slow_clients(folder, monkeypatch, **{bound: 4}) as connect:
        idle = [connect(b"GET /") for _ in range(4)]
        time.sleep(0.3)
        for _ in range(50):
            assert connect(ASKED).recv(1 << 16).startswith(b"HTTP/1.1 503")
        assert threading.active_count() <= before + 1 + 4
        for client in idle:
            client.close()
        deadline = time.monotonic() + 10
        while not connect(ASKED).recv(1 << 16).startswith(b"HTTP/1.1 200"):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_question_has_a_deadline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that drips its headers, each byte in time, is let go of all the same."""
    with slow_clients(folder, monkeypatch, ASKING=1.0) as connect:
        client, began = connect(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "), time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() < began + 20:
                client.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - began < 5


def test_a_client_that_reads_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "zoo"
    zoo.publish(folder, "big", {"big.bin": bytes(1 << 26)}, stated())
    opened: list[BinaryIO] = []

    def kept(*said: Any) -> BinaryIO:
        opened.append(open_file(*said))
        return opened[-1]

    monkeypatch.setattr(serve, "open_file", kept)
    with slow_clients(folder, monkeypatch, PATIENCE=0.5, MOST=1) as connect:
        idle = connect(b"GET /big/1.0.0/big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        deadline = time.monotonic() + 10
        while not connect(ASKED).recv(1 << 16).startswith(b"HTTP/1.1 200"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        idle.close()
    assert len(opened) > 1 and all(file.closed for file in opened)


def test_what_it_means_to_listen_to_others() -> None:
    assert serve.warning("127.0.0.1") is None and serve.warning("::1") is None and serve.warning("localhost") is None
    for host in ("0.0.0.0", "::", "192.168.1.7", "example.org", ""):
        assert "every machine that can reach this one" in str(serve.warning(host))
