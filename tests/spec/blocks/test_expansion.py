"""Blocks and repeats: what they expand to, and the errors of their uses."""

from pathlib import Path

import pytest

from netc import netc_pb2 as pb
from netc.errors import SpecError
from netc.spec import parse_yaml, to_yaml
from netc.spec.blocks.definitions import MOST_BLOCKS, MOST_PARAMETERS
from netc.spec.blocks.expansion import DEEPEST, MOST_LAYERS

RESIDUAL = """\
blocks:
  unit:
    parameters: {n: , kernel: 3, stride: 1, filler: {type: gaussian, std: 0.1}}
    layers:
      - Convolution: {num_output: $n, kernel_size: $kernel, pad: $kernel//2, stride: $stride, weight_filler: $filler}
      - BatchNorm: {top: $last}
  residual:
    - unit: {n: $n, kernel: 1, stride: 2, as: short}
    - unit: {n: $n, stride: 2, from: $in}
    - ReLU
    - Eltwise: {bottom: [$last, $short]}
"""


def layers(text: str, blocks: str = "") -> list[pb.LayerParameter]:
    return list(parse_yaml(f"{blocks}layers: [{text}]").message.layer)


def errors(text: str, blocks: str = "") -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_yaml(f"{blocks}layers: [{text}]", path="n.yaml")
    return [str(d) for d in caught.value.diagnostics]


def test_a_net_of_blocks_is_the_net_with_its_layers_written_out() -> None:
    written = """\
      Input,
      {Convolution: {name: residual1/unit1/conv1, num_output: 4, kernel_size: 1, pad: 0, stride: 2,
        weight_filler: {type: gaussian, std: 0.1}}},
      {BatchNorm: {name: residual1/unit1/bn1, top: residual1/unit1/conv1}},
      {Convolution: {name: residual1/unit2/conv1, bottom: data, num_output: 4, kernel_size: 3, pad: 1, stride: 2,
        weight_filler: {type: gaussian, std: 0.1}}},
      {BatchNorm: {name: residual1/unit2/bn1, top: residual1/unit2/conv1}},
      {ReLU: {name: residual1/relu1}},
      {Eltwise: {name: residual1/eltwise1, bottom: [residual1/unit2/conv1, residual1/unit1/conv1]}},
      {InnerProduct: {num_output: 2}}"""
    assert layers("Input, {residual: {n: 4}}, {InnerProduct: {num_output: 2}}", RESIDUAL) == layers(written)


def test_the_expansion_reads_back_equal() -> None:
    net = parse_yaml(f"{RESIDUAL}layers: [Input, {{residual: {{n: 4}}}}, {{repeat: 2, layers: [unit: {{n: 3}}]}}]").message
    assert parse_yaml(to_yaml(net)).message == parse_yaml(to_yaml(net, short=False)).message == net


def test_names_count_the_uses_of_a_block() -> None:
    blocks = "blocks:\n  a: [ReLU, b, b]\n  b: [{Sigmoid: {name: s}}]\n"
    net = layers("Input, a, {a: {name: mine}}, a, {repeat: 2, layers: [b, TanH]}", blocks)
    assert [x.name for x in net] == [
        "data", "a1/relu1", "a1/b1/s", "a1/b2/s", "mine/relu1", "mine/b1/s", "mine/b2/s", "a2/relu1", "a2/b1/s", "a2/b2/s",
        "b1/s", "tanh1", "b2/s", "tanh2",
    ]  # fmt: skip


def test_a_name_that_is_taken_is_not_given_again() -> None:
    net = layers("Input, {a: {name: a1}}, a, {ReLU: {name: relu1}}, ReLU", "blocks:\n  a: [ReLU]\n")
    assert [x.name for x in net] == ["data", "a1/relu1", "a2/relu1", "relu1", "relu2"]
    (error,) = errors("Input, {repeat: 2, layers: [{a: {name: x}}]}", "blocks: {a: [ReLU]}\n")
    assert "The name 'x' is taken by the block at n.yaml:2:" in error and "`name: x$i`" in error


