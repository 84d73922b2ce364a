"""Download one file: resume it after an interruption, and verify it before it gets its final name.

A host that does not answer is skipped immediately, also for the other files of the data set.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from netc import terminal
from netc.errors import DataError
from netc.files import open_unlinked

CHUNK, PATIENCE = 2**16, 8  # bytes per read; seconds to wait for data
PAUSE = 60  # seconds before a host that did not answer is tried again

_silent: dict[str, float] = {}  # when each host that did not answer may be tried again
_allowed: ContextVar[bool] = ContextVar("allowed", default=True)


@contextmanager
def no_downloads() -> Iterator[None]:
    """Disable downloads within this context: `download` raises a DataError."""
    token = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(token)


def allowed() -> bool:
    """Whether downloads are enabled, see `no_downloads`."""
    return _allowed.get()


def download(url: str, path: Path, size: int, digest: str) -> Path:
    """Download the `size` bytes at `url` to `path`, and verify their sha256 `digest`. Until then, they are in `path`.part."""
    if not allowed():
        raise DataError(f"{url}: Downloads are not allowed.")
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        have = part.lstat().st_size if part.exists() else 0
        if have < size:
            _fetch(url, part, have, size)
        with open_unlinked(part, os.O_RDONLY) as file:
            found = _sha256(file)
    except OSError as e:
        raise DataError(f"{url}: {e}") from e
    if part.stat().st_size != size or found != digest:
        got = part.stat().st_size
        part.unlink()
        raise DataError(f"{url}: It has {got} bytes with the sha256 {found}. Expected {size} bytes with {digest}.")
    os.replace(part, path)
    return path


def _fetch(url: str, part: Path, have: int, size: int) -> None:
    headers = {"User-Agent": "netc"} | ({"Range": f"bytes={have}-"} if have else {})
    with _answer(Request(url, headers=headers)) as answer:
        # A server without support for ranges answers 200 and sends the file from the start.
        have = have if answer.status == 206 else 0
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if have else os.O_TRUNC)
        with open_unlinked(part, flags) as file, _progress(part.stem, have, size) as advance:
            # One extra byte is enough to detect a different file.
            while have <= size and (chunk := answer.read(min(CHUNK, size + 1 - have))):
                file.write(chunk)
                have += len(chunk)
                advance(len(chunk))
    if have < size:
        raise OSError(f"the connection broke after {have} of {size} bytes")


def _answer(request: Request) -> Any:
    host = urlsplit(request.full_url).netloc
    if time.monotonic() < _silent.get(host, 0):
        raise OSError("the host did not answer the last request")
    try:
        return urlopen(request, timeout=PATIENCE)
    except HTTPError:
        raise
    except OSError:
        _silent[host] = time.monotonic() + PAUSE
        raise


def _sha256(file: BinaryIO) -> str:
    digest = sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _progress(name: str, have: int, size: int) -> Iterator[Callable[[float], None]]:
    if not sys.stderr.isatty():
        yield lambda advance: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=terminal.console(sys.stderr), transient=True) as bar:
        task = bar.add_task(name, total=size, completed=have)
        yield lambda advance: bar.update(task, advance=advance)
