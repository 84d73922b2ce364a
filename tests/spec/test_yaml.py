"""YAML nets: shorthands, values by field type, defaults, places, errors."""

import math

import pytest
from google.protobuf.struct_pb2 import ListValue, Struct

from netc import netc_pb2 as pb
from netc.errors import Place, SpecError
from netc.spec import parse_prototxt, parse_yaml

LENET = """\
name: lenet
layers:
  - Data: {source: mnist, batch_size: 64, test_batch_size: 100, scale: 0.00390625}
  - Convolution: {num_output: 20, kernel_size: 5, weight_filler: xavier}
  - Pooling: {kernel_size: 2, stride: 2}
  - Convolution: {num_output: 50, kernel_size: 5, weight_filler: xavier}
  - Pooling: {kernel_size: 2, stride: 2}
  - InnerProduct: {num_output: 500, weight_filler: xavier}
  - ReLU
  - InnerProduct: {num_output: 10, weight_filler: xavier}
  - Accuracy
  - SoftmaxWithLoss
solver: {type: SGD, base_lr: 0.01, momentum: 0.9, max_iter: 10000}
"""

SAME = """
name: "lenet"
layer { name: "data" type: "Data" top: "data" top: "label"
        transform_param { scale: 0.00390625 } data_param { source: "mnist" batch_size: 64 test_batch_size: 100 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 20 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
        convolution_param { num_output: 50 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1"
        inner_product_param { num_output: 500 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
        inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
solver { type: "SGD" base_lr: 0.01 momentum: 0.9 max_iter: 10000 }
"""

SOLVER_FIELDS = len(pb.SolverParameter.DESCRIPTOR.fields)


def layers(text: str) -> list[pb.LayerParameter]:
    return list(parse_yaml(f"layers: [{text}]").message.layer)


def errors(text: str, message_type: type = pb.NetParameter) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, message_type, "n.yaml")
    return [str(f) for f in caught.value.diagnostics]


def test_lenet_is_what_caffe_spells() -> None:
    assert parse_yaml(LENET).message == parse_prototxt(SAME).message


def test_spelled_out_layers_read_the_same() -> None:
    spelled = "{type: Convolution, name: c, bottom: [x], top: [y], convolution_param: {num_output: 2, kernel_size: [3, 1]}}"
    short = "Convolution: {name: c, bottom: x, top: y, num_output: 2, kernel_size: [3, 1]}"
    assert layers(spelled) == layers(short)


def test_layer_and_layers_are_one_field() -> None:
    assert parse_yaml("layer: [{Data: {source: a}}]").message == parse_yaml("layers: {Data: {source: a}}").message


def test_fields_of_both_messages_of_a_data_layer() -> None:
    (data,) = layers("Data: {source: a, scale: 2, mirror: yes, crop_size: 3, mean_file: m, mean_value: [1, 2]}")
    assert not data.data_param.HasField("scale")
    assert data.transform_param == pb.TransformationParameter(scale=2, mirror=True, crop_size=3, mean_file="m", mean_value=[1, 2])


def test_dead_fields_can_still_be_spelled() -> None:
    (data,) = layers("Data: {source: a, scale: 2, data_param: {scale: 3}}")
    assert (data.transform_param.scale, data.data_param.scale, data.data_param.source) == (2, 3, "a")


def test_default_bottoms_and_tops() -> None:
    net = layers(
        "Input, InnerProduct, ReLU, {Sigmoid: {top: s}}, {ReLU: {bottom: ip1}}, {Slice: {top: [a, b]}}, Dropout,"
        " {SoftmaxWithLoss: {top: [l, p]}}, {Eltwise: {bottom: [a, b]}}, Silence"
    )
    assert [(list(x.bottom), list(x.top)) for x in net] == [
        ([], ["data"]),
        (["data"], ["ip1"]),
        (["ip1"], ["ip1"]),
        (["ip1"], ["s"]),
        (["ip1"], ["relu2"]),
        (["relu2"], ["a", "b"]),
        (["a"], ["a"]),
        (["a", "label"], ["l", "p"]),
        (["a", "b"], ["eltwise1"]),
        (["eltwise1"], []),
    ]


def test_default_names_keep_clear_of_written_ones() -> None:
    net = layers("{Input: {top: x}}, {InnerProduct: {name: ip2}}, InnerProduct, InnerProduct, {InnerProduct: {name: ip1}}")
    assert [x.name for x in net] == ["data", "ip2", "ip3", "ip4", "ip1"]


