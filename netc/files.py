"""Files that are whole or not there: written beside, flushed, renamed. And where those that can be made again are kept."""

import os
from contextlib import suppress
from pathlib import Path


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
        sync_directory(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Flushes the names in `directory` to disk; without it a renamed file can vanish in a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
