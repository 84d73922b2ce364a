"""The folder of a run: runs/<net>/<number>/ with net.yaml, log.jsonl, snapshots/, run.json, report.html and events.*.

log.jsonl contains no times, so that a run that was killed and resumed has exactly the same log as an uninterrupted one.
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
from netc.training.snapshot_metadata import SnapshotMetadata

BEST = "best.safetensors"
LOCK = ".lock"


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path):
        self.path = path
        self.log_path, self.snapshots, self.net_path = path / "log.jsonl", path / "snapshots", path / "net.yaml"

    @classmethod
    def new(cls, root: Path, name: str) -> "RunFolder":
        """Create a folder with the next free number under root/name."""
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
        """Lock the run against other processes, and remove unfinished files. SnapshotError if it is locked."""
        try:
            with locked(self.path / LOCK, wait=False):
                sweep(self.path)
                sweep(self.snapshots)
                yield
        except BlockingIOError:
            raise SnapshotError(f"{self.path}: another process is writing this run; wait for it or stop it first") from None

    def write_net(self, net_text: str) -> None:
        """Write net.yaml, the resolved net. A resumed run with a new length replaces it."""
        self.write_file(self.net_path.name, net_text.encode())

    def write_file(self, name: str, content: bytes) -> None:
        """Write a file into the folder. RunError if that fails."""
        try:
            replace_file(self.path / name, content)
        except OSError as e:
            raise RunError(f"Cannot write {self.path / name}: {e.strerror or e}") from e

    def discard(self) -> None:
        """Remove the folder of a run that did not start."""
        shutil.rmtree(self.path, ignore_errors=True)

    @classmethod
    def chosen(cls, root: Path, name: str, which: str = "") -> "RunFolder":
        """The run `which` of a net, given as a folder or a number; without it, the newest run with a snapshot.

        SnapshotError if there is none.
        """
        numbers = sorted((int(p.name) for p in (root / name).glob("*") if p.name.isdecimal()), reverse=True)
        if which:
            path = root / name / which if which.isdecimal() else Path(which)
            if not (path / "net.yaml").is_file():
                existing = f"; existing runs: {', '.join(map(str, sorted(numbers)))}" if numbers else ""
                raise SnapshotError(f"{path}: there is no such run{existing}. Give a folder such as {root / name / '1'}, or its number")
            return cls(path)
        for folder in (cls(root / name / str(number)) for number in numbers):
            if any(folder.snapshots.glob("iter_*")):
                return folder
        raise SnapshotError(f"{root / name}: no run of {name} has a snapshot to resume from")

    def log(self, line: Mapping[str, Any]) -> str:
        """Append a JSON object to the log. Returns the line without the newline."""
        text = json.dumps(line)
        try:
            with self.log_path.open("a") as file:
                file.write(text + "\n")
        except OSError as e:
            raise RunError(f"Cannot write {self.log_path}: {e.strerror or e}") from e
        return text

    def read_log(self) -> Log:
        """Read the log. RunError if it cannot be read."""
        try:
            return read(self.log_path)
        except OSError as e:
            raise RunError(f"Cannot read {self.log_path}: {e.strerror or e}") from e

    def lines(self) -> Sequence[Line]:
        """The valid lines of the log."""
        return self.read_log().lines

    def lines_from(self, start: int) -> Iterator[tuple[Line, int]]:
        """The valid lines of the log from byte `start` on, each with the position of the next."""
        return read_from(self.log_path, start)

    def rewind(self, metadata: SnapshotMetadata, layer: str | None) -> int:
        """Cut the log to the lines at the time of a snapshot. Returns their number, which is smaller if lines are lost."""
        try:
            data = self.log_path.read_bytes() if self.log_path.exists() else b""
            kept, _ = cut(data, metadata, layer)
            replace_file(self.log_path, b"".join(line + b"\n" for line in kept))
        except OSError as e:
            raise RunError(f"Cannot write {self.log_path}: {e.strerror or e}") from e
        return len(kept)

    def write(self, iteration: int, states: Mapping[str, np.ndarray], metadata: Mapping[str, Any], keep: int) -> Path:
        """Flush the log, then write a snapshot. Removes all but the newest `keep` snapshots."""
        if self.log_path.exists():
            try:
                sync(self.log_path)
            except OSError as e:
                raise RunError(f"Cannot write {self.log_path}: {e.strerror or e}") from e
        path = snapshot.write(self.snapshots / snapshot.file_name(iteration), states, metadata)
        snapshot.prune(self.snapshots, max(keep, 1), {self.snapshots / BEST})
        return path

    def write_best(self, states: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> Path:
        """Write the snapshot of the best test so far."""
        return snapshot.write(self.snapshots / BEST, states, metadata)

    def read_best(self) -> snapshot.Snapshot:
        """Read the snapshot of the best test. SnapshotError if it is damaged."""
        try:
            return snapshot.read(self.snapshots / BEST)
        except SnapshotError as e:
            raise SnapshotError(f"{e} If you delete that file, --resume ends with the last model instead of the best one.") from e
