"""A reader of protobuf's text format that records positions and continues after an error."""

import re
from typing import Any

from google.protobuf import text_encoding, text_format
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, Place, SpecError
from netc.spec import forks
from netc.spec.document import NOTHING, Document, Dropped, FieldPath
from netc.spec.prototxt_plugin import LayerText
from netc.spec.prototxt_tokens import CLOSING, Token, Tokens, Unreadable, skip, skip_to_close
from netc.spec.reading import Reading
from netc.spec.scalars import INTEGERS, from_text, short

LAYERS_OF_NET: Any = tuple(pb.NetParameter.DESCRIPTOR.fields_by_name[name] for name in ("layer", "layers"))
YAML_LIST = re.compile(r"^[ \t]*layers?:[ \t\r]*\n\s*-\s", re.MULTILINE)
V1: Any = pb.V1LayerParameter.DESCRIPTOR
BOOLS = {**dict.fromkeys(("true", "True", "t", "1"), "true"), **dict.fromkeys(("false", "False", "f", "0"), "false")}


def parse_prototxt(text: str, message_type: type[Message] = pb.NetParameter, path: str = "<text>", dropped: Dropped = NOTHING) -> Document:
    """Parse a protobuf text into a document with its errors. SpecError if the rest cannot be read.

    `dropped` are unknown fields to leave out, with a warning in the document.
    """
    reading, message = Reading(path, text, dropped=dropped), message_type()
    if YAML_LIST.search(text):
        raise SpecError(Diagnostic(Place(path, 1, 1), "This is YAML. Give the file the suffix .yaml."))
    try:
        _message(reading, Tokens(text), message, (), None)
    except Unreadable as e:
        reading.error(*e.args)
        raise SpecError(*reading.finish(message).errors) from e
    except RecursionError as e:
        raise SpecError(Diagnostic(Place(path), "The messages are nested too deeply.")) from e
    return reading.finish(message)


def _message(reading: Reading, tokens: Tokens, message: Any, path: FieldPath, opening: Token | None) -> None:
    """Read fields up to the bracket that closes `opening`, or up to the end."""
    counts: dict[str, int] = {}
    while True:
        token = tokens.take()
        closing = CLOSING[opening.text] if opening else None
        if (token.kind == "mark" and token.text == closing) or (token.kind == "end" and opening is None):
            return
        if token.kind == "end" and opening:
            raise Unreadable(opening.at, f"This {opening.text!r} is never closed.")
        if token.kind == "mark" and token.text in ";,":
            continue
        if token.kind != "word":
            raise Unreadable(token.at, f"Expected the name of a field, got {token.text!r}.")
        field = message.DESCRIPTOR.fields_by_name.get(token.text)
        if field is None and token.text in ("layer", "layers") and opening and len(path) > 1:
            line, column = opening.at
            raise Unreadable(token.at, f"This layer begins inside another one. The '{{' at line {line}, column {column} is not closed.")
        colon = tokens.accept(":")
        owner, field = (message, field) if field is not None else _stranger(reading, tokens, token, message, path)
        if field is None:
            continue
        if field.message_type:
            _messages(reading, tokens, token, owner, field, path, counts)
        else:
            if not colon:
                reading.error(token.at, f"`{token.text}` is a single value. Add a colon after its name.")
            _scalars(reading, tokens, token, owner, field, path, counts)


def _stranger(reading: Reading, tokens: Tokens, token: Token, message: Any, path: FieldPath) -> tuple[Any, Any]:
    """The message and the field that an unknown name stands for: in the schema of the layer's plug-in, or a similar one.

    If the field is None, its value is already read or skipped.
    """
    layer = tokens.layer if tokens.layer and path[: len(tokens.layer.path)] == tokens.layer.path else None
    if layer:
        unknown = layer.has_unknown_type(token.text)
        if unknown or reading.drops(token.at, message.DESCRIPTOR.name, token.text, path, *layer.owners):
            layer.unknown += [token.text] if unknown else []
            skip(tokens)
            return message, None
        if layer.takes(path):
            target = layer.target(path)
            if target is None:
                layer.keep(reading, token, path)
                return message, None
            message = target
            if token.text in target.DESCRIPTOR.fields_by_name:
                return target, target.DESCRIPTOR.fields_by_name[token.text]
    field = reading.unknown(token.at, message, token.text, path, fork=True)
    if field is not None and _fits(field, tokens.peek):
        return message, field
    skip(tokens)
    return message, None


def _fits(field: Any, token: Token) -> bool:
    """Whether the value after a misspelled name has the type of the suggested field."""
    return (field.message_type is not None) == (token.kind == "mark" and token.text in "{<")


def _claim(reading: Reading, token: Token, field: Any, path: FieldPath, counts: dict[str, int]) -> FieldPath:
    """Record the position of a field's next value, and return its path. A second value of a non-repeated field is an error."""
    here = (*path, field.name)
    if not field.is_repeated:
        reading.claim(token.at, here)
        return here
    reading.positions.setdefault(here, token.at)
    index = counts[field.name] = counts.get(field.name, -1) + 1
    reading.claim(token.at, (*here, index))
    return (*here, index)


