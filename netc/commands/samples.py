"""Samples of a data set for `netc data show`: images of each class, columns of a table, texts, trees, time series."""

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from netc import data, terminal
from netc import netc_pb2 as pb
from netc.commands.boxed_samples import boxed, is_boxed
from netc.predict.readable import COLORS, letters
from netc.predict.trees import drawn
from netc.report.blocks import histogram, sparkline

A_CLASS, MOST_CLASSES, ROWS, TEXTS = 10, 20, 3, 3
Pictures = list[tuple[str, np.ndarray]]
Samples = tuple[list[str], Pictures]


def samples(layer: pb.LayerParameter, described: data.Description, source: data.Source, base: Path, of_net: bool) -> Samples:
    """Lines of text and images for the kind of data. `of_net`: after the transforms of the layer, else as stored."""
    first = described.tops[0]
    if layer.type == "TreeData":
        return _trees(layer, described, source, base), []
    if first.batch_axis == 1:
        if first.dtype == "int64":
            return _texts(layer, described, source, base), []
        return (_series if described.target else _sequences)(described, source), []
    if is_boxed(described):
        return boxed(described, source, of_net)
    if len(first.shape) == 3 and first.shape[0] in (1, 3):
        return [], _seen(described, source) if of_net else _stored(described, source)
    if len(first.shape) == 1:
        return _table(described, source), []
    return [], []


def _stored(described: data.Description, source: data.Source) -> Pictures:
    """Up to ten images of each class."""
    if not source.rows:
        return _seen(described, source)
    if _has_several(described):
        rows = np.arange(min(source.rows, A_CLASS))
        return _labelled(described, source.stored(0, rows), source.stored(1, rows))
    if len(described.tops) > 1 and described.tops[1].dtype == "int64":
        labels = source.stored(1, np.arange(source.rows)).reshape(source.rows, -1)[:, 0].astype(int)
        chosen = [np.flatnonzero(labels == k)[:A_CLASS] for k in sorted(set(labels.tolist()))[:MOST_CLASSES]]
        rows = np.concatenate(chosen)
        captions = [_name(described, k) for k in labels[rows]]
    else:
        rows = np.arange(min(source.rows, A_CLASS))
        captions = [f"row {k}" for k in rows]
    return _as_bytes(captions, source.stored(0, rows))


def _seen(described: data.Description, source: data.Source) -> Pictures:
    """The first images that training reads."""
    batch = source.batch(0)
    count = min(len(batch[0]), A_CLASS * A_CLASS)
    if _has_several(described):
        return _labelled(described, batch[0][:A_CLASS], batch[1][:A_CLASS])
    labelled = len(batch) > 1 and batch[1].dtype == np.int64 and batch[1].ndim == 1
    captions = [_name(described, int(batch[1][k])) if labelled else f"row {k}" for k in range(count)]
    pictures = _as_bytes(captions, batch[0][:count])
    order = {name: k for k, name in enumerate(described.classes)}
    return sorted(pictures, key=lambda pair: order.get(pair[0], 0))


def _has_several(described: data.Description) -> bool:
    """Whether each row has several labels: a mask, or a sequence of classes."""
    return len(described.tops) > 1 and described.tops[1].dtype == "int64" and prod(described.tops[1].sizes) > 1


def _labelled(described: data.Description, images: np.ndarray, labels: np.ndarray) -> Pictures:
    """The images and their masks in colors, one below the other; or each image with the text of its labels."""
    if not described.tops[1].mask:
        texts = [letters(own.reshape(-1).astype(int), described.classes) or "no label" for own in labels]
        return _as_bytes(texts, images)
    colors = np.array(COLORS, np.uint8)[labels.reshape(len(labels), *labels.shape[-2:]).astype(int) % len(COLORS)].transpose(0, 3, 1, 2)
    masks = colors if images.shape[1] == 3 else colors.mean(1, keepdims=True).astype(np.uint8)
    return _as_bytes(["image"] * len(images), images) + _as_bytes(["mask"] * len(images), masks)


def _as_bytes(captions: list[str], images: np.ndarray) -> Pictures:
    """Convert values to bytes: bytes stay unchanged, other values are scaled to the range."""
    if images.dtype != np.uint8:
        good = images[np.isfinite(images)]
        low, high = (float(good.min()), float(good.max())) if good.size else (0.0, 0.0)
        scaled = (images.astype(np.float64) - low) * (255 / (high - low) if high > low else 0)
        images = np.clip(np.nan_to_num(scaled, posinf=255), 0, 255).astype(np.uint8)
    return list(zip(captions, images, strict=True))


def _name(described: data.Description, label: int) -> str:
    return described.classes[label] if 0 <= label < len(described.classes) else str(label)


