"""Fields in protobuf text that only the plug-in of their layer's type knows, or nobody, if no plug-in has the type."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from google.protobuf import text_encoding
from google.protobuf.message import Message

from netc import registry
from netc.spec import plugin_fields
from netc.spec.document import FieldPath
from netc.spec.prototxt_tokens import CLOSING, Token, Tokens, Unreadable
from netc.spec.reading import Reading
from netc.spec.unknown_types import is_unknown, unknown_type


@dataclass
class LayerText:
    """The layer that a reader is in. `values` and `foreign` are its plug-in's fields, without and with a schema."""

    path: FieldPath
    tokens: Tokens
    start: int
    values: dict[str, Any] = field(default_factory=dict)
    foreign: Message | None = None
    unknown: list[str] = field(default_factory=list)  # fields of a layer whose type nobody knows

    @cached_property
    def owners(self) -> tuple[str, str]:
        """The name and the type of the layer, which may come after the field."""
        registry.load()
        name, type_ = self.tokens.stated(self.start, "name", "type")
        return name, type_

    def has_unknown_type(self, field: str) -> bool:
        """Whether nobody knows the layer's type, which has a field that netc lacks."""
        return bool(self.unknown) or is_unknown(self.owners[1], field)

    def takes(self, path: FieldPath) -> bool:
        """Whether an unknown field of the message at `path` is one that the plug-in may know."""
        return plugin_fields.takes_any(self.owners[1]) and all(isinstance(part, str) for part in path[len(self.path) :])

    def target(self, path: FieldPath) -> Any:
        """The message of the plug-in's schema at `path`, None without one."""
        schema = plugin_fields.schema(self.owners[1])
        if schema is None:
            return None
        self.foreign = self.foreign if self.foreign is not None else schema()
        target: Any = self.foreign
        for name in path[len(self.path) :]:
            inner = target.DESCRIPTOR.fields_by_name.get(name)
            if inner is None or not inner.message_type or inner.is_repeated:
                return None
            target = getattr(target, str(name))
        return target

    def keep(self, reading: Reading, token: Token, path: FieldPath) -> None:
        """Read the value of a field without a schema."""
        values = self.values
        for name in path[len(self.path) :]:
            values = values.setdefault(str(name), {})
        _add(values, token, _any(reading, self, (*path, token.text)))
        reading.positions.setdefault((*path, token.text), token.at)

    def finish(self, reading: Reading, layer: Any) -> None:
        """Put what was read into the layer's `custom`. Report a type that nobody knows, if its fields are unknown too."""
        foreign = plugin_fields.own(self.foreign) if self.foreign is not None else {}
        plugin_fields.merge(layer, {**self.values, **foreign})
        if self.unknown:
            text, suggestion = unknown_type(self.owners[1], any(name.endswith("_param") for name in self.unknown))
            at = reading.positions.get((*self.path, "type"), reading.positions[self.path])
            reading.error(at, f"Layer {self.owners[0]!r}: {text}", suggestion, kind=text)


def _any(reading: Reading, layer: LayerText, path: FieldPath) -> Any:
    """A value whose field nobody declares: a mapping, a list, a text, a number or a truth value."""
    tokens = layer.tokens
    token = tokens.take()
    if token.kind == "mark" and token.text == "[":
        return _list(reading, layer, path)
    if token.kind == "mark" and token.text in CLOSING:
        return _mapping(reading, layer, token, path)
    if token.kind == "string":
        raw = text_encoding.CUnescape(token.text[1:-1])
        while tokens.peek.kind == "string":
            raw += text_encoding.CUnescape(tokens.take().text[1:-1])
        return raw.decode(errors="replace")
    if token.kind == "number":
        return _number(token)
    if token.kind == "word":
        return {"true": True, "false": False}.get(token.text, token.text)
    raise Unreadable(token.at, f"Expected a value, got {token.text!r}.")


def _number(token: Token) -> Any:
    """A whole number as an int, also in hexadecimal and octal; any other as a float. A number too large for `custom` stays a text."""
    text, sign = token.text.lstrip("-"), -1 if token.text.startswith("-") else 1
    try:
        whole = int(text, 16 if text[:2] in ("0x", "0X") else 8 if text[:1] == "0" and text.isdigit() else 10)
        return sign * whole if whole < plugin_fields.LARGEST else token.text
    except ValueError:
        pass
    try:
        return sign * float(text.rstrip("fF"))
    except ValueError as e:
        raise Unreadable(token.at, f"Expected a number, got {token.text!r}.") from e


def _list(reading: Reading, layer: LayerText, path: FieldPath) -> list[Any]:
    found, tokens = list[Any](), layer.tokens
    while not tokens.accept("]"):
        found.append(_any(reading, layer, path))
        if not tokens.accept(",") and tokens.peek.text != "]":
            raise Unreadable(tokens.peek.at, f"Expected ',' or ']', got {tokens.peek.text!r}.")
    return found


def _mapping(reading: Reading, layer: LayerText, opening: Token, path: FieldPath) -> dict[str, Any]:
    found, tokens = dict[str, Any](), layer.tokens
    while not tokens.accept(CLOSING[opening.text]):
        token = tokens.take()
        if token.kind == "mark" and token.text in ";,":
            continue
        if token.kind == "end":
            raise Unreadable(opening.at, f"This {opening.text!r} is never closed.")
        if token.kind != "word":
            raise Unreadable(token.at, f"Expected the name of a field, got {token.text!r}.")
        tokens.accept(":")
        if reading.drops(token.at, f"The plug-in's {path[-1]}", token.text, path, *layer.owners):
            _any(reading, layer, (*path, token.text))
            continue
        reading.positions.setdefault((*path, token.text), token.at)
        _add(found, token, _any(reading, layer, (*path, token.text)))
    return found


def _add(values: dict[str, Any], token: Token, value: Any) -> None:
    """Add a value to a mapping. The second value of a name makes it a list."""
    if token.text not in values:
        values[token.text] = value
        return
    before = values[token.text]
    values[token.text] = [*(before if isinstance(before, list) else [before]), *(value if isinstance(value, list) else [value])]
