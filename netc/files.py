"""Atomic file writes, safe file reads, file locks, and the cache folder.

Files are written beside their target, flushed and renamed, so they are complete or absent.
"""

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

CHUNK = 1 << 16  # bytes per read of a long file
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # errors of file systems without locks
# O_NONBLOCK: opening a pipe that nobody writes to would block forever.
NO_LINKS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
STALE = 3600.0  # seconds after which the writer of an unfinished, unlocked file is assumed dead
_TEMPORARY = re.compile(r"\..*\.netc-[0-9a-f]{16}\.tmp", re.DOTALL)


def cache_folder() -> Path:
    """The directory for files that netc can create or fetch again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netc"


KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


class IrregularFileError(OSError):
    """The path is not a regular file. Reading a pipe or a device could block forever."""


def open_plain(path: str | Path) -> BinaryIO:
    """Open a file for reading.

    OSError if it is missing or a folder. IrregularFileError, without waiting, for a pipe, a socket or a device.
    """
    # O_NONBLOCK: opening a pipe that nobody writes to would block.
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as e:
        if e.errno == errno.ENXIO:  # a socket
            raise _irregular(path, os.stat(path).st_mode) from e
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _irregular(path, mode)
    return os.fdopen(descriptor, "rb")


def read_file(path: str | Path) -> bytes:
    """Read a file's bytes, see `open_plain`."""
    with open_plain(path) as file:
        return file.read()


def read_text(path: str | Path, encoding: str = "utf-8") -> str:
    """Read a file's text, see `open_plain`, with line ends converted to `\n`. UnicodeDecodeError if it is not text."""
    return read_file(path).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def _irregular(path: str | Path, mode: int) -> OSError:
    if stat.S_ISDIR(mode):
        return IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
    return IrregularFileError(errno.EINVAL, f"it is {KINDS.get(stat.S_IFMT(mode), 'no plain file')}, not a file", str(path))


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, at any moment and after any crash."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of `path` at the end, and goes away if there is an error.

    The bytes are first written beside it, under a random name. So nobody can place a link there in advance.
    """
    sweep(path.parent, STALE)
    temporary = path.with_name(_temporary_name(path.name))
    try:
        with open_unlinked(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
            _held(file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def scratch(directory: Path) -> Iterator[Path]:
    """Create a folder in `directory` that only this user can enter, and remove it at the end.

    It is for libraries that write files by name.
    """
    sweep(directory, STALE)
    folder = directory / _temporary_name("")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def open_unlinked(path: Path, flags: int) -> BinaryIO:
    """Open a file with `flags` of os.open.

    OSError if it is a link, or an existing file that is not regular. So a pipe cannot block the process.
    """
    mode = "rb" if flags & (os.O_WRONLY | os.O_RDWR) == 0 else "r+b" if flags & os.O_RDWR else "ab" if flags & os.O_APPEND else "wb"
    file = open(path, mode, opener=lambda name, _: os.open(name, flags | NO_LINKS, 0o666))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "is not a plain file", str(path))
    return cast(BinaryIO, file)


def sweep(directory: Path, age: float = 0) -> None:
    """Remove unfinished files that killed writers left at least `age` seconds ago. Files that a writer still holds are kept."""
    now = time.time()
    with suppress(OSError):
        for name in (n for n in os.listdir(directory) if _TEMPORARY.fullmatch(n)):
            with suppress(OSError, ImportError):  # the latter on systems without locks
                status = os.lstat(directory / name)
                if now - status.st_mtime >= age and status.st_uid == _user(status):
                    _remove(directory / name, status)


def _remove(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        shutil.rmtree(path, ignore_errors=True)
        return
    if stat.S_ISREG(status.st_mode):
        with open_unlinked(path, os.O_RDONLY) as file:
            _lock(file.fileno(), False)
    path.unlink()


def _user(status: os.stat_result) -> int:
    """The user id, on systems that have one."""
    return os.getuid() if hasattr(os, "getuid") else status.st_uid


def _temporary_name(name: str) -> str:
    """An unpredictable name that is short enough for any file system."""
    return f".{name.encode(errors='surrogateescape')[:150].decode(errors='ignore')}.netc-{secrets.token_hex(8)}.tmp"


def sync(path: Path) -> None:
    """Flush a file to disk.

    For a directory, this flushes its names; without it, a power cut can lose a renamed file.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, wait: bool = True, keep: bool = True) -> Iterator[bool]:
    """Lock the file at `path` against other processes. The system releases the lock when the process ends in any way.

    BlockingIOError if another process has the lock and `wait` is false. Yields False if the file system does not support locks. Without
    `keep`, the file is removed at the end.
    """
    while True:
        with open_unlinked(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as file:
            held = _lock(file.fileno(), wait)
            if not keep and not _lies_at(path, file.fileno()):
                continue  # the last holder removed it while this process waited
            try:
                yield held
            finally:
                if not keep:
                    path.unlink(missing_ok=True)
            return


def _lock(descriptor: int, wait: bool) -> bool:
    """Lock the file. Returns False if the file system does not support locks."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError as e:
        if e.errno not in NO_LOCKS:
            raise
        return False
    return True


def _held(descriptor: int) -> None:
    """Mark a file as being written, so that `sweep` keeps it."""
    with suppress(OSError, ImportError):
        _lock(descriptor, False)


def _lies_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
