"""`netc check`: the shape and cost of each layer, the memory of a run, supported providers, and likely mistakes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from netc import terminal
from netc.commands import data_report, learning
from netc.commands.advice import Checked, warnings
from netc.commands.data_report import Seen
from netc.commands.learning import Learning
from netc.commands.providers import needs
from netc.compiler.lower import Lowered
from netc.compiler.memory import Memory, memory
from netc.compiler.program import Program
from netc.errors import DataError, Diagnostic, SpecError
from netc.graph import cost, receptive_field
from netc.graph.multiply_adds import size as elements
from netc.graph.passes import simplify
from netc.layers.context import dims
from netc.runtime.chain import calls

Lacks = dict[str, dict[str, dict[str, list[str]]]]


@dataclass(frozen=True)
class Row:
    """A layer: the shapes of its tops, its parameters, multiply-adds per image, and bytes of its tops per training batch.

    `field` is the receptive field of its first top, size and stride, if the top has spatial axes.
    """

    name: str
    type: str
    shape: str
    field: str
    parameters: int
    multiply_adds: int
    activation_bytes: int


@dataclass(frozen=True)
class Report:
    """The results of `netc check`. `lacks` has the ops without a kernel, by model and provider, with the layers that use them.

    `learning` describes every parameter. It is printed if the net chooses what learns.
    """

    rows: list[Row]
    learning: list[Learning]
    chooses: bool
    parameters: int
    memory: Memory
    ops: dict[str, int]
    lacks: Lacks
    seen: list[Seen]
    missing: list[DataError]
    warnings: list[Diagnostic]


def report(program: Program, everything: bool = False) -> Report:
    """Check a program. `everything` reads every row of its data. SpecError lists all errors in the data."""
    looked = list(data_report.look(program, everything))
    seen = [s for s in looked if isinstance(s, Seen)]
    missing = [e for e in looked if isinstance(e, DataError)]
    errors = [f for s in seen for f in s.errors]
    if everything:
        errors += [f for e in missing for f in e.diagnostics]
    if errors:
        raise SpecError(*errors)
    stored = sum(s.stored for s in seen) if seen else None
    warned = warnings(Checked(program, tuple(seen))) + (list(_shared_rows(seen)) if everything else [])
    ops, lacks = _providers(program)
    told = learning.learning(program), learning.chooses(program)
    return Report(
        rows(program.train),
        *told,
        parameter_count(program.train),
        memory(program, stored),
        ops,
        lacks,
        seen,
        missing + program.compilation.nets.missing_means,
        warned,
    )


def rows(lowered: Lowered) -> list[Row]:
    """One row per layer of a net, in order."""
    batch = _batch(lowered)
    work = cost.by_layer(lowered.graph)
    fields = receptive_field.fields(v for tops in lowered.layer_tops.values() for v in tops)
    table_rows, sizes = [], Counter[str]()
    for p in lowered.parameters:
        sizes[p.node.state.layer] += elements(p.shape)
    for layer in lowered.net.layers:
        tops = lowered.layer_tops[layer.name]
        in_place = not set(layer.bottoms).isdisjoint(layer.tops)
        size = 0 if in_place else sum(elements(t.shape) * t.dtype.itemsize for t in tops)
        seen = receptive_field.text(fields[tops[0]]) if tops and tops[0] in fields and not layer.source else ""
        shape = " ".join(dims(t.shape) for t in tops)
        table_rows.append(Row(layer.name, layer.type, shape, seen, sizes[layer.name], work[layer.name] // batch, size))
    return table_rows


def _shared_rows(seen: Iterable[Seen]) -> Iterator[Diagnostic]:
    """Warn about test rows that are identical to training rows, and about duplicates."""
    training: set[bytes] = set().union(*(s.hashes for s in seen if s.phase == "TRAIN"))
    for s in seen:
        if s.phase != "TRAIN" and (shared := len(s.hashes & training)):
            text = f"rows of {s.phase} that are also in TRAIN: {shared}; test scores are too optimistic"
            yield Diagnostic(s.layer.at(), f"Layer {s.layer.name!r}: {text}")
        if s.rows > len(s.hashes):
            text = f"duplicate rows of {s.phase}: {s.rows - len(s.hashes)}"
            yield Diagnostic(s.layer.at(), f"Layer {s.layer.name!r}: {text}")


def _providers(program: Program) -> tuple[dict[str, int], Lacks]:
    """The number of op types of each model, and the ops that providers lack. The model to deploy contains the mean of the data."""
    graphs = {"training": program.plain_graph("train")} if program.trains else {}
    graphs |= {"deployed": program.deploy[0].graph} if not program.compilation.nets.missing_means else {}
    kept = {name: simplify(graph) for name, graph in graphs.items()}
    kept = {name: graph for name, graph in kept.items() if not calls(graph)}  # Python runs between parts of it, on the CPU
    needed = {name: needs(graph) for name, graph in kept.items()}
    return {name: len(need.kinds) for name, need in needed.items()}, {name: need.lacks for name, need in needed.items()}


def table(report: Report) -> Iterator[str]:
    """The output of `netc check`: one row per layer and a total, then memory, providers and data."""
    yield from layer_table(report.rows, report.parameters)
    yield from learning.table(report.learning) if report.chooses else ()
    yield from _memory_lines(report.memory, bool(report.missing))
    yield from _provider_lines(report)
    yield from _data_lines(report)


def layer_table(found: Sequence[Row], parameters: int) -> Iterator[str]:
    """One row per layer and a total."""
    lines = [("layer", "type", "output", "field", "parameters", "multiply-adds", "activations")]
    for r in found:
        figures = _figures(r.parameters, r.multiply_adds, r.activation_bytes)
        lines.append((r.name, r.type, terminal.cut(r.shape), r.field, *figures))
    sums = (parameters, sum(r.multiply_adds for r in found), sum(r.activation_bytes for r in found))
    lines.append(("total", "", "", "", *_figures(*sums)))
    used = [k for k in range(len(lines[0])) if k != 3 or any(r.field for r in found)]
    widths = [terminal.column(line[k] for line in lines) for k in range(len(lines[0]))]
    for line in lines:
        yield "  ".join(line[k].ljust(widths[k]) if k < 4 else line[k].rjust(widths[k]) for k in used).rstrip()
    yield "Multiply-adds are per image, forward pass. Activations are per training batch."
    if len(used) == len(lines[0]):
        yield "The field is the receptive field: its size and its stride in pixels of the input."


def _memory_lines(m: Memory, without_data: bool) -> Iterator[str]:
    parts = [("weights", m.weights), ("optimizer", m.optimizer), ("training step", m.activations), ("test step", m.testing)]
    parts += [("prefetched batches", m.batches)] + ([("data", m.data)] if m.data else [])
    rest = ", plus the data" if without_data else ""
    yield f"memory: {', '.join(f'{name} {_mib(size)}' for name, size in parts)}; total about {_mib(m.peak)}{rest}"


def _provider_lines(report: Report) -> Iterator[str]:
    for model, by_provider in report.lacks.items():
        has_all = [p for p, lacks in by_provider.items() if not lacks]
        yield f"{model}: {report.ops[model]} op types; supported by {', '.join(has_all) or 'no provider'}"
        for provider, lacks in by_provider.items():
            if lacks:
                missing = ", ".join(f"{op} ({', '.join(layers[:3])}{', ...' if len(layers) > 3 else ''})" for op, layers in lacks.items())
                yield f"  {provider} lacks {missing}"


def _data_lines(report: Report) -> Iterator[str]:
    if report.seen:
        yield "data:"
    for seen in report.seen:
        yield from data_report.lines(seen)
    for first in dict.fromkeys(str(e).splitlines()[0] for e in report.missing):
        yield f"data: {first}"


def as_json(report: Report) -> dict[str, Any]:
    """The report as a dictionary for JSON."""
    seen = [
        {"layer": s.layer.name, "phase": s.phase, "rows": s.rows, "of": s.of, "labels": {str(k): n for k, n in sorted(s.labels.items())}}
        | ({"low": s.low, "high": s.high, "mean": s.mean, "deviation": s.deviation} if s.count else {})
        for s in report.seen
    ]
    return {
        "layers": [asdict(r) for r in report.rows],
        "learning": [asdict(one) for one in report.learning],
        "parameters": report.parameters,
        "memory": asdict(report.memory) | {"peak": report.memory.peak},
        "ops": report.ops,
        "lacks": report.lacks,
        "data": seen,
        "missing": [str(e) for e in report.missing],
        "warnings": [{"place": str(f.place or ""), "text": f.text} for f in report.warnings],
    }


def _figures(parameters: int, multiply_adds: int, activation_bytes: int) -> tuple[str, str, str]:
    return f"{parameters:,}", f"{multiply_adds:,}", f"{activation_bytes / 1024:,.0f} KiB"


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"


def parameter_count(lowered: Lowered) -> int:
    """The number of parameters of the net, shared ones once."""
    return sum(elements(p.shape) for p in lowered.parameters)


def _batch(lowered: Lowered) -> int:
    sizes = [layer.batch_size for layer in lowered.net.sources if layer.batch_size]
    return sizes[0] if sizes else 1
