"""`netc init`: a net file to start from."""

import os
from pathlib import Path

import numpy as np

from netc import data, registry
from netc import netc_pb2 as pb
from netc.commands import starters
from netc.errors import DataError, RunError, SpecError
from netc.files import replace_file

HELD_OUT, MOST_SIDE = 0.2, 48  # share of the rows for testing; pixels of the images that a small net reads
MOST_ROWS = 1000  # that are looked at
BYTES = 127.5, 0.0078125  # what makes -1 to 1 of them


def write_starter(path: str, source: str) -> str:
    """Write a starter net for a data set by name, a .csv, .npz or .txt file, or a folder of images; returns what it is.

    Never over a file that is there.
    """
    target = Path(path)
    if target.exists():
        raise SpecError(f"{path}: is there already; it is not overwritten")
    registry.load()
    base = str(target.parent)
    layer = data.plain_layer(source if source in registry.dataset else os.path.relpath(Path(source).expanduser(), target.parent), base)
    text, said = _starter(layer, base, target)
    text += starters.licences(known=bool(data.describe(layer, "TRAIN", base).licence))
    try:
        replace_file(target, text.encode())
    except OSError as e:
        raise RunError(f"Cannot write {path}: {e.strerror or e}") from e
    return said


def _starter(layer: pb.LayerParameter, base: str, target: Path) -> tuple[str, str]:
    """The text of a net for what the layer reads, and a sentence on it."""
    found = data.describe(layer, "TRAIN", base)
    first, source = found.tops[0], layer.data_param.source
    about = starters.About(target.stem, str(target), source, found.rows or 0)
    if found.tokens and first.batch_axis != 0 and layer.data_param.test_fraction:
        return starters.text(about, len(found.classes)), f"a text of {len(found.classes)} characters"
    if first.batch_axis != 0 or layer.type != "Data":
        raise DataError(f"{source}: its rows are sequences or trees; write the net by hand, with RNN, LSTM or GRU, and LastStep")
    if len(found.tops) < 2:
        raise DataError(f"{source}: there is no label; write the net by hand, for instance as nets/autoencoder.yaml")
    if not found.set_apart:
        layer.data_param.test_fraction = HELD_OUT
        about = about.held_out(HELD_OUT)
    if found.tops[1].dtype == "float32" and len(first.shape) == 1 and found.tops[1].mean:
        return starters.regression(about, bool(first.mean)), f"{about.rows:,} rows of {first.shape[0]} numbers, and a number to foretell"
    classes = len(found.classes) or _labels(layer, found, base)
    if not classes:
        raise DataError(f"{source}: its labels are no classes; write the net by hand, `netc layers` lists what there is")
    if len(first.shape) == 3:
        _check_channels(first.sizes, source, layer)
        side = min(int(layer.transform_param.resize_height), MOST_SIDE)
        mirror, last = first.shape[0] == 3 and Path(base, source).is_dir(), layer.data_param.channels_last
        picture = starters.Picture(first.sizes, side, mirror, *_spread(layer, base), channels_last=last)
        seen = f", of unlike sizes: the net sees them at {side} x {side}" if side else ""
        return starters.images(about, classes, picture), f"{about.rows:,} images of {classes} classes{seen}"
    return starters.table(about, classes, bool(first.mean)), f"{about.rows:,} rows of {classes} classes"


def _check_channels(shape: tuple[int, ...], source: str, layer: pb.LayerParameter) -> None:
    """DataError where nothing says which axis of an image is its channels."""
    channels = data.CHANNELS
    if (
        not layer.data_param.channels_last
        and (shape[0] not in channels or shape[-1] in channels)
        and Path(source).suffix in (".npy", ".npz")
    ):
        said = "x".join(map(str, shape))
        text = f"nothing says which axis of its rows, {said}, are the channels of an image; write the net by hand: a Data layer takes"
        raise DataError(f"{source}: {text} channels x height x width, and with `channels_last: true` height x width x channels")


def _spread(layer: pb.LayerParameter, base: str) -> tuple[float, float]:
    """What to subtract from pixels and what to multiply them with: of bytes always the same, of other numbers by the first rows."""
    try:
        opened = data.open(layer, "TRAIN", 0, base)
        rows = opened.stored(0, np.arange(min(opened.rows or 1, MOST_ROWS)))
    except DataError:
        return BYTES  # a set by name that is not here yet
    if rows.dtype == np.uint8:
        return BYTES
    return float(f"{rows.mean():.4g}"), float(f"{1 / max(float(rows.std()), 1e-6):.4g}")


def _labels(layer: pb.LayerParameter, found: data.Description, base: str) -> int:
    """How many classes the labels of an array file count; 0 where they are no whole numbers."""
    if found.tops[1] != data.TopSpec("int64", ()) or not found.rows:
        return 0
    opened = data.open(layer, "TRAIN", 0, base)
    return int(opened.stored(1, np.arange(opened.rows or 0)).max()) + 1
