"""The options of `netc train`."""

from collections.abc import Sequence
from dataclasses import dataclass

from netc.errors import SpecError


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of `netc train`, with the same names. `zoo` is where the model is published; None does not publish.

    `resume` is the run to continue: its folder or number, "" for the newest; with `allow_changed`, input files may have changed.
    `snapshot_file` is a Caffe solver state or a snapshot of netc from which a new run continues. `watch` sets solver.watch_interval if
    it is unset. `caffe_log` also writes Caffe's log lines to stderr. `quiet` prints only the result, `as_json` only the lines of the
    log. `key` is a file with the secret key that signs the published model.
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
        """SpecError if options contradict each other."""
        if (self.resume is not None) + bool(self.weights) + bool(self.snapshot_file) > 1:
            raise SpecError(
                "use only one of --resume (continues a run), --snapshot (continues from a file) and --weights (starts a new run)"
            )
        if self.allow_changed and self.resume is None:
            raise SpecError("--allow-changed needs --resume: a new run always reads the current files")
        if self.quiet and self.as_json:
            raise SpecError("use only one of --quiet (prints the result) and --json (prints the log)")
