"""The metadata of a snapshot, and the check that its states match a program."""

from dataclasses import asdict, dataclass, field
from typing import Any

from netc.compiler.program import Program
from netc.errors import Diagnostic, Place, SnapshotError
from netc.formats.typed_json import MisfitError, typed
from netc.runtime.backends import providers
from netc.runtime.snapshot import Snapshot
from netc.schedules import Plateau
from netc.training.evaluate import Scores

FORMAT = 1
COUNTS = ("iteration", "stale", "log_length", "stage", "before")
MOST = 5  # states in a message


@dataclass(frozen=True)
class SnapshotMetadata:
    """The position of a run at a snapshot: of the net `net`, after `iteration` iterations of a stage.

    `recent` are the losses for average_loss. `best` is the best test score, `stale` the number of tests since then, `tested` the
    newest test. `log_length` is the number of log lines, `before` the iterations of earlier stages. `rows` are the columns and classes
    of the data (`data.rows_said`). `scores` are the test scores, if the snapshot is that of the best test. `plateau` counts the tests for
    a learning rate that follows them.
    """

    net: str
    net_sha256: str
    iteration: int
    seed: int
    recent: tuple[float, ...]
    best: float | None
    stale: int
    tested: tuple[int, Scores] | None
    log_length: int
    provider: str
    threads: int
    target: str
    stage: int = 0
    before: int = 0
    rows: dict[str, Any] = field(default_factory=dict)
    scores: Scores = field(default_factory=dict)
    plateau: Plateau = field(default_factory=Plateau)
    format: int = FORMAT

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata as a dictionary, for the file."""
        return asdict(self)


def read_metadata(taken: Snapshot) -> SnapshotMetadata:
    """Read the metadata of a snapshot. SnapshotError if it is invalid."""
    try:
        metadata: SnapshotMetadata = typed(taken.metadata, SnapshotMetadata)
    except MisfitError as e:
        raise SnapshotError(f"{taken.path}: It is not a snapshot of netc, or its metadata is invalid: {e}") from e
    if metadata.format != FORMAT:
        raise SnapshotError(f"{taken.path}: has format {metadata.format}; this version of netc reads format {FORMAT}")
    counts = {name: getattr(metadata, name) for name in COUNTS}
    counts |= {f"plateau.{name}": getattr(metadata.plateau, name) for name in ("reductions", "stale", "cooldown")}
    for name, count in counts.items():
        if count < 0:
            raise SnapshotError(f"{taken.path}: The metadata of the snapshot is invalid: {name} is {count}. Expected 0 or more.")
    if metadata.provider not in providers():
        known = " or ".join(providers())
        raise SnapshotError(
            f"{taken.path}: The metadata of the snapshot is invalid: provider is {metadata.provider[:40]!r}. Expected {known}."
        )
    return metadata


def check_states(taken: Snapshot, program: Program, whole: bool = True) -> None:
    """SnapshotError if names, shapes or types of states do not match a program. With `whole`, no state may be missing."""
    wanted = {name: node.types[0] for name, node in program.states.items()}
    wrong = [
        f"{n} is {_of(a)}, but {_of(t)} in the net"
        for n, t in wanted.items()
        if (a := taken.states.get(n)) is not None and _of(a) != _of(t)
    ]
    if whole:
        wrong += [f"{name} is missing" for name in wanted.keys() - taken.states.keys()]
        wrong += [f"{name} is not in the net" for name in taken.states.keys() - wanted.keys()]
    if wrong:
        more = f", and {len(wrong) - MOST} more" if len(wrong) > MOST else ""
        raise SnapshotError(Diagnostic(Place(str(taken.path)), f"belongs to a different net: {', '.join(sorted(wrong)[:MOST])}{more}"))


def _of(array: Any) -> str:
    """Format an array or a type, such as `float32 20x1x5x5`."""
    return f"{array.dtype.name} {'x'.join(map(str, array.shape)) or 'scalar'}"
