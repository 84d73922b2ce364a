"""What a net predicts from a table: the task and the loss that follow from the label columns, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from netc.errors import DataError, Diagnostic
from netc.table.profile import ColumnProfile
from netc.table.rules import span, words_of

Task = Literal["CLASSES", "NUMBERS", "LABELS"]
Loss = Literal["", "POISSON", "GAMMA", "TWEEDIE"]

FEW_CLASSES, MOST_CLASSES = 10, 50  # different whole numbers that are classes: in any case, and if they are codes
RARE_SHARE = 0.2  # the rarest code has at least this share of the mean number of rows
RARE_CLASS = 0.1  # share of the rows
LONG_TAIL = 1.0  # skewness of a count
SKEWED = 2.5  # skewness of an amount
MOST_COUNT = 1000  # the mean of a count; larger numbers are amounts
MANY_ZEROS = 0.05  # share of the rows
BEST_OF_TEXT = 0.9  # share of the cells that are numbers, if a label of numbers has a few odd texts
NAMED = {"label", "class", "target", "outcome", "result", "survived", "churn", "fraud", "default", "diagnosis", "species", "price"}
TRUTHS = {"true", "false", "yes", "no", "t", "f", "y", "n", "0", "1", "on", "off"}


@dataclass(frozen=True)
class Target:
    """What a net predicts: `loss` is empty for the usual one of the task, `what` describes the label, `notes` are warnings."""

    names: tuple[str, ...]
    task: Task
    what: str
    loss: Loss = ""
    classes: int = 0
    notes: tuple[str, ...] = ()

    @property
    def is_class(self) -> bool:
        """Whether a row has one of several classes."""
        return self.task == "CLASSES"


def target(table: str, labels: Sequence[ColumnProfile]) -> Target:
    """Return what to predict from the table of that name. DataError lists the columns that cannot be a label."""
    errors = [Diagnostic(None, f"{table}: {text}") for label in labels for text in [_useless(label)] if text]
    if errors:
        raise DataError(*errors)
    if len(labels) == 1:
        return _one(labels[0])
    names = tuple(label.name for label in labels)
    notes = tuple(note for label in labels for note in _gaps(label))
    if all(_is_truth(label) for label in labels):
        return Target(names, "LABELS", f"{len(labels)} labels that are true or false", notes=notes)
    if all(label.is_numeric for label in labels):
        return Target(names, "NUMBERS", f"{len(labels)} numbers", notes=notes)
    texts = [repr(label.name) for label in labels if not label.is_numeric]
    raise DataError(f"{table}: Several labels are all numbers, or all true or false. Column {texts[0]} is neither."
                    " Give one --label.")  # fmt: skip


def looks_like_label(column: ColumnProfile, last: bool) -> int:
    """How much a column looks like a label, to order them: 0 for not at all."""
    if _useless(column):
        return 0
    named = bool(NAMED.intersection(words_of(column.name)))
    few = 2 * (column.distinct == 2) + (column.distinct <= FEW_CLASSES)
    return 1 + 5 * named + (2 * last + few) * (not column.missing)


def _useless(label: ColumnProfile) -> str:
    """Why a column cannot be a label; empty if it can."""
    if not label.filled:
        return f"The label {label.name!r} is empty in all {label.rows:,} rows."
    if label.distinct == 1:
        return f"The label {label.name!r} has one value, {label.common[0][0]!r}. Expected two or more."
    if label.is_whole and label.counts_rows and label.rows > FEW_CLASSES:
        return f"The label {label.name!r} counts the rows. It is an id, which cannot be predicted."
    if label.dates and not label.is_numeric and max(label.dates.values()) == label.filled:
        return f"The label {label.name!r} has dates. Expected classes, or numbers."
    if label.numbers < BEST_OF_TEXT * label.filled and 2 * label.repeated < label.filled and label.distinct > 2:
        return (
            f"The label {label.name!r} is nearly unique: {label.distinct:,} values in {label.filled:,} rows. Expected classes, or numbers."
        )
    return ""


def _is_truth(label: ColumnProfile) -> bool:
    return label.distinct <= 2 and {value.lower() for value, _ in label.common} <= TRUTHS


def _one(label: ColumnProfile) -> Target:
    names, gaps = (label.name,), _gaps(label)
    if label.numbers < BEST_OF_TEXT * label.filled or _is_code(label):
        why = " of whole numbers" if label.is_whole and label.distinct > 2 else ""
        return Target(names, "CLASSES", f"{label.distinct} classes{why}", classes=label.distinct, notes=gaps + _classes(label))
    return Target(names, "NUMBERS", *_amount(label), notes=gaps)


def _is_code(label: ColumnProfile) -> bool:
    """Whether numbers are the codes of classes: few whole numbers, or more that follow each other and are about equally frequent."""
    if not label.is_whole:
        return False
    if label.distinct <= FEW_CLASSES:
        return label.high - label.low < 2 * FEW_CLASSES or label.distinct == 2
    dense = label.low in (0, 1) and label.high - label.low + 1 == label.distinct <= MOST_CLASSES
    return dense and label.repeated == label.filled and label.skewness < LONG_TAIL and _evenly(label)


def _evenly(label: ColumnProfile) -> bool:
    """Whether no value is much rarer than the others. `common` has the most frequent values, so the rest share what is left."""
    left, others = label.filled - sum(n for _, n in label.common), label.distinct - len(label.common)
    least = left / others if others else label.common[-1][1]
    return least >= RARE_SHARE * label.filled / label.distinct


def _amount(label: ColumnProfile) -> tuple[str, Loss]:
    """What a number is, and its loss: counts and skewed amounts have one of their own."""
    limits = f"from {span(label)}"
    if label.low < 0:
        return f"numbers {limits}", ""
    counted = label.is_whole and label.low <= 1 and label.mean < MOST_COUNT
    if counted and label.skewness > LONG_TAIL:
        return f"counts {limits} with a long tail", "POISSON"
    if label.skewness > SKEWED and label.zeros >= MANY_ZEROS * label.filled:
        return f"amounts {limits} with a long tail and {label.zeros:,} zeros", "TWEEDIE"
    if label.skewness > SKEWED and label.low > 0:
        return f"amounts {limits} with a long tail", "GAMMA"
    return f"numbers {limits}", ""


def _classes(label: ColumnProfile) -> tuple[str, ...]:
    """Warnings for classes with few rows."""
    rarest, count = label.common[-1] if label.distinct <= len(label.common) else ("", 0)
    if not count:
        return (f"The label has {label.distinct} classes. Some of them may have few rows.",)
    if count < FEW_CLASSES:
        rare = [f"{value!r} has {n} row{'s' * (n != 1)}" for value, n in label.common if n < FEW_CLASSES]
        more = f" and {len(rare) - 3} more classes have as few" if len(rare) > 3 else ""
        return (f"Rare classes: {', '.join(rare[:3])}{more}. The net cannot learn or test them well.",)
    if count < RARE_CLASS * label.filled and label.distinct == 2:
        share = f"{count / label.filled:.1%}"
        return (f"The class {rarest!r} has {share} of the rows. The rows keep their weights; choose a threshold for it when you predict.",)
    return ()


def _gaps(label: ColumnProfile) -> tuple[str, ...]:
    return (f"{label.missing:,} rows without {label.name!r} are left out.",) if label.missing else ()
