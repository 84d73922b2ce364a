"""log.jsonl: the log of a run with one JSON object per line. A damaged line does not affect the others."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc.files import read_file
from netc.formats.typed_json import MisfitError, typed
from netc.training.evaluate import Score
from netc.training.snapshot_metadata import SnapshotMetadata

Line = dict[str, Any]
TEXTS = ("event", "layer")


@dataclass(frozen=True)
class Log:
    """The contents of a log: its valid lines, and the numbers of its damaged lines, counted from 1."""

    lines: tuple[Line, ...]
    damaged: tuple[int, ...] = ()

    @property
    def damage(self) -> str:
        """A message on the damaged lines; "" if there are none."""
        numbers = ", ".join(map(str, self.damaged[:5])) + (", …" if len(self.damaged) > 5 else "")
        return f"line{'s' if len(self.damaged) > 1 else ''} {numbers} cannot be read" if self.damaged else ""


def parsed(text: bytes) -> Line | None:
    """Parse a line of a log; None if it is damaged."""
    try:
        line: Line = typed(json.loads(text), dict[str, Any])
        for name, value in line.items():
            typed(value, dict[str, dict[str, float]] if name == "layers" else str if name in TEXTS else Score, name)
        typed(line["iteration"], int)
        return line if line["event"] else None
    except (ValueError, RecursionError, MisfitError, KeyError):
        return None


def read(path: Path) -> Log:
    """Read the log at `path`; empty if there is no file. A truncated last line is ignored."""
    texts = read_file(path).split(b"\n") if path.exists() else []
    lines = [(number, parsed(text)) for number, text in enumerate(texts[:-1], 1)]
    return Log(tuple(line for _, line in lines if line is not None), tuple(number for number, line in lines if line is None))


def read_from(path: Path, start: int) -> Iterator[tuple[Line, int]]:
    """Yield the valid lines of the log from byte `start` on, each with the position of the next."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(start)
        for text in file:
            if not text.endswith(b"\n"):
                return
            start += len(text)
            if line := parsed(text):
                yield line, start


def cut(data: bytes, metadata: SnapshotMetadata, layer: str | None) -> tuple[list[bytes], Log]:
    """The lines at the time of a snapshot, raw and parsed. The snapshot is from the pretraining of `layer`, or from the main stage.

    The snapshot counted its lines, so the first ones are kept. Damage can join or split lines, so if lines are damaged, all lines up
    to the first one from after the snapshot are kept instead.
    """
    texts = data.split(b"\n")[:-1]
    whole = [parsed(text) for text in texts]
    end = min(metadata.log_length, len(texts))
    if None in whole[:end]:
        later = (k for k, line in enumerate(whole) if line is not None and _is_later(line, metadata, layer))
        end = next(later, len(texts))
    damaged = tuple(k + 1 for k in range(end) if whole[k] is None)
    return texts[:end], Log(tuple(line for line in whole[:end] if line is not None), damaged)


def _is_later(line: Mapping[str, Any], metadata: SnapshotMetadata, layer: str | None) -> bool:
    """Whether a line was written after a snapshot."""
    own = line.get("layer") == layer
    if line["event"] in ("test", "validation", "rate") and metadata.tested and line["iteration"] == metadata.tested[0]:
        return False
    return own and line["iteration"] >= metadata.iteration
