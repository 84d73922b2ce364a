"""The output formats of commands, selected by the suffix of a file. An unknown suffix gives an error that lists the formats."""

from collections.abc import Sequence
from pathlib import Path

from netc.errors import RunError, SpecError
from netc.files import replace_file


def form(path: str, known: Sequence[str], what: str) -> str:
    """The suffix of `path` in lower case, one of `known` ("" for no suffix). SpecError, before any work, for another suffix."""
    suffix = Path(path).suffix.lower()
    if suffix not in known:
        kinds = [kind for kind in known if kind]
        listed = f"{', '.join(kinds[:-1])} or {kinds[-1]}" if len(kinds) > 1 else kinds[0]
        came = f"The suffix {suffix!r} is none of them." if suffix else "The name has no suffix."
        raise SpecError(f"{path}: netc writes {what} as {listed}. {came}")
    return suffix


def put(path: str, content: bytes) -> None:
    """Write a file atomically. RunError if that fails."""
    try:
        replace_file(Path(path), content)
    except OSError as e:
        raise RunError(f"Cannot write {path}: {e.strerror or e}") from e
