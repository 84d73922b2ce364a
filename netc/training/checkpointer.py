"""When the states of a run go to disk, in which files, and how they come back."""

import time
from pathlib import Path

import numpy as np

from netc.compiler.program import Program
from netc.errors import DivergedError, SnapshotError
from netc.runtime.snapshot import Snapshot
from netc.spec.solver_settings import SAFETENSORS
from netc.training import caffe_snapshots
from netc.training.events import Snapshotted
from netc.training.failure import advice
from netc.training.folder import BEST, RunFolder
from netc.training.nan import spoiled
from netc.training.snapshot_metadata import SnapshotMetadata, check_states, read_metadata
from netc.training.step import Step


class Checkpointer:
    """The snapshots of one stage of a run. `newest` is the path of the last one that was written or resumed from."""

    def __init__(self, program: Program, folder: RunFolder, newest: Path | None = None):
        self.program, self.folder, self.settings = program, folder, program.job.settings
        self.newest = newest
        self._written_at = time.monotonic()

    def is_due(self, iteration: int) -> bool:
        """Whether the solver asks for a snapshot after so many iterations, or after so much time. What is learned never depends on it."""
        by_count = self.settings.snapshot and iteration % self.settings.snapshot == 0
        return bool(by_count) or 0 < self.settings.snapshot_minutes * 60 <= time.monotonic() - self._written_at

    def write(self, step: Step, notes: SnapshotMetadata) -> Snapshotted:
        """The states to disk; in Caffe's files too where snapshot_format asks for them. DivergedError if a value is not finite."""
        states = self._finite_states(step, notes.iteration)
        self._written_at = time.monotonic()
        path = self.newest = self.folder.write(notes.before + notes.iteration, states, notes.metadata, self.settings.snapshot_keep)
        if self.settings.snapshot_format == SAFETENSORS:
            return Snapshotted(notes.iteration, path)
        files = caffe_snapshots.write_of_run(
            self.program, self.folder.snapshots, states, step.previous(), notes.iteration, notes.plateau.reductions
        )
        return Snapshotted(notes.iteration, path, files)

    def write_best(self, step: Step, notes: SnapshotMetadata) -> None:
        """The states of the best test so far, in a file of their own."""
        self.folder.write_best(self._finite_states(step, notes.iteration), notes.metadata)

    @property
    def has_best(self) -> bool:
        """Whether the run has written the states of its best test."""
        return (self.folder.snapshots / BEST).exists()

    def read_best(self) -> Snapshot:
        """The snapshot of the best test. SnapshotError if it is damaged, or belongs to another net."""
        found = self.folder.read_best()
        check_states(found, self.program)
        return found

    def accept(self, found: Snapshot) -> SnapshotMetadata:
        """What a snapshot to resume from says of its run. SnapshotError if it belongs to another net or another seed."""
        notes = read_metadata(found)
        check_states(found, self.program)
        if notes.seed != self.program.seed:
            raise SnapshotError(f"{found.path}: was made with random_seed {notes.seed}, the net says {self.program.seed}")
        self.newest = found.path
        return notes

    def _finite_states(self, step: Step, iteration: int) -> dict[str, np.ndarray]:
        """Copies of all states. Values that are not finite must not push a good file out."""
        states = step.arrays()
        if why := spoiled(states, self.program.states):
            raise DivergedError(f"after {iteration} iterations {why}. {advice(self.settings)}")
        return states