@pytest.mark.parametrize("text, value", [
    ("conv$k", "conv6"), ("${k}x", "6x"), ("$k-$k", "6-6"), ("$$k", "$k"), ("a$$", "a$"), ("$k*4", "24"),
    ("$k*$k", "36"), ("3*$k", "18"), ("$k//4", "1"), ("$k // 2", "3"), ("$k/2", "6/2"),
])  # fmt: skip
def test_values_in_texts(text: str, value: str) -> None:
    (_, layer) = layers("Input, {a: {k: 6}}", f"blocks:\n  a: [{{ReLU: {{name: n, custom: {{x: $k, y: '{text}'}}}}}}]\n")
    assert layer.custom["y"] == value


def test_values_keep_their_kind() -> None:
    blocks = "blocks:\n  a: [{Convolution: {num_output: $k, kernel_size: $z, weight_filler: $f, custom: {k: $k}}}]\n"
    (_, layer) = layers("Input, {a: {k: 3, f: {type: gaussian, std: 2}, z: [1, 2]}}", blocks)
    assert layer.convolution_param.num_output == 3 and list(layer.convolution_param.kernel_size) == [1, 2]
    assert layer.convolution_param.weight_filler == pb.FillerParameter(type="gaussian", std=2)
    assert layer.custom["k"] == 3


def test_a_default_may_use_other_parameters() -> None:
    blocks = "blocks:\n  a: {parameters: {n: , wide: $n*4}, layers: [{InnerProduct: {num_output: $wide}}]}\n"
    assert [x.inner_product_param.num_output for x in layers("Input, {a: {n: 2}}, {a: {n: 2, wide: 5}}", blocks)[1:]] == [8, 5]


def test_blobs_that_a_block_names_are_its_own() -> None:
    blocks = "blocks:\n  a: [{Slice: {top: [p, q]}}, {Eltwise: {bottom: [p, q, $other]}}, {SoftmaxWithLoss: {top: l}}]\n"
    net = layers("{Input: {top: [data, label, p]}}, {a: {other: p}}, {a: {other: a1/q}}", blocks)
    assert [(list(x.bottom), list(x.top)) for x in net[1:]] == [
        (["data"], ["a1/p", "a1/q"]),
        (["a1/p", "a1/q", "p"], ["a1/eltwise1"]),
        (["a1/eltwise1", "label"], ["a1/l"]),
        (["a1/eltwise1"], ["a2/p", "a2/q"]),
        (["a2/p", "a2/q", "a1/q"], ["a2/eltwise1"]),
        (["a2/eltwise1", "label"], ["a2/l"]),
    ]


def test_results_have_names() -> None:
    net = layers("Input, {LRN: {as: s}}, {repeat: 2, layers: [MVN], as: t, from: data}, {Concat: {bottom: [$s, $t, $last]}}")
    assert [list(x.bottom) for x in net[1:]] == [["data"], ["data"], ["mvn1"], ["norm1", "mvn2", "mvn2"]]
    (_, one, two) = layers("Input, {type: LRN, as: s}, {type: a, x: $s}", "blocks: {a: [{ReLU: {bottom: $x}}]}\n")
    assert list(two.bottom) == list(one.top) == ["norm1"]


def test_no_layer_overwrites_a_blob_that_is_read_again() -> None:
    blocks = "blocks: {a: [ReLU, TanH, {Eltwise: {bottom: [$last, $in]}}, ReLU]}\n"
    net = layers("Input, a, a, ReLU", blocks)
    assert [(list(x.bottom), list(x.top)) for x in net[1:]] == [
        (["data"], ["a1/relu1"]),
        (["a1/relu1"], ["a1/relu1"]),
        (["a1/relu1", "data"], ["a1/eltwise1"]),
        (["a1/eltwise1"], ["a1/eltwise1"]),
        (["a1/eltwise1"], ["a2/relu1"]),
        (["a2/relu1"], ["a2/relu1"]),
        (["a2/relu1", "a1/eltwise1"], ["a2/eltwise1"]),
        (["a2/eltwise1"], ["a2/eltwise1"]),
        (["a2/eltwise1"], ["a2/eltwise1"]),
    ]