def _items(tokens: Tokens) -> Any:
    """Yield before each value of a list in brackets, or before a single value."""
    if not tokens.accept("["):
        yield
        return
    while not tokens.accept("]"):
        yield
        if not tokens.accept(",") and tokens.peek.text != "]":
            raise Unreadable(tokens.peek.at, f"Expected ',' or ']', got {tokens.peek.text!r}.")


def _messages(reading: Reading, tokens: Tokens, name: Token, message: Any, field: Any, path: FieldPath, counts: dict[str, int]) -> None:
    for _ in _items(tokens):
        opening = tokens.accept("{", "<")
        if opening is None:
            token = tokens.peek
            skip(tokens)
            reading.error(token.at, f"`{field.name}` is a message. Expected '{{', got {token.text!r}.")
            continue
        here = _claim(reading, name, field, path, counts)
        target = getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name)
        if not field.is_repeated:
            target.SetInParent()
        if field.message_type.full_name == "google.protobuf.Struct":
            _struct(reading, tokens, opening, target)
        elif field in LAYERS_OF_NET:
            with reading.judging(here):
                layer = tokens.layer = LayerText(here, tokens, tokens.at)
                _message(reading, tokens, target, here, opening)
                layer.finish(reading, target)
        else:
            _message(reading, tokens, target, here, opening)


def _struct(reading: Reading, tokens: Tokens, opening: Token, target: Any) -> None:
    """Read a Struct with protobuf's own parser, because its text is that of a map."""
    closing = skip_to_close(tokens, opening)
    try:
        text_format.Parse(reading.text[opening.start + 1 : closing.start], target)
    except text_format.ParseError as e:
        line = opening.at[0] + (e.GetLine() or 1) - 1
        column = (e.GetColumn() or 1) + (opening.at[1] if line == opening.at[0] else 0)
        reading.error((line, column), _without_position(e))


def _without_position(error: text_format.ParseError) -> str:
    """Protobuf's message without the line and column that precede it."""
    return re.sub(r"^\d+:\d+ : ", "", str(error))


def _scalars(reading: Reading, tokens: Tokens, name: Token, message: Any, field: Any, path: FieldPath, counts: dict[str, int]) -> None:
    for _ in _items(tokens):
        token = tokens.peek
        if token.kind not in ("word", "number", "string"):
            skip(tokens)
            reading.error(token.at, f"`{field.name}` must be a single value, got {token.text!r}.")
            continue
        _claim(reading, name, field, path, counts)
        if field.name == "engine" and token.text in forks.ENGINES:
            harmless = f"The engine {token.text} of {forks.named(forks.ENGINES[tokens.take().text])} has no effect on netc."
            reading.warnings.append(Diagnostic(Place(reading.path, *token.at), harmless, kind=harmless))
            continue
        try:
            value = _value(tokens, field)
        except ValueError as e:
            reading.error(token.at, *e.args)
            continue
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)


def _value(tokens: Tokens, field: Any) -> Any:
    """The value of a field. ValueError with a sentence if the next token is not a value."""
    token = tokens.take()
    if token.kind == "string" and field.containing_type is V1 and field.name == "type":
        kind = token.text[1:-1]
        raise ValueError(f"`layers` is Caffe's old form (V1), with types such as CONVOLUTION. For {kind!r}, write `layer {{`.")
    if token.kind == "string":
        raw = _unescaped(field, token)
        while tokens.peek.kind == "string":
            raw += _unescaped(field, tokens.take())
        if field.cpp_type != Field.CPPTYPE_STRING:
            raise ValueError(f"`{field.name}` must not be in quotes, got {token.text}.")
        return raw if field.type == Field.TYPE_BYTES else _decoded(field, raw)
    if field.cpp_type == Field.CPPTYPE_STRING:
        raise ValueError(f"`{field.name}` must be in quotes, got {token.text}.")
    if field.cpp_type in INTEGERS and re.fullmatch(r"-?0([xX][0-9a-fA-F]+|[0-7]+)", token.text):
        digits = token.text.lstrip("-")
        return from_text(field, token.text[: -len(digits)] + str(int(digits, 16 if digits[1] in "xX" else 8)))
    if field.cpp_type == Field.CPPTYPE_BOOL:
        return from_text(field, BOOLS.get(token.text, repr(token.text)))
    if field.cpp_type == Field.CPPTYPE_ENUM and token.kind == "number":
        known = field.enum_type.values_by_number
        number = int(token.text) if token.text.isdigit() else -1
        return from_text(field, known[number].name if number in known else token.text)
    is_float = field.cpp_type in (Field.CPPTYPE_FLOAT, Field.CPPTYPE_DOUBLE)
    return from_text(field, token.text.rstrip("fF") if is_float and token.kind == "number" else token.text)


def _unescaped(field: Any, token: Token) -> bytes:
    """The bytes of a string in quotes. ValueError with a sentence if it has an escape that is not complete."""
    try:
        return text_encoding.CUnescape(token.text[1:-1])
    except UnicodeError as e:  # it holds four values more than the sentence
        raise ValueError(f"`{field.name}` has a wrong escape in {short(token.text)}.") from e


def _decoded(field: Any, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as e:
        raise ValueError(f"`{field.name}` must be UTF-8. The byte {raw[e.start]:#04x} is not.") from e
