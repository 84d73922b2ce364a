"""The net that `netc init` writes for a series in time: a linear forecast from the past, and a small net that corrects it.

The parts are those of NLinear (Zeng et al. 2023) and TiDE (Das et al. 2023): values are measured from the last known one, each row has
features of its own, and what is known ahead is an input.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netc.commands.init.nets import About, scalar
from netc.table.frequency import Frequency
from netc.table.rules import Choice

TESTED, VALIDATED = 0.2, 0.15  # fractions of the time
FEATURES, WIDTH, DROPOUT = 8, 64, 0.2
BATCHES = ((1024, 32), (8192, 64))  # batch size for at most so many windows
LARGEST_BATCH, TEST_BATCH = 256, 1024
EPOCHS, LEAST_STEPS = 30, 600

# By the unit of the frequency: rows to predict, and the parts of the time that are known ahead.
AHEAD = {
    "s": (10, ("hour", "minute")),
    "min": (24, ("hour", "weekday")),
    "h": (24, ("hour", "weekday", "month")),
    "d": (7, ("weekday", "month")),
    "w": (4, ("month",)),
    "mo": (6, ("month",)),
    "q": (4, ("month",)),
    "y": (1, ("year",)),
}

SOLVER = """\
solver:
  type: AdamW
  base_lr: 0.002
  momentum: 0.9
  momentum2: 0.99
  weight_decay: 0.01
  lr_policy: cosine
  warmup_iter: {warm_up}
  max_epoch: {epochs}
  test_interval: {interval}
  monitor: loss
  patience: 8
"""


@dataclass(frozen=True)
class Series:
    """A series as a net reads it: its source, its columns, what to predict, and the windows.

    `choices` are the columns besides the time. `windows` is about the number of training windows.
    """

    source: str
    query: str
    time: Choice
    group: str
    targets: tuple[str, ...]
    choices: tuple[Choice, ...]
    frequency: Frequency
    steps: int
    horizon: int
    windows: int
    notes: tuple[str, ...] = ()

    @property
    def batch(self) -> int:
        """Number of windows in a batch."""
        return next((batch for windows, batch in BATCHES if self.windows <= windows), LARGEST_BATCH)

    @property
    def outputs(self) -> int:
        """Number of values of a forecast."""
        return self.horizon * len(self.targets)


def text(about: About, series: Series) -> str:
    """The text of the net."""
    names = " and ".join(series.targets) if len(series.targets) < 4 else f"{len(series.targets)} columns"
    rows = f"{series.horizon} rows" if series.horizon > 1 else "row"
    lines = about.head(f"predicts {' '.join(names.split())} of the next {rows} of a series from the last {series.steps}")
    return "\n".join([*lines, *_source(series), *_layers(series), _solver(series)])


def _source(series: Series) -> Iterator[str]:
    """The Table layer."""
    yield "  - Table:"
    yield f"      source: {scalar(series.source)}"
    yield from [f"      query: {scalar(series.query)}"] * bool(series.query)
    yield f"      label: [{', '.join(map(scalar, series.targets))}]"
    yield from (f"      # {note}" for note in series.notes)
    yield "      columns:"
    parts = ", ".join(AHEAD[series.frequency.unit][1])
    form = f", format: {scalar(series.time.format)}" if series.time.format else ""
    yield f"        {scalar(series.time.name)}: {{type: date, parts: [{parts}]{form}}}  # a row every {series.frequency}"
    for choice in series.choices:
        if choice.type:
            form = f"{{type: {choice.type}, format: {scalar(choice.format)}}}" if choice.format else choice.type
            yield f"        {scalar(choice.name)}: {form}  # {choice.reason}"
    ignored = [choice for choice in series.choices if not choice.type]
    if ignored:
        yield "      ignore:"
        yield from (f"        {scalar(choice.name)}: {scalar(choice.reason)}" for choice in ignored)
    group = f", group: {scalar(series.group)}" if series.group else ""
    yield f"      series: {{time: {scalar(series.time.name)}{group}, steps: {series.steps}, horizon: {series.horizon}}}"
    yield "      # Columns whose values are known ahead, such as a price: add `known: [NAME]` to the series."
    yield f"      split: {{test: {TESTED}, validation: {VALIDATED}}}  # the last rows in time"
    yield f"      batch_size: {series.batch}"
    yield f"      test_batch_size: {TEST_BATCH}"
    yield "      top: [data, label, past, ahead]"


def _layers(series: Series) -> Sequence[str]:
    """The layers from the windows to the loss and the metrics."""
    small = "weight_filler: {type: gaussian, std: 0.01}"
    return (
        "  - Relative: {bottom: past, top: relative}  # measured from the last known value, in standard deviations",
        "  - Flatten: {bottom: relative, top: recent}",
        f"  - InnerProduct: {{name: linear, bottom: recent, num_output: {series.outputs}, {small}}}",
        "  - Encode: {bottom: data, pieces: 4}",
        f"  - InnerProduct: {{num_output: {FEATURES}, axis: 2, weight_filler: xavier}}",
        "  - ReLU",
        "  - Flatten: {top: history}",
        "  - Encode: {bottom: ahead, pieces: 4}",
        "  - Flatten: {top: calendar}",
        "  - Concat: {bottom: [recent, history, calendar], top: all}",
        f"  - Dropout: {{dropout_ratio: {DROPOUT}}}",
        f"  - InnerProduct: {{num_output: {WIDTH}, weight_filler: xavier}}",
        "  - ReLU",
        f"  - Dropout: {{dropout_ratio: {DROPOUT}}}",
        f"  - InnerProduct: {{name: correction, num_output: {series.outputs}, {small}}}",
        "  - Eltwise: {bottom: [linear, correction], top: sum}",
        "  - Relative: {bottom: [sum, past], inverse: true, top: forecast}",
        "  - Relative: {bottom: [label, past], top: target}",
        "  - HuberLoss: {bottom: [sum, target], top: loss}",
        "  - R2: {bottom: [forecast, label], top: [r2, rmse]}",
        "  - MAE: {bottom: [forecast, label]}",
    )


def _solver(series: Series) -> str:
    an_epoch = max(1, series.windows // series.batch)
    epochs = max(EPOCHS, -(-LEAST_STEPS // an_epoch))
    return SOLVER.format(warm_up=min(an_epoch, 100), epochs=min(epochs, 10 * EPOCHS), interval=an_epoch)
