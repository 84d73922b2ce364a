"""The folder of a run: runs/<net>/<number>/ with net.yaml, log.jsonl and snapshots/; run.json, report.html and events.* beside them.

log.jsonl holds no times, so that the log of a run that was killed and resumed is that of one that was not, bit for bit.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from netc.errors import RunError, SnapshotError
from netc.files import locked, replace_file, sweep, sync
from netc.runtime import snapshot
from netc.training.log import Line, Log, cut, read, read_from
from netc.training.snapshot_notes import Noted

BEST = "best.safetensors"
LOCK = ".lock"


class RunFolder:
    """One run on disk."""

    def __init__(self, path: Path):
        self.path = path
        self.log_path, self.snapshots, self.net_path = path / "log.jsonl", path / "snapshots", path / "net.yaml"

    @classmethod
    def new(cls, root: Path, name: str) -> "RunFolder":
        """The next free number under root/name."""
        parent = root / name
        try:
            parent.mkdir(parents=True, exist_ok=True)
            number = max((int(p.name) for p in parent.iterdir() if p.name.isdecimal()), default=0) + 1
            while True:
                try:
                    (parent / str(number)).mkdir()
                    break
                except FileExistsError:
                    number += 1
            folder = cls(parent / str(number))
            folder.snapshots.mkdir()
            sync(parent)
        except OSError as e:
            raise RunError(f"Cannot write {parent}: {e.strerror or e}") from e
        return folder

    @contextmanager
    def held(self) -> Iterator[None]:
        """No other process goes on with the run in the meantime; what one left unfinished goes. SnapshotError if one is at it."""
        try:
            with locked(self.path / LOCK, wait=False):
                sweep(self.path)
                sweep(self.snapshots)
                yield
        except BlockingIOError:
            raise SnapshotError(f"{self.path}: another process is writing this run; wait for it, or end it first") from None

    def write_net(self, net_text: str) -> None:
        """net.yaml: the resolved net, or another of a run that goes on with other lengths."""
        try:
            replace_file(self.net_path, net_text.encode())
        except OSError as e:
            raise RunError(f"Cannot write {self.net_path}: {e.strerror or e}") from e

    def discard(self) -> None:
        """Remove the folder of a run that did not start."""
        shutil.rmtree(self.path, ignore_errors=True)

    @classmethod
    def chosen(cls, root: Path, name: str, which: str = "") -> "RunFolder":
        """The run `which` of a net, a folder or a number; without it the newest one that got as far as a snapshot.

        SnapshotError if there is none.
        """
        numbers = sorted((int(p.name) for p in (root / name).glob("*") if p.name.isdecimal()), reverse=True)
        if which:
            path = root / name / which if which.isdecimal() else Path(which)
            if not (path / "net.yaml").is_file():
                there = f"; there are {', '.join(map(str, sorted(numbers)))}" if numbers else ""
                raise SnapshotError(f"{path}: there is no such run{there}. A run is a folder such as {root / name / '1'}, or its number")
            return cls(path)
        for folder in (cls(root / name / str(number)) for number in numbers):
            if any(folder.snapshots.glob("iter_*")):
                return folder
        raise SnapshotError(f"{root / name}: there is no run of {name} with a snapshot to resume from")

    def log(self, line: Mapping[str, Any]) -> str:
        """Append one JSON object; the line that it became, without its end."""
        text = json.dumps(line)
        try:
            with self.log_path.open("a") as file:
                file.write(text + "\n")
        except OSError as e:
            raise RunError(f"Cannot write {self.log_path}: {e.strerror or e}") from e
        return text

    def read_log(self) -> Log:
        """The log so far. RunError if it cannot be read."""
        try:
            return read(self.log_path)
        except OSError as e:
            raise RunError(f"Cannot read {self.log_path}: {e.strerror or e}") from e

    def lines(self) -> Sequence[Line]:
        """The lines of the log that are whole."""
        return self.read_log().lines

    def lines_from(self, start: int) -> Iterator[tuple[Line, int]]:
        """The lines from byte `start` of the log on that are whole, each with the byte where the next begins."""
        return read_from(self.log_path, start)

    def rewind(self, said: Noted, layer: str | None) -> int:
        """Cut the log to the lines that a snapshot of a stage remembers. How many there are now: fewer than then if some are lost."""
        try:
            data = self.log_path.read_bytes() if self.log_path.exists() else b""
            kept, _ = cut(data, said, layer)
            replace_file(self.log_path, b"".join(line + b"\n" for line in kept))
        except OSError as e:
            raise RunError(f"Cannot write {self.log_path}: {e.strerror or e}") from e
        return len(kept)

    def write(self, iteration: int, states: Mapping[str, np.ndarray], metadata: Mapping[str, Any], keep: int) -> Path:
        """A snapshot, once the log that it remembers is on disk; all but the newest `keep` go."""
        if self.log_path.exists():
            try:
                sync(self.log_path)
            except OSError as e:
                raise RunError(f"Cannot write {self.log_path}: {e.strerror or e}") from e
        path = snapshot.write(self.snapshots / snapshot.file_name(iteration), states, metadata)
        snapshot.prune(self.snapshots, max(keep, 1), {self.snapshots / BEST})
        return path

    def write_best(self, states: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> Path:
        """The states of the best test so far."""
        return snapshot.write(self.snapshots / BEST, states, metadata)

    def read_best(self) -> snapshot.Snapshot:
        """The states of the best test. SnapshotError if they are damaged."""
        try:
            return snapshot.read(self.snapshots / BEST)
        except SnapshotError as e:
            raise SnapshotError(f"{e}; without that file --resume ends with the states of the last iteration") from e
