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
    assert document.place("name") == "n.prototxt:2:1"
    assert document.place("layer", 0, "convolution_param", "weight_filler", "std") == "n.prototxt:8:77"
    assert document.place("layer", 0, "loss_weight", 2) == "n.prototxt:6:74"
    assert document.place("layer", 1, "bottom") == "n.prototxt:9:1"
    assert document.place("layer", 0, "include", 1, "phase") == "n.prototxt:7:34"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nmae: 'x'", ["n.prototxt:1:1: NetParameter has no field 'nmae'; did you mean 'name'?"]),
        ("layer { kernel: [1, 2] tpye: 'x' 'y' tops { a { } } phase: train }",
         ["n.prototxt:1:9: LayerParameter has no field 'kernel'; it is a fork's, BVLC Caffe has none of that name; "
          "netc cannot know what it does in this layer (--ignore kernel drops it all the same)",
          "n.prototxt:1:24: LayerParameter has no field 'tpye'; did you mean 'type'?",
          "n.prototxt:1:38: LayerParameter has no field 'tops'; did you mean 'top'?",
          "n.prototxt:1:60: phase has no value 'train'; did you mean 'TRAIN'?"]),
        ("name: 'a' name: 'b'", ["n.prototxt:1:11: 'name' is given twice, first at 1:1"]),
        ("state { } state { }", ["n.prototxt:1:11: 'state' is given twice, first at 1:1"]),
        ("name: lenet", ["n.prototxt:1:7: name is a text in quotes; lenet came"]),
        ("name 'a'", ["n.prototxt:1:1: name is a single value: a colon follows it"]),
        ("debug_info: yes", ["n.prototxt:1:13: debug_info is true or false; \"'yes'\" came"]),
        ("debug_info: 'true'", ["n.prototxt:1:13: debug_info stands without quotes; 'true' came"]),
        ("input_dim: 1.5", ["n.prototxt:1:12: input_dim is a whole number; '1.5' came"]),
        ("name { }", ["n.prototxt:1:1: name is a single value: a colon follows it",
                      "n.prototxt:1:6: name is a single value; '{' came"]),
        ("state: 3", ["n.prototxt:1:8: state holds fields: '{' should stand here; '3' came"]),
        ("state { level: 1", ["n.prototxt:1:7: '{' is never closed"]),
        ("state { level: 1 }}", ["n.prototxt:1:19: the name of a field should stand here; '}' came"]),
        ("name: 'a\n'", ["n.prototxt:1:7: a text without an end on its line"]),
        ("name: @", ["n.prototxt:1:7: '@' has no meaning here"]),
        ("name: }", ["n.prototxt:1:7: a value should stand here; '}' came"]),
        ("input: ['a' 'b', 'c' 4]", ["n.prototxt:1:22: ',' or ']' should stand here; '4' came"]),
        ("layer { type: 'Clip' }\nlayer { clip_param { max: x } }",
         ["n.prototxt:2:27: max is a number; 'x' came", "n.prototxt:2:9: ClipParameter needs 'min'",
          "n.prototxt:1:1: Clip needs 'min' and 'max'"]),
        ("layer {\n custom {\n  fields { kye: 'a' } } }",
         ["n.prototxt:3:12: Message type \"google.protobuf.Struct.FieldsEntry\" has no field named \"kye\"."]),
        ("solver { net_param {" * 3000, ["n.prototxt: messages stand too deep within each other"]),
    ],
)  # fmt: skip
def test_errors(text: str, wanted: list[str]) -> None:
    assert errors(text) == wanted