def test_a_plug_in_type() -> None:
    source, mine = layers("Mine, {Mine: {custom: {a: 1e-3, b: [on, 'on', true, ~], c: {d: text}}}}")
    assert (list(source.bottom), source.name, list(source.top)) == ([], "mine1", ["mine1"])
    assert list(mine.bottom) == ["mine1"]
    assert dict(mine.custom.items())["a"] == 0.001
    listed, inner = mine.custom["b"], mine.custom["c"]
    assert isinstance(listed, ListValue) and list(listed) == ["on", "on", True, None]
    assert isinstance(inner, Struct) and inner["d"] == "text"


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("base_lr", "1e-3", pb.SolverParameter(base_lr=1e-3).base_lr),
        ("base_lr", ".5", 0.5),
        ("base_lr", "-.inf", -math.inf),
        ("base_lr", "'2'", 2.0),
        ("max_iter", "010", 10),
        ("max_iter", "-3", -3),
        ("snapshot_diff", "on", True),
        ("snapshot_diff", "No", False),
        ("snapshot_diff", "1", True),
        ("net", "on", "on"),
        ("net", "010", "010"),
        ("net", "''", ""),
        ("net", "null", "null"),
        ("solver_mode", "CPU", 0),
        ("snapshot_format", "SAFETENSORS", 1000),
        ("test_iter", "7", [7]),
        ("stepvalue", "[1, 2]", [1, 2]),
    ],
)
def test_values_are_read_by_the_field(field: str, text: str, value: object) -> None:
    read = getattr(parse_yaml(f"{field}: {text}", pb.SolverParameter).message, field)
    assert (list(read) if isinstance(value, list) else read) == value


def test_nan() -> None:
    assert math.isnan(parse_yaml("base_lr: .nan", pb.SolverParameter).message.base_lr)


def test_tilde_leaves_a_field_unset() -> None:
    (layer,) = layers("{Input: {name: ~, top: []}}")
    assert not layer.HasField("name")
    assert not layer.top


def test_a_filler_is_its_type_or_a_mapping() -> None:
    fillers = layers("{DummyData: {data_filler: [constant, {type: gaussian, std: 2}], shape: {dim: 1}}}")[0].dummy_data_param
    assert [f.type for f in fillers.data_filler] == ["constant", "gaussian"]


def test_anchors_and_merges() -> None:
    net = parse_yaml(
        "layers:\n  - Input\n  - InnerProduct: &ip {num_output: 4, weight_filler: &x xavier}\n"
        "  - InnerProduct: {<<: *ip, num_output: 5}\n  - InnerProduct: {<<: [{bias_term: no}, *ip], bias_filler: *x}\n"
    ).message
    assert [x.inner_product_param.num_output for x in net.layer[1:]] == [4, 5, 4]
    assert [x.inner_product_param.weight_filler.type for x in net.layer[1:]] == ["xavier"] * 3
    assert not net.layer[3].inner_product_param.bias_term


