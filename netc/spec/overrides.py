"""Apply `--set PATH=VALUE` to nets and the solver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from google.protobuf.message import Message

from netc import netc_pb2 as pb
from netc.errors import Argument, Diagnostic, SpecError, Suggestion, near
from netc.spec.document import Document, FieldPath, Position
from netc.spec.loader import parse_yaml
from netc.spec.other_names import suggest_field

M = TypeVar("M", bound=Message)
LENGTHS = {"max_iter": "max_epoch", "max_epoch": "max_iter"}  # setting one of them on the command line unsets the other
OLD_INPUTS = {"input", "input_shape", "input_dim"}  # the reader converts these to an Input layer
SOLVER_FIELDS = {f.name for f in pb.SolverParameter.DESCRIPTOR.fields}
NET_FIELDS = {f.name for f in pb.NetParameter.DESCRIPTOR.fields}
OPTION = "--set "

Places = dict[FieldPath, Argument]  # by the fields that were set
Columns = dict[FieldPath, int]


@dataclass(frozen=True)
class Changed:
    """Nets and solver with overrides. `places` are those of the solver's fields, `errors` the errors in the overrides."""

    nets: list[Document]
    solver: pb.SolverParameter
    places: Places
    errors: tuple[Diagnostic, ...]


def overridden(nets: Sequence[Document], solver: pb.SolverParameter, overrides: Sequence[str]) -> Changed:
    """Apply each `path=value` to copies of the documents and the solver, and collect the errors.

    A document that occurs several times in `nets` is changed once.
    """
    errors: list[Diagnostic] = []
    changed = {id(d): copy_of(d.message) for d in nets}
    solver = copy_of(solver)
    places: dict[int, Places] = {key: {} for key in (*changed, id(solver))}
    messages = {**{key: message for key, message in changed.items()}, id(solver): solver}
    for override in overrides:
        try:
            for key, columns in _override(messages, id(solver), override):
                places[key] |= {path: _argument(override, column) for path, column in columns.items()}
        except SpecError as e:
            errors += [replace(d, place=_argument(override, d.position[1] or 1)) for d in e.diagnostics]
    new = {id(d): replace(d, message=changed[id(d)], overrides=places[id(d)]) for d in nets}
    return Changed([new[id(d)] for d in nets], solver, places[id(solver)], tuple(errors))


def _argument(override: str, column: int) -> Argument:
    return Argument(f"{OPTION}{override}", 1, len(OPTION) + column)


def _override(messages: Mapping[int, Any], solver: int, override: str) -> list[tuple[int, Columns]]:
    """Set a field in the messages, of which one is the solver. Returns the columns in the argument for each message."""
    path, equals, value = override.partition("=")
    if not equals or not all(path.split(".")):
        raise SpecError("Expected PATH=VALUE, such as `solver.max_iter=500` or `layers.conv1.num_output=32`.")
    first, _, rest = path.partition(".")
    nets = {key: message for key, message in messages.items() if key != solver}
    if first == "solver" and rest:
        change, columns = _parsed(rest, value, pb.SolverParameter, len("solver."))
        _merge(messages[solver], change)
        if value.strip() == "[]":
            messages[solver].ClearField(rest)
        if rest in LENGTHS:
            messages[solver].ClearField(LENGTHS[rest])
        return [(solver, columns)]
    if first in ("layers", "layer"):
        return [(key, _set_layer(net, rest, value, len(first) + 1)) for key, net in nets.items()]
    if first in OLD_INPUTS:
        raise SpecError("The inputs of the net are an Input layer. Set `layers.NAME.shape`.")
    if first not in NET_FIELDS:
        known = NET_FIELDS | {"solver", "layers"}
        suggestion = near(first, known)
        meant = "" if suggestion else first if first in SOLVER_FIELDS else suggest_field(first, SOLVER_FIELDS).meant
        suggestion = Suggestion((f"solver.{meant}",)) if meant else suggestion
        raise SpecError(Diagnostic(None, f"{first!r} is neither `solver`, `layers` nor a field of the net.", suggestion))
    change, columns = _parsed(path, value, pb.NetParameter)
    for net in nets.values():
        _merge(net, change)
    return [(key, columns) for key in nets]


