"""Warnings about the data of a net."""

from collections.abc import Iterator

from netc import data
from netc.commands.advice.checks import Checked, check, diagnostic
from netc.data.settings import shuffles
from netc.errors import Diagnostic

LEAST_SHARE = 0.1


@check
def order_of_rows(checked: Checked) -> Iterator[Diagnostic]:
    """Training rows in the order of the file."""
    for layer in checked.program.train_net.sources:
        source, kept = layer.source, layer.param.data_param.HasField("backend") or layer.type not in ("Data", "ImageData", "HDF5Data")
        if source and source.rows and not source.reading and not kept and not shuffles(layer.param):
            yield diagnostic(layer, "reads the training rows in the order of the file; set `shuffle: true`, as SGD expects random order")


@check
def tests_on_training_rows(checked: Checked) -> Iterator[Diagnostic]:
    """Tests on training rows."""
    learned = {data.setting(x.param, "source") for x in checked.program.train_net.sources}
    for layer in checked.program.test_net.sources:
        source = data.setting(layer.param, "source")
        if layer.source and not layer.source.set_apart and source and source in learned:
            held_out = "split: {test: 0.2}" if layer.type == "Table" else "test_fraction: 0.2"
            text = f"tests use {source!r}, the same rows as training; set {held_out} or test_source"
            yield diagnostic(layer, text)


@check
def scale_of_values(checked: Checked) -> Iterator[Diagnostic]:
    """Inputs that are not scaled."""
    for seen in (s for s in checked.seen if s.phase == "TRAIN" and s.count):
        far, readers = max(abs(seen.low), seen.high), checked.readers(seen.layer.tops[0])
        if any(layer.type in ("Standardize", "BatchNorm", "MVN") for layer in readers):
            continue
        image = seen.layer.source is not None and len(seen.layer.source.tops[0].shape) == 3
        if image and 100 < far <= 256:
            text = f"values range from {seen.low:g} to {seen.high:g}; set `scale: 0.00390625` to map bytes to 0 to 1, as fillers expect"
            yield diagnostic(seen.layer, text)
        elif far > 1000:
            text = f"values range from {seen.low:g} to {seen.high:g}; use Standardize, or mean_value and scale, for about -1 to 1"
            yield diagnostic(seen.layer, text)


@check
def classes_seen(checked: Checked) -> Iterator[Diagnostic]:
    """Classes with very few rows."""
    for seen in checked.seen:
        if len(seen.labels) > 1 and min(seen.labels.values()) < LEAST_SHARE * max(seen.labels.values()) and len(seen.labels) < 100:
            rare, often = min(seen.labels, key=seen.labels.__getitem__), max(seen.labels, key=seen.labels.__getitem__)
            text = (
                f"classes of {seen.phase} are imbalanced: {seen.labels[often]} rows of class {often}, {seen.labels[rare]} of class {rare}"
            )
            yield diagnostic(seen.layer, text)
        if len(seen.labels) == 1 and (rows := sum(seen.labels.values())) > 1:
            yield diagnostic(seen.layer, f"all {rows} rows of {seen.phase} in the sample have class {next(iter(seen.labels))}")
