"""`netc check` of one of Caffe's files whose data or Python modules are not on this machine: the layers whose sizes are known."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from netc.commands.check import Row, layer_table, parameter_count, rows
from netc.compiler.compilation import Compilation
from netc.errors import Absent, Diagnostic, SpecError

MOST_NAMED = 3  # layers in a warning


@dataclass(frozen=True)
class Part:
    """The layers that could be checked, and the warnings: what is absent, and which layers depend on it. `unchecked` names these."""

    rows: list[Row]
    parameters: int
    unchecked: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]


def part(made: Compilation, error: SpecError) -> Part:
    """The part of a net that can be checked. Raises `error` if something is wrong, rather than absent."""
    if not all(isinstance(d, Absent) for d in error.diagnostics):
        raise error
    lowered, net = made.nets.part, made.nets.judged_train.net
    known = {layer.index for layer in lowered.net.layers}
    unchecked = [layer for layer in net.layers if layer.index not in known]
    warnings = list[Diagnostic](error.diagnostics)
    if unchecked:
        names = ", ".join(repr(layer.name) for layer in unchecked[:MOST_NAMED]) + (", ..." if len(unchecked) > MOST_NAMED else "")
        text = f"The sizes of {len(unchecked)} of {len(net.layers)} layers are not checked, because they depend on it: {names}."
        warnings.append(Diagnostic(unchecked[0].at(), text))
    return Part(rows(lowered), parameter_count(lowered), tuple(layer.name for layer in unchecked), tuple(warnings))


def table(found: Part) -> Iterator[str]:
    """The output: one row per checked layer and a total."""
    yield from layer_table(found.rows, found.parameters) if found.rows else ()


def as_json(found: Part) -> dict[str, Any]:
    """The part as a dictionary for JSON."""
    return {
        "layers": [asdict(row) for row in found.rows],
        "parameters": found.parameters,
        "unchecked": list(found.unchecked),
        "warnings": [{"place": str(d.place or ""), "text": d.sentence} for d in found.warnings],
    }