def test_places() -> None:
    document = parse_yaml(LENET, path="nets/lenet.yaml")
    assert str(document.place("layer", 1, "convolution_param", "kernel_size", 0)) == "nets/lenet.yaml:4:35"
    assert str(document.place("layer", 1, "convolution_param", "pad")) == "nets/lenet.yaml:4:5"
    assert str(document.place("layer", 6, "bottom", 0)) == "nets/lenet.yaml:9:5"
    assert str(document.place("solver", "max_iter")) == "nets/lenet.yaml:13:51"
    assert document.place("nothing") == document.place() == Place("nets/lenet.yaml")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("layers:\n  - Input\n  - Convolution: {kernal_size: 5}",
         ["n.yaml:3:19: Convolution has no field 'kernal_size'. Did you mean 'kernel_size'?"]),
        ("nmae: x", ["n.yaml:1:1: NetParameter has no field 'nmae'. Did you mean 'name'?"]),
        ("max_iter: 5",
         ["n.yaml:1:1: NetParameter has no field 'max_iter'. It is a field of the solver: write `solver: {max_iter: ...}`."]),
        ("layers: [Input, {Convolution: {num_output: many}}]",
         ["n.yaml:1:44: `num_output` must be a whole number, got 'many'."]),
        ("layers: [Input, {Convolution: {num_output: -1}}]",
         ["n.yaml:1:44: `num_output` must be a whole number of 0 or more, got '-1'."]),
        ("layers: [Input, {Convolution: {num_output: }}]", ["n.yaml:1:32: `num_output` has no value."]),
        ("layers: [Input, {Convolution: {num_output: [1]}}]", ["n.yaml:1:44: `num_output` must be a single value, got a list."]),
        ("layers: [Input, {Pooling: {pool: max}}]", ["n.yaml:1:34: `pool` cannot be 'max'. Did you mean 'MAX'?"]),
        ("solver: {base_lr: 1e39}", ["n.yaml:1:19: `base_lr` must be a number below 3.4e38, got '1e39'."]),
        ("solver: {base_lr: 0,1}", [f"n.yaml:1:21: SolverParameter has no field '1'. None of the {SOLVER_FIELDS} known names is similar."]),
        ("solver: {snapshot_diff: maybe}", ["n.yaml:1:25: `snapshot_diff` must be true or false, got 'maybe'."]),
        ("solver: 3", ["n.yaml:1:9: `solver` must be a mapping of the fields of SolverParameter, got '3'."]),
        ("- Input", ["n.yaml:1:1: The file must be a mapping of the fields of NetParameter, got a list."]),
        ("name: a\nname: b", ["n.yaml:2:1: `name` is set twice, first at 1:1."]),
        ("layers: [Input]\nlayer: [Input]", ["n.yaml:2:1: `layer` is set twice, first at 1:1."]),
        ("layers: [Input, {Pooling: {stride: 2, pooling_param: {stride: 2}}}]",
         ["n.yaml:1:55: `stride` is set twice, first at 1:28."]),
        ("layers:\n  - Input\n  - Eltwise",
         ["n.yaml:3:5: Eltwise: `bottom` is missing. The layer reads several blobs: add `bottom: [a, b]`."]),
        ("layers: [ReLU]", ["n.yaml:1:10: ReLU: `bottom` is missing. There is no layer above to read from."]),
        ("layers: [Input, {Clip: {min: 1}}]", ["n.yaml:1:17: `max` is missing in ClipParameter."]),
        ("layers: [Input, Clip]", ["n.yaml:1:17: Clip: `min` and `max` are missing."]),
        ("layers: [Input, {Convolutoin: {num_output: 1}}]",
         ["n.yaml:1:18: There is no layer type 'Convolutoin'. Did you mean 'Convolution'?"]),
        ("layers:\n  - Input\n  - Pooling:\n    stride: 2",
         ["n.yaml:3:5: The fields of 'Pooling' are not indented. Indent them by two spaces more than 'Pooling'."]),
        ("layers:\n  Input:\n  Pooling: {stride: 2}",
         ["n.yaml:2:3: The fields of 'Input' are not indented. Indent them by two spaces more than 'Input'."]),
        ("layers: [{Input: {}, ReLU: {}}]", ["n.yaml:1:10: The layers must be a list. Write `- Input`, each layer on its own line."]),
        ("layers: [{name: x, top: y}]",
         ["n.yaml:1:10: A layer is `Type`, `Type: {fields}` or a mapping with `type`, got fields without a type (name, top)."]),
        ("layers: [[Input]]",
         ["n.yaml:1:10: A layer is `Type`, `Type: {fields}` or a mapping with `type`, got a list."]),
        ("layers: [Input, {ReLU: 3}]", ["n.yaml:1:24: Expected the fields of 'ReLU' as a mapping, `{field: value, ...}`, got '3'."]),
        ("name: [a", ["n.yaml:1:7: This '[' is not closed, or a comma is missing. This shows on line 1."]),
        ("layers:\n\t- Input\n  - ReLU", ["n.yaml:2:1: This line is indented with a tab. YAML allows only spaces."]),
        ("name: a\x07b", ["n.yaml:1:8: YAML does not allow the character #x0007 here."]),
        ("{[a]: b}", ["n.yaml:1:2: A key must be the name of a field, got a list."]),
        ("<<: 3", ["n.yaml:1:5: `<<` merges mappings, got '3'."]),
        ("layers: &a [*a]", ["n.yaml:1:9: This alias is inside the value that it refers to."]),
        ("[" * 2000 + "]" * 2000, ["n.yaml: The mappings and lists are nested too deeply."]),
    ],
)  # fmt: skip
def test_errors(text: str, wanted: list[str]) -> None:
    assert errors(text) == wanted


def test_all_errors_at_once_in_the_order_of_the_text() -> None:
    found = errors("nmae: x\nlayers:\n  - Input: {top: 1, tpo: 2}\n  - Pooling: {pool: AVG, kernel_size: x}\nsolver: {gama: 1}")
    assert [f.split(": ")[0] for f in found] == ["n.yaml:1:1", "n.yaml:3:21", "n.yaml:4:21", "n.yaml:4:39", "n.yaml:5:10"]


def test_aliases_do_not_explode() -> None:
    levels = "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]\n" for i in range(1, 10))
    assert (
        "Its aliases expand to 125479 lists, mappings and values, far more than the file contains." in errors(f"x0: &x0 [a]\n{levels}")[0]
    )
