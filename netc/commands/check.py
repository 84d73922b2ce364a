"""`netc check`: what each layer of a net makes and costs, without data."""

from collections.abc import Iterator
from dataclasses import dataclass

from netc import cost
from netc.contract import Program
from netc.layers.context import dims


@dataclass(frozen=True)
class Row:
    """One layer: the shapes of its tops, its parameters, multiply-adds of one image, bytes of its tops for a training batch."""

    name: str
    type: str
    shape: str
    parameters: int
    multiply_adds: int
    activation_bytes: int


def rows(program: Program) -> list[Row]:
    """A row for each layer of the training net, in its order."""
    lowered = program.train
    batch = _batch(program)
    work = cost.by_layer(lowered.graph)
    found, owners = [], {p: p.node.attrs["layer"] for p in lowered.parameters}
    for layer in program.train_net.layers:
        tops = lowered.layer_tops[layer.name]
        parameters = sum(cost.size(p.shape) for p, owner in owners.items() if owner == layer.name)
        size = sum(cost.size(t.shape) * t.dtype.itemsize for t in tops if not _in_place(layer.bottoms, layer.tops))
        found.append(Row(layer.name, layer.type, " ".join(dims(t.shape) for t in tops), parameters, work[layer.name] // batch, size))
    return found


def table(program: Program) -> Iterator[str]:
    """The lines that `netc check` prints: a row for each layer and their total."""
    found = rows(program)
    lines = [("layer", "type", "output", "parameters", "multiply-adds", "activations")]
    lines += [(r.name, r.type, r.shape, *_figures(r.parameters, r.multiply_adds, r.activation_bytes)) for r in found]
    sums = (parameter_count(program), sum(r.multiply_adds for r in found), sum(r.activation_bytes for r in found))
    lines.append(("total", "", "", *_figures(*sums)))
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    for line in lines:
        yield "  ".join(text.ljust(width) if k < 3 else text.rjust(width) for k, (text, width) in enumerate(zip(line, widths, strict=True)))
    yield "Multiply-adds are of one image, forward. Activations are of a whole training batch."


def _figures(parameters: int, multiply_adds: int, activation_bytes: int) -> tuple[str, str, str]:
    return f"{parameters:,}", f"{multiply_adds:,}", f"{activation_bytes / 1024:,.0f} KiB"


def parameter_count(program: Program) -> int:
    """Learned numbers of the net, shared ones once."""
    return sum(cost.size(p.shape) for p in program.train.parameters)


def _batch(program: Program) -> int:
    sizes = [layer.batch_size for layer in program.train_net.sources if layer.batch_size]
    return sizes[0] if sizes else 1


def _in_place(bottoms: tuple[str, ...], tops: tuple[str, ...]) -> bool:
    return bool(set(bottoms) & set(tops))
