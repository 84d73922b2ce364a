"""NetParameter to Net: phases, rules, names, blobs, losses, and the deployed net."""

from pathlib import Path
from typing import Any

import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.errors import Place, SpecError
from netc.net.model import DEPLOY, TEST, TRAIN, ResolvedNet
from netc.net.resolve import resolve
from netc.net.variants import deployed, pretraining
from netc.spec import parse_prototxt, parse_yaml

registry.load()
INPUT = "  - Input: {name: input, top: [data, label], shape: [{dim: [4, 3]}, {dim: [4]}]}\n"


def net(layers: str, phase: str = TRAIN, head: str = "", **state: Any) -> ResolvedNet:
    return resolve(parse_yaml(f"name: n\n{head}layers:\n{layers}", path="n.yaml"), phase, **state)


def errors(layers: str, phase: str = TRAIN) -> list[str]:
    with pytest.raises(SpecError) as error:
        net(layers, phase)
    return [str(f) for f in error.value.diagnostics]


def names(found: ResolvedNet) -> list[str]:
    return [layer.name for layer in found.layers]


def test_layers_of_a_phase() -> None:
    layers = INPUT + "  - ReLU: {name: a, include: {phase: TRAIN}}\n  - ReLU: {name: b, exclude: {phase: TRAIN}}\n  - ReLU: {name: c}\n"
    assert names(net(layers)) == ["input", "a", "c"] and names(net(layers, TEST)) == ["input", "b", "c"]


@pytest.mark.parametrize("rule, state, runs", [
    ("include: {stage: deep}", {}, False), ("include: {stage: deep}", {"stages": ["deep"]}, True),
    ("include: {stage: [deep, wide]}", {"stages": ["deep"]}, False),
    ("include: [{stage: deep}, {stage: wide}]", {"stages": ["wide"]}, True),
    ("include: {not_stage: deep}", {"stages": ["deep"]}, False), ("include: {not_stage: deep}", {}, True),
    ("include: {min_level: 2}", {"level": 1}, False), ("include: {min_level: 2}", {"level": 2}, True),
    ("include: {max_level: 2}", {"level": 3}, False), ("exclude: {min_level: 1, max_level: 3}", {"level": 2}, False),
    ("exclude: [{phase: TEST}, {stage: deep}]", {"stages": ["deep"]}, False), ("exclude: {phase: TRAIN, stage: deep}", {}, True),
    ("include: {phase: TRAIN, stage: deep}", {"stages": ["deep"]}, True), ("include: {}", {}, True),
])  # fmt: skip
def test_rules(rule: str, state: dict[str, Any], runs: bool) -> None:
    assert ("a" in names(net(INPUT + f"  - ReLU: {{name: a, {rule}}}\n", **state))) is runs


def test_the_state_of_the_file_counts() -> None:
    layers = INPUT + "  - ReLU: {name: a, include: {stage: deep, min_level: 1}}\n"
    assert "a" in names(net(layers, head="state: {stage: deep, level: 1}\n"))
    assert "a" not in names(net(layers, head="state: {stage: deep, level: 1}\n", level=0))


def test_both_kinds_of_rules_are_an_error() -> None:
    assert errors(INPUT + "  - ReLU: {name: a, include: {phase: TRAIN}, exclude: {phase: TEST}}\n") == [
        "n.yaml:4:46: Layer 'a': It has both `include` and `exclude` rules. Use only one kind."
    ]