def test_a_nested_block_that_reads_the_input_keeps_it() -> None:
    blocks = "blocks:\n  a: [ReLU, b, {b: {from: $in}}]\n  b: [{InnerProduct: {num_output: 2}}]\n"
    net = layers("Input, a", blocks)
    assert [(list(x.bottom), list(x.top)) for x in net[1:]] == [
        (["data"], ["a1/relu1"]),
        (["a1/relu1"], ["a1/b1/ip1"]),
        (["data"], ["a1/b2/ip1"]),
    ]


def test_a_top_that_overwrites_what_is_read_below() -> None:
    blocks = "blocks:\n  a: [{BatchNorm: {top: $last}}, ReLU, {Eltwise: {bottom: [$last, $in]}}]\n"
    (error,) = errors("Input, a", blocks)
    text = "The top would overwrite the blob 'data', which a layer below reads as it was. Leave out `top`."
    assert error == f"n.yaml:2:7: BatchNorm: {text}\n    in block 'a', used at n.yaml:3:17"
    net = layers("Input, a, a", blocks.replace("$in", "$last"))
    assert [list(x.top) for x in net[1:4]] == [["data"], ["data"], ["a1/eltwise1"]]


def test_a_shared_parameter_has_one_name_in_all_uses() -> None:
    net = layers("Input, a, a", "blocks: {a: [{InnerProduct: {num_output: 3, param: {name: w}}}]}\n")
    assert [x.param[0].name for x in net[1:]] == ["w", "w"]


def test_anchors_and_merges() -> None:
    blocks = "blocks:\n  a: [&x {InnerProduct: &y {num_output: $n, bias_term: false}}, *x, {InnerProduct: {<<: *y, bias_term: true}}]\n"
    net = layers("Input, {a: &v {n: 3}}, {a: *v}, {a: {<<: *v, n: 5}}", blocks)
    assert [x.inner_product_param.num_output for x in net[1:]] == [3] * 6 + [5] * 3
    assert [x.inner_product_param.bias_term for x in net[1:4]] == [False, False, True]


def test_the_dollar_means_nothing_outside_of_blocks() -> None:
    (data, relu) = layers("{Data: {source: $HOME/x$}}, {ReLU: {bottom: data, top: a$$b}}")
    assert data.data_param.source == "$HOME/x$" and list(relu.top) == ["a$b"]


def test_a_phase_may_be_part_of_a_block() -> None:
    net = layers("Input, a", "blocks: {a: [{Dropout: {include: {phase: TRAIN}}}]}\n")
    assert net[1].include[0].phase == pb.TRAIN


def test_old_inputs_move_the_places() -> None:
    document = parse_yaml("input: x\ninput_shape: {dim: [1, 4]}\nblocks: {a: [{ReLU: {negative_slope: 1}}]}\nlayers: [a]", path="n.yaml")
    assert document.message.layer[1].bottom == ["x"]
    assert document.place("layer", 1, "relu_param").notes == ("in block 'a', used at n.yaml:4:10",)


A = "blocks:\n  a: [{InnerProduct: {num_output: $n, bias_term: $b}}]\n"