def copy_of(message: M) -> M:
    """Copy a message."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _parsed(
    path: str, value: str, message_type: type[Message], start: int = 0, before: Sequence[str] = (), indent: int = 0
) -> tuple[Any, Columns]:
    """The message of `a.b=1`, as YAML with one key per line after the lines `before`; and its fields' columns in the argument.

    `start` is the length of the argument before `path`.
    """
    keys = path.split(".")
    lines = [f"{' ' * (indent + 2 * k)}{key}:" for k, key in enumerate(keys)]
    try:
        found = parse_yaml("\n".join([*before, *lines]) + f" {value}", message_type, "--set")
    except SpecError as e:
        columns = [start + _column(d.position, keys, len(before), indent) for d in e.diagnostics]
        raise SpecError(*(replace(d, place=Argument("", 1, k)) for d, k in zip(e.diagnostics, columns, strict=True))) from e
    own = {path: at for path, at in found.positions.items() if at[0] > len(before)}
    return found.message, {path: start + _column(at, keys, len(before), indent) for path, at in own.items()}


def _column(at: Position, keys: Sequence[str], before: int, indent: int) -> int:
    """The column in `a.b=1` for a line and column of its YAML."""
    line, column = at
    k = line - before - 1
    if not 0 <= k < len(keys):
        return 1
    at_key, beyond = sum(len(key) + 1 for key in keys[:k]), column - (indent + 2 * k + 1)
    return at_key + 1 + (beyond if beyond < len(keys[k]) else beyond - 1)  # `: ` in YAML is `=` in the argument


def _set_layer(net: pb.NetParameter, path: str, value: str, start: int) -> Columns:
    """Set `name.field` in every layer of that name. Returns the columns for each. A name may contain dots."""
    names = {layer.name for layer in net.layer}
    name = max((n for n in names if path.startswith(f"{n}.")), key=len, default="")
    field = path.removeprefix(f"{name}.")
    if not name or not field:
        said = path.partition(".")[0]
        if said in names:
            raise SpecError(Diagnostic(Argument("", 1, start + len(said) + 1), f"The field is missing. Write `layers.{said}.FIELD=VALUE`."))
        raise SpecError(Diagnostic(Argument("", 1, start + 1), f"There is no layer {said!r}.", near(said, names)))
    columns: Columns = {}
    for i, layer in enumerate(net.layer):
        if layer.name == name:
            fixed = {"type": layer.type, "name": "x", "bottom": "[x, x]", "top": "[x]"}
            fixed.pop(field, None)
            lines = ["layers:", *(f"{'    ' if j else '  - '}{k}: {v}" for j, (k, v) in enumerate(fixed.items()))]
            parsed, own = _parsed(field, value, pb.NetParameter, start + len(name) + 1, lines, 4)
            columns |= {("layer", i, *path[2:]): column for path, column in own.items()}
            change = parsed.layer[0]
            for k in fixed:
                change.ClearField(k)
            _merge(layer, change)
    return columns


def _merge(target: Message, change: Message) -> None:
    """Merge the fields of `change` into `target`. Lists are replaced, not extended."""
    for field, value in change.ListFields():
        if field.message_type and field.message_type.GetOptions().map_entry:
            for key in value:
                getattr(target, field.name)[key].CopyFrom(value[key])
        elif field.message_type and not field.is_repeated:
            _merge(getattr(target, field.name), value)
        else:
            target.ClearField(field.name)
            only = type(change)()
            getattr(only, field.name).extend(value) if field.is_repeated else setattr(only, field.name, value)
            target.MergeFrom(only)