def test_weights_of_rows_that_no_loss_reads(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y,w\n1,p,1\n2,q,2\n3,p,0\n")
    table = f"  - Table: {{source: {tmp_path}/t.csv, label: y, columns: {{a: number}}, batch_size: 2, weight: w}}\n  - Encode\n"
    (found,) = errors(table + "  - InnerProduct: {num_output: 2}\n  - SoftmaxWithLoss\n")
    assert found.endswith("Layer 'data': No layer reads the weights of the rows. Add them to the loss: "
                          "`SoftmaxWithLoss: {bottom: [ip1, label, weight]}`.")  # fmt: skip
    assert net(table + "  - InnerProduct: {num_output: 2}\n  - SoftmaxWithLoss: {bottom: [ip1, label, weight]}\n") and net(table)


def test_a_phase_without_layers() -> None:
    assert errors("  - ReLU: {name: a, bottom: x, include: {phase: TRAIN}}\n", TEST) == ["n.yaml: The net has no layers in phase TEST."]
    with pytest.raises(SpecError, match=r"n.yaml: The net has no layers"):
        resolve(parse_yaml("name: n", path="n.yaml"))


def test_outputs_are_what_no_layer_reads() -> None:
    layers = INPUT + "  - ReLU: {name: b, bottom: data, top: b}\n  - ReLU: {name: a, bottom: data, top: a}\n  - ReLU: {bottom: b, top: b}\n"
    assert net(layers).outputs == ["a", "b", "label"]


def test_losses_weigh_one_unless_told() -> None:
    layers = INPUT + (
        "  - EuclideanLoss: {name: l, bottom: [data, data]}\n  - EuclideanLoss: {name: k, bottom: [data, data], loss_weight: 0.5}\n"
        "  - ReLU: {name: r, bottom: data, top: r, loss_weight: 2}\n"
    )
    assert [layer.loss_weights for layer in net(layers).layers] == [(0, 0), (1,), (0.5,), (2,)]


def test_a_loss_writes_a_blob_of_its_name() -> None:
    message = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 } } }\n'
    message += 'layer { name: "l" type: "EuclideanLoss" bottom: "d" bottom: "d" }'
    assert resolve(parse_prototxt(message, pb.NetParameter, "n")).layers[1].tops == ("l",)


def test_inputs_of_older_deploy_files() -> None:
    found = resolve(
        parse_prototxt(
            'input: "data" input_shape { dim: 2 dim: 3 }\nlayer { name: "r" type: "ReLU" bottom: "data" top: "r" }', pb.NetParameter, "n"
        ),
        TEST,
    )
    assert (
        found.layers[0].type == "Input"
        and found.layers[0].tops == ("data",)
        and list(found.layers[0].param.input_param.shape[0].dim) == [2, 3]
    )
    old = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 5\nlayer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    assert list(resolve(parse_prototxt(old, pb.NetParameter, "n"), TEST).layers[0].param.input_param.shape[0].dim) == [1, 3, 4, 5]


def test_errors_of_names_and_blobs_are_all_told() -> None:
    found = errors(
        INPUT
        + "  - ReLU: {name: a, bottom: dat, top: a}\n  - ReLU: {name: a, bottom: later, top: b}\n"
        + "  - ReLU: {name: c, bottom: data, top: label}\n"
        "  - ReLU: {name: later, bottom: data, top: later}\n"
    )
    assert found == [
        "n.yaml:4:21: Layer 'a': It reads 'dat', which no layer above writes. Did you mean 'data'?",
        "n.yaml:5:21: Layer 'a#2': It reads 'later', which layer 'later' (n.yaml:7:5) writes further down. "
        "Move this layer below it, or read a blob from above.",
        "n.yaml:6:35: Layer 'c': It writes 'label', which layer 'input' (n.yaml:3:5) writes too. "
        "Only a layer that reads 'label' may write it, in place.",
    ]


@pytest.mark.parametrize("layer, sentence", [
    ("Concat: {bottom: [data, data], top: [a, b]}", "Concat takes 1 top, got 2 (a, b)"),
    ("Pooling: {bottom: [data, data], top: data, kernel_size: 2}", "Pooling takes 1 bottom, got 2 (data, data)"),
    ("ReLU: {bottom: data, top: [a, b]}", "ReLU takes 1 top, got 2 (a, b)"),
    ("EuclideanLoss: {bottom: [data, data], loss_weight: [1, 2]}", "There are 2 `loss_weight` for 1 tops. Add one for each, or none."),
    ("{type: '', name: x}", "The type is missing."),
    ("Flatten: {bottom: data, top: data}", "Flatten cannot run in place"),
])  # fmt: skip
def test_a_layer_that_does_not_fit_its_type(layer: str, sentence: str) -> None:
    found = errors(INPUT + f"  - {layer}\n")
    assert any(sentence in f and f.startswith("n.yaml:4:") for f in found), found


def test_the_deployed_net_has_scores_in_place_of_losses() -> None:
    layers = INPUT + (
        "  - InnerProduct: {name: ip, bottom: data, num_output: 2}\n  - Accuracy\n  - SoftmaxWithLoss\n"
        "  - ReLU: {name: of_label, bottom: label, top: of_label}\n"
    )
    tested = net(
        layers.replace(
            "Input: {name: input, top: [data, label], shape: [{dim: [4, 3]}, {dim: [4]}]}",
            "DummyData: {name: input, top: [data, label], shape: [{dim: [4, 3]}, {dim: [4]}]}",
        ),
        TEST,
    )
    found = deployed(tested)
    assert found.phase == DEPLOY and [(layer.name, layer.type, layer.bottoms, layer.tops) for layer in found.layers] == [
        ("input", "DummyData", (), ("data",)),
        ("ip", "InnerProduct", ("data",), ("ip",)),
        ("prob", "Softmax", ("ip",), ("prob",)),
    ]
    assert found.outputs == ["prob"] and names(tested)[-1] == "of_label"


