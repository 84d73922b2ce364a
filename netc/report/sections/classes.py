"""The confusion matrix, the scores per class, and the worst mistakes of a classifier."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from netc import data
from netc.data.vocabulary import Vocabulary
from netc.graph.contract import BATCH
from netc.net.model import Layer
from netc.registry import section
from netc.report import charts, images
from netc.report.html import figure, paragraph, table
from netc.report.run import Run
from netc.report.scales import short
from netc.report.test_rows import Classified, class_names, images_of
from netc.training.feed import Feeds

MOST_CLASSES = 100
PICTURES, ROWS, CONTEXT = 24, 12, 60
MOST_CELLS, MOST_LETTERS = 8, 20  # of a row of a table


@section("Confusion matrix", model=True)
def confusion_matrix(run: Run) -> Markup | None:
    """Counts of test rows by true and predicted class."""
    classified = run.classified
    if classified is None or len(classified.names) > MOST_CLASSES or not len(classified.labels):
        return None
    size = len(classified.names)
    counts = np.bincount(classified.labels * size + classified.predicted, minlength=size * size).reshape(size, size)
    right, names = np.trace(counts), [_visible(n) for n in classified.names]
    picture = charts.heat_map("confusion matrix", counts.tolist(), names, "true class", "predicted class")
    summary = f"{right:,} of {len(classified.labels):,} rows are correct ({right / len(classified.labels):.2%}). {_pairs(counts, names)}"
    return paragraph("{}", summary) + figure(picture, "Each cell is shaded by its share of the row.")


def _visible(name: str) -> str:
    return {" ": "space", "\n": "newline", "\t": "tab"}.get(name, name)


def _pairs(counts: np.ndarray, names: Sequence[str]) -> str:
    """The most frequent confusions, as text."""
    off = counts - np.diag(np.diag(counts))
    order = np.argsort(-off, axis=None, kind="stable")[:3]
    quoted = [name if name.replace(" ", "").isalnum() else f"“{name}”" for name in names]
    pairs = [(int(off.flat[k]), quoted[k // len(names)], quoted[k % len(names)]) for k in order if off.flat[k]]
    return "Most frequent errors: " + ", ".join(f"{a} predicted as {b} ({n:,})" for n, a, b in pairs) + "." if pairs else ""


@section("Classes", model=True)
def per_class(run: Run) -> Markup | None:
    """The scores of each class, for metrics with a per-class top."""
    scores = {name: value for name, value in run.scores.items() if isinstance(value, list)}
    if not scores:
        return None
    size = max(map(len, scores.values()))
    cells = [[_share(value[k] if k < len(value) else None) for value in scores.values()] for k in range(min(size, MOST_CLASSES))]
    rows = [(_visible(name), *own) for name, own in zip(class_names(run.made, size), cells, strict=False)]
    lead = paragraph("The first {} of {} classes.", MOST_CLASSES, size) if size > MOST_CLASSES else Markup("")
    return lead + table(("class", *scores), rows)


def _share(value: float | None) -> str:
    return "no labels" if value is None else f"{value:.4f}"


@section("Worst mistakes", model=True)
def worst_mistakes(run: Run) -> Markup | None:
    """The wrong test rows with the lowest probability of the true class: as images, text in context, or numbers."""
    classified, net = run.classified, run.made.test_net
    if classified is None or not len(net.sources) or net.sources[0].source is None or net.sources[0].type == "TreeData":
        return None
    source, pictures = net.sources[0], images_of(net)
    worst = classified.worst(PICTURES if pictures else ROWS)
    if not len(worst):
        return paragraph("All {} test rows are correct.", f"{len(classified.labels):,}")
    fed = {k: run.feeder.once(int(k)) for k in sorted(set(classified.batch[worst].tolist()))}
    if pictures:
        return _as_pictures(classified, worst, [fed[classified.batch[k]][BATCH(pictures[1])][classified.place[k]] for k in worst])
    if source.source is not None and source.source.tokens:
        return _as_texts(run, classified, worst, fed, source)
    return _as_rows(classified, worst, fed, source, _raw_rows(run, worst))


def _raw_rows(run: Run, rows: np.ndarray) -> dict[int, str]:
    """The cells of rows of a table by their numbers among the test rows; empty for other data."""
    columns = run.feeder.sources[0].raw(rows) if run.made.test_net.sources[0].type == "Table" else None
    if columns is None or any(array.ndim > 1 for array in columns.values()):
        return {}
    shown = list(columns.items())[:MOST_CELLS]
    more = f", … ({len(columns)} columns)" if len(columns) > MOST_CELLS else ""
    return {int(row): ", ".join(f"{name} {_cell(array[k])}" for name, array in shown) + more for k, row in enumerate(rows)}


def _cell(value: Any) -> str:
    """A raw value: a number, or the start of a text."""
    if isinstance(value, str):
        return value if 0 < len(value) <= MOST_LETTERS else f"{value[:MOST_LETTERS]}…" if value else "–"
    if isinstance(value, np.integer):  # a date in seconds
        return "–" if value == np.iinfo(value.dtype).min else str(np.datetime64(int(value), "s")).replace("T00:00:00", "")
    return "–" if np.isnan(value) else short(float(value))


def _as_pictures(classified: Classified, worst: np.ndarray, rows: Sequence[np.ndarray]) -> Markup:
    pictures = np.stack(rows)
    shown = images.small(images.shown(pictures, float(pictures.min()), float(pictures.max())))
    scale = max(1, round(72 / shown.shape[2]))
    form = Markup("<div class='case'>{}<b>{}</b> {:.0%}<span>true: {}, {:.1%}</span></div>")
    cases = []
    for k, picture in zip(worst, shown, strict=True):
        taken, label = classified.predicted[k], classified.labels[k]
        names, scores = (classified.names[taken], classified.names[label]), classified.scores[k]
        cases.append(
            form.format(
                images.image(picture, f"{names[1]} predicted as {names[0]}", scale), names[0], scores[taken], names[1], scores[label]
            )
        )
    lead = paragraph("For each image: the predicted class and its probability, then the true class and its probability.")
    return lead + Markup("<div class='cases'>{}</div>").format(Markup("").join(cases))


def _as_texts(run: Run, classified: Classified, worst: np.ndarray, fed: dict[int, Feeds], source: Layer) -> Markup:
    """A table of texts with their context: the tokens before a mistake, or the sequence if it has one label."""
    units = data.Units(source.source.tokens, Vocabulary(run.made.vocabulary, source.source.tokenizer)) if source.source else None
    assert units is not None
    rows = []
    for k in worst:
        tokens = fed[int(classified.batch[k])][BATCH(source.tops[0])]  # (steps, batch)
        per_time = tokens.size == np.asarray(fed[int(classified.batch[k])][BATCH(source.tops[1])]).size
        time, column = divmod(int(classified.place[k]), tokens.shape[1]) if per_time else (len(tokens) - 1, int(classified.place[k]))
        read = units.decode(tokens[max(0, time + 1 - CONTEXT) : time + 1, column])
        label, taken = classified.labels[k], classified.predicted[k]
        rows.append((Markup("<code>{}</code>").format(read), _visible(classified.names[label]), _visible(classified.names[taken]),
                     f"{classified.scores[k, taken]:.1%}", f"{classified.scores[k, label]:.2g}"))  # fmt: skip
    return table(("text", "true class", "predicted class", "its probability", "of the true class"), rows)


def _as_rows(classified: Classified, worst: np.ndarray, fed: dict[int, Feeds], source: Layer, raw: Mapping[int, str]) -> Markup | None:
    described = source.source
    axis = described.tops[0].batch_axis if described else 0
    if axis is None:
        return None
    rows = []
    for k in worst:
        batch = np.moveaxis(fed[int(classified.batch[k])][BATCH(source.tops[0])], axis, 0)
        if len(batch) <= classified.place[k]:
            return None
        row = batch[classified.place[k]].reshape(-1)
        numbers = raw.get(int(k)) or ", ".join(map(short, row[:MOST_CELLS].tolist()))
        numbers += f", … ({row.size} numbers)" if row.size > MOST_CELLS and not raw else ""
        label, taken = classified.labels[k], classified.predicted[k]
        rows.append(
            (
                numbers,
                classified.names[label],
                classified.names[taken],
                f"{classified.scores[k, taken]:.1%}",
                f"{classified.scores[k, label]:.2g}",
            )
        )
    return table(("row", "true class", "predicted class", "its probability", "of the true class"), rows)
