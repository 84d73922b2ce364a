"""What a user asks of a training, beside the net itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from netc.errors import SpecError


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of `netc train` under their names there. `zoo` is where the result is published, None for nowhere.

    `resume` is the run to go on with: its folder or number, "" for the net's newest; with `allow_changed` even where files that the
    net reads have changed. `snapshot_file`, a solver state of Caffe or a snapshot of netc, is what a new run goes on from. `watch` sets
    solver.watch_interval where it is not set. `caffe_log` writes Caffe's lines to stderr too. `quiet` says nothing but the result,
    `as_json` prints the lines of the log instead. `key` is a file with a secret key that signs what is published.
    """

    provider: str = "auto"
    target: str | None = None
    threads: int | None = None
    runs: str = "runs"
    zoo: str | None = None
    resume: str | None = None
    snapshot_file: str | None = None
    weights: Sequence[str] = ()
    watch: bool = False
    caffe_log: bool = False
    quiet: bool = False
    as_json: bool = False
    key: str | None = None
    allow_changed: bool = False

    def check(self) -> None:
        """SpecError if they do not go together."""
        if (self.resume is not None) + bool(self.weights) + bool(self.snapshot_file) > 1:
            raise SpecError("--resume goes on with a run, --snapshot with a file, --weights starts a new run: give one of them")
        if self.allow_changed and self.resume is None:
            raise SpecError("--allow-changed is for --resume: a new run reads its files as they are")
        if self.quiet and self.as_json:
            raise SpecError("--quiet prints the result alone, --json the log: give one of them")
