"""The lines that a run adds to its log, and those that no event has reported yet."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from netc.training.folder import RunFolder
from netc.training.snapshot_metadata import SnapshotMetadata


class RunLog:
    """The log of one stage. `layer` is the one that learns in a stage of pretraining; `length` counts the lines of the whole run."""

    def __init__(self, folder: RunFolder, layer: str | None, length: int = 0):
        self.folder, self.layer, self.length = folder, layer, length
        self._unreported: deque[str] = deque()

    def write(self, event: str, iteration: int, **values: Any) -> None:
        """Add one line."""
        stage = {"event": event} if self.layer is None else {"event": f"pre{event}", "layer": self.layer}
        self._unreported.append(self.folder.log({**stage, "iteration": iteration, **values}))
        self.length += 1

    def unreported(self) -> Iterator[str]:
        """The lines that were added since the last call."""
        while self._unreported:
            yield self._unreported.popleft()

    def rewind(self, notes: SnapshotMetadata) -> int:
        """Cut the log to the lines that a snapshot remembers. How many of those are lost."""
        self.length = self.folder.rewind(notes, self.layer)
        return notes.log_length - self.length
