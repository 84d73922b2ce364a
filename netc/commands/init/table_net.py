"""The net that `netc init` writes for a table: TabM, an ensemble of members that share their layers (Gorishniy et al. 2025)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from netc.commands.init.nets import About, scalar
from netc.table.rules import Choice
from netc.table.target import Target

TESTED, VALIDATED = 0.2, 0.15  # fractions of the rows
LARGE = 20_000  # training rows: larger tables need fewer epochs and no dropout of the input
BATCHES = ((1024, 32), (4096, 64))  # batch size for at most so many training rows
LARGEST_BATCH, TEST_BATCH = 256, 2048
EPOCHS, EPOCHS_OF_LARGE, LEAST_INTERVAL = 40, 15, 15  # the interval between validations is an epoch, and at least so many iterations
TEXT_BATCH, TEXT_EPOCHS, TEXT_DROPOUT, TEXT_WIDTH = 64, 8, 0.3, 32  # a net learns the words of many texts by heart after a few epochs
WIDE = 300  # columns: in wider tables, a number has no pieces
A_LINE_EACH = 100  # columns: more are written several to a line
WARM_UP = 100  # iterations
MEMBERS, WIDTH, DROPOUT = 8, 128, 0.1
RATE, POLICY = 0.002, "cosine"
NOISY = 0.2  # a count is mostly noise if no column alone explains so much of it (R2); a net would soon learn the noise
NOISY_RATE, NOISY_POLICY, NOISY_DROPOUT = 0.001, "fixed", 0.2

SOLVER = """\
solver:
  type: AdamW
  base_lr: {rate}
  momentum: 0.9
  momentum2: 0.99
  weight_decay: 0.01
  lr_policy: {policy}
  warmup_iter: {warm_up}
  max_epoch: {epochs}
  test_interval: {interval}
  monitor: loss
  patience: 12
