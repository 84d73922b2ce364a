"""`netc zoo serve`: serve a zoo over HTTP, with web pages. Needs the extra `serve`.

The address works as a zoo for downloads: files have the same paths as in the directory. In addition `/` lists the models, and
`/<name>/<version>/` shows one. Files that no manifest lists are not served.
"""

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netc.errors import UnknownModelError, ZooError
from netc.zoo.index import Entry, entries, read_manifest
from netc.zoo.location import open_file
from netc.zoo.names import INDEX, MANIFEST, SIGNATURE, is_version
from netc.zoo.pages import SITE, error_page, list_page, model_page

if TYPE_CHECKING:
    from werkzeug.wrappers import Request, Response

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TYPES = {
    ".json": "application/json",
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".yaml": "text/plain",
    ".png": "image/png",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
}
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def application(zoo: Path, host: str = "") -> App:
    """A WSGI application for a local zoo. With a loopback `host`, it only accepts loopback host names.

    This prevents DNS rebinding, by which a foreign web page could read the zoo.
    """
    from werkzeug.exceptions import HTTPException
    from werkzeug.wrappers import Request

    local = _is_loopback(host)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        try:
            if local and not _is_loopback(request.host):
                response = _page(error_page("Wrong host name", f"This server only accepts requests for {host}."), 421)
            elif request.method not in ("GET", "HEAD"):
                response = _page(error_page("Method not allowed", "This server only accepts GET and HEAD requests."), 405)
                response.headers["Allow"] = "GET, HEAD"
            else:
                response = _answer(zoo, request)
        except UnknownModelError as error:
            response = _page(error_page("Model not found", str(error)), 404)
        except ZooError as error:
            response = _page(error_page("The zoo is damaged", str(error)), 500)
        except HTTPException as error:
            gone = error.code == 404
            response = _page(error_page("Page not found", request.path), 404) if gone else error.get_response(environ)
        response.headers.extend(HEADERS)
        response.headers.pop("Date", None)  # the server sets it
        return response(environ, start_response)

    return app


def server(zoo: str | Path, host: str = "127.0.0.1", port: int = 8000) -> Any:
    """A server for a local zoo, with `serve_forever()`. Port 0 selects a free port. ZooError if it cannot start."""
    try:
        from netc.zoo.connections import BoundedServer
    except ImportError:
        raise ZooError("netc zoo serve needs pip install 'netc[serve]'") from None
    entries(zoo)  # reports a folder that is not a zoo
    try:
        return BoundedServer(host, port, application(Path(zoo), host))
    except (OSError, OverflowError, SystemExit) as error:
        raise ZooError(f"{host}:{port}: cannot listen on this address: {getattr(error, 'strerror', None) or error}") from error


def warning(host: str) -> str | None:
    """A warning if other machines can reach `host`; None for the loopback."""
    if _is_loopback(host):
        return None
    return "every machine that can reach this one can read the zoo: there is no password, and http is not encrypted"


def _answer(zoo: Path, request: "Request") -> "Response":
    from werkzeug.exceptions import NotFound
    from werkzeug.utils import redirect

    parts = request.path.strip("/").split("/")
    known = entries(zoo)
    versions = [entry for entry in known if entry.name == parts[0]]
    if request.path == "/":
        return _page(list_page(known, request.args.get("q", "")[:200]))
    if request.path == f"/{INDEX}":
        return _file(zoo, INDEX, request, None)
    if parts[0] == "-" and len(parts) == 2 and parts[1] in {p.name for p in SITE.iterdir() if p.suffix in TYPES}:
        return _file(SITE, parts[1], request, None, sole=False)
    if not versions:
        raise NotFound
    if len(parts) == 1:
        return redirect(f"/{versions[-1].name}/{versions[-1].version}/", 307)
    entry = next((e for e in versions if e.version == parts[1]), None) if is_version(parts[1]) else None
    if entry is None or len(parts) > 3:
        raise NotFound
    if len(parts) == 2:
        if not request.path.endswith("/"):
            return redirect(f"/{entry.name}/{entry.version}/", 307)
        return _page(model_page(zoo, entry, versions))
    return _file(zoo, request.path[1:], request, _digest(zoo, entry, parts[2]))


def _digest(zoo: Path, entry: Entry, name: str) -> str | None:
    """The sha256 of a file from the manifest; None if it is not listed."""
    from werkzeug.exceptions import NotFound

    if name == MANIFEST:
        return entry.manifest_sha256
    if name == SIGNATURE and entry.signed:
        return None
    manifest, _ = read_manifest(zoo, entry)
    for file in manifest["files"]:
        if file["name"] == name:
            return str(file["sha256"])
    raise NotFound


def _file(root: Path, path: str, request: "Request", digest: str | None, sole: bool = True) -> "Response":
    """A file or the requested range of it. The ETag is its hash, or its time and size if the hash is unknown."""
    from werkzeug.wrappers import Response
    from werkzeug.wsgi import wrap_file

    file = open_file(root, path, sole)
    status = os.fstat(file.fileno())
    kind = TYPES.get(Path(path).suffix, "application/octet-stream")
    response = Response(wrap_file(request.environ, file), content_type=f"{kind}; charset=utf-8" if kind.startswith("text") else kind)
    response.direct_passthrough = True
    response.content_length, response.last_modified = status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)
    response.set_etag(digest or f"{status.st_mtime_ns}-{status.st_size}")
    response.cache_control.no_cache = True
    try:
        made = response.make_conditional(request.environ, accept_ranges=True, complete_length=status.st_size)
    except BaseException:
        file.close()
        raise
    if request.method == "HEAD" or made.status_code == 304:
        file.close()  # nothing is sent, so the server does not close it
    return made


def _page(text: str, status: int = 200) -> "Response":
    from werkzeug.wrappers import Response

    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.cache_control.no_cache = True
    return response


def _is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is a loopback address."""
    name = host.rpartition(":")[0] if host.count(":") == 1 or "]:" in host else host
    try:
        return name == "localhost" or ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
