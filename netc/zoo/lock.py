"""One process at a time: a lock on a file, which the system lets go of when its holder dies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, keep: bool = True) -> Iterator[None]:
    """Holds the file `path` against others that lock it; waits until they are done. Without `keep` the file goes in the end."""
    import fcntl

    while True:
        with open(path, "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is(path, lock.fileno()):  # its last holder removed it while this one waited
                continue
            try:
                yield
            finally:
                if not keep:
                    path.unlink(missing_ok=True)
            return


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
