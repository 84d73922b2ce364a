"""Protobuf text: what protobuf's own reader takes, with places and all errors."""

from pathlib import Path

import pytest
from google.protobuf import text_format

from netc import netc_pb2 as pb
from netc.errors import SpecError
from netc.spec import parse_prototxt, to_prototxt
from netc.spec.prototxt_reader import parse_prototxt as read_as_it_is
from tests.conftest import REFERENCE, needs_reference

SPELLINGS = """\
# a comment { with : marks
name: 'a' "b\\"\\x41\\n" ; input: ["x", 'y'],
input_shape < dim: [1, 0x10, 010, -1] dim: 2 >
state: { phase: TEST stage: "deploy" }  # colon before a brace
debug_info: t  force_backward: False
layer { name: "c" type: "Convolution" loss_weight: 1.5f loss_weight: -.5 loss_weight: 1e-3 loss_weight: 2
        include [{ phase: 0 }, { phase: TEST }] propagate_down: [true, false, 1, 0]
        convolution_param { num_output: 20 weight_filler { type: "gaussian" std: inf mean: -inf } engine: CUDNN } }
layer { custom { fields { key: "a" value { number_value: 3 } } } }
"""


def errors(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_prototxt(text, pb.NetParameter, "n.prototxt")
    return [str(f) for f in caught.value.diagnostics]


def test_reads_as_protobuf_does() -> None:
    assert read_as_it_is(SPELLINGS).message == text_format.Parse(SPELLINGS, pb.NetParameter())


@needs_reference
@pytest.mark.parametrize("path", sorted(REFERENCE.glob("caffe/*/*net*.prototxt")), ids=lambda p: p.name)
def test_reads_caffes_files_as_protobuf_does(path: Path) -> None:
    text = path.read_text()
    message = parse_prototxt(text).message
    assert message == text_format.Parse(text, pb.NetParameter())
    assert parse_prototxt(to_prototxt(message)).message == message


def test_places() -> None:
    document = read_as_it_is(SPELLINGS, path="n.prototxt")
    assert str(document.place("name")) == "n.prototxt:2:1"
    assert str(document.place("layer", 0, "convolution_param", "weight_filler", "std")) == "n.prototxt:8:77"
    assert str(document.place("layer", 0, "loss_weight", 2)) == "n.prototxt:6:74"
    assert str(document.place("layer", 1, "bottom")) == "n.prototxt:9:1"
    assert str(document.place("layer", 0, "include", 1, "phase")) == "n.prototxt:7:34"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nmae: 'x'", ["n.prototxt:1:1: NetParameter has no field 'nmae'. Did you mean 'name'?"]),
        ("layer { kernel: [1, 2] tpye: 'x' 'y' tops { a { } } phase: train }",
         ["n.prototxt:1:9: LayerParameter has no field 'kernel'. It belongs to a fork of Caffe (BVLC Caffe has no such field). "
          "netc cannot know what it does in this layer; `--ignore kernel` ignores it.",
          "n.prototxt:1:24: LayerParameter has no field 'tpye'. Did you mean 'type'?",
          "n.prototxt:1:38: LayerParameter has no field 'tops'. Did you mean 'top'?",
          "n.prototxt:1:60: `phase` cannot be 'train'. Did you mean 'TRAIN'?"]),
        ("name: 'a' name: 'b'", ["n.prototxt:1:11: `name` is set twice, first at 1:1."]),
        ("state { } state { }", ["n.prototxt:1:11: `state` is set twice, first at 1:1."]),
        ("name: lenet", ["n.prototxt:1:7: `name` must be in quotes, got lenet."]),
        (r"name: 'a' '\x'", [r"n.prototxt:1:7: `name` has a wrong escape in '\x'."]),
        (r"name: 'a\377'", [r"n.prototxt:1:7: `name` must be UTF-8. The byte 0xff is not."]),
        ("name 'a'", ["n.prototxt:1:1: `name` is a single value. Add a colon after its name."]),
        ("debug_info: yes", ["n.prototxt:1:13: `debug_info` must be true or false, got \"'yes'\"."]),
        ("debug_info: 'true'", ["n.prototxt:1:13: `debug_info` must not be in quotes, got 'true'."]),
        ("input_dim: 1.5", ["n.prototxt:1:12: `input_dim` must be a whole number, got '1.5'."]),
        ("name { }", ["n.prototxt:1:1: `name` is a single value. Add a colon after its name.",
                      "n.prototxt:1:6: `name` must be a single value, got '{'."]),
        ("state: 3", ["n.prototxt:1:8: `state` is a message. Expected '{', got '3'."]),
        ("state { level: 1", ["n.prototxt:1:7: This '{' is never closed."]),
        ("state { level: 1 }}", ["n.prototxt:1:19: Expected the name of a field, got '}'."]),
        ("name: 'a\n'", ["n.prototxt:1:7: The closing quote is missing on this line."]),
        ("name: @", ["n.prototxt:1:7: Unexpected '@'."]),
        ("name: }", ["n.prototxt:1:7: Expected a value, got '}'."]),
        ("input: ['a' 'b', 'c' 4]", ["n.prototxt:1:22: Expected ',' or ']', got '4'."]),
        ("layer { type: 'Clip' }\nlayer { clip_param { max: x } }",
         ["n.prototxt:2:27: `max` must be a number, got 'x'.", "n.prototxt:2:9: `min` is missing in ClipParameter.",
          "n.prototxt:1:1: Clip: `min` and `max` are missing."]),
        ("layer {\n custom {\n  fields { kye: 'a' } } }",
         ["n.prototxt:3:12: Message type \"google.protobuf.Struct.FieldsEntry\" has no field named \"kye\"."]),
        ("solver { net_param {" * 3000, ["n.prototxt: The messages are nested too deeply."]),
    ],
)  # fmt: skip
def test_errors(text: str, wanted: list[str]) -> None:
    assert errors(text) == wanted
