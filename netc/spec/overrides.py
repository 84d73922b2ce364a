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


def overridden(nets: Sequence[Document], solver: pb.SolverParameter, overrides: Sequence[str]) -> tuple[list[Document], pb.SolverParameter]:
    """The documents and the solver with each `path=value` in them. SpecError lists all that is wrong with those.

    A document that stands several times in `nets` is changed once.
    """
    faults: list[Fault] = []
    changed = {id(d): copy_of(d.message) for d in nets}
    solver = copy_of(solver)
    for override in overrides:
        try:
            _override(list(changed.values()), solver, override)
        except SpecError as e:
            faults += [Fault(f"--set {override}", f.text) for f in e.faults]
    if faults:
        raise SpecError(*faults)
    new = {id(d): replace(d, message=changed[id(d)]) for d in nets}
    return [new[id(d)] for d in nets], solver


def _override(nets: Sequence[pb.NetParameter], solver: pb.SolverParameter, override: str) -> None:
    path, equals, value = override.partition("=")
    if not equals or not all(path.split(".")):
        raise SpecError("expected path=value, such as solver.max_iter=500 or layers.conv1.num_output=32")
    first, _, rest = path.partition(".")
    if first == "solver" and rest:
        _merge(solver, _parsed(_nested(rest, value), pb.SolverParameter))
        if value.strip() == "[]":
            solver.ClearField(rest)
        if rest in LENGTHS:
            solver.ClearField(LENGTHS[rest])
    elif first in ("layers", "layer"):
        for net in nets:
            _set_layer(net, rest, value)
    elif first in OLD_INPUTS:
        raise SpecError("the net's inputs are an Input layer: set layers.NAME.shape")
    elif first in NET_FIELDS:
        for net in nets:
            _merge(net, _parsed(_nested(path, value), pb.NetParameter))
    else:
        hint = near(first, NET_FIELDS | {"solver", "layers"})
        raise SpecError(f"{first!r} is neither solver, layers nor a field of the net; {hint}")


def copy_of(message: Any) -> Any:
    """A copy of a message."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _nested(path: str, value: str) -> str:
    """`a.b=1` as YAML, a key a line."""
    keys = path.split(".")
    return "\n".join(f"{'  ' * k}{key}:" for k, key in enumerate(keys)) + f" {value}"


def _parsed(text: str, message_type: type[Message]) -> Any:
    return parse_yaml(text, message_type, "--set").message


def _set_layer(net: pb.NetParameter, path: str, value: str) -> None:
    """Set `name.field` in every layer of that name. A name may have dots in it."""
    names = {layer.name for layer in net.layer}
    name = max((n for n in names if path.startswith(f"{n}.")), key=len, default="")
    field = path.removeprefix(f"{name}.")
    if not name or not field:
        said = path.partition(".")[0]
        missing = f"a field is missing: layers.{said}.FIELD=value"
        raise SpecError(missing if said in names else f"there is no layer {said!r}; {near(said, names)}")
    for layer in net.layer:
        if layer.name == name:
            fixed = {"type": layer.type, "name": "x", "bottom": "[x, x]", "top": "[x]"}
            fixed.pop(field, None)
            lines = [*(f"{k}: {v}" for k, v in fixed.items()), *_nested(field, value).splitlines()]
            change = _parsed("layers:\n  - " + "\n    ".join(lines), pb.NetParameter).layer[0]
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
