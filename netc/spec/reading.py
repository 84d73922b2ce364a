"""What both readers of text share: positions, errors, and the checks at the end."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, SpecError
from netc.spec.document import NOTHING, Document, Dropped, FieldPath, Position
from netc.spec.fields import LAYER_FIELDS, messages, own_fields
from netc.spec.other_names import field_hint

LAYER: Any = pb.LayerParameter.DESCRIPTOR
NET: Any = pb.NetParameter.DESCRIPTOR
SOLVER: Any = pb.SolverParameter.DESCRIPTOR
MAX_ERRORS = 500  # of one text: a search for near names takes its time, and nobody reads on


@dataclass(frozen=True)
class Reading:
    """The state of one reading: `positions`, `errors` and `warnings` grow while it goes on.

    `plain` counts errors after which it is still plain what is meant; `broken` and `guessed` are as in Document, by path.
    `dropped` are fields whose errors become warnings, where a message does not have them.
    """

    path: str
    text: str
    positions: dict[FieldPath, Position] = field(default_factory=dict)
    errors: list[tuple[Position, str]] = field(default_factory=list)
    dropped: Dropped = NOTHING
    warnings: list[tuple[Position, str]] = field(default_factory=list)
    plain: list[Position] = field(default_factory=list)
    broken: set[FieldPath] = field(default_factory=set)
    guessed: set[FieldPath] = field(default_factory=set)

    def error(self, at: Position, text: str, plain: bool = False) -> None:
        """Note that something at a position is wrong. `plain`: and yet what is meant can be read on.

        SpecError with all of them once there are MAX_ERRORS.
        """
        self.errors.append((at, text))
        if len(self.errors) == MAX_ERRORS:
            raise SpecError(*self._placed(self.errors), Diagnostic(self.path, f"reading ends here, after {MAX_ERRORS} errors"))
        if plain:
            self.plain.append(at)

    @contextmanager
    def judging(self, path: FieldPath) -> Iterator[None]:
        """Errors that are found within are those of what stands at `path`."""
        errors, plain = len(self.errors), len(self.plain)
        yield
        if len(self.errors) - errors > len(self.plain) - plain:
            self.broken.add(path)
        elif len(self.errors) > errors:
            self.guessed.add(path)

    def claim(self, at: Position, path: FieldPath) -> bool:
        """Whether the field at `path` comes for the first time; a second time is an error."""
        if path in self.positions:
            line, column = self.positions[path]
            name = path[-1] if isinstance(path[-1], str) else path[-2]
            self.error(at, f"{name!r} is given twice, first at {line}:{column}", plain=True)
            return False
        self.positions[path] = at
        return True

    def unknown(self, at: Position, message: Any, name: str, path: FieldPath, fork: bool = False) -> Any:
        """Note a field that a message does not have. The field that must be meant, if that is plain and it is not there yet.

        `fork` says that one of Caffe's many forks may have it.
        """
        owner, meant = message.DESCRIPTOR, ""
        if owner is NET and name in SOLVER.fields_by_name:
            form = f"solver {{ {name}: ... }}" if fork else f"solver: {{{name}: ...}}"
            hint = f"it is the solver's: write `{form}`"
            self.broken.add(("solver",))
        elif owner is SOLVER and name in NET.fields_by_name:
            hint = "NetParameter has: is this the file of a net?"
        elif fork and self.dropped.has(path, name):
            self.warnings.append((at, f"{owner.name} has no field {name!r}; it is dropped"))
            return None
        elif owner is LAYER and name in own_fields(message.type):
            hint = f"in protobuf text it stands in {own_fields(message.type)[name][0]} {{ }}"
        else:
            hint, meant = field_hint(name, owner.fields_by_name)
            if fork and (name.endswith("_param") or not hint.startswith(("did", "here"))):
                close = f"{hint} Else it" if hint.startswith("did") else "it"
                hint = f"{close} is a fork's, BVLC Caffe has none of that name; {_how_to_drop(path, name)}"
        taken = (*path, meant) in self.positions
        self.error(at, f"{owner.name} has no field {name!r}; {hint}", plain=bool(meant) and not taken)
        return None if taken else owner.fields_by_name.get(meant)

    def finish(self, message: Any) -> Document:
        """The document, with all errors in the order of the text."""
        document = Document(message, self.path, self.text, self.positions, self._placed(self.warnings))
        errors = self._placed(self.errors)
        missing = _missing(document)
        self.broken.update(path[:2] for path in missing)
        broken, guessed = (frozenset(self.positions[p] for p in paths if p in self.positions) for paths in (self.broken, self.guessed))
        return replace(document, errors=(*errors, *missing.values()), broken=broken, guessed=guessed - broken)

    def _placed(self, found: list[tuple[Position, str]]) -> tuple[Diagnostic, ...]:
        """Errors in the order of the text."""
        return tuple(Diagnostic(f"{self.path}:{at[0]}:{at[1]}", text) for at, text in sorted(found))


def _how_to_drop(path: FieldPath, name: str) -> str:
    if any(part in ("layer", "layers") for part in path):
        return f"netc cannot know what it does in this layer (--ignore {Dropped.name(path, name)} drops it all the same)"
    return "--allow-unknown drops it"


def _missing(document: Document) -> dict[FieldPath, Diagnostic]:
    """An error for each required field that is missing, by its path, also where the message that a layer's type needs is missing."""
    errors: dict[FieldPath, Diagnostic] = {}
    for text in document.message.FindInitializationErrors():
        path: list[str | int] = []
        owner = document.message.DESCRIPTOR
        for name, index in re.findall(r"(\w+)(?:\[(\d+)\])?", text):
            message, owner = owner, owner.fields_by_name[name].message_type
            path += [name, int(index)] if index else [name]
        if tuple(path) not in document.positions:
            errors[tuple(path)] = Diagnostic(document.place(*path), f"{message.name} needs {path[-1]!r}")
    for i, layer in enumerate(document.message.layer if document.message.DESCRIPTOR is NET else ()):
        for param in messages(layer.type):
            needed = [f.name for f in LAYER_FIELDS[param].message_type.fields if f.is_required]
            if needed and not layer.HasField(param):
                text = f"{layer.type} needs {' and '.join(map(repr, needed))}"
                errors["layer", i] = Diagnostic(document.place("layer", i), text)
    return errors