def _table(described: data.Description, source: data.Source) -> list[str]:
    """One line per column: range, mean, standard deviation, histogram, and the first rows."""
    batch = source.batch(0)
    rows, (count, width) = batch[0].astype(np.float64), batch[0].shape
    names = described.columns if len(described.columns) == width else tuple(str(k) for k in range(width))
    head = ("column", "min", "max", "mean", "std", "histogram", *(f"row {k}" for k in range(min(ROWS, count))))
    lines = [head]
    for name, x in zip(names, rows.T, strict=True):
        lines.append((name, *_figures(x)))
    if len(batch) > 1 and batch[1].ndim == 1:
        lines.append(_label_line(described, batch[1]))
    return _aligned(lines, left=(0, 5))


def _aligned(lines: list[tuple[str, ...]], left: tuple[int, ...]) -> list[str]:
    """Lines of cells as text. The columns `left` are aligned left."""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return ["  ".join(_cell(*pair, left=k in left) for k, pair in enumerate(zip(line, widths, strict=True))).rstrip() for line in lines]


def _label_line(described: data.Description, label: np.ndarray) -> tuple[str, ...]:
    if label.dtype == np.int64:
        return ("label", "", "", "", "", "", *(_name(described, int(v)) for v in label[:ROWS]))
    return ("label", *_figures(label.astype(np.float64)))


def _figures(x: np.ndarray) -> Iterator[str]:
    """Minimum, maximum, mean and standard deviation of the finite values, their histogram, and the first values."""
    good = x[np.isfinite(x)]
    yield from (f"{v:.5g}" for v in ((good.min(), good.max(), good.mean(), good.std()) if good.size else (np.nan,) * 4))
    yield histogram(x)
    yield from (f"{v:.5g}" for v in x[:ROWS])


def _cell(text: str, width: int, left: bool) -> str:
    return text.ljust(width) if left else text.rjust(width)


def _texts(layer: pb.LayerParameter, described: data.Description, source: data.Source, base: Path) -> list[str]:
    """The first windows or sentences of a text, with their labels."""
    vocabulary, batch = data.vocabulary(layer, base), source.batch(0)
    if vocabulary is None:
        return []
    marks = batch[2] if len(batch) > 2 else None
    lines = [f"{len(vocabulary.words):,} different {described.tokens or 'tokens'}", ""]
    for k in range(min(TEXTS, batch[0].shape[1])):
        length = batch[0].shape[0] if marks is None else 1 + int(np.count_nonzero(marks[:, k]))
        text = data.Units(described.tokens or "words", vocabulary).decode(batch[0][:length, k])
        label = f"{_name(described, int(batch[1][k]))}: " if len(batch) > 1 and batch[1].ndim == 1 else ""
        lines.append(f"{label}{text}" if label else repr(text))
    return lines


def _trees(layer: pb.LayerParameter, described: data.Description, source: data.Source, base: Path) -> list[str]:
    """The first two trees with the label of every node."""
    vocabulary = data.vocabulary(layer, base)
    lines = []
    for row in range(2):
        words, child, _, labels = (source.stored(k, np.array([row])) for k in range(4))
        names = [_name(described, int(k)) if k >= 0 else "-" for k in labels]
        lines += [*drawn(names, [vocabulary.words[w] if vocabulary else str(w) for w in words], child.tolist()), ""]
    return lines


def _series(described: data.Description, source: data.Source) -> list[str]:
    """Each column over all training windows, and the first window with its next value."""
    count = source.rows or 0
    last = source.stored(0, np.arange(count))[:, -1]
    width = terminal.column(described.columns)
    lines = [f"{name.ljust(width)}  {sparkline(last[:, k], 72)}" for k, name in enumerate(described.columns)]
    window, after = source.stored(0, np.array([0]))[0], source.stored(1, np.array([0])).reshape(-1)
    lines += ["", f"a window of {len(window)} rows, and {described.target} in the next row:"]
    return [*lines, *(f"{n.ljust(width)}  {sparkline(window[:, k])}" for k, n in enumerate(described.columns)), f"-> {after[0]:.6g}"]


def _sequences(described: data.Description, source: data.Source) -> list[str]:
    """The channels of the first sequence of each class, one line each."""
    rows = np.arange(source.rows or 0)
    labels = source.stored(1, rows).reshape(len(rows), -1)[:, 0].astype(int) if len(described.tops) > 1 else np.zeros(len(rows), int)
    lines: list[str] = []
    for label in sorted(set(labels.tolist()))[:TEXTS]:
        sequence = source.stored(0, np.flatnonzero(labels == label)[:1])[0]
        flat = sequence.reshape(len(sequence), -1)
        length = int(np.flatnonzero(flat.any(1)).max(initial=0)) + 1  # trailing zeros are padding
        lines.append(f"{_name(described, label)}: {length} steps of {flat.shape[1]}")
        lines += [f"  {sparkline(flat[:length, k])}" for k in range(min(flat.shape[1], 12))]
    return lines
