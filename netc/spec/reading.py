"""What both text readers share: positions, errors, and the checks at the end."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, Place, SpecError, Suggestion
from netc.spec import forks
from netc.spec.document import NOTHING, Document, Dropped, FieldPath, Origin, Position
from netc.spec.fields import LAYER_FIELDS, messages, own_fields
from netc.spec.other_names import suggest_field

LAYER: Any = pb.LayerParameter.DESCRIPTOR
NET: Any = pb.NetParameter.DESCRIPTOR
SOLVER: Any = pb.SolverParameter.DESCRIPTOR
MAX_ERRORS = 500  # per text, because the search for similar names is slow


@dataclass(frozen=True)
class Reading:
    """The state of a reader: `positions`, `errors` and `warnings` grow while it reads.

    `plain` are the positions of errors after which the meaning is still clear. `broken` and `guessed` are as in Document, but
    by path. `dropped` are unknown fields whose errors become warnings. `origins` and `included` are as in Document.
    """

    path: str
    text: str
    positions: dict[FieldPath, Position] = field(default_factory=dict)
    errors: list[Diagnostic] = field(default_factory=list)
    dropped: Dropped = NOTHING
    warnings: list[Diagnostic] = field(default_factory=list)
    plain: list[Position] = field(default_factory=list)
    broken: set[FieldPath] = field(default_factory=set)
    guessed: set[FieldPath] = field(default_factory=set)
    origins: dict[FieldPath, Origin] = field(default_factory=dict)
    included: list[str] = field(default_factory=list)

    def error(self, at: Position, text: str, suggestion: Suggestion | None = None, plain: bool = False, kind: str = "") -> None:
        """Add an error at a position. `plain`: the meaning is clear nevertheless. `kind` as in Diagnostic. SpecError as in `report`."""
        self.report(Diagnostic(Place(self.path, *at), text, suggestion, kind=kind))
        if plain:
            self.plain.append(at)

    def report(self, found: Diagnostic) -> None:
        """Add an error. SpecError with all errors once there are MAX_ERRORS."""
        self.errors.append(found)
        if len(self.errors) == MAX_ERRORS:
            raise SpecError(*in_order(self.errors), Diagnostic(Place(self.path), f"Too many errors. Reading stopped after {MAX_ERRORS}."))

    @contextmanager
    def judging(self, path: FieldPath) -> Iterator[None]:
        """Attribute the errors in the body of the `with` to the layer or solver at `path`, and to its text."""
        errors, plain, origin = len(self.errors), len(self.plain), self.origins.get(path)
        yield
        if origin:
            self.errors[errors:] = [replace(d, place=origin.place(d.position)) for d in self.errors[errors:]]
        if len(self.errors) - errors > len(self.plain) - plain:
            self.broken.add(path)
        elif len(self.errors) > errors:
            self.guessed.add(path)

    def claim(self, at: Position, path: FieldPath) -> bool:
        """Whether the field at `path` occurs for the first time. A second time is an error."""
        if path in self.positions:
            line, column = self.positions[path]
            name = path[-1] if isinstance(path[-1], str) else path[-2]
            self.error(at, f"`{name}` is set twice, first at {line}:{column}.", plain=True)
            return False
        self.positions[path] = at
        return True

    def drops(self, at: Position, owner: str, name: str, path: FieldPath, *owners: str) -> bool:
        """Whether users drop the unknown field `name` of the message `owner`, with a warning. `owners` are its layer's name and type."""
        if not self.dropped.has(path, name, *owners):
            return False
        text = f"{owner} has no field {name!r}."
        self.warnings.append(Diagnostic(Place(self.path, *at), f"{text} It is ignored.", kind=text))
        return True

    def unknown(self, at: Position, message: Any, name: str, path: FieldPath, fork: bool = False, keys: Iterable[str] = ()) -> Any:
        """Report an unknown field of a message. Returns the field that is assumed to be meant, if there is one and it is still unset.

        `fork`: one of Caffe's many forks may have the field. `keys` are known besides the fields.
        """
        owner, suggestion = message.DESCRIPTOR, None
        text = f"{owner.name} has no field {name!r}."
        if owner is NET and name in SOLVER.fields_by_name:
            form = f"solver {{ {name}: ... }}" if fork else f"solver: {{{name}: ...}}"
            text += f" It is a field of the solver: write `{form}`."
            self.broken.add(("solver",))
        elif owner is SOLVER and name in NET.fields_by_name:
            text += " NetParameter has one: is this the file of a net?"
        elif fork and self.drops(at, owner.name, name, path):
            return None
        elif fork and (harmless := forks.no_effect(owner.name, name)):
            self.warnings.append(Diagnostic(Place(self.path, *at), harmless, kind=harmless))
            return None
        elif owner is LAYER and name in own_fields(message.type):
            text += f" In protobuf text, write it inside {own_fields(message.type)[name][0]} {{ }}."
        elif fork and (known := forks.of_field(owner.name, name)):
            text += f" It is a field of {forks.named(known)}. {_how_to_drop(path, name)}"
        else:
            text, suggestion = _of_unknown(text, path, name, {*owner.fields_by_name, *keys}, fork)
        meant = suggestion.meant if suggestion else ""
        if owner is LAYER and meant.endswith("_param") and meant not in messages(message.type):
            meant = ""  # the message of another type is no misspelling
        taken = (*path, meant) in self.positions
        self.error(at, text, suggestion, plain=bool(meant) and not taken, kind=text if fork else "")
        return None if taken else owner.fields_by_name.get(meant)

    def finish(self, message: Any) -> Document:
        """The document, with all errors in the order of the text."""
        warnings = tuple(in_order(self.warnings))
        document = Document(message, self.path, self.text, self.positions, warnings, origins=self.origins, included=tuple(self.included))
        errors = in_order(self.errors)
        missing = _missing(document)
        self.broken.update(path[:2] for path in missing)
        broken, guessed = (frozenset(self.positions[p] for p in paths if p in self.positions) for paths in (self.broken, self.guessed))
        return replace(document, errors=(*errors, *missing.values()), broken=broken, guessed=guessed - broken)


