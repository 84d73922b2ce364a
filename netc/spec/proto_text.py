"""Text of a `.proto` file to the classes of its messages, so that a plug-in can bring the schema of its fork of Caffe."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from netc.errors import Diagnostic, Place, SpecError

TOKEN = re.compile(r"""\s+|//[^\n]*|/\*.*?\*/|(?P<token>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[\w.+-]+|[^\s\w])""", re.DOTALL)
LABELS = {"optional": Field.LABEL_OPTIONAL, "required": Field.LABEL_REQUIRED, "repeated": Field.LABEL_REPEATED}
TYPES: Mapping[str, Any] = {
    name.removeprefix("TYPE_").lower(): number
    for name, number in Field.Type.items()
    if name not in ("TYPE_GROUP", "TYPE_MESSAGE", "TYPE_ENUM")
}
SKIPPED = ("option", "reserved", "extensions", "import", "syntax", "edition")  # statements that end at `;`


def message_class(text: str, name: str, path: str = "<proto>") -> Any:
    """The class of message `name` in the text of a .proto file. SpecError if the text cannot be read or lacks the message.

    It reads messages, enums, defaults, `oneof` and packed fields. Services and options have no effect. Imports are not followed.
    """
    file = descriptor_pb2.FileDescriptorProto(name=path, syntax="proto2")
    try:
        _Reader(text).file(file)
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        known = [m.name for m in file.message_type]
        if name not in known:
            raise SpecError(Diagnostic(Place(path), f"The file defines no message {name}. It defines {', '.join(known[:8]) or 'none'}."))
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}".lstrip(".")))
    except _UnreadableError as e:
        raise SpecError(Diagnostic(Place(path, e.line, 1), str(e))) from e
    except (TypeError, KeyError, ValueError) as e:
        raise SpecError(Diagnostic(Place(path), f"This is no valid .proto file: {e}")) from e


class _UnreadableError(Exception):
    """The text ends or has an unexpected token at a line."""

    def __init__(self, text: str, line: int):
        super().__init__(text)
        self.line = line


class _Reader:
    """A reader of the language of .proto files."""

    def __init__(self, text: str):
        self._tokens, self._next, line = list[tuple[str, int]](), 0, 1
        for match in TOKEN.finditer(text):
            if match["token"]:
                self._tokens.append((match["token"], line))
            line += match[0].count("\n")

    def _peek(self) -> str:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self._peek()
        if not token or (wanted and token != wanted):
            line = self._tokens[min(self._next, len(self._tokens) - 1)][1] if self._tokens else 1
            raise _UnreadableError(f"Expected {wanted or 'more text'!r}, got {token or 'the end of the file'!r}.", line)
        self._next += 1
        return token

    def file(self, file: Any) -> None:
        """Read all statements of a file."""
        while word := self._peek():
            self._next += 1
            if word == "message":
                self._message(file.message_type.add(name=self._take()))
            elif word == "enum":
                self._enum(file.enum_type.add(name=self._take()))
            elif word == "package":
                file.package = self._take()
                self._take(";")
            elif word == "syntax":
                self._take("=")
                file.syntax = self._take().strip("\"'")
            elif word == "service" or word == "extend":
                self._skip_braces()
            elif word in SKIPPED:
                self._skip()
            elif word != ";":
                self._next -= 1
                self._take("message")

    def _message(self, message: Any) -> None:
        self._take("{")
        while (word := self._take()) != "}":
            if word == "message":
                self._message(message.nested_type.add(name=self._take()))
            elif word == "enum":
                self._enum(message.enum_type.add(name=self._take()))
            elif word == "oneof":
                message.oneof_decl.add(name=self._take())
                self._take("{")
                while (kind := self._take()) != "}":
                    self._field(message, "optional", kind).oneof_index = len(message.oneof_decl) - 1
            elif word == "extend":
                self._skip_braces()
            elif word in SKIPPED:
                self._skip()
            elif word in LABELS:
                self._field(message, word, self._take())
            elif word == "map" and self._peek() == "<":
                self._map(message)
            elif word != ";":
                self._field(message, "optional", word)

    def _field(self, message: Any, label: str, kind: str) -> Any:
        if kind == "group":
            name = self._take()
            field = message.field.add(name=name.lower(), label=LABELS[label], type=Field.TYPE_GROUP, type_name=name)
            self._take("=")
            field.number = int(self._take(), 0)
            self._message(message.nested_type.add(name=name))
            return field
        field = message.field.add(name=self._take(), label=LABELS[label])
        if kind in TYPES:
            field.type = TYPES[kind]
        else:
            field.type_name = kind
        self._take("=")
        field.number = int(self._take(), 0)
        for key, value in self._options():
            if key == "default":
                field.default_value = value
            elif key == "packed":
                field.options.packed = value == "true"
        self._take(";")
        return field

    def _options(self) -> Iterator[tuple[str, str]]:
        """The (name, value) pairs in brackets after a field."""
        if self._peek() != "[":
            return
        self._take("[")
        while self._peek() != "]":
            key = self._take()
            while self._peek() not in ("=", ""):
                key += self._take()
            self._take("=")
            value = self._take()
            yield key, _unquoted(value)
            if self._peek() == ",":
                self._take()
        self._take("]")

    def _map(self, message: Any) -> None:
        self._take("<")
        kinds = [self._take()]
        self._take(",")
        kinds.append(self._take())
        self._take(">")
        field = self._field(message, "repeated", "Entry")
        name = field.type_name = field.name.title().replace("_", "") + "Entry"
        entry = message.nested_type.add(name=name)
        entry.options.map_entry = True
        for number, (part, kind) in enumerate(zip(("key", "value"), kinds, strict=True), 1):
            inner = entry.field.add(name=part, number=number, label=Field.LABEL_OPTIONAL)
            if kind in TYPES:
                inner.type = TYPES[kind]
            else:
                inner.type_name = kind

    def _enum(self, enum: Any) -> None:
        self._take("{")
        while (word := self._take()) != "}":
            if word in SKIPPED:
                self._skip()
            elif word != ";":
                self._take("=")
                enum.value.add(name=word, number=int(self._take(), 0))
                tuple(self._options())
                self._take(";")

    def _skip(self) -> None:
        """Skip to the end of a statement."""
        while self._take() != ";":
            pass

    def _skip_braces(self) -> None:
        """Skip a block in braces, with what precedes it."""
        depth = 0
        while True:
            token = self._take()
            depth += (token == "{") - (token == "}")
            if token == "}" and not depth:
                return


def _unquoted(value: str) -> str:
    return value[1:-1] if value[:1] in "\"'" else value
