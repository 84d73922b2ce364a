"""What is written reads as what was written: in YAML, short and spelled out, and in protobuf text."""

import struct
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor as Field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netc import netc_pb2 as pb
from netc import registry
from netc.spec import fields, fork_forms, parse_prototxt, parse_yaml, to_prototxt, to_yaml
from netc.spec.scalars import INTEGERS, shortest
from tests.spec.test_yaml import LENET

WORDS = ["x", "y", "data", "label", "conv1", "conv2", "loss", "ip1", "relu1", "on", "010", "", "~", "a: b", "- é\n#", "<<"]
OLD = {"layers", "solver_type", "input", "input_dim", "input_shape"}  # reading brings them up to date
registry.load()
TYPES = [*sorted(registry.layer), "Mine", "name", "type", "on", "~", ""]
SPELLINGS = {name for names in fork_forms.RENAMED.values() for name in names}  # a reader replaces them
TEXT = st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
STRUCTS: Any = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def value(field: Field, depth: int) -> Any:
    """A strategy for one value of a field."""
    if field.message_type:
        return messages(field.message_type, depth - 1)
    if field.enum_type:
        return st.sampled_from([v.number for v in field.enum_type.values])
    if field.cpp_type in INTEGERS:
        return st.sampled_from([0, 1, 3, INTEGERS[field.cpp_type][1]]) | st.integers(*INTEGERS[field.cpp_type])
    if field.cpp_type in (Field.CPPTYPE_FLOAT, Field.CPPTYPE_DOUBLE):
        return st.floats(width=32 if field.cpp_type == Field.CPPTYPE_FLOAT else 64, allow_nan=False)
    if field.type == Field.TYPE_BYTES:
        return st.binary(max_size=8)
    return st.booleans() if field.cpp_type == Field.CPPTYPE_BOOL else TEXT


def filled(draw: Callable[..., Any], message: Any, fields: list[Field], depth: int) -> None:
    """Set the fields of a message to drawn values."""
    for field in fields:
        if (field.message_type and depth == 0) or field.name in SPELLINGS:
            continue
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(value(field, depth), max_size=2)))
        elif field.message_type:
            getattr(message, field.name).CopyFrom(draw(value(field, depth)))
        else:
            setattr(message, field.name, draw(value(field, depth)))


@st.composite
def messages(draw: Callable[..., Any], descriptor: Any, depth: int) -> Any:
    """A message with a few of its fields set."""
    if descriptor.full_name == "google.protobuf.Struct":
        custom = pb.LayerParameter().custom
        custom.update(draw(st.dictionaries(TEXT, STRUCTS, max_size=3)))
        return custom
    message = getattr(pb, descriptor.name)()
    fields = [f for f in descriptor.fields if f.name not in OLD]
    fields = draw(st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda f: f.name))
    filled(draw, message, fields, depth)
    filled(draw, message, [f for f in descriptor.fields if f.is_required], depth)
    return message


@st.composite
def layers(draw: Callable[..., Any]) -> pb.LayerParameter:
    """A layer with parameters of its type, names that are often the default's, and some other fields."""
    layer = pb.LayerParameter()
    if draw(st.integers(0, 9)):
        layer.type = draw(st.sampled_from(TYPES))
    params = fields.messages(layer.type) if layer.type in registry.layer else ("custom",)
    filled(draw, layer, [fields.LAYER_FIELDS[p] for p in params if draw(st.booleans())], 2)
    if layer.type == "Clip":
        layer.clip_param.min = layer.clip_param.max = 1
    names = ["name", "bottom", "top"]
    others = draw(st.lists(st.sampled_from([n for n in fields.LAYER_FIELDS if n != "type"]), max_size=2, unique=True))
    for name in dict.fromkeys([*(n for n in names if draw(st.integers(0, 5))), *others]):
        layer.ClearField(name)
        filled(draw, layer, [fields.LAYER_FIELDS[name]], 2)
    return layer


@st.composite
def nets(draw: Callable[..., Any]) -> pb.NetParameter:
    net: pb.NetParameter = draw(messages(pb.NetParameter.DESCRIPTOR, 2))
    net.ClearField("layer")
    net.layer.extend(draw(st.lists(layers(), max_size=6)))
    return net


@given(nets())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_nets(net: pb.NetParameter) -> None:
    for text in (to_yaml(net), to_yaml(net, short=False)):
        assert parse_yaml(text).message == net, text
    assert parse_prototxt(to_prototxt(net)).message == net


@given(messages(pb.SolverParameter.DESCRIPTOR, 3))
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_solvers(solver: pb.SolverParameter) -> None:
    for text in (to_yaml(solver), to_yaml(solver, short=False)):
        assert parse_yaml(text, pb.SolverParameter).message == solver, text
    assert parse_prototxt(to_prototxt(solver), pb.SolverParameter).message == solver


def test_lenet_comes_back_as_short_as_it_was() -> None:
    net = parse_yaml(LENET).message
    body = [line for line in LENET.splitlines() if line.startswith("  - ")]
    assert [line for line in to_yaml(net).splitlines() if line.startswith("  - ")] == body
    assert "top: [conv1]" in to_yaml(net, short=False)


def test_a_datum_with_bytes() -> None:
    datum = pb.Datum(data=b"\0\xff", label=3)
    assert parse_yaml(to_yaml(datum), pb.Datum).message == datum
    assert parse_prototxt(to_prototxt(datum), pb.Datum).message == datum


@pytest.mark.parametrize(("number", "text"), [(0.1, "0.1"), (1e-5, "1e-05"), (64, "64"), (1 / 256, "0.00390625"), (1 / 3, "0.33333334")])
def test_floats_in_the_fewest_digits(number: float, text: str) -> None:
    assert shortest(struct.unpack("f", struct.pack("f", number))[0]) == text


def test_numbers_without_an_end() -> None:
    solver = pb.SolverParameter(base_lr=float("nan"), power=float("-inf"), gamma=3.4028234663852886e38)
    read = parse_yaml(to_yaml(solver), pb.SolverParameter).message
    assert read.base_lr != read.base_lr
    assert (read.power, read.gamma) == (solver.power, solver.gamma)
