"""Which classes are taken for which, and the test rows that a net is most wrong about."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from netc import data
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


@section("Confusion matrix", model=True)
def confusion_matrix(run: Run) -> Markup | None:
    """Counts of test rows by their class and the class that they are taken for."""
    found = run.classified
    if found is None or len(found.names) > MOST_CLASSES or not len(found.labels):
        return None
    size = len(found.names)
    counts = np.bincount(found.labels * size + found.predicted, minlength=size * size).reshape(size, size)
    right, names = np.trace(counts), [_visible(n) for n in found.names]
    picture = charts.heat_map("confusion matrix", counts.tolist(), names, "class", "taken for")
    said = f"{right:,} of {len(found.labels):,} are right ({right / len(found.labels):.2%}). {_pairs(counts, names)}"
    return paragraph("{}", said) + figure(picture, "Each row is shaded by its own shares.")


def _visible(name: str) -> str:
    return {" ": "space", "\n": "newline", "\t": "tab"}.get(name, name)


def _pairs(counts: np.ndarray, names: Sequence[str]) -> str:
    """The confusions that are most frequent, in words."""
    off = counts - np.diag(np.diag(counts))
    order = np.argsort(-off, axis=None, kind="stable")[:3]
    said = [name if name.replace(" ", "").isalnum() else f"“{name}”" for name in names]
    pairs = [(int(off.flat[k]), said[k // len(names)], said[k % len(names)]) for k in order if off.flat[k]]
    return "Most often: " + ", ".join(f"{a} taken for {b} ({n:,})" for n, a, b in pairs) + "." if pairs else ""


@section("Classes", model=True)
def per_class(run: Run) -> Markup | None:
    """What a metric says of each class, where it has a top for that."""
    found = {name: value for name, value in run.scores.items() if isinstance(value, list)}
    if not found:
        return None
    size = max(map(len, found.values()))
    cells = [[_share(value[k] if k < len(value) else None) for value in found.values()] for k in range(min(size, MOST_CLASSES))]
    rows = [(_visible(name), *own) for name, own in zip(class_names(run.made, size), cells, strict=False)]
    lead = paragraph("The first {} of {} classes.", MOST_CLASSES, size) if size > MOST_CLASSES else Markup("")
    return lead + table(("class", *found), rows)


def _share(value: float | None) -> str:
    return "no labels" if value is None else f"{value:.4f}"


@section("Worst mistakes", model=True)
def worst_mistakes(run: Run) -> Markup | None:
    """The wrong test rows whose right class was given least: as pictures, as text in its context, or as rows of numbers."""
    found, net = run.classified, run.made.test_net
    if found is None or not len(net.sources) or net.sources[0].source is None or net.sources[0].type == "TreeData":
        return None
    source, pictures = net.sources[0], images_of(net)
    worst = found.worst(PICTURES if pictures else ROWS)
    if not len(worst):
        return paragraph("There are none among {} test rows.", f"{len(found.labels):,}")
    fed = {k: run.feeder.once(int(k)) for k in sorted(set(found.batch[worst].tolist()))}
    if pictures:
        return _as_pictures(found, worst, [fed[found.batch[k]][BATCH(pictures[1])][found.place[k]] for k in worst])
    if source.source is not None and source.source.tokens:
        return _as_texts(run, found, worst, fed, source)
    return _as_rows(found, worst, fed, source)


def _as_pictures(found: Classified, worst: np.ndarray, rows: Sequence[np.ndarray]) -> Markup:
    pictures = np.stack(rows)
    shown = images.small(images.shown(pictures, float(pictures.min()), float(pictures.max())))
    scale = max(1, round(72 / shown.shape[2]))
    form = Markup("<div class='case'>{}<b>{}</b> {:.0%}<span>is {}, {:.1%}</span></div>")
    cases = []
    for k, picture in zip(worst, shown, strict=True):
        taken, label = found.predicted[k], found.labels[k]
        names, scores = (found.names[taken], found.names[label]), found.scores[k]
        cases.append(
            form.format(images.image(picture, f"{names[1]} taken for {names[0]}", scale), names[0], scores[taken], names[1], scores[label])
        )
    lead = paragraph("What each is taken for, with its share; then what it is.")
    return lead + Markup("<div class='cases'>{}</div>").format(Markup("").join(cases))


def _as_texts(run: Run, found: Classified, worst: np.ndarray, fed: dict[int, Feeds], source: Layer) -> Markup:
    """Each with what was read before it: times of one sequence, or a whole one where a sequence has one label."""
    words, kind = run.made.vocabulary, source.source.tokens if source.source else ""
    rows = []
    for k in worst:
        tokens = fed[int(found.batch[k])][BATCH(source.tops[0])]  # (steps, batch)
        per_time = tokens.size == np.asarray(fed[int(found.batch[k])][BATCH(source.tops[1])]).size
        time, column = divmod(int(found.place[k]), tokens.shape[1]) if per_time else (len(tokens) - 1, int(found.place[k]))
        read = data.join([words[t] for t in tokens[max(0, time + 1 - CONTEXT) : time + 1, column]], kind)
        label, taken = found.labels[k], found.predicted[k]
        rows.append((Markup("<code>{}</code>").format(read), _visible(found.names[label]), _visible(found.names[taken]),
                     f"{found.scores[k, taken]:.1%}", f"{found.scores[k, label]:.2g}"))  # fmt: skip
    return table(("text", "is", "taken for", "share of that", "share of the right one"), rows)


def _as_rows(found: Classified, worst: np.ndarray, fed: dict[int, Feeds], source: Layer) -> Markup | None:
    described = source.source
    axis = described.tops[0].batch_axis if described else 0
    if axis is None:
        return None
    rows = []
    for k in worst:
        batch = np.moveaxis(fed[int(found.batch[k])][BATCH(source.tops[0])], axis, 0)
        if len(batch) <= found.place[k]:
            return None
        row = batch[found.place[k]].reshape(-1)
        numbers = ", ".join(short(float(v)) for v in row[:8]) + (f", … ({row.size} numbers)" if row.size > 8 else "")
        label, taken = found.labels[k], found.predicted[k]
        rows.append((numbers, found.names[label], found.names[taken], f"{found.scores[k, taken]:.1%}", f"{found.scores[k, label]:.2g}"))
    return table(("row", "is", "taken for", "share of that", "share of the right one"), rows)
