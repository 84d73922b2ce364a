"""Read files at addresses that fsspec knows, such as s3:// and hf://."""

from collections.abc import Generator
from typing import Any

from netc.errors import CutError, ZooError
from netc.files import CHUNK

EXTRAS = {"s3": "s3", "s3a": "s3", "hf": "hf"}  # extras that install the library for a scheme


def pieces_of(location: str, path: str, start: int = 0) -> Generator[bytes, None, None]:
    """Yield the bytes of `location`/`path` from `start` on. CutError if the connection breaks; else ZooError."""
    system, root = _file_system(location)
    try:
        with system.open(f"{root.rstrip('/')}/{path}", "rb") as file:
            file.seek(start)
            while piece := file.read(CHUNK):
                yield piece
    except FileNotFoundError:
        raise ZooError(f"{location}/{path}: There is no such file.") from None
    except ZooError:
        raise
    except Exception as error:  # each library behind fsspec has its own errors
        raise CutError(f"{location}/{path}: {str(error)[:300] or type(error).__name__}") from error


def _file_system(location: str) -> tuple[Any, str]:
    import fsspec

    scheme = location.partition("://")[0]
    try:
        system, root = fsspec.url_to_fs(location)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        raise ZooError(f"{location}: " + (f"{scheme}:// needs pip install 'netc[{extra}]'" if extra else str(error))) from error
    except ValueError as error:
        raise ZooError(f"{location}: expected a directory, or an address with http(s)://, s3:// or hf://; got {scheme}://") from error
    except Exception as error:
        raise ZooError(f"{location}: {str(error)[:300] or type(error).__name__}") from error
    return system, str(root)
