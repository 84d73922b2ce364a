"""A starter net for the arrays of an .npz file: images or rows of numbers, with classes or numbers to predict."""

import zipfile

import numpy as np

from netc import data
from netc import netc_pb2 as pb
from netc.commands.init import nets
from netc.commands.init.described import pixel_spread
from netc.commands.init.starter import HELD_OUT, Starter, Wanted
from netc.data.array_roles import SEQUENCES, Header, choose, counterpart, listed
from netc.data.sources.array_parts import are_classes, is_one_hot
from netc.data.sources.arrays import CHANNELS, headers_of, read_npz, seems_channels_last
from netc.errors import DataError, SpecError

LEAST_SIDE = 8  # pixels: square rows of at least this side are images


def recognise(wanted: Wanted) -> bool:
    """Whether the data is an .npz file."""
    is_file = not wanted.is_named and wanted.path.suffix.lower() == ".npz" and wanted.path.is_file()
    return is_file and zipfile.is_zipfile(wanted.path)


def starter(wanted: Wanted) -> Starter:
    """A convolutional net for images, a net with a hidden layer for rows of numbers. DataError for what is ambiguous."""
    there = headers_of(wanted.path)
    if len(wanted.labels) > 1:
        raise SpecError(f"--label is given {len(wanted.labels)} times. Expected the name of one array.")
    if not there:
        raise DataError(f"{wanted.path}: There are no arrays.")
    if set(there) & SEQUENCES:
        raise DataError(f"{wanted.path}: The arrays are sequences; write the net yourself, with RNN, LSTM or GRU.")
    rows, label = choose(wanted.path, there, "".join(wanted.labels))
    layer = pb.LayerParameter(type="Data", top=["data", "label"])
    param = layer.data_param
    param.source, param.batch_size = wanted.source, 1
    param.arrays.extend((rows, label))
    fields = [f"arrays: [{nets.scalar(rows)}, {nets.scalar(label)}]"]
    fields += [*_shape(wanted, rows, there, param), *_label(wanted, label, there, param)]
    described = data.describe(layer, "TRAIN", wanted.base)
    parts = _parts(rows, label, there)
    for phase in ("TRAIN", *parts):
        data.open(layer, phase, 0, wanted.base)  # checks the labels
    counts = {phase: there[names[0]][0][0] for phase, names in parts.items()}
    about = nets.About(wanted.target.stem, str(wanted.target), wanted.source, described.rows or 0, fields=tuple(fields))
    about = about.with_parts(counts) if counts else about.held_out(HELD_OUT)
    read = [rows, label, *(name for part in parts.values() for name in part)]
    return _written(wanted, layer, described, about, _notes(there, read, described))


def _parts(rows: str, label: str, there: dict[str, Header]) -> dict[str, tuple[str, str]]:
    """The arrays of the test and the validation rows, if there are any."""
    found = {phase: (counterpart(rows, phase, there), counterpart(label, phase, there)) for phase in ("TEST", "VALIDATION")}
    return {phase: (x, y) for phase, (x, y) in found.items() if x and y}


def _written(wanted: Wanted, layer: pb.LayerParameter, described: data.Description, about: nets.About, notes: list[str]) -> Starter:
    """The net for the rows as they are described."""
    first, target = described.tops[:2]
    classes = 0 if target.dtype == "float32" else target.classes or len(described.classes) or _largest(layer, wanted.base) + 1
    targets = int(np.prod(target.sizes)) if not classes else 0
    what = f"of {classes} classes" if classes else "and a number to predict" if targets == 1 else f"and {targets} numbers to predict"
    if len(first.shape) == 3 and targets <= 1:
        picture = nets.Picture(first.sizes, 0, False, *pixel_spread(layer, wanted.base))
        return Starter(nets.images(about, classes, picture), f"{about.rows:,} images {what}", tuple(notes))
    size = int(np.prod(first.sizes))
    if not first.mean:  # only the columns of a table have a mean and a deviation each
        mean, scale = pixel_spread(layer, wanted.base)
        about = about.with_fields(f"mean_value: {mean:g}", f"scale: {scale:g}")
    text = nets.table(about, classes, bool(first.mean)) if classes else nets.regression(about, bool(first.mean), targets)
    return Starter(text, f"{about.rows:,} rows of {size} numbers {what}", tuple(notes))


def _shape(wanted: Wanted, name: str, there: dict[str, Header], param: pb.DataParameter) -> list[str]:
    """Set how rows are read, and return the fields: images of one channel, or with their channels last. DataError if it is not clear."""
    shape, dtype = there[name][0][1:], there[name][1]
    sizes = "x".join(map(str, shape))
    if not shape:
        raise DataError(f"{wanted.path}: Array {name!r} has one number per row. Save it as a column: {name}[:, None].")
    if len(shape) > 3:
        raise DataError(f"{wanted.path}: Array {name!r} has rows of {sizes}. Expected at most 3 axes; write the net yourself.")
    if len(shape) == 2 and (dtype == np.uint8 or (shape[0] == shape[1] >= LEAST_SIDE)):
        param.one_channel = True
        return ["one_channel: true"]
    if len(shape) == 3:
        last = seems_channels_last(shape)
        if last is None or (not last and shape[0] not in CHANNELS):
            text = f"the channel axis of its rows ({sizes}) is ambiguous; write the net yourself: a Data layer takes"
            raise DataError(f"{wanted.path}: {text} channels x height x width, and with `channels_last: true` height x width x channels")
        param.channels_last = last
        return ["channels_last: true"] if last else []
    return []


def _label(wanted: Wanted, name: str, there: dict[str, Header], param: pb.DataParameter) -> list[str]:
    """Set how labels are read, and return the fields. DataError for several classes per row, and for labels that do not differ."""
    if there[name][1].kind not in "fiub":
        return []
    labels = read_npz(wanted.path, [name])[0]
    if is_one_hot(labels):
        param.one_hot = True
        return ["one_hot: true"]
    if labels.ndim == 2 and labels.shape[1] > 1 and np.all((labels == 0) | (labels == 1)):
        text = "has several classes per row, or none. Write the net yourself, with a SigmoidCrossEntropyLoss"
        raise DataError(f"{wanted.path}: Array {name!r} {text}.")
    if labels.ndim > 2:
        raise DataError(f"{wanted.path}: Array {name!r} has labels of {'x'.join(map(str, labels.shape[1:]))}. Write the net yourself.")
    if labels.size and np.all(labels == labels.flat[0]):
        raise DataError(f"{wanted.path}: All labels in array {name!r} are {labels.flat[0]}. A net needs labels that differ.")
    param.regression = not are_classes(labels)
    return ["regression: true"] if param.regression else []


def _largest(layer: pb.LayerParameter, base: str) -> int:
    """The largest class number."""
    opened = data.open(layer, "TRAIN", 0, base)
    return int(opened.stored(1, np.arange(opened.rows or 0)).max())


def _notes(there: dict[str, Header], read: list[str], described: data.Description) -> list[str]:
    """Which arrays the net reads, and which not."""
    notes = [f"Rows: {listed({read[0]: there[read[0]]})}. Labels: {listed({read[1]: there[read[1]]})}."]
    if unread := {name: header for name, header in there.items() if name not in read}:
        notes.append(f"Not read: {listed(unread)}.")
    if len(described.tops[0].shape) == 2:
        notes.append("Each row has two axes, and the net flattens it. If the rows are sequences, write a net with an LSTM or a GRU.")
    return notes
