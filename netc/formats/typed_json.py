"""Check JSON values against a type: int, float, str, dict, list, tuple, unions and dataclasses of these."""

from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

NAMES = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    NoneType: "null",
    dict: "an object",
    list: "a list",
}
MOST = 40  # characters of a value in a message


class MisfitError(Exception):
    """A value has the wrong type. The text names the expected type and the value."""


def typed(value: Any, wanted: Any, what: str = "") -> Any:
    """Return `value` as type `wanted`. MisfitError names the part that does not fit, by its path that starts with `what`.

    An integer is also a valid float; true and false are not. Unknown fields of a dataclass are ignored.
    """
    kind = get_origin(wanted) or wanted
    if kind is Any:
        return value
    if kind is UnionType:  # the type that fits, or that fits best
        return _one_of(value, get_args(wanted), what)
    if is_dataclass(kind):
        return _record(value, kind, what)
    if kind is tuple:
        return _tuple(value, get_args(wanted), what)
    if kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise _misfit(value, wanted, what) from None
    if type(value) is not kind:
        raise _misfit(value, kind, what)
    if kind is dict:
        return {name: typed(inner, get_args(wanted)[1], _path(what, name)) for name, inner in value.items()}
    if kind is list:
        return [typed(inner, get_args(wanted)[0], f"{what}[{k}]") for k, inner in enumerate(value)]
    return value


def _one_of(value: Any, kinds: tuple[Any, ...], what: str) -> Any:
    """Return `value` as the first of several types that fits it."""
    misfits = []
    for kind in kinds:
        try:
            return typed(value, kind, what)
        except MisfitError as e:
            misfits.append(e)
    wanted = [kind for kind in kinds if kind is not NoneType]
    deeper = next((k for k, kind in enumerate(kinds) if isinstance(value, get_origin(kind) or kind)), kinds.index(wanted[0]))
    raise misfits[deeper]


def _record(value: Any, kind: Any, what: str) -> Any:
    if not isinstance(value, dict):
        raise _misfit(value, dict, what)
    hints = _hints(kind)
    found = {}
    for field in fields(kind):
        if field.name in value:
            found[field.name] = typed(value[field.name], hints[field.name], _path(what, field.name))
        elif field.default is MISSING and field.default_factory is MISSING:
            raise MisfitError(f"{_path(what, field.name)} is missing")
    return kind(**found)


_hints = cache(get_type_hints)


def _tuple(value: Any, kinds: tuple[Any, ...], what: str) -> Any:
    if not isinstance(value, list | tuple):
        raise _misfit(value, list, what)
    kinds = (kinds[0],) * len(value) if kinds[-1] is Ellipsis else kinds
    if len(kinds) != len(value):
        raise MisfitError(f"{what} has {len(value)} elements. Expected {len(kinds)}.")
    return tuple(typed(inner, kind, f"{what}[{k}]") for k, (inner, kind) in enumerate(zip(value, kinds, strict=True)))


def _path(what: str, name: str) -> str:
    return f"{what}.{name}" if what else name


def _misfit(value: Any, kind: Any, what: str) -> MisfitError:
    text = repr(value)
    return MisfitError(f"{what or 'the whole'} is {text if len(text) <= MOST else text[:MOST] + '…'}. Expected {NAMES[kind]}.")
