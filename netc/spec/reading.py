"""What both readers of text share: positions, faults, and the checks at the end."""

import re
from dataclasses import dataclass, field
from typing import Any

from netc import netc_pb2 as pb
from netc.errors import Fault, SpecError, near
from netc.spec.document import Document, FieldPath, Position
from netc.spec.fields import KINDS, LAYER_FIELDS

LAYER: Any = pb.LayerParameter.DESCRIPTOR
NET: Any = pb.NetParameter.DESCRIPTOR
SOLVER: Any = pb.SolverParameter.DESCRIPTOR


@dataclass(frozen=True)
class Reading:
    """The state of one reading: `positions`, `faults` and `warnings` grow while it goes on.

    `allow_unknown` makes warnings of the faults of fields that a message does not have.
    """

    path: str
    text: str
    positions: dict[FieldPath, Position] = field(default_factory=dict)
    faults: list[tuple[Position, str]] = field(default_factory=list)
    allow_unknown: bool = False
    warnings: list[tuple[Position, str]] = field(default_factory=list)

    def fault(self, at: Position, text: str) -> None:
        """Note that something at a position is wrong."""
        self.faults.append((at, text))

    def claim(self, at: Position, path: FieldPath) -> bool:
        """Whether the field at `path` comes for the first time; a second time is a fault."""
        if path in self.positions:
            line, column = self.positions[path]
            self.fault(at, f"{path[-1]!r} is given twice, first at {line}:{column}")
            return False
        self.positions[path] = at
        return True

    def unknown(self, at: Position, owner: Any, name: str, fork: bool = False) -> None:
        """Note a field that a message does not have. `fork` says that one of Caffe's many forks may have it."""
        if owner is NET and name in SOLVER.fields_by_name:
            hint = "SolverParameter has: in a net file it stands under solver"
        elif owner is SOLVER and name in NET.fields_by_name:
            hint = "NetParameter has: is this the file of a net?"
        elif fork and self.allow_unknown:
            self.warnings.append((at, f"{owner.name} has no field {name!r}; it is dropped"))
            return
        else:
            hint = near(name, owner.fields_by_name)
            if fork and (name.endswith("_param") or not hint.startswith("did")):
                close = f"{hint} Else it" if hint.startswith("did") else "it"
                hint = f"{close} is a fork's, BVLC Caffe has none of that name (--allow-unknown drops it)"
        self.fault(at, f"{owner.name} has no field {name!r}; {hint}")

    def finish(self, message: Any) -> Document:
        """The document, or SpecError with all faults in the order of the text."""
        warnings = tuple(Fault(f"{self.path}:{at[0]}:{at[1]}", text) for at, text in sorted(self.warnings))
        document = Document(message, self.path, self.text, self.positions, warnings)
        faults = [Fault(f"{self.path}:{at[0]}:{at[1]}", text) for at, text in sorted(self.faults)]
        faults += _missing(document)
        if faults:
            raise SpecError(*faults)
        return document


def _missing(document: Document) -> list[Fault]:
    """A fault for each required field that is missing, also where the message that a layer's type needs is missing."""
    faults = []
    for text in document.message.FindInitializationErrors():
        path: list[str | int] = []
        owner = document.message.DESCRIPTOR
        for name, index in re.findall(r"(\w+)(?:\[(\d+)\])?", text):
            message, owner = owner, owner.fields_by_name[name].message_type
            path += [name, int(index)] if index else [name]
        if tuple(path) not in document.positions:
            faults.append(Fault(document.place(*path), f"{message.name} needs {path[-1]!r}"))
    for i, layer in enumerate(document.message.layer if document.message.DESCRIPTOR is NET else ()):
        for param in KINDS[layer.type].params if layer.type in KINDS else ():
            needed = [f.name for f in LAYER_FIELDS[param].message_type.fields if f.is_required]
            if needed and not layer.HasField(param):
                text = f"{layer.type} needs {' and '.join(map(repr, needed))}"
                faults.append(Fault(document.place("layer", i), text))
    return faults
