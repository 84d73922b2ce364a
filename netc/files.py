"""Files that are whole or not there: written beside, flushed, renamed. And where those that can be made again are kept."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 16  # bytes of a long file that are read at a time
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # what file systems without locks answer


def cache_folder() -> Path:
    """The directory where netc keeps what it can make or get again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netc"


KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


class IrregularFileError(OSError):
    """What a name leads to is no file whose bytes are there: to read a pipe or a device may take for ever."""


def open_plain(path: str | Path) -> BinaryIO:
    """A file to read. OSError if there is none or it is a folder; IrregularFileError, at once, for a pipe, a socket or a device."""
    # O_NONBLOCK: opening a pipe that nobody writes would wait.
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
    """The bytes of a file, as `open_plain` opens it."""
    with open_plain(path) as file:
        return file.read()


def read_text(path: str | Path, encoding: str = "utf-8") -> str:
    """The text of a file, as `open_plain` opens it, its ends of lines `\n`. UnicodeDecodeError if it is none."""
    return read_file(path).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def _irregular(path: str | Path, mode: int) -> OSError:
    if stat.S_ISDIR(mode):
        return IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
    return IrregularFileError(errno.EINVAL, f"it is {KINDS.get(stat.S_IFMT(mode), 'no plain file')}, not a file", str(path))


def replace_file(path: Path, data: bytes) -> None:
    """Puts `data` at `path` so that a reader, at any moment and after any crash, sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def sweep(directory: Path) -> None:
    """Removes what writers that were killed left unfinished. Nobody may be writing there."""
    for path in directory.glob(".*.tmp"):
        with suppress(OSError):
            path.unlink()


def sync(path: Path) -> None:
    """Flushes what was written into a file to disk; of a directory its names, without which a renamed file can vanish in a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, wait: bool = True, keep: bool = True) -> Iterator[None]:
    """Holds the file at `path` against other processes. The system lets go of it when a process dies, however it dies.

    BlockingIOError if another one has it and this one is not to `wait`. Where the file system knows no locks, nothing is held.
    Without `keep` the file goes in the end.
    """
    while True:
        with open(path, "ab") as file:
            _lock(file.fileno(), wait)
            if not keep and not _lies_at(path, file.fileno()):
                continue  # its last holder removed it while this one waited
            try:
                yield
            finally:
                if not keep:
                    path.unlink(missing_ok=True)
            return


def _lock(descriptor: int, wait: bool) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError as e:
        if e.errno not in NO_LOCKS:
            raise


def _lies_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