def _of_unknown(text: str, path: FieldPath, name: str, known: Iterable[str], fork: bool) -> tuple[str, Suggestion | None]:
    """The error for a field that no table knows, and the names that it may be a misspelling of."""
    suggestion = suggest_field(name, known)
    if not fork or (suggestion and not name.endswith("_param")):
        return text, suggestion
    of_fork = f"belongs to a fork of Caffe (BVLC Caffe has no such field). {_how_to_drop(path, name)}"
    return (text, replace(suggestion, detail=f" Otherwise it {of_fork}")) if suggestion else (f"{text} It {of_fork}", None)


def in_order(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sort diagnostics in the order of the text. An error that a block causes in each of its uses is listed once."""
    alike: dict[Any, list[Diagnostic]] = {}
    for d in found:
        of_block = d.place is not None and bool(d.place.notes)
        alike.setdefault((str(d.place), d.text, d.suggestion) if of_block else id(d), []).append(d)
    return sorted((_counted(ds) for ds in alike.values()), key=lambda d: (d.position, d.text))


def _counted(alike: Sequence[Diagnostic]) -> Diagnostic:
    """The first of several equal errors, with the number of the others."""
    first, place = alike[0], alike[0].place
    if len(alike) == 1 or place is None:
        return first
    return replace(first, place=replace(place, notes=(*place.notes, f"and in {len(alike) - 1} more of its uses")))


def _how_to_drop(path: FieldPath, name: str) -> str:
    if any(part in ("layer", "layers") for part in path):
        return f"netc cannot know what it does in this layer; `--ignore {Dropped.name(path, name)}` ignores it."
    return "`--allow-unknown` ignores it."


def _missing(document: Document) -> dict[FieldPath, Diagnostic]:
    """An error for each missing required field, by its path.

    It includes fields of a required message that is itself missing.
    """
    errors: dict[FieldPath, Diagnostic] = {}
    for text in document.message.FindInitializationErrors():
        path: list[str | int] = []
        owner = document.message.DESCRIPTOR
        for name, index in re.findall(r"(\w+)(?:\[(\d+)\])?", text):
            message, owner = owner, owner.fields_by_name[name].message_type
            path += [name, int(index)] if index else [name]
        if tuple(path) not in document.positions:
            errors[tuple(path)] = Diagnostic(document.place(*path), f"`{path[-1]}` is missing in {message.name}.")
    for i, layer in enumerate(document.message.layer if document.message.DESCRIPTOR is NET else ()):
        for param in messages(layer.type):
            needed = [f.name for f in LAYER_FIELDS[param].message_type.fields if f.is_required]
            if needed and not layer.HasField(param):
                names = " and ".join(f"`{name}`" for name in needed)
                text = f"{layer.type}: {names} {'is' if len(needed) == 1 else 'are'} missing."
                errors["layer", i] = Diagnostic(document.place("layer", i), text)
    return errors
