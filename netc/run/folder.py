"""The folder of a run: runs/<net>/<number>/ with net.yaml, log.jsonl and snapshots/; run.json, report.html and events.* beside them.

log.jsonl holds no times, so that the log of a run that was killed and resumed is that of one that was not, bit for bit.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc import snapshot
from netc.errors import RunError, SnapshotError
from netc.files import replace_file

BEST = "best.safetensors"


class RunFolder:
    """One run on disk."""

    def __init__(self, path: Path):
        self.path = path
        self.log_path, self.snapshots = path / "log.jsonl", path / "snapshots"

    @classmethod
    def new(cls, root: Path, name: str, net_text: str) -> "RunFolder":
        """The next free number under root/name, holding the resolved net."""
        parent = root / name
        try:
            parent.mkdir(parents=True, exist_ok=True)
            number = max((int(p.name) for p in parent.iterdir() if p.name.isdigit()), default=0) + 1
            while True:
                try:
                    (parent / str(number)).mkdir()
                    break
                except FileExistsError:
                    number += 1
            folder = cls(parent / str(number))
            folder.snapshots.mkdir()
            (folder.path / "net.yaml").write_text(net_text)
        except OSError as e:
            raise RunError(f"{parent}: cannot be written: {e.strerror or e}") from e
        return folder

    def discard(self) -> None:
        """Remove the folder of a run that did not start."""
        shutil.rmtree(self.path, ignore_errors=True)

    @classmethod
    def latest(cls, root: Path, name: str) -> "RunFolder":
        """The newest run of a net that got as far as a snapshot. SnapshotError if there is none."""
        numbers = sorted((int(p.name) for p in (root / name).glob("*") if p.name.isdigit()), reverse=True)
        for folder in (cls(root / name / str(number)) for number in numbers):
            if any(folder.snapshots.glob("iter_*")):
                return folder
        raise SnapshotError(f"{root / name}: there is no run of {name} with a snapshot to resume from")

    def log(self, line: Mapping[str, Any]) -> None:
        """Append one JSON object."""
        try:
            with self.log_path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as e:
            raise RunError(f"{self.log_path}: cannot be written: {e.strerror or e}") from e

    def lines(self) -> list[dict[str, Any]]:
        """The log so far; a last line that a kill cut short is left out."""
        lines = []
        for text in self.log_path.read_text().splitlines() if self.log_path.exists() else []:
            try:
                lines.append(json.loads(text))
            except ValueError:
                break
        return lines

    def lines_from(self, start: int) -> Iterator[tuple[dict[str, Any], int]]:
        """The lines from byte `start` of the log on that are whole, each with the byte where the next begins."""
        if not self.log_path.exists():
            return
        with self.log_path.open("rb") as file:
            file.seek(start)
            for text in file:
                if not text.endswith(b"\n"):
                    return
                start += len(text)
                yield json.loads(text), start

    def rewind(self, length: int) -> None:
        """Cut the log to its first `length` lines, which a snapshot remembers."""
        kept = "".join(json.dumps(line) + "\n" for line in self.lines()[:length])
        try:
            replace_file(self.log_path, kept.encode())
        except OSError as e:
            raise RunError(f"{self.log_path}: cannot be written: {e.strerror or e}") from e

    def write(self, iteration: int, states: Mapping[str, np.ndarray], metadata: Mapping[str, Any], keep: int) -> Path:
        """A snapshot; all but the newest `keep` go."""
        path = snapshot.write(self.snapshots / snapshot.file_name(iteration), states, metadata)
        snapshot.prune(self.snapshots, max(keep, 1), {self.snapshots / BEST})
        return path

    def write_best(self, states: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> Path:
        """The states of the best test so far."""
        return snapshot.write(self.snapshots / BEST, states, metadata)