@pytest.mark.parametrize("text, expected", [
    ("Input, a", "n.yaml:3:17: Block 'a' needs the parameters `n` and `b`.\n    block 'a' is defined at n.yaml:2:3"),
    ("Input, {a: {n: 3, b: 1, m: 2}}", "n.yaml:3:34: Block 'a' has no parameter 'm'. Known names: as, b, from, n, name."),
    ("Input, {a: {n: 3, b: 1, fro: 2}}", "n.yaml:3:34: Block 'a' has no parameter 'fro'. Did you mean 'from'?"),
    ("Input, {a: {n: 3, b: 1, n: 2}}", "n.yaml:3:34: `n` is set twice."),
    ("Input, {a: 5}", "n.yaml:3:21: Expected the parameters of 'a' as a mapping, got '5'."),
    ("Input, {a: [5]}", "n.yaml:3:21: Expected the parameters of 'a' as a mapping, got a list."),
    ("Input, aa", "n.yaml:3:17: There is no layer type or block 'aa'. Did you mean 'a'?"),
    ("Input, {a: {n: x, b: 1}}", "n.yaml:2:35: `num_output` must be a whole number, got 'x'.\n    in block 'a', used at n.yaml:3:18"),
    ("Input, {a: {n: $in, b: 1}}", "n.yaml:3:25: There is no value for `$in` here. Only a block has one."),
    ("Input, {a: {n: $last, b: 1}}", "n.yaml:2:35: `$n` is a blob. It can be a bottom, a top, or an argument of a block."),
    ("Input, {a: {n: 3, b: 1, as: [x]}}", "n.yaml:3:38: `as` must be a name of letters, digits and `_`, got a list."),
    ("Input, {a: {n: 3, b: 1, from: [x]}}", "n.yaml:3:40: `from` must be the name of a blob, got a list."),
    ("Input, {a: {n: 3, b: 1, name: [x]}}", "n.yaml:3:40: `name` must be a text, got a list."),
    ("{ReLU: {bottom: $last}}", "n.yaml:3:26: There is no value for `$last` here. There is no layer above."),
    ("Input, {ReLU: {bottom: $x}}", "n.yaml:3:33: There is no value for `$x` here. Known names: last."),
    ("Input, {ReLU: {bottom: a$}}", "n.yaml:3:33: A `$` needs a name after it, as in `$n`. Write `$$` for the character `$`."),
    ("Input, {repeat: 0, layers: [ReLU]}", f"n.yaml:3:26: `repeat` must be a whole number from 1 to {MOST_LAYERS}, got '0'."),
    ("Input, {repeat: -2, layers: [ReLU]}", "n.yaml:3:26: `repeat` must be a whole number from 1 to 10000, got '-2'."),
    ("Input, {repeat: 1e30, layers: [ReLU]}", "n.yaml:3:26: `repeat` must be a whole number from 1 to 10000, got '1e30'."),
    ("Input, {repeat: , layers: [ReLU]}", "n.yaml:3:26: `repeat` must be a whole number from 1 to 10000, got nothing."),
    ("Input, {repeat: 2}", "n.yaml:3:18: The repeat has no `layers`."),
    ("Input, {repeat: 2, layers: [ReLU], fro: x}", "n.yaml:3:45: A repeat has no field 'fro'. Did you mean 'from'?"),
    ("Input, {repeat: 2, layers: [{ReLU: {negative_slop: 1}}]}", "n.yaml:3:46: ReLU has no field 'negative_slop'."
     " Did you mean 'negative_slope'?\n    in round 1 of the repeat at n.yaml:3:18\n    and in 1 more of its uses"),
])  # fmt: skip
def test_errors_of_a_use(text: str, expected: str) -> None:
    found = errors(text, A)
    assert any(e.startswith(expected) for e in found), found


@pytest.mark.parametrize("text, expected", [
    ("a: [a]", "n.yaml:2:3: Block 'a' uses itself: 'a' (n.yaml:2) -> 'a' (n.yaml:2)."),
    ("a: [{repeat: 2, layers: [b]}]\n  b: [ReLU, c]\n  c: [a]",
     "n.yaml:2:3: Block 'a' uses itself: 'a' (n.yaml:2) -> 'b' (n.yaml:3) -> 'c' (n.yaml:4) -> 'a' (n.yaml:2)."),
    ("a: []", "n.yaml:2:3: Block 'a' has no layers."),
    ("a: {parameters: n}", "n.yaml:2:3: Block 'a' has no layers."),
    ("ReLU: [TanH]", "n.yaml:2:3: 'ReLU' is a layer type. Give the block another name."),
    ("in: [TanH]", "n.yaml:2:3: 'in' has a meaning of its own. Give the block another name."),
    ("repeat: [TanH]", "n.yaml:2:3: 'repeat' has a meaning of its own. Give the block another name."),
    ("a b: [TanH]", "n.yaml:2:3: 'a b' is no name for a block. Use letters, digits and `_`, and begin with a letter."),
    ("a: [TanH]\n  a: [ReLU]", "n.yaml:3:3: Block 'a' is defined twice, first at n.yaml:2:3."),
    ("a: {layer: [TanH]}", "n.yaml:2:7: A block is a list of layers, or a mapping with `layers` and `parameters`, got 'layer'."
     " Did you mean 'layers'?"),
    ("a: {parameters: [n], layers: [{ReLU: {negative_slope: $m}}]}", "n.yaml:2:19: Block 'a' uses `$m`, which is no parameter."),
    ("a: {parameters: [n, n], layers: [{ReLU: {negative_slope: $n}}]}", "n.yaml:2:23: Block 'a' has the parameter 'n' twice."),
    ("a: {parameters: [3], layers: [ReLU]}", "n.yaml:2:20: A parameter must be a name of letters, digits and `_`, got '3'."),
    ("a: {parameters: {from: 1}, layers: [{ReLU: {negative_slope: $from}}]}",
     "n.yaml:2:3: Block 'a': 'from' cannot be a parameter, because it has another meaning in blocks."),
])  # fmt: skip
def test_errors_of_a_definition(text: str, expected: str) -> None:
    found = errors("Input, a", f"blocks:\n  {text}\n")
    assert any(e.startswith(expected) for e in found), found


