"""Starter nets for all data that a Data layer can describe: named data sets, tables, arrays, folders, texts and databases."""

from pathlib import Path

import numpy as np

from netc import data
from netc import netc_pb2 as pb
from netc.commands.init import nets
from netc.commands.init.starter import HELD_OUT, Starter, Wanted
from netc.errors import DataError

MOST_ROWS = 1000  # rows to inspect
BYTES = 127.5, 0.0078125  # mean and scale that map bytes to -1 to 1


def starter(wanted: Wanted) -> Starter:
    """A net for the rows that a Data layer reads from the data."""
    layer = data.plain_layer(wanted.source, wanted.base)
    text, summary = _starter(layer, wanted.base, wanted.target)
    return Starter(text, summary, licensed=bool(data.describe(layer, "TRAIN", wanted.base).licence))


def _starter(layer: pb.LayerParameter, base: str, target: Path) -> tuple[str, str]:
    """The text of a net for the data that the layer reads, and a description of the data."""
    described = data.describe(layer, "TRAIN", base)
    first, source = described.tops[0], layer.data_param.source
    about = nets.About(target.stem, str(target), source, described.rows or 0)
    if described.tokens and first.batch_axis != 0 and layer.data_param.test_fraction:
        return nets.text(about, len(described.classes)), f"a text of {len(described.classes)} characters"
    if first.batch_axis != 0 or layer.type != "Data":
        raise DataError(f"{source}: the rows are sequences or trees; write the net yourself, with RNN, LSTM or GRU, and LastStep")
    if len(described.tops) < 2:
        raise DataError(f"{source}: the data has no labels; write the net yourself, for example like nets/autoencoder.yaml")
    if not described.set_apart:
        layer.data_param.test_fraction = HELD_OUT
        about = about.held_out(HELD_OUT)
    if described.tops[1].dtype == "float32" and len(first.shape) == 1 and described.tops[1].mean:
        return nets.regression(about, bool(first.mean)), f"{about.rows:,} rows of {first.shape[0]} numbers, and a number to predict"
    classes = len(described.classes) or _labels(layer, described, base)
    if not classes:
        raise DataError(f"{source}: the labels are not classes; write the net yourself (`netc layers` lists all layers)")
    if len(first.shape) == 3:
        picture = nets.Picture(first.sizes, 0, False, *pixel_spread(layer, base))
        return nets.images(about, classes, picture), f"{about.rows:,} images of {classes} classes"
    return nets.table(about, classes, bool(first.mean)), f"{about.rows:,} rows of {classes} classes"


def pixel_spread(layer: pb.LayerParameter, base: str) -> tuple[float, float]:
    """The mean and the scale for pixels: fixed for bytes, else from the first rows."""
    try:
        opened = data.open(layer, "TRAIN", 0, base)
        rows = opened.stored(0, np.arange(min(opened.rows or 1, MOST_ROWS)))
    except DataError:
        return BYTES  # a named data set that is not downloaded yet
    if rows.dtype == np.uint8:
        return BYTES
    return float(f"{rows.mean():.4g}"), float(f"{1 / max(float(rows.std()), 1e-6):.4g}")


def _labels(layer: pb.LayerParameter, described: data.Description, base: str) -> int:
    """The number of classes in the labels of an array file; 0 if they are not whole numbers."""
    if described.tops[1] != data.TopSpec("int64", ()) or not described.rows:
        return 0
    opened = data.open(layer, "TRAIN", 0, base)
    return int(opened.stored(1, np.arange(opened.rows or 0)).max()) + 1
