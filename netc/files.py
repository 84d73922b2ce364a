"""Files that are whole or not there: written beside, flushed, renamed. And where those that can be made again are kept."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHUNK = 1 << 16  # bytes of a long file that are read at a time
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # what file systems without locks answer


def cache_folder() -> Path:
    """The directory where netc keeps what it can make or get again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netc"


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
