"""What `--set PATH=VALUE` changes in nets and solver."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message

from netc import netc_pb2 as pb
from netc.errors import Fault, SpecError, near
from netc.spec.document import Document
from netc.spec.load import parse_yaml

LENGTHS = {"max_iter": "max_epoch", "max_epoch": "max_iter"}  # to set one on the command line is to unset the other
OLD_INPUTS = {"input", "input_shape", "input_dim"}  # reading makes an Input layer of them
NET_FIELDS = {f.name for f in pb.NetParameter.DESCRIPTOR.fields}


Changed = tuple[list[Document], pb.SolverParameter, list[Fault]]


def overridden(nets: Sequence[Document], solver: pb.SolverParameter, overrides: Sequence[str]) -> Changed:
    """The documents and the solver with each `path=value` in them, and what is wrong with those.

    A document that stands several times in `nets` is changed once.
    """
    faults: list[Fault] = []
    changed = {id(d): copy_of(d.message) for d in nets}
    solver = copy_of(solver)
    for override in overrides:
        try:
            _override(list(changed.values()), solver, override)
        except SpecError as e:
            faults += [Fault(f"--set {override}", f.text, len("--set ") + (f.column or 1)) for f in e.faults]
    new = {id(d): replace(d, message=changed[id(d)]) for d in nets}
    return [new[id(d)] for d in nets], solver, faults


def _override(nets: Sequence[pb.NetParameter], solver: pb.SolverParameter, override: str) -> None:
    path, equals, value = override.partition("=")
    if not equals or not all(path.split(".")):
        raise SpecError("expected path=value, such as solver.max_iter=500 or layers.conv1.num_output=32")
    first, _, rest = path.partition(".")
    if first == "solver" and rest:
        _merge(solver, _parsed(rest, value, pb.SolverParameter, len("solver.")))
        if value.strip() == "[]":
            solver.ClearField(rest)
        if rest in LENGTHS:
            solver.ClearField(LENGTHS[rest])
    elif first in ("layers", "layer"):
        for net in nets:
            _set_layer(net, rest, value, len(first) + 1)
    elif first in OLD_INPUTS:
        raise SpecError("the net's inputs are an Input layer: set layers.NAME.shape")
    elif first in NET_FIELDS:
        for net in nets:
            _merge(net, _parsed(path, value, pb.NetParameter))
    else:
        hint = near(first, NET_FIELDS | {"solver", "layers"})
        raise SpecError(f"{first!r} is neither solver, layers nor a field of the net; {hint}")


def copy_of(message: Any) -> Any:
    """A copy of a message."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _parsed(path: str, value: str, message_type: type[Message], start: int = 0, before: Sequence[str] = (), indent: int = 0) -> Any:
    """The message of `a.b=1` as YAML, a key a line, after the lines `before`. Faults have their column in the argument.

    `start` is how much of the argument stands before `path`.
    """
    keys = path.split(".")
    lines = [f"{' ' * (indent + 2 * k)}{key}:" for k, key in enumerate(keys)]
    try:
        return parse_yaml("\n".join([*before, *lines]) + f" {value}", message_type, "--set").message
    except SpecError as e:
        raise SpecError(*(Fault("", f.text, start + _column(f, keys, len(before), indent)) for f in e.faults)) from e


def _column(fault: Fault, keys: Sequence[str], before: int, indent: int) -> int:
    """The column in `a.b=1` of a fault in its YAML."""
    line, column = (int(n) for n in fault.place.split(":")[1:]) if fault.place.count(":") == 2 else (0, 0)
    k = line - before - 1
    if not 0 <= k < len(keys):
        return 1
    at_key, beyond = sum(len(key) + 1 for key in keys[:k]), column - (indent + 2 * k + 1)
    return at_key + 1 + (beyond if beyond < len(keys[k]) else beyond - 1)  # `: ` in YAML is `=` in the argument


def _set_layer(net: pb.NetParameter, path: str, value: str, start: int) -> None:
    """Set `name.field` in every layer of that name. A name may have dots in it."""
    names = {layer.name for layer in net.layer}
    name = max((n for n in names if path.startswith(f"{n}.")), key=len, default="")
    field = path.removeprefix(f"{name}.")
    if not name or not field:
        said = path.partition(".")[0]
        missing = f"a field is missing: layers.{said}.FIELD=value"
        text = missing if said in names else f"there is no layer {said!r}; {near(said, names)}"
        raise SpecError(Fault("", text, start + (len(said) if said in names else 0) + 1))
    for layer in net.layer:
        if layer.name == name:
            fixed = {"type": layer.type, "name": "x", "bottom": "[x, x]", "top": "[x]"}
            fixed.pop(field, None)
            lines = ["layers:", *(f"{'    ' if i else '  - '}{k}: {v}" for i, (k, v) in enumerate(fixed.items()))]
            change = _parsed(field, value, pb.NetParameter, start + len(name) + 1, lines, 4).layer[0]
            for k in fixed:
                change.ClearField(k)
            _merge(layer, change)


def _merge(target: Message, change: Message) -> None:
    """Fields of `change` into `target`; lists are replaced, not lengthened."""
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
