"""What a snapshot of a run says beside its states, and whether these are of a program."""

from dataclasses import asdict, dataclass, field
from typing import Any

from netc.compiler.program import Program
from netc.errors import Diagnostic, Place, SnapshotError
from netc.formats.typed_json import MisfitError, typed
from netc.runtime.backends import providers
from netc.runtime.snapshot import Snapshot
from netc.training.evaluate import Scores

FORMAT = 1
COUNTS = ("iteration", "stale", "log_length", "stage", "before")
MOST = 5  # states that a message lists


@dataclass(frozen=True)
class Noted:
    """Where a run was when a snapshot was taken: of the net `net` after `iteration` iterations of a stage.

    `recent` are the losses that average_loss takes in, `best` the best test's score and `stale` the tests since, `tested` the
    newest test, `log_length` the lines of the log, `before` the iterations of the stages before. `rows` are the columns and classes of
    the rows that the net reads (`data.rows_said`). `scores` are those of the best test, where the snapshot was taken for it.
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
    format: int = FORMAT

    @property
    def metadata(self) -> dict[str, Any]:
        """As a snapshot keeps it."""
        return asdict(self)


def noted(found: Snapshot) -> Noted:
    """What a snapshot says. SnapshotError if it is not what a run of netc writes."""
    try:
        said: Noted = typed(found.metadata, Noted)
    except MisfitError as e:
        raise SnapshotError(f"{found.path}: is no snapshot of a run of netc, or its metadata is damaged: {e}") from e
    if said.format != FORMAT:
        raise SnapshotError(f"{found.path}: is of format {said.format}; this netc reads format {FORMAT}")
    for name in COUNTS:
        if getattr(said, name) < 0:
            raise SnapshotError(f"{found.path}: its metadata is damaged: {name} is {getattr(said, name)}; 0 or more is needed")
    if said.provider not in providers():
        known = " or ".join(providers())
        raise SnapshotError(f"{found.path}: its metadata is damaged: provider is {said.provider[:40]!r}; {known} is needed")
    return said


def check_states(found: Snapshot, program: Program, whole: bool = True) -> None:
    """SnapshotError unless the states of a snapshot are a program's: in their names (with `whole`, all of them), shapes and types."""
    wanted = {name: node.types[0] for name, node in program.states.items()}
    wrong = [
        f"{n} is {_of(a)}, the net's is {_of(t)}" for n, t in wanted.items() if (a := found.states.get(n)) is not None and _of(a) != _of(t)
    ]
    if whole:
        wrong += [f"{name} is not there" for name in wanted.keys() - found.states.keys()]
        wrong += [f"{name} is not in the net" for name in found.states.keys() - wanted.keys()]
    if wrong:
        more = f", and {len(wrong) - MOST} more" if len(wrong) > MOST else ""
        raise SnapshotError(Diagnostic(Place(str(found.path)), f"is of another net: {', '.join(sorted(wrong)[:MOST])}{more}"))


def _of(array: Any) -> str:
    """`float32 20x1x5x5` of an array or a type."""
    return f"{array.dtype.name} {'x'.join(map(str, array.shape)) or 'scalar'}"
