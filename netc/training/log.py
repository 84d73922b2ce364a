"""log.jsonl: the lines of a run, one JSON object each, read so that a damaged one costs no other."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc.files import read_file
from netc.formats.typed_json import MisfitError, typed
from netc.training.evaluate import Score
from netc.training.snapshot_notes import Noted

Line = dict[str, Any]
TEXTS = ("event", "layer")


@dataclass(frozen=True)
class Log:
    """What a log holds: the lines that are whole, and the numbers of those that are damaged, from 1 on."""

    lines: tuple[Line, ...]
    damaged: tuple[int, ...] = ()

    @property
    def damage(self) -> str:
        """A sentence on the lines that are damaged; "" if none is."""
        numbers = ", ".join(map(str, self.damaged[:5])) + (", …" if len(self.damaged) > 5 else "")
        return f"line{'s' if len(self.damaged) > 1 else ''} {numbers} cannot be read" if self.damaged else ""


def parsed(text: bytes) -> Line | None:
    """A line of a log; None if it is damaged."""
    try:
        line: Line = typed(json.loads(text), dict[str, Any])
        for name, value in line.items():
            typed(value, dict[str, dict[str, float]] if name == "layers" else str if name in TEXTS else Score, name)
        typed(line["iteration"], int)
        return line if line["event"] else None
    except (ValueError, RecursionError, MisfitError, KeyError):
        return None


def read(path: Path) -> Log:
    """The log at `path`, an empty one if there is none. A last line that a kill cut short is left out."""
    texts = read_file(path).split(b"\n") if path.exists() else []
    found = [(number, parsed(text)) for number, text in enumerate(texts[:-1], 1)]
    return Log(tuple(line for _, line in found if line is not None), tuple(number for number, line in found if line is None))


def read_from(path: Path, start: int) -> Iterator[tuple[Line, int]]:
    """The lines from byte `start` of the log on that are whole, each with the byte where the next begins."""
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


def cut(data: bytes, said: Noted, layer: str | None) -> tuple[list[bytes], Log]:
    """The lines that a snapshot remembers, and the log of these. It was taken in the stage of pretraining of `layer`, or in the main one.

    They are the first ones, as many as it counted. Where lines are damaged they cannot be counted, since damage can join or part
    lines: then all stay up to the first one that tells of what came after the snapshot.
    """
    texts = data.split(b"\n")[:-1]
    whole = [parsed(text) for text in texts]
    end = min(said.log_length, len(texts))
    if None in whole[:end]:
        later = (k for k, line in enumerate(whole) if line is not None and _is_later(line, said, layer))
        end = next(later, len(texts))
    damaged = tuple(k + 1 for k in range(end) if whole[k] is None)
    return texts[:end], Log(tuple(line for line in whole[:end] if line is not None), damaged)


def _is_later(line: Mapping[str, Any], said: Noted, layer: str | None) -> bool:
    """Whether a line was written after a snapshot."""
    own = line.get("layer") == layer
    if line["event"] in ("test", "validation") and said.tested and line["iteration"] == said.tested[0]:
        return False
    return own and line["iteration"] >= said.iteration
