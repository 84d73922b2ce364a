"""The JSON Schema of the YAML spelling, and the proto's comments at run time."""

import json
from typing import Any

import pytest
import yaml

from netc import netc_pb2 as pb
from netc import registry
from netc.spec import comments, json_schema, parse_yaml, to_yaml
from netc.spec.fields import own_fields
from tests.spec.test_yaml import LENET


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        found = [ref for value in part.values() for ref in references(value)]
        return [*found, part["$ref"]] if isinstance(part.get("$ref"), str) else found
    return [ref for item in part for ref in references(item)] if isinstance(part, list) else []


def test_every_reference_leads_somewhere() -> None:
    schema = json.loads(json.dumps(json_schema()))
    for reference in set(references(schema)):
        part = schema
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_a_layer_has_its_own_fields_and_no_others() -> None:
    definitions = json_schema()["$defs"]
    for type_ in registry.layer:
        fields = definitions[f"layer {type_}"]["properties"].keys()
        assert own_fields(type_).keys() <= fields
    assert "kernel_size" not in definitions["layer ReLU"]["properties"]
    assert definitions["ConvolutionParameter"]["properties"]["group"] == {
        "description": "Number of groups. Input and output channels are split into groups, "
        "and each output group reads only its input group.",
        "type": "integer", "minimum": 0, "maximum": 2**32 - 1, "default": 1,
    }  # fmt: skip


@pytest.mark.parametrize("short", [True, False])
def test_it_takes_what_netc_writes_and_refuses_what_is_wrong(short: bool) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="pip install jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    validator.validate(yaml.safe_load(LENET))
    validator.validate(yaml.safe_load(to_yaml(parse_yaml(LENET).message, short)))
    validator.validate({"layers": ["Input", {"Mine": {"custom": {"a": 1}}}, {"Softmax": None}]})
    for wrong in ({"layers": [{"Convolution": {"kernal_size": 3}}]}, {"nmae": "x"}, {"solver": {"max_iter": "many"}}):
        assert not validator.is_valid(wrong), wrong


BLOCKS = """\
include: [more.yaml]
blocks:
  unit:
    parameters: {n: , filler: {type: xavier}}
    layers:
      - Convolution: {num_output: $n, kernel_size: [$n, 3], weight_filler: $filler, bias_filler: {type: constant, value: $n}}
      - {repeat: $n, layers: ReLU}
  pair: [unit: {n: 3, from: $in, as: x, name: "pair$i"}, Eltwise: {bottom: [$x, $in], operation: $operation}]
layers:
  - Input
  - {repeat: 3, layers: [unit: {n: 3}, pair], as: y}
"""


def test_it_takes_blocks_and_repeats() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="pip install jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.validate(yaml.safe_load(BLOCKS))
    for right, wrong in (
        ("$n, kernel", "n, kernel"), ("repeat: 3", "repeat: 0"), ("repeat: 3, layers", "repeat: 3, layer"), ("parameters:", "parameter:"),
        ("num_output: $n", "num_outputs: $n"), ("as: y", "az: y"), ("- {repeat: 3, layers: [unit: {n: 3}, pair], as: y}", "- {repeat: 3}"),
    ):  # fmt: skip
        assert right in BLOCKS and not validator.is_valid(yaml.safe_load(BLOCKS.replace(right, wrong))), wrong


def test_comments_are_found_by_full_name() -> None:
    found = comments(pb.DropoutParameter.DESCRIPTOR)
    assert found["netc.DropoutParameter.dropout_ratio"] == "Probability that a value is set to zero, from 0 to 1."
    assert all(name.startswith("netc.DropoutParameter") for name in found)
    assert comments(pb.Phase.DESCRIPTOR)["netc.Phase.TRAIN"].startswith("Training")