"""


@dataclass(frozen=True)
class Table:
    """A table as a net reads it: its source, its rows with a label, what to predict, and how each column is read.

    `parts` has the fields `validation_source` and `test_source`, if there are rows for them. `query` is SQL for the rows. `explained` is
    the score of the column that alone predicts the label best.
    """

    source: str
    rows: int
    goal: Target
    choices: tuple[Choice, ...]
    parts: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    explained: float = 1.0

    @property
    def fractions(self) -> dict[str, float]:
        """The fractions of the rows to hold out, for the purposes without rows of their own."""
        return {name: share for name, share in (("test", TESTED), ("validation", VALIDATED)) if f"{name}_source" not in self.parts}

    @property
    def trained(self) -> int:
        """Number of training rows."""
        return self.rows - sum(round(self.rows * share) for share in self.fractions.values())

    @property
    def batch(self) -> int:
        """Number of rows in a batch."""
        chosen = next((batch for rows, batch in BATCHES if self.trained <= rows), LARGEST_BATCH)
        return min(chosen, TEXT_BATCH) if self.has_text else chosen

    @property
    def is_large(self) -> bool:
        """Whether the table is large."""
        return self.trained > LARGE

    @property
    def has_text(self) -> bool:
        """Whether the net reads texts."""
        return any(choice.type == "text" for choice in self.choices)

    @property
    def epochs(self) -> int:
        """Number of epochs, unless they have too few iterations."""
        if self.has_text and self.trained > BATCHES[-1][0]:
            return TEXT_EPOCHS
        return EPOCHS_OF_LARGE if self.is_large else EPOCHS

    @property
    def dropout(self) -> float:
        """The share of the encoded values that dropout removes."""
        return TEXT_DROPOUT if self.has_text else 0 if self.is_large else DROPOUT

    @property
    def is_noisy(self) -> bool:
        """Whether the label is a count that is mostly noise."""
        return self.goal.loss == "POISSON" and self.explained < NOISY

    @property
    def hidden(self) -> int:
        """Number of hidden layers: none for texts alone, as in fastText (Joulin et al. 2017)."""
        return 2 if any(choice.type != "text" for choice in self.read) else 0

    @property
    def read(self) -> list[Choice]:
        """The columns that the net reads."""
        return [choice for choice in self.choices if choice.type]


def text(about: About, table: Table) -> str:
    """The text of the net."""
    names = " and ".join(table.goal.names) if len(table.goal.names) < 4 else f"{len(table.goal.names)} columns"
    lines = about.head(f"predicts {' '.join(names.split())} from {columns_of(len(table.read))} of a table")
    return "\n".join([*lines, *_source(table), *_layers(table), _solver(table)])


def columns_of(count: int) -> str:
    """A number of columns in words."""
    return f"{count:,} column{'s' * (count != 1)}"


def _source(table: Table) -> Iterator[str]:
    """The Table layer: what is read, and what is not, with the reasons."""
    goal = table.goal
    yield "  - Table:"
    yield f"      source: {scalar(table.source)}"
    yield from [f"      query: {scalar(table.query)}"] * bool(table.query)
    yield from (f"      {name}: {scalar(path)}" for name, path in table.parts.items())
    label = scalar(goal.names[0]) if len(goal.names) == 1 else f"[{', '.join(map(scalar, goal.names))}]"
    yield f"      label: {label}  # {goal.what}"
    yield f"      task: {goal.task}"
    yield from (f"      # {note}" for note in goal.notes)
    yield "      columns:"
    yield from _columns(table.read)
    ignored = [choice for choice in table.choices if not choice.type]
    if ignored:
        yield "      ignore:"
        yield from (f"        {scalar(choice.name)}: {scalar(choice.reason)}" for choice in ignored)
    missing = sorted({text for choice in table.read for text in choice.missing})
    if missing:
        yield f"      format: {{missing: [{', '.join(map(scalar, missing))}]}}"
    stratify = ", stratify: true" if goal.is_class else ""
    if table.fractions:
        yield f"      split: {{{', '.join(f'{name}: {share}' for name, share in table.fractions.items())}{stratify}}}"
    yield f"      batch_size: {table.batch}"
    yield f"      test_batch_size: {min(TEST_BATCH, max(1, round(table.rows * TESTED)))}"


def _columns(read: Sequence[Choice]) -> Iterator[str]:
    """A line for each column with its reason. Many columns share lines."""
    if len(read) <= A_LINE_EACH:
        for choice in read:
            note = f". {choice.note}" if choice.note else ""
            yield f"        {scalar(choice.name)}: {_type(choice)}  # {choice.reason}{note}"
        return
    line = "       "
    yield "        {"
    for choice in read:
        item = f" {scalar(choice.name)}: {_type(choice)},"
        if len(line) + len(item) > 120:
            yield line
            line = "       "
        line += item
    yield line
    yield "        }"


def _type(choice: Choice) -> str:
    return f"{{type: {choice.type}, format: {scalar(choice.format)}}}" if choice.format else choice.type


def _layers(table: Table) -> Iterator[str]:
    """The layers from the encoded rows to the loss and the metrics."""
    yield _encode(table)
    if table.dropout:
        yield f"  - Dropout: {{dropout_ratio: {table.dropout}}}"
    yield f"  - Members: {{k: {MEMBERS}}}"
    for _ in range(table.hidden):
        yield f"  - InnerProduct: {{num_output: {WIDTH}, axis: 2, weight_filler: xavier}}"
        yield "  - ReLU"
        yield f"  - Dropout: {{dropout_ratio: {max(table.dropout, NOISY_DROPOUT if table.is_noisy else DROPOUT)}}}"
    yield "  - MemberHead"
    yield from (f"  - {layer}" for layer in _ends(table.goal))


def _encode(table: Table) -> str:
    """Encode, with the fields that differ from their defaults."""
    fields = [f"word_width: {TEXT_WIDTH}"] if table.has_text else []
    if table.is_noisy or sum(choice.type == "number" for choice in table.read) > WIDE:
        fields.append("pieces: 0")
    elif table.is_large:
        fields.append("pieces: 32")
    return f"  - Encode: {{{', '.join(fields)}}}" if fields else "  - Encode"


def _ends(goal: Target) -> tuple[str, ...]:
    """The loss and the metrics for what the net predicts."""
    classes, seen = "MemberLoss: {top: [loss, prob]}", "bottom: [prob, label]"
    if goal.task == "LABELS":
        return (
            "MemberLoss: {loss: SIGMOID, top: [loss, prob]}",
            f"MultiLabelAccuracy: {{{seen}, top: [exact, hamming]}}",
            f"F1: {{{seen}, average: MICRO}}",
        )
    if goal.is_class:
        return (classes, f"Accuracy: {{{seen}}}", f"{'AUC' if goal.classes == 2 else 'F1'}: {{{seen}}}")
    loss = f"MemberLoss: {{{f'loss: {goal.loss}, ' if goal.loss else ''}top: [loss, prediction]}}"
    power = {"POISSON": "1", "TWEEDIE": "1.5", "GAMMA": "2"}.get(goal.loss)
    deviance = (f"Deviance: {{bottom: [prediction, label], power: {power}}}",) if power else ()
    return (loss, *deviance, "R2: {bottom: [prediction, label], top: [r2, rmse]}", "MAE: {bottom: [prediction, label]}")


def _solver(table: Table) -> str:
    an_epoch = max(1, table.trained // table.batch)
    interval = max(an_epoch, LEAST_INTERVAL)
    epochs = -(-table.epochs * interval // an_epoch)
    rate, policy = (NOISY_RATE, NOISY_POLICY) if table.is_noisy else (RATE, POLICY)
    return SOLVER.format(rate=rate, policy=policy, warm_up=min(interval, WARM_UP), epochs=epochs, interval=interval)