def test_what_a_loss_makes_of_scores_is_not_made_twice() -> None:
    layers = "  - DummyData: {top: [data, target], shape: [{dim: [4, 3]}, {dim: [4, 2]}]}\n  - InnerProduct: {name: ip, num_output: 2}\n"
    loss = "  - SigmoidCrossEntropyLoss: {bottom: [ip, target]}\n"
    assert deployed(net(layers + loss, TEST)).outputs == ["prob"]
    assert deployed(net(layers + loss + "  - Sigmoid: {bottom: ip, top: y}\n", TEST)).outputs == ["y"]


def test_a_loss_of_a_layers_own_counts_once_it_is_named() -> None:
    layers = INPUT + "  - RBM: {name: rbm, bottom: data, top: [h, own, error], num_output: 2}\n  - RBM: {name: plain, num_output: 2}\n"
    whole = net(layers, TRAIN)
    assert [layer.loss_weights for layer in whole.layers[1:]] == [(0.0, 1.0, 0.0), (0.0,)]
    alone = pretraining(whole, "plain", Place("here"))
    assert [(layer.name, layer.tops, layer.loss_weights, layer.phase) for layer in alone.layers[1:]] == [
        ("rbm", ("h", "own", "error"), (0.0, 0.0, 0.0), TEST),
        ("plain", ("plain", "plain 1"), (0.0, 1.0), None),
    ]


def test_the_name_of_the_scores_is_free() -> None:
    layers = "  - DummyData: {top: [data, label], shape: [{dim: [4, 3]}, {dim: [4]}]}\n"
    layers += "  - InnerProduct: {name: prob, num_output: 2}\n  - SoftmaxWithLoss\n"
    assert deployed(net(layers, TEST)).outputs == ["prob2"]


def test_a_deployed_net_takes_no_labels() -> None:
    layers = """\
  - Input: {top: [label, data, mask], shape: [{dim: 4}, {dim: [4, 3]}, {dim: [4, 2]}]}
  - Input: {name: weights, top: w, shape: {dim: 4}}
  - InnerProduct: {bottom: data, num_output: 2}
  - SoftmaxWithLoss: {bottom: [ip1, label]}
  - EuclideanLoss: {bottom: [ip1, mask], name: other}
  - Silence: {bottom: w}
"""
    found = deployed(net(layers, TEST))
    assert [(x.name, x.tops) for x in found.layers if x.type == "Input"] == [("data", ("data",)), ("weights", ("w",))]
    assert found.layers[0].param.input_param.shape[0].dim == [4, 3]


def test_scores_of_more_than_a_thousand_losses_have_names() -> None:
    layers = "  - DummyData: {top: [data, label], shape: [{dim: [4, 3]}, {dim: [4]}]}\n"
    layers += "  - InnerProduct: {name: prob3, bottom: data, num_output: 2}\n"
    block = "  - InnerProduct: {name: ip#, bottom: data, num_output: 2}\n  - SoftmaxWithLoss: {bottom: [ip#, label]}\n"
    outputs = deployed(net(layers + "".join(block.replace("#", str(k)) for k in range(1005)), TEST)).outputs
    assert len(outputs) == 1006 and {"prob", "prob2", "prob3", "prob4", "prob1006"} == {x for x in outputs if x in NAMES}


NAMES = {"prob", "prob2", "prob3", "prob4", "prob1006", "prob1007"}  # the layer itself is called prob3


SILENT = """
layer { name: "data" type: "Input" top: "data" top: "extra" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "ab" convolution_param { num_output: 2 kernel_size: 1 } }
%s
layer { name: "quiet" type: "Silence" bottom: "extra" }
"""


@pytest.mark.parametrize(
    ("rest", "outputs"),
    [
        ('layer { name: "silence" type: "Silence" bottom: "ab" }', ["ab"]),
        ('layer { name: "r" type: "ReLU" bottom: "ab" top: "r" } layer { name: "silence" type: "Silence" bottom: "ab" }', ["r"]),
    ],
)
def test_a_deployed_net_that_silences_all_its_outputs_has_them(rest: str, outputs: list[str]) -> None:
    net = deployed(resolve(parse_prototxt(SILENT % rest), "TEST"))
    assert net.outputs == outputs
