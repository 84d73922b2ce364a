"""What forks of Caffe add to it, and whether netc has it: the table of `netc layers --forks`."""

from dataclasses import dataclass

from netc import netc_pb2 as pb
from netc import registry
from netc.spec import forks


@dataclass(frozen=True)
class Row:
    """A layer type or a field, the forks that have it, and whether netc has it: "yes", "no", or "no effect"."""

    what: str
    field: str
    forks: tuple[str, ...]
    status: str


def rows(type_: str | None = None) -> list[Row]:
    """All types and fields of forks, or those of a layer type."""
    return [Row(what, field, names, _status(what)) for what, field, names in forks.rows() if type_ in (None, what)]


def _status(what: str) -> str:
    """Whether netc has a layer type, or a field that is written `Message.field`."""
    message, _, field = what.partition(".")
    if not field:
        return "yes" if message in registry.layer else "no"
    if forks.no_effect(message, field):
        return "no effect"
    found = pb.DESCRIPTOR.message_types_by_name.get(message)
    return "yes" if found is not None and field in found.fields_by_name else "no"


def table(type_: str | None = None) -> list[str]:
    """The rows as lines of text, then the repositories of the forks."""
    found = [(row.what, row.field, row.status, ", ".join(forks.FORKS[fork][0] for fork in row.forks)) for row in rows(type_)]
    lines = [("layer type or field", "its fields", "in netc", "forks"), *found]
    widths = [max(len(line[k]) for line in lines) + 2 for k in range(3)]
    used = {fork for row in rows(type_) for fork in row.forks}
    names = [f"{name}: {repository}" for fork, (name, repository) in forks.FORKS.items() if fork in used]
    return [*("".join(cell.ljust(w) for cell, w in zip(line, widths, strict=False)) + line[3] for line in lines), "", *names]
