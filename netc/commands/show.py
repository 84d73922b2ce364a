"""`netc data show`: show samples of a data set as text, as an HTML page or as an image."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netc import data, registry
from netc import netc_pb2 as pb
from netc.commands.datasets import summary, where
from netc.commands.samples import samples
from netc.compiler import program as contract
from netc.data.named import catalogue
from netc.errors import DataError, SpecError, near
from netc.formats.by_suffix import form, put
from netc.report.blocks import picture, sparkline
from netc.report.sheet import page, sheet_png
from netc.spec.job import load_job
from netc.terminal import column, line

NETS = (".yaml", ".yml", ".prototxt", ".pbtxt", ".txtpb")
LOOKED_AT, A_CLASS, MOST_CLASSES = 1000, 10, 20  # rows for ranges; images per class; classes to list


@dataclass(frozen=True)
class Look:
    """A view of a data set: named facts, lines of text, and uint8 images (1 or 3, height, width), each with its class."""

    title: str
    facts: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]
    pictures: tuple[tuple[str, np.ndarray], ...]


def look(target: str, layer_name: str = "", allow_python: bool = False, label_map: str = "") -> Look:
    """Inspect a named data set, a file, a folder, or a data layer of a net file. `label_map` names the classes of boxes."""
    registry.load()
    layer, base, of_net = layer_of(target, layer_name, allow_python)
    if label_map:
        if layer.type != "AnnotatedData":
            raise SpecError(f"--label-map names the classes of images with boxes, and {target!r} has none.")
        named = pb.LayerParameter()
        named.CopyFrom(layer)
        named.annotated_data_param.label_map_file, layer = str(Path(label_map).absolute()), named
    described = data.describe(layer, "TRAIN", base)
    phases = ["TRAIN", *(["VALIDATION"] if described.has_validation else []), *(["TEST"] if _tested(layer, described) else [])]
    opened = {phase: data.open(_sized(layer, phase, base), phase, 0, base) for phase in phases}
    facts, lines = _facts(target, described, opened), _classes(described, opened)
    kept, pictures = samples(layer, described, opened["TRAIN"], base, of_net)
    notes = list(dict.fromkeys(text for source in opened.values() for text in source.notes()))
    return Look(described.name if not of_net else f"{described.name} as {target} reads it", facts, (*lines, *kept, *notes), tuple(pictures))


def terminal(look: Look, colour: bool, width: int) -> list[str]:
    """The view as lines for a terminal."""
    from netc.report.blocks import MOST_WIDTH, side_by_side

    names = max((len(name) for name, _ in look.facts), default=0)
    out = [line(look.title), *(f"  {name.ljust(names)}  {line(text)}" for name, text in look.facts), ""]
    pictures = [(line(caption), image) for caption, image in look.pictures]
    first = {caption: image for caption, image in reversed(pictures)}
    order = list(dict.fromkeys(caption for caption, _ in pictures))[:10]
    shown = [(caption, picture(first[caption], colour)) for caption in order]
    widths = [min(MOST_WIDTH, first[caption].shape[2]) for caption in order]
    return [*out, *side_by_side(shown, widths, width), *map(line, look.lines)]


def write(look: Look, path: str) -> str:
    """Write a view as .html or .png. Returns the message for the user. SpecError for other suffixes, or a .png without images."""
    suffix = form(path, (".html", ".png"), "a view of a data set")
    if suffix == ".png" and not look.pictures:
        raise SpecError(f"{path}: the rows of {look.title} are not images; use a .html file")
    content = sheet_png(look.pictures) if suffix == ".png" else page(look.title, look.facts, look.lines, look.pictures).encode()
    put(path, content)
    return f"{path} is written"


def is_net(target: str) -> bool:
    """Whether the user names a net file, and no data set."""
    return Path(target).suffix.lower() in NETS and target not in registry.dataset


def layer_of(target: str, name: str, allow_python: bool) -> tuple[pb.LayerParameter, Path, bool]:
    """The data layer, the base folder of its paths, and whether it belongs to a net."""
    if not is_net(target):
        if name:
            raise SpecError(f"--layer selects a data layer of a net file; {target!r} is not a net file ({', '.join(NETS)})")
        return data.plain_layer(target), Path("."), False
    program = contract.program(load_job(target, allow_python=allow_python), needs_solver=False)
    layers = {layer.name: layer.param for layer in program.train_net.sources if layer.source}
    if name and name not in layers:
        raise SpecError(f"{target}: there is no data layer {name!r}. {near(name, layers)}")
    if not layers:
        raise DataError(f"{target}: the net has no layer that reads data")
    return layers[name or next(iter(layers))], Path(program.job.base), True


def _tested(layer: pb.LayerParameter, described: data.Description) -> bool:
    return described.set_apart or bool(layer.data_param.test_source or layer.data_param.test_fraction)


def _sized(layer: pb.LayerParameter, phase: str, base: Path) -> pb.LayerParameter:
    """The layer with a batch of the rows to inspect."""
    rows, sized = data.describe(layer, phase, base).rows, pb.LayerParameter()
    sized.CopyFrom(layer)
    message = getattr(sized, data.message_name(sized))
    if layer.type != "DummyData":
        message.batch_size = min(rows or A_CLASS, LOOKED_AT)
        if "test_batch_size" in message.DESCRIPTOR.fields_by_name:
            message.ClearField("test_batch_size")
    return sized


def _facts(target: str, described: data.Description, opened: dict[str, data.Source]) -> tuple[tuple[str, str], ...]:
    facts = []
    if target in registry.dataset:
        record = catalogue.record(target)
        facts = [("summary", summary(target))]
        if record:
            facts += [("from", record.url), ("where", where(record)), ("get it with", f"netc data fetch {target}")]
    facts += [("licence", described.licence)] if described.licence else []
    facts += [(f"rows, {phase.lower()}", f"{source.rows:,}" if source.rows is not None else "no end") for phase, source in opened.items()]
    if "TEST" not in opened:
        facts.append(("rows, test", "none; test_fraction: 0.2 holds out 20 %"))
    batch = opened["TRAIN"].batch(0)
    for k, (top, array) in enumerate(zip(described.tops, batch, strict=True)):
        shape = "x".join(map(str, top.shape)) or "one number"
        good = array[np.isfinite(array)]
        spread = "" if top.dtype == "int64" or not good.size else f", mean {good.mean(dtype=float):.4g}, std {good.std(dtype=float):.4g}"
        ends = f"{good.min():.6g} to {good.max():.6g}" if good.size else "no finite values" if array.size else "empty"
        bad = f"; {array.size - good.size:,} values are NaN or infinite" if good.size < array.size else ""
        facts.append((f"top {k + 1}", f"{top.dtype}, {shape}; {ends}{spread}{bad}"))
    return tuple(facts)


def _classes(described: data.Description, opened: dict[str, data.Source]) -> list[str]:
    """The number of rows of each class."""
    if (
        len(described.tops) < 2
        or (described.tops[1].dtype, described.tops[1].shape) != ("int64", ())
        or described.tops[0].batch_axis is None
    ):
        return []
    counts = {p: Counter(s.stored(1, np.arange(s.rows or 0)).astype(np.int64).tolist()) for p, s in opened.items() if s.rows}
    labels = sorted({*range(len(described.classes)), *(label for count in counts.values() for label in count)})
    names = [described.classes[k] if 0 <= k < len(described.classes) else str(k) for k in labels]
    width = column(["class", *names])
    lines = [f"{'class'.ljust(width)}  " + "  ".join(f"{p.lower():>10}" for p in counts)]
    for label, name in zip(labels[:MOST_CLASSES], names, strict=False):
        lines.append(f"{name.ljust(width)}  " + "  ".join(f"{count[label]:>10,}" for count in counts.values()))
    if len(names) > MOST_CLASSES:
        first = next(iter(counts.values()))
        lines.append(f"... and {len(names) - MOST_CLASSES} more; all: {sparkline([first[label] for label in labels])}")
    return [*lines, ""]