def test_all_errors_are_listed_and_none_that_follows_from_another() -> None:
    found = errors("Input, {a: {n: 3}}, {InnerProduct: {num_outputs: 3}}, {repeat: 0, layers: [ReLU]}, {Eltwise: {bottom: [x, y]}}", A)
    assert [e.split(": ")[0] for e in found] == ["n.yaml:3:18", "n.yaml:3:46", "n.yaml:3:73"]


def test_a_misspelled_key() -> None:
    assert errors("Input, a", "bloks: {a: [ReLU]}\n")[0].startswith("n.yaml:1:1: NetParameter has no field 'bloks'. Did you mean 'blocks'?")


def test_warnings() -> None:
    blocks = "blocks:\n  a: [ReLU]\n  b: {parameters: [n, m], layers: [{ReLU: {negative_slope: $n}}]}\n"
    document = parse_yaml(f"{blocks}layers: [Input, {{b: {{n: 1, m: 2}}}}]", path="n.yaml")
    assert [str(w) for w in document.warnings] == [
        "n.yaml:2:3: Block 'a' is not used.",
        "n.yaml:3:19: Block 'b' does not use its parameter 'm'.",
    ]


def nested(body: str, last: str, levels: int = 35) -> str:
    """Blocks that each use the next one as `body` says, where # is its name."""
    chain = "".join(f"  b{k}: {body.replace('#', f'b{k + 1}')}\n" for k in range(levels))
    return f"blocks:\n{chain}  b{levels}: {last}\n"


@pytest.mark.parametrize("text, blocks, expected", [
    ("Input, b0", nested("[#, #]", "[ReLU]"), "expand to far more"),
    ("{b0: {x: [1, 2]}}", nested("[#: {x: [$x, $x]}]", "[{Input: {top: $x}}]"), "expand to far more"),
    ("{b0: {x: abcdefghij}}", nested("[#: {x: $x$x$x}]", "[{Input: {top: $x}}]"), "expand to far more"),
    ("Input, {repeat: 9999, layers: [{repeat: 9999, layers: [ReLU]}]}", "", "expand to far more"),
    ("Input, b0", nested("[#]", "[ReLU]", DEEPEST + 1), f"nested more than {DEEPEST} deep"),
    ("Input", nested("[#]", "[ReLU]", MOST_BLOCKS + 1), f"The limit is {MOST_BLOCKS}"),
    ("Input", f"blocks:\n  a: {{parameters: [{', '.join(f'p{k}' for k in range(MOST_PARAMETERS + 1))}], layers: [ReLU]}}\n",
     f"The limit is {MOST_PARAMETERS}"),
])  # fmt: skip
def test_expansion_is_bounded(text: str, blocks: str, expected: str) -> None:
    assert expected in errors(text, blocks)[-1]


def test_a_net_of_many_layers_is_no_error() -> None:
    assert len(layers("Input, {repeat: 500, layers: [ReLU, {repeat: 3, layers: [TanH]}]}")) == 2001


def test_a_use_is_known_by_type_too(tmp_path: Path) -> None:
    blocks = "blocks: {a: [{InnerProduct: {num_output: $n}}]}\n"
    assert layers("Input, {type: a, n: 3}", blocks) == layers("Input, {a: {n: 3}}", blocks)
