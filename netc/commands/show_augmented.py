"""`netc data show --augmented`: rows of a net as training reads them in its first epochs, beside the stored rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from google.protobuf.text_format import MessageToString

from netc import data
from netc import netc_pb2 as pb
from netc.commands.show import layer_of
from netc.compiler import program as contract
from netc.data import Description, Source
from netc.errors import DataError, SpecError
from netc.formats.by_suffix import form, put
from netc.report.augmented import Augmented, Picture, Sample, page
from netc.spec.job import load_job
from netc.spec.schema import comments

EPOCHS, SAMPLES = 7, 10
SEEN = 0.005  # smaller shares are not shown


def look(target: str, layer_name: str = "", allow_python: bool = False) -> Augmented:
    """Rows of a data layer, as they are stored and as training reads them in its first epochs.

    SpecError if nothing changes from epoch to epoch. DataError if the rows are not images, or the source has no end.
    """
    layer, base, of_net = layer_of(target, layer_name, allow_python)
    if not of_net:
        raise SpecError(f"--augmented needs a net file; {target!r} is not one")
    param, name = layer.transform_param, f"Layer {layer.name!r}"
    fields = data.augmentations(param)
    if not fields:
        text = "It does not augment its rows. Add `mirror: true`, `pad: 4` or others; `netc help augmentation` lists them."
        raise SpecError(f"{target}: {name}: {text}")
    seed = contract.program(load_job(target, allow_python=allow_python), needs_solver=False).seed
    source = data.open(layer, "TRAIN", seed, base)
    described = source.description
    if len(described.tops[0].shape) != 3 or described.tops[0].shape[0] not in (1, 3):
        raise DataError(f"{target}: {name}: Its rows are not images of one or three channels.")
    if source.rows is None:
        raise DataError(f"{target}: {name}: Its source has no end, so it has no epochs.")
    rows = _chosen(described, source)
    epochs = [[source.seen(row, epoch) for row in rows] for epoch in range(EPOCHS)]  # each epoch has an order of its own
    shown = [_sample(source, row, versions, layer, base) for row, versions in zip(rows, zip(*epochs, strict=True), strict=True)]
    return Augmented(f"{described.name}, augmented by {target}", tuple(_settings(param, fields)), tuple(shown), seed)


def write(target: str, layer_name: str, path: str, allow_python: bool = False) -> str:
    """Write the page. Returns the message for the user. SpecError for a file that is not .html."""
    form(path, (".html",), "augmented rows")
    put(path, page(look(target, layer_name, allow_python)).encode())
    return f"{path} is written"


def _settings(param: pb.TransformationParameter, fields: list[str]) -> Iterator[tuple[str, str]]:
    """Each field as a net file states it, and what it does."""
    known = comments(param.DESCRIPTOR)
    for name in fields:
        value, field = getattr(param, name), param.DESCRIPTOR.fields_by_name[name]
        text = (
            f"{{{MessageToString(value, as_one_line=True)}}}"
            if field.message_type
            else str(value).lower()
            if value is True
            else f"{value:g}"
        )
        yield f"{name}: {text}", known[field.full_name]


def _chosen(described: Description, source: Source) -> list[int]:
    """Rows of different classes, as far as there are classes; else the first rows."""
    rows = np.arange(source.rows or 0)
    if not _classified(described):
        return [int(row) for row in rows[:SAMPLES]]
    labels = source.stored(1, rows).reshape(len(rows), -1)[:, 0].astype(int)
    several = [np.flatnonzero(labels == label) for label in sorted(set(labels.tolist()))[:SAMPLES]]
    share = -(-SAMPLES // len(several))
    return [int(row) for found in several for row in found[:share]][:SAMPLES]


def _classified(described: Description) -> bool:
    return len(described.tops) > 1 and described.tops[1].dtype == "int64" and described.tops[1].shape in ((), (1,))


def _sample(source: Source, row: int, versions: Sequence[tuple[np.ndarray, ...]], layer: pb.LayerParameter, base: Path) -> Sample:
    described, stored = source.description, source.stored(0, np.array([row]))[0]
    norm = data.normalisation(layer.transform_param, stored.shape, base)
    mean = 0 if norm.mean is None else norm.mean.mean((-2, -1), keepdims=True)
    restored = [arrays[0][0] / norm.factor + mean for arrays in versions]
    limits = (0.0, 255.0) if stored.dtype == np.uint8 else (float(stored.min()), float(stored.max()))
    flip = described.channels == "BGR" and len(stored) == 3
    pictures = [_pixels(image, limits, flip) for image in (stored, *restored)]
    captions = [_captions(described, arrays[1:]) for arrays in versions]
    label = source.stored(1, np.array([row])).reshape(-1) if len(described.tops) > 1 else np.empty(0)
    own = _name(described, float(label[0])) if label.size == 1 else ""  # a mask is no label of the row
    return Sample(own, row, pictures[0], tuple(map(Picture, pictures[1:], captions)))


def _pixels(image: np.ndarray, limits: tuple[float, float], flip: bool) -> np.ndarray:
    """An image as bytes (height, width, 1 or 3)."""
    low, high = limits
    scaled = (image.astype(np.float64) - low) * (255 / (high - low) if high > low else 0)
    ordered = scaled[::-1] if flip else scaled
    return np.clip(np.nan_to_num(ordered), 0, 255).round().astype(np.uint8).transpose(1, 2, 0)


def _captions(described: Description, tops: tuple[np.ndarray, ...]) -> tuple[str, ...]:
    """The label that training reads, if it is not that of the row alone: the labels of a mixed row and their shares, or a number."""
    if described.added:
        first, second, share = (float(top.reshape(-1)[0]) for top in tops)
        parts = (_name(described, first), share), (_name(described, second), 1 - share)
        return tuple(f"{part:.0%} {name}".replace("%", " %") for name, part in parts if part >= SEEN)
    return (f"{float(tops[0].reshape(-1)[0]):.3g}",) if tops and tops[0].dtype.kind == "f" and tops[0].size == 1 else ()


def _name(described: Description, label: float) -> str:
    whole = int(label)
    return described.classes[whole] if whole == label and 0 <= whole < len(described.classes) else f"{label:.6g}"
