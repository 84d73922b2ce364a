"""The names of classes in the file labels.txt of a published model."""

from pathlib import Path

from netc.errors import DataError
from netc.files import read_text


def read_labels(file: Path) -> list[str]:
    """Read class names from a UTF-8 file, one per line. DataError if it cannot be read."""
    try:
        return read_text(file, "utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"Cannot read {file} as names of classes in UTF-8: {e}") from e
