"""NetSpec: define nets in Python, as in `n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20)`."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from netc import netc_pb2 as pb
from netc.errors import SpecError, near
from netc.spec import plugin_fields
from netc.spec.fields import LAYER_FIELDS, messages


class Top:
    """An output of a layer in a NetSpec."""

    def __init__(self, function: "Function", number: int):
        self.fn, self.n = function, number

    def to_proto(self) -> pb.NetParameter:
        """The net that computes this output."""
        return to_proto(self)

    def _to_proto(self, layers: "OrderedDict[Function, pb.LayerParameter]", names: dict[Any, str], counts: Counter[str]) -> None:
        self.fn.add(layers, names, counts)


class Function:
    """A layer in a NetSpec: its type, its bottoms and its fields."""

    def __init__(self, type_name: str, inputs: tuple[Top, ...], fields: dict[str, Any]):
        for index, bottom in enumerate(inputs):
            if not isinstance(bottom, Top):
                raise SpecError(f"{type_name}: expected a top of another layer for bottom {index}; got {type(bottom).__name__}")
        self.type_name, self.inputs, self.fields = type_name, inputs, dict(fields)
        self.ntop = int(self.fields.pop("ntop", 1))
        self.in_place = bool(self.fields.pop("in_place", False))
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def add(self, layers: "OrderedDict[Function, pb.LayerParameter]", names: dict[Any, str], counts: Counter[str]) -> None:
        """Add the layer to `layers`, after the layers that it reads."""
        if self in layers:
            return
        for bottom in self.inputs:
            bottom.fn.add(layers, names, counts)
        layer = pb.LayerParameter(type=self.type_name, bottom=[_name(names, counts, bottom) for bottom in self.inputs])
        if self.in_place:
            layer.top.extend(layer.bottom)
            for k, top in enumerate(self.tops):
                names.setdefault(top, layer.bottom[k])
        else:
            layer.top.extend(_name(names, counts, top) for top in self.tops)
        layer.name = names.get(self) or self._default_name(names, layer)
        layer.MergeFrom(self.to_proto())
        layers[self] = layer

    def to_proto(self) -> pb.LayerParameter:
        """The type and the fields of the layer, without the names of blobs."""
        layer = pb.LayerParameter(type=self.type_name)
        for key, value in self.fields.items():
            _assign(layer, key, value, self.type_name)
        return layer

    def _default_name(self, names: dict[Any, str], layer: pb.LayerParameter) -> str:
        own = next((names[t] for t in self.tops if t in names), None)
        return own or (layer.top[0] if layer.top else self.type_name)


class NetSpec:
    """A net whose attributes are tops. A top has the name of its attribute, in the order of assignment."""

    tops: "OrderedDict[str, Any]"

    def __init__(self) -> None:
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name not in self.tops:
            raise AttributeError(f"the net has no {name!r}. {near(name, self.tops)}")
        return self.tops[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getitem__(self, name: str) -> Any:
        return self.__getattr__(name)

    def __delattr__(self, name: str) -> None:
        del self.tops[name]

    def to_proto(self) -> pb.NetParameter:
        """The net as a protobuf message; `str` converts it to text."""
        names: dict[Any, str] = {}
        for name, value in self.tops.items():
            names[value.fn if isinstance(value, Top) and value.fn.in_place else value] = name
        return _net(list(self.tops.values()), names)


class Layers:
    """`layers.Convolution(bottom, num_output=20)` returns a top, several tops for `ntop`, or the layer itself for `ntop=0`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def layer(*inputs: Top, **fields: Any) -> Any:
            function = Function(name, inputs, fields)
            if function.ntop == 0:
                return function
            return function.tops[0] if function.ntop == 1 else function.tops

        return layer


class Parameters:
    """`params.Pooling.MAX`: the values of enums by message name without `Parameter`."""

    def __getattr__(self, name: str) -> Any:
        message = getattr(pb, f"{name}Parameter", None)
        if message is None:
            raise AttributeError(f"there is no message {name}Parameter")
        return message


def to_proto(*tops: Top | Function) -> pb.NetParameter:
    """The net that computes `tops`. Layer names consist of the type and a number."""
    return _net(list(tops), {})


def _net(wanted: Iterable[Top | Function], names: dict[Any, str]) -> pb.NetParameter:
    layers: OrderedDict[Function, pb.LayerParameter] = OrderedDict()
    counts: Counter[str] = Counter()
    for item in wanted:
        (item.fn if isinstance(item, Top) else item).add(layers, names, counts)
    return pb.NetParameter(layer=layers.values())


def _name(names: dict[Any, str], counts: Counter[str], top: Top) -> str:
    """The name of a top: the assigned one, or the type of its layer and a number."""
    if top not in names:
        counts[top.fn.type_name] += 1
        names[top] = f"{top.fn.type_name}{counts[top.fn.type_name]}"
    return names[top]


def _assign(layer: pb.LayerParameter, key: str, value: Any, type_name: str) -> None:
    """Set a keyword of a layer: a field of LayerParameter or of the message of the type. SpecError if there is no such field."""
    params = messages(type_name)
    if key in LAYER_FIELDS:
        _set(layer, key, value)
        return
    for param in reversed(params):
        if key in LAYER_FIELDS[param].message_type.fields_by_name:
            _set(getattr(layer, param), key, value)
            return
    if plugin_fields.takes_any(type_name):
        layer.custom.update({key: _of_plugin(type_name, key, value)})
        return
    known = [f for p in params for f in LAYER_FIELDS[p].message_type.fields_by_name] + list(LAYER_FIELDS)
    raise SpecError(f"{type_name} has no field {key!r}. {near(key, known)}")


def _of_plugin(type_name: str, key: str, value: Any) -> Any:
    """The value of a field that a plug-in's layer has: as it is, or checked against the plug-in's schema."""
    schema = plugin_fields.schema(type_name)
    if schema is None:
        return value
    message = schema()
    _set(message, key, value)
    return plugin_fields.own(message).get(key)


def _set(message: Any, key: str, value: Any) -> None:
    field = message.DESCRIPTOR.fields_by_name.get(key)
    if field is None:
        raise SpecError(f"{message.DESCRIPTOR.name} has no field {key!r}. {near(key, message.DESCRIPTOR.fields_by_name)}")
    target = getattr(message, key)
    try:
        if field.is_repeated:
            for item in value if isinstance(value, list | tuple) else [value]:
                _fill(target.add(), item) if field.message_type else target.append(item)
        elif field.message_type:
            _fill(target, value)
        elif field.enum_type and isinstance(value, str):
            setattr(message, key, field.enum_type.values_by_name[value].number)
        else:
            setattr(message, key, value)
    except (TypeError, ValueError, KeyError) as e:
        raise SpecError(f"{message.DESCRIPTOR.name}.{key}: {value!r} is invalid: {e}") from e


def _fill(message: Any, value: Any) -> None:
    """Fill a message from a dictionary of its fields, or from a message of the same type."""
    if isinstance(value, Mapping):
        message.SetInParent()
        for key, item in value.items():
            _set(message, key, item)
    else:
        message.CopyFrom(value)


layers = Layers()
params = Parameters()
