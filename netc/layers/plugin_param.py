"""The message of a plug-in's layer, with the fields of a fork of Caffe that only the plug-in knows, as `ctx.param`.

It remembers what the plug-in reads: a field that it never reads is an error, because the layer would compute something else without a word.
"""

from collections.abc import Collection, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import ListValue, Struct

from netc import netc_pb2 as pb
from netc.errors import SpecError
from netc.spec import plugin_fields
from netc.spec.fields import LAYER_FIELDS

OF_DATA = ("transform_param",)  # messages that netc itself reads for any layer


class Block(Mapping[str, Any]):
    """A fork's message without a schema: a mapping whose fields are also attributes. A field that occurs several times is a list."""

    def __init__(self, values: Mapping[str, Any]):
        self._values, self._read = dict(values), set[str]()

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"The message has no field {name!r}; it has {', '.join(self._values) or 'none'}.")
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        self._read.add(str(name))
        return name in self._values

    def __repr__(self) -> str:
        return repr(self._values)

    def repeated(self, name: str) -> list[Any]:
        """The values of a field as a list, whether it occurs once, more often or never."""
        value = self.get(name, [])
        return value if isinstance(value, list) else [value]

    def unread(self) -> list[str]:
        """The names of the fields that nobody has read, with those within the messages."""
        found = [name for name in self._values if name not in self._read]
        for name in self._read & self._values.keys():
            value = self._values[name]
            blocks = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, Block)]
            found += [f"{name}.{inner}" for block in blocks for inner in block.unread()]
        return found


class PluginParam:
    """The LayerParameter of a plug-in's layer. Fields that netc lacks are messages of the plug-in's schema, or blocks."""

    def __init__(self, message: pb.LayerParameter, stated: Collection[Any]):
        """`stated` are the names of the fields in the text of the layer."""
        self._message, self._read = message, set[str]()
        schema = plugin_fields.schema(message.type)
        self._foreign = None if schema is None else schema()
        self._typed = {k: v for k, v in json_format.MessageToDict(message.custom).items() if self._has_typed(k)}
        self._own = Block({k: _value(v) for k, v in message.custom.items() if k not in self._typed})
        self._of_fork = {*stated, *plugin_fields.names(message.type)}
        try:
            json_format.ParseDict(self._typed, self._foreign or Struct())
        except json_format.ParseError as e:
            raise SpecError(f"Its fields do not fit the plug-in's schema: {e}") from e

    def _has_typed(self, name: str) -> bool:
        return self._foreign is not None and name in self._foreign.DESCRIPTOR.fields_by_name

    def __getattr__(self, name: str) -> Any:
        if name in LAYER_FIELDS:
            self._read.add(name)
            return self._own if name == "custom" else getattr(self._message, name)
        return self.own(name) if self._has_typed(name) or name in self._own else getattr(self._message, name)

    def own(self, name: str) -> Any:
        """A field that only the fork has, or those within a known message such as convolution_param.

        A message of the plug-in's schema, or a block.
        """
        if self._has_typed(name):
            self._read.add(name)
            return getattr(self._foreign, name)
        return self._own[name] if name in self._own else Block({})

    def HasField(self, name: str) -> bool:  # noqa: N802  # protobuf's name
        """Whether a field is set, of netc's or of the fork."""
        self._read.add(name)
        return self._message.HasField(name) if name in LAYER_FIELDS else name in self._own or name in self._typed

    def ListFields(self) -> list[tuple[Any, Any]]:  # noqa: N802  # protobuf's name
        """The fields that are set, of netc's and of the fork, each with a descriptor that has its `name`. Their values count as unread."""
        typed = {name: getattr(self._foreign, name) for name in self._typed}
        own = {**self._own._values, **typed}
        return [*self._message.ListFields(), *((SimpleNamespace(name=k), v) for k, v in own.items() if k not in LAYER_FIELDS)]

    def unread(self) -> list[str]:
        """The fields that say what the layer computes, but that the plug-in has not read: those of the fork, and messages of netc's."""
        known = (f.name for f, _ in self._message.ListFields() if f.name.endswith("_param") and f.name not in OF_DATA)
        own = (name for name in self._own.unread() if name.partition(".")[0] in self._of_fork)
        return [*(name for name in (*known, *self._typed) if name not in self._read), *own]


def _value(value: Any) -> Any:
    """A value of a Struct as Python's. A mapping becomes a block, and a number without a fraction an int."""
    if isinstance(value, Struct):
        return Block({k: _value(v) for k, v in value.items()})
    if isinstance(value, ListValue):
        return [_value(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
